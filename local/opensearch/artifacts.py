"""The jars of the local OpenSearch: pinned, downloaded from Maven Central, verified."""

from __future__ import annotations

import csv
import hashlib
import http.client
import os
import shutil
import ssl
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from sustainability.errors import UserError

OPENSEARCH_VERSION = "3.6.0"
MAVEN_CENTRAL = "https://repo1.maven.org/maven2"
PINS = Path(__file__).with_name("artifacts.csv")

_PARALLEL_DOWNLOADS = 4
_RETRY_DELAYS = (1.0, 3.0)
_TIMEOUT = 20.0
_MB = 1_000_000
_NETWORK_ERRORS = (
    urllib.error.URLError,
    http.client.HTTPException,
    ssl.SSLError,
    ConnectionError,
    TimeoutError,
)


@dataclass(frozen=True)
class Artifact:
    """One pinned file: where it belongs, its path in a Maven repository, bytes, and hash."""

    directory: str
    path: str
    size: int
    sha256: str

    def target(self, home: Path) -> Path:
        """Return the file's path in an OpenSearch home."""
        return home / self.directory / Path(self.path).name

    def is_intact(self, home: Path) -> bool:
        """Whether the file exists with the pinned content."""
        target = self.target(home)
        if not target.is_file() or target.stat().st_size != self.size:
            return False
        return hashlib.sha256(target.read_bytes()).hexdigest() == self.sha256


def read_pins(pins: Path) -> list[Artifact]:
    """Read the pinned artifacts, as `local.opensearch.lock` wrote them."""
    with pins.open(newline="") as file:
        return [
            Artifact(row["directory"], row["path"], int(row["size"]), row["sha256"])
            for row in csv.DictReader(file)
        ]


def repository_url(settings: Path | None = None) -> str:
    """Return the repository to download from.

    `MAVEN_CENTRAL_URL` is first, then a mirror of `central` in Maven's user settings, then
    Maven Central itself.

    Raises
    ------
    UserError
        If the settings are not XML.
    """
    if url := os.environ.get("MAVEN_CENTRAL_URL"):
        return url.rstrip("/")
    return _mirror_url(settings or Path.home() / ".m2" / "settings.xml") or MAVEN_CENTRAL


def _mirror_url(settings: Path) -> str | None:
    if not settings.is_file():
        return None
    try:
        mirrors = ElementTree.parse(settings).iterfind("{*}mirrors/{*}mirror")
    except ElementTree.ParseError as error:
        raise UserError(
            f"{settings} is not valid XML ({error}): mend it, or set MAVEN_CENTRAL_URL"
        ) from error
    for mirror in mirrors:
        mirrored = {name.strip() for name in mirror.findtext("{*}mirrorOf", "").split(",")}
        if mirrored & {"*", "external:*", "central"} and "!central" not in mirrored:
            return mirror.findtext("{*}url", "").strip().rstrip("/") or None
    return None


def fetch(artifacts: Sequence[Artifact], home: Path, repository: str) -> None:
    """Download what is missing or damaged in `home`, with progress lines on stderr.

    A file gets its final name only after its hash is verified.

    Raises
    ------
    UserError
        If the network, the repository or the content fails, or the disk has too little space.
    OSError
        If a file cannot be written.
    """
    missing = [artifact for artifact in artifacts if not artifact.is_intact(home)]
    total = sum(artifact.size for artifact in missing)
    home.mkdir(parents=True, exist_ok=True)
    if (free := shutil.disk_usage(home).free) < total:
        raise UserError(
            f"{home} needs {total / _MB:.0f} MB and has {free / _MB:.0f} MB: "
            "free some space, or choose another folder with --cache"
        )
    stop = threading.Event()
    done = 0
    with ThreadPoolExecutor(_PARALLEL_DOWNLOADS) as pool:
        downloads = {
            pool.submit(_download, artifact, home, repository, stop): artifact
            for artifact in missing
        }
        try:
            for count, download in enumerate(as_completed(downloads), start=1):
                download.result()
                before, done = done, done + downloads[download].size
                if done * 10 // total > before * 10 // total:
                    print(
                        f"downloaded {count} of {len(missing)} files, "
                        f"{done / _MB:.0f} of {total / _MB:.0f} MB",
                        file=sys.stderr,
                        flush=True,
                    )
        except BaseException:
            stop.set()
            pool.shutdown(cancel_futures=True)
            raise


def _download(artifact: Artifact, home: Path, repository: str, stop: threading.Event) -> None:
    url = f"{repository}/{artifact.path}"
    for delay in (*_RETRY_DELAYS, None):
        try:
            return _download_once(artifact, artifact.target(home), url, stop)
        except _NETWORK_ERRORS as error:
            refused = isinstance(error, urllib.error.HTTPError) and error.code < 500
            if refused or delay is None or stop.wait(delay):
                raise UserError(
                    f"cannot download {url} ({error}): check the network (HTTPS_PROXY, "
                    "SSL_CERT_FILE), or set MAVEN_CENTRAL_URL to a mirror that you can reach"
                ) from error


def _download_once(artifact: Artifact, target: Path, url: str, stop: threading.Event) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    digest = hashlib.sha256()
    size = 0
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT) as response, part.open("wb") as file:
            while chunk := response.read(1 << 16):
                if stop.is_set():
                    raise ConnectionAbortedError("stopped")
                file.write(chunk)
                digest.update(chunk)
                size += len(chunk)
        if size < artifact.size:
            raise ConnectionResetError(f"ended after {size} of {artifact.size} bytes")
        if digest.hexdigest() != artifact.sha256:
            raise UserError(
                f"{url} has another sha256 than pinned in {PINS.name}: a proxy or mirror changed "
                "it; try again, or set MAVEN_CENTRAL_URL to a repository that you trust"
            )
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
