"""Answers that were given, one file each, so that no question is paid for twice.

A folder holds the answers of one candidate under one set of circumstances, and says in
``circumstances.json`` which. The folder's name is a digest of that, so whatever changes (the model,
the prompt, a parameter, the documents, the answer code) begins a new folder and the old one stays
as history. Neither an account nor a deployment's name is part of it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sustainability.decide.model_choice.candidates import digest
from sustainability.errors import UserError

_SHORT = 16
"""Hex digits of a name: 64 bits, among thousands of files."""


@dataclass(frozen=True)
class History:
    """The answers of one candidate under ``circumstances``."""

    root: Path
    circumstances: Mapping[str, Any]

    @property
    def folder(self) -> Path:
        """Where they are."""
        return self.root / digest(self.circumstances)[:_SHORT]

    def find(self, question: str) -> dict[str, Any] | None:
        """Return what was kept for this question.

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
        """Keep a reply; an interruption leaves the whole file or none.

        Raises
        ------
        UserError
            If the folder cannot be written.
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
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(fresh, path)
