"""EPUB books: their chapters in reading order."""

from __future__ import annotations

from rag.chunks import Block
from rag.errors import Rejected
from rag.extract import html
from rag.extract.archive import Archive, resolve
from rag.extract.encodings import decode
from rag.extract.outline import Outline


def read(data: bytes) -> tuple[str, list[Block]]:
    """Title (of the package, else the first heading) and blocks. Raises `Rejected`."""
    archive, outline = Archive(data), Outline()
    root = archive.xml("META-INF/container.xml").find(".//rootfile")
    if root is None:
        raise Rejected("malformed", "META-INF/container.xml names no package")
    path = root.get("full-path", "")
    package = archive.xml(path)
    parts = {
        item.get("id", ""): resolve(path, item.get("href", ""))
        for item in package.iterfind("manifest/item")
    }
    _refuse_locked(archive, set(parts.values()))
    for reference in package.iterfind("spine/itemref"):
        if reference.get("linear") != "no":
            part = archive.read(parts.get(reference.get("idref", ""), ""))
            html.add(outline, decode(part, "utf-8"))
    return package.findtext("metadata/title", "") or outline.title, outline.close()


def _refuse_locked(archive: Archive, parts: set[str]) -> None:
    """Refuse a book whose chapters are encrypted; many that are free have locked fonts."""
    encryption = "META-INF/encryption.xml"
    if encryption in archive.names:
        locked = {item.get("URI", "") for item in archive.xml(encryption).iter("CipherReference")}
        if any(part in parts and part.endswith("html") for part in locked):
            raise Rejected("encrypted", "protected against copying; only its own shop can open it")
