"""Finds the models: Python packages that contain weights; some contain only data."""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from typing import Any

from sustainability.errors import UserError


def package_file(package: str, file: str) -> Path:
    """Return the path of a file in a package, without running the package's code.

    Raises
    ------
    UserError
        If it is not installed.
    """
    spec = importlib.util.find_spec(package)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder) / file
        if path.is_file():
            return path
    raise _missing(package)


def package(name: str) -> Any:
    """Import a package. Raises `UserError` if it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise _missing(name) from error


def _missing(name: str) -> UserError:
    return UserError(
        f"the local models need the Python package {name.replace('_', '-')}, which is not "
        "installed; run: make setup"
    )
