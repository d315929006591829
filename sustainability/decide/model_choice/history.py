"""Stored answers, one file each, so that no question is paid for twice.

A folder contains the answers of one candidate under one set of circumstances, which
``circumstances.json`` lists. The name of the folder is a digest of them. If any of them changes
(model, prompt, parameters, documents, answer code), a new folder begins and the old one is kept.
The AWS account and the name of the deployment are not part of the circumstances.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sustainability.deployment.prompts import digest
from sustainability.errors import UserError

_SHORT = 16
"""Hex digits of a name: 64 bits, enough for thousands of files."""


@dataclass(frozen=True)
class History:
    """The answers of one candidate under ``circumstances``."""

    root: Path
    circumstances: Mapping[str, Any]

    @property
    def folder(self) -> Path:
        """The folder of these answers."""
        return self.root / digest(self.circumstances)[:_SHORT]

    def find(self, question: str) -> dict[str, Any] | None:
        """Return the stored reply to this question, or ``None``.

        Raises
        ------
        UserError
            If the file is damaged.
        """
        path = self._path(question)
        try:
            kept: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise UserError(f"{path}: {error}; delete the file to ask again") from error
        return kept

    def keep(self, question: str, reply: Mapping[str, Any]) -> None:
        """Store a reply. An interruption leaves a complete file or none.

        Raises
        ------
        UserError
            If the folder is not writable.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            _write(self.folder / "circumstances.json", self.circumstances)
            _write(self._path(question), reply)
        except OSError as error:
            raise UserError(f"{error.filename}: {error.strerror}; see --history") from error

    def _path(self, question: str) -> Path:
        return self.folder / f"{digest(question)[:_SHORT]}.json"


def _write(path: Path, content: Mapping[str, Any]) -> None:
    write_whole(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def write_whole(path: Path, text: str) -> None:
    """Write a file. An interruption leaves the new one or the one before."""
    fresh = path.with_suffix(".new")
    fresh.write_text(text, encoding="utf-8")
    os.replace(fresh, path)
