"""The checks of a verification, with their results."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """The result of one check."""

    PASSED = "passed"
    FAILED = "failed"
    UNTOLD = "unknown"
    """Neither confirmed nor refuted: a metric without a datapoint yet, for instance."""


@dataclass(frozen=True)
class Check:
    """One check: its name, its result, what was seen, and what to do about it."""

    name: str
    verdict: Verdict
    evidence: str
    cure: str = ""
