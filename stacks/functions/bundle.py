"""A Lambda bundle, built without Docker: pinned wheels for arm64, our package and its prompts."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

import yaml

_ROOT = Path(__file__).resolve().parents[2]
_CACHE = _ROOT / ".build"
_PYTHON = "3.14"
_PLATFORM = "aarch64-manylinux2014"
_PROMPTED = ("rag",)
"""Packages that read the prompts."""


class Bundle(NamedTuple):
    """A zip file and a digest of its sources, which is the same on every machine."""

    archive: Path
    digest: str


class BundleError(Exception):
    """A bundle that could not be built. The message gives the reason and the solution."""


@cache
def bundle(package: str, requirements: str = "requirements") -> Bundle:
    """Return a zip file with everything that ``lambdas/<package>`` needs at run time.

    Wheels are downloaded once for each lock file, ``<requirements>.txt``; after that, no network is
    needed. It is one file, because each synth copies it and each deployment uploads it.

    Raises
    ------
    BundleError
        If the wheels are neither cached nor reachable.
    """
    code = _ROOT / "lambdas" / package
    lock = code / f"{requirements}.txt"
    sources = [
        file
        for file in _files(code)
        if file.parent != code or file.stem.partition("-")[0] != "requirements"
    ]
    prompts = sorted((_ROOT / "prompts").glob("*.yaml")) if package in _PROMPTED else []
    digest = _digest(Path(__file__), lock, *sources, *prompts)
    target = _CACHE / f"{package}-{digest}.zip"
    if not target.exists():
        wheels = _wheels(lock)
        contents = {
            **{file.relative_to(wheels): file.read_bytes() for file in _files(wheels)},
            **{file.relative_to(code.parent): file.read_bytes() for file in sources},
            **{Path("prompts", f"{file.stem}.json"): _as_json(file) for file in prompts},
        }
        with tempfile.TemporaryDirectory(dir=_CACHE, prefix="new-") as folder:
            _zip(contents, Path(folder, package)).rename(target)
    return Bundle(target, digest)


def programs(package: str) -> Bundle:
    """Return a zip file with the modules of a package that runs where its requirements are."""
    sources = sorted((_ROOT / package).glob("*.py"))
    digest = _digest(Path(__file__), *sources)
    target = _CACHE / f"{package}-{digest}.zip"
    if not target.exists():
        _CACHE.mkdir(exist_ok=True)
        contents = {file.relative_to(_ROOT): file.read_bytes() for file in sources}
        with tempfile.TemporaryDirectory(dir=_CACHE, prefix="new-") as folder:
            _zip(contents, Path(folder, package)).rename(target)
    return Bundle(target, digest)


def _as_json(file: Path) -> bytes:
    """Return what no package is needed to read at run time."""
    return json.dumps(yaml.safe_load(file.read_text()), indent=2).encode()


def _zip(contents: Mapping[Path, bytes], archive: Path) -> Path:
    with zipfile.ZipFile(archive, "w") as file:
        for path, content in sorted(contents.items()):
            # Without the time and the rights that this machine gave it.
            entry = zipfile.ZipInfo(path.as_posix())
            entry.external_attr = 0o644 << 16
            file.writestr(entry, content, zipfile.ZIP_DEFLATED)
    return archive


def _wheels(lock: Path) -> Path:
    target = _CACHE / f"wheels-{_digest(lock)}"
    if target.exists():
        return target
    _CACHE.mkdir(exist_ok=True)
    fresh = Path(tempfile.mkdtemp(dir=_CACHE, prefix="new-"))
    command = [
        *(sys.executable, "-m", "uv", "pip", "install", "--quiet", "--no-deps", "--require-hashes"),
        *("--python-platform", _PLATFORM, "--python-version", _PYTHON, "--only-binary", ":all:"),
        *("--target", str(fresh), "--requirements", str(lock)),
    ]
    outcome = subprocess.run(command, capture_output=True, text=True, check=False)
    if outcome.returncode:
        shutil.rmtree(fresh)
        raise BundleError(
            f"the packages of {lock.relative_to(_ROOT)} could not be fetched; run `make setup` "
            f"once with a network:\n{outcome.stderr.strip()}"
        )
    for unused in (*fresh.rglob("__pycache__"), *fresh.glob("*.dist-info"), fresh / "bin"):
        shutil.rmtree(unused, ignore_errors=True)
    (fresh / ".lock").unlink(missing_ok=True)
    try:
        fresh.rename(target)
    except OSError:  # another process was faster; its folder has the same content
        shutil.rmtree(fresh)
    return target


def _files(folder: Path) -> list[Path]:
    return sorted(
        file for file in folder.rglob("*") if file.is_file() and "__pycache__" not in file.parts
    )


def _digest(*files: Path) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.relative_to(_ROOT)}\0{file.stat().st_size}\0".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]
