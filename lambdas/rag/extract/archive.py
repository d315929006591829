"""Office documents and books are ZIP files of XML."""

from __future__ import annotations

import io
import posixpath
import zipfile
from urllib.parse import unquote
from xml.etree import ElementTree

from rag.errors import Rejected

_MOST_BYTES = 400_000_000
"""Unpacked. A long book has some 10 MB; a bomb has gigabytes."""
_OLD_OFFICE = b"\xd0\xcf\x11\xe0"


class Archive:
    """The parts of a document by their paths. Raises `Rejected` for what is no such file."""

    def __init__(self, data: bytes) -> None:
        if data.startswith(_OLD_OFFICE):
            raise Rejected(
                "encrypted",
                "needs a password, or is of Office 2003 or before; save it anew without a password",
            )
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(data))
        except zipfile.BadZipFile as error:
            raise Rejected("malformed", f"not a ZIP file, as its format wants: {error}") from error
        if sum(entry.file_size for entry in self._zip.infolist()) > _MOST_BYTES:
            raise Rejected("too_complex", f"unpacks to more than {_MOST_BYTES / 1e6:.0f} MB")
        self.names = frozenset(self._zip.namelist())

    def read(self, path: str) -> bytes:
        """Return one part. Raises `Rejected` where there is none that can be read."""
        try:
            return self._zip.read(path)
        except KeyError:
            raise Rejected("malformed", f"lacks its part {path}") from None
        except (zipfile.BadZipFile, RuntimeError) as error:
            raise Rejected("malformed", f"{path} cannot be unpacked: {error}") from error

    def xml(self, path: str) -> ElementTree.Element:
        """Return one part as XML without namespaces."""
        try:
            root = ElementTree.fromstring(self.read(path))
        except ElementTree.ParseError as error:
            raise Rejected("malformed", f"{path} is not XML: {error}") from error
        for element in root.iter():
            if isinstance(element.tag, str):
                element.tag = element.tag.rpartition("}")[2]
                element.attrib = {
                    # A slide has an id of its own, and one of its relation.
                    "rel" if name.endswith("}id") else name.rpartition("}")[2]: value
                    for name, value in element.attrib.items()
                }
        return root

    def related(self, path: str) -> dict[str, tuple[str, str]]:
        """Return an Office part's relations: from id to kind and path."""
        folder, name = posixpath.split(path)
        relations = f"{folder}/_rels/{name}.rels"
        if relations not in self.names:
            return {}
        return {
            relation.get("Id", ""): (
                relation.get("Type", "").rpartition("/")[2],
                resolve(path, relation.get("Target", "")),
            )
            for relation in self.xml(relations)
        }

    def office_title(self) -> str:
        """Return the title in an Office document's properties."""
        properties = "docProps/core.xml"
        return self.xml(properties).findtext("title", "") if properties in self.names else ""


def resolve(path: str, target: str) -> str:
    """Return the path of what a part refers to."""
    return posixpath.normpath(posixpath.join("/", posixpath.dirname(path), unquote(target)))[1:]
