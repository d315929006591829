"""Pairs of a wasteful and a lean template, which tell what a tool catches."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from cfn_sustainability.reader import read_mapping

OWN = Path(__file__).resolve().parents[1] / "tests/unit/cfn_sustainability/pairs.yaml"


@dataclass(frozen=True)
class Pair:
    """Two templates that differ in one waste."""

    name: str
    waste: bytes
    lean: bytes


def own_pairs() -> list[Pair]:
    """Return the pairs of this repository."""
    return [
        Pair(name, *(json.dumps(pair[side], indent=1).encode() for side in ("waste", "lean")))
        for name, pair in read_mapping(OWN).body.items()
    ]


def pairs_of(folder: Path) -> list[Pair]:
    """Return the pairs of a folder: files of the same name under ``waste/`` and ``lean/``."""
    return [
        Pair(file.stem, file.read_bytes(), (folder / "lean" / file.name).read_bytes())
        for file in sorted((folder / "waste").iterdir())
    ]


def chosen_pairs() -> list[Pair]:
    """Return the pairs of the folder that ``PAIRS`` names, or those of this repository."""
    folder = os.environ.get("PAIRS")
    return pairs_of(Path(folder)) if folder else own_pairs()
