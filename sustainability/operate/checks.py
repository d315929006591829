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


class Row(StrEnum):
    """What is checked, as `docs/verification.md` lists it."""

    STORE_WAKES = "the store wakes in the stated time"
    INDEXED = "a document is indexed"
    SIGNED = "the API refuses an unsigned request"
    FOUND = "a question finds it"
    CACHED = "the same question is answered from the cache"
    COST = "the run takes what was stated"
    ENDPOINT_WAKES = "the endpoint wakes in the stated time"
    ENDPOINT_ANSWERS = "the endpoint answers with the plan's latency at the plan's concurrency"
    ENDPOINT_SLEEPS = "the endpoint sleeps again"
    DELETED = "a document is deleted"
    REDRIVEN = "a dead letter goes back and is worked off"
    ROLES = "each function's role is refused what it must not do"
    QUEUE = "the queue keeps what fails, and gives it back"
    STORE_SLEEPS = "the store sleeps"
    CAPACITY = "the store's capacity over the run is counted"
    COMPILED = "the compiled model is the plan's"
    WRITTEN = "CloudWatch extracts the metrics from the functions' logs"
    ALARMS = "each alarm's metric has been published with the same dimensions"
    DASHBOARDS = "the dashboards exist"


@dataclass(frozen=True)
class Check:
    """One check: its name, its result, what was seen, and what to do about it."""

    name: Row
    verdict: Verdict
    evidence: str
    cure: str = ""
