"""A Lambda bundle built without Docker: pinned wheels for arm64, our package, its prompts."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

import yaml

_ROOT = Path(__file__).resolve().parents[2]
_CACHE = _ROOT / ".build"
_PYTHON = "3.14"
_PLATFORM = "aarch64-manylinux2014"
_PROMPTED = ("rag",)
"""Packages that read the prompts."""
_LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.pyc", "requirements.*")


class BundleError(Exception):
    """A bundle that could not be built; the message says why and what to do."""


@cache
def bundle(package: str) -> Path:
    """Return the folder with everything that ``lambdas/<package>`` needs at run time.

    Wheels are fetched once for each lock file; after that no network is needed. The same sources
    give the same folder, so that an unchanged function is not deployed again.

    Raises
    ------
    BundleError
        If the wheels are neither cached nor reachable.
    """
    code = _ROOT / "lambdas" / package
    prompts = sorted((_ROOT / "prompts").glob("*.yaml")) if package in _PROMPTED else []
    target = _CACHE / f"{package}-{_digest(Path(__file__), *_files(code), *prompts)}"
    if target.exists():
        return target
    wheels = _wheels(_ROOT / "lambdas" / package / "requirements.txt")
    fresh = Path(tempfile.mkdtemp(dir=_CACHE, prefix="new-"))
    shutil.copytree(wheels, fresh, dirs_exist_ok=True)
    shutil.copytree(code, fresh / package, ignore=_LEFT_OUT)
    for prompt in prompts:
        # As JSON, which needs no package to be read at run time.
        content = json.dumps(yaml.safe_load(prompt.read_text()), indent=2)
        (fresh / "prompts").mkdir(exist_ok=True)
        (fresh / "prompts" / f"{prompt.stem}.json").write_text(content)
    return _publish(fresh, target)


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
    return _publish(fresh, target)


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


def _publish(fresh: Path, target: Path) -> Path:
    fresh.chmod(0o755)
    try:
        fresh.rename(target)
    except OSError:  # another process was faster; its folder has the same content
        shutil.rmtree(fresh)
    return target
