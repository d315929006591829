"""Arranges the pinned artifacts as the folder from which OpenSearch starts."""

from __future__ import annotations

import fcntl
import hashlib
import zipfile
from pathlib import Path

from local.opensearch.artifacts import OPENSEARCH_VERSION, PINS, fetch, read_pins, repository_url

MODULES = {
    "modules/analysis-common": "org.opensearch.analysis.common.CommonAnalysisModulePlugin",
    "modules/lang-painless": "org.opensearch.painless.PainlessModulePlugin",
    "modules/transport-netty4": "org.opensearch.transport.Netty4ModulePlugin",
}
"""The modules of a single local node: HTTP, language analyzers, and the base of k-NN."""


def prepare(cache: Path) -> Path:
    """Make sure that a verified OpenSearch home is in `cache`; return it.

    A second process that prepares the same cache waits for the first.

    Raises
    ------
    UserError
        If the artifacts cannot be downloaded.
    OSError
        If a file cannot be written.
    """
    cache.mkdir(parents=True, exist_ok=True)
    pinned = hashlib.sha256(PINS.read_bytes()).hexdigest()
    home = cache / f"{OPENSEARCH_VERSION}-{pinned[:8]}"
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for part in home.rglob("*.part"):
            part.unlink()
        fetch(read_pins(PINS), home, repository_url())
        for module, plugin_class in MODULES.items():
            _write(
                home / module / "plugin-descriptor.properties", _descriptor(module, plugin_class)
            )
        for archive in home.glob("plugins/*/*.zip"):
            _unpack(archive)
    return home


def _descriptor(module: str, plugin_class: str) -> bytes:
    name = Path(module).name
    return (
        f"name={name}\n"
        f"description={name}\n"
        f"version={OPENSEARCH_VERSION}\n"
        f"opensearch.version={OPENSEARCH_VERSION}\n"
        "java.version=21\n"
        f"classname={plugin_class}\n"
    ).encode()


def _unpack(archive: Path) -> None:
    with zipfile.ZipFile(archive) as members:
        for member in members.infolist():
            content = members.read(member)
            if member.filename == "plugin-descriptor.properties":
                # The k-NN plugin extends the gRPC transport, which is not used here: the jars
                # with its interfaces are enough. The pins put them beside the plugin.
                content = content.replace(b",transport-grpc", b"")
            _write(archive.with_name(member.filename), content)


def _write(target: Path, content: bytes) -> None:
    # Correct files stay unchanged: a running server may have them open.
    if target.is_file() and target.read_bytes() == content:
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    part.write_bytes(content)
    part.replace(target)
