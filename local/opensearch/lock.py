"""``python -m local.opensearch.lock``: pin the artifacts again, after a change of version.

Writes `artifacts.csv` for `OPENSEARCH_VERSION` and the roots below. OpenSearch's POMs name every
third-party jar and exclude what those depend on, so only OpenSearch's own POMs are followed.
"""

from __future__ import annotations

import csv
import hashlib
import sys
import urllib.request
from collections.abc import Iterator
from typing import NamedTuple
from xml.etree import ElementTree

from local.opensearch.artifacts import OPENSEARCH_VERSION, PINS, repository_url


class Coordinates(NamedTuple):
    """A file's Maven coordinates."""

    group: str
    name: str
    version: str
    extension: str = "jar"

    def path(self, extension: str | None = None) -> str:
        """Path in a Maven repository."""
        file = f"{self.name}-{self.version}.{extension or self.extension}"
        return f"{self.group.replace('.', '/')}/{self.name}/{self.version}/{file}"


_SERVER, _PLUGIN = "org.opensearch", "org.opensearch.plugin"
ROOTS = {
    "lib": [
        Coordinates(_SERVER, "opensearch", OPENSEARCH_VERSION),
        Coordinates(_SERVER, "opensearch-plugin-classloader", OPENSEARCH_VERSION),
        Coordinates(_SERVER, "opensearch-agent-bootstrap", OPENSEARCH_VERSION),
        # Thai word breaks for analysis-common, which the Java of the wheel lacks.
        Coordinates("com.ibm.icu", "icu4j", "77.1"),
        Coordinates("com.ibm.icu", "icu4j-localespi", "77.1"),
    ],
    "modules/analysis-common": [Coordinates(_PLUGIN, "analysis-common", OPENSEARCH_VERSION)],
    "modules/lang-painless": [Coordinates(_PLUGIN, "lang-painless", OPENSEARCH_VERSION)],
    "modules/transport-netty4": [
        Coordinates(_PLUGIN, "transport-netty4-client", OPENSEARCH_VERSION)
    ],
    "plugins/opensearch-knn": [
        Coordinates(_PLUGIN, "opensearch-knn", f"{OPENSEARCH_VERSION}.0", "zip"),
        # The plugin uses these from the gRPC transport, which is not installed.
        Coordinates(_PLUGIN, "transport-grpc-spi", OPENSEARCH_VERSION),
        Coordinates("com.google.guava", "guava", "33.2.1-jre"),
        Coordinates("com.google.guava", "failureaccess", "1.0.2"),
    ],
}
# Native HTTP/3 code for five platforms, which plain HTTP does not need.
_LEFT_OUT = {"netty-codec-native-quic"}


def main() -> None:
    """Resolve, download and hash; write the pins if all of it succeeds."""
    repository = repository_url()
    in_library: set[tuple[str, str]] = set()
    pins = []
    for directory, roots in ROOTS.items():
        closure = {found[:2]: found for root in roots for found in _closure(root, repository)}
        for key in sorted(closure.keys() - in_library):
            path = closure[key].path()
            print(path, file=sys.stderr)
            content = _get(repository, path)
            pins.append([directory, path, len(content), hashlib.sha256(content).hexdigest()])
        if directory == "lib":
            in_library = set(closure)
    with PINS.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["directory", "path", "size", "sha256"])
        writer.writerows(pins)


def _closure(root: Coordinates, repository: str) -> Iterator[Coordinates]:
    yield root
    if not root.group.startswith(_SERVER) or root.extension != "jar":
        return
    project = ElementTree.fromstring(_get(repository, root.path("pom")))
    for dependency in project.iterfind("{*}dependencies/{*}dependency"):
        name, scope, classifier = (
            dependency.findtext(f"{{*}}{tag}", "") for tag in ("artifactId", "scope", "classifier")
        )
        if scope in ("compile", "runtime") and not classifier and name not in _LEFT_OUT:
            group, version = (
                dependency.findtext(f"{{*}}{tag}", "") for tag in ("groupId", "version")
            )
            yield from _closure(Coordinates(group, name, version), repository)


def _get(repository: str, path: str) -> bytes:
    with urllib.request.urlopen(f"{repository}/{path}", timeout=60) as response:
        return bytes(response.read())


if __name__ == "__main__":
    main()
