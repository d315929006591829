"""Errors, delays and answers on request, so that a test can see how a client handles them."""

from __future__ import annotations

import threading
import time
from typing import Literal

from pydantic import Field, field_validator

from local.models.aws import ServiceError, error_statuses
from local.models.body import Body

Damage = Literal["garbage", "reset", "drip"]
"""A body that is no JSON, a connection that is reset, and a body that comes byte by byte."""


class Damaged(Exception):
    """The response is to be broken in a way that no service would choose."""

    def __init__(self, damage: Damage) -> None:
        super().__init__(damage)
        self.damage: Damage = damage


class Fault(Body):
    """The fault of the next `count` requests whose model or endpoint name contains `match`."""

    match: str
    error: str | None = None
    damage: Damage | None = None
    message: str = "a fault that a test asked for"
    count: int = Field(default=1, ge=1)
    delay_s: float = Field(default=0, ge=0, le=600)

    @field_validator("error")
    @classmethod
    def _is_modelled(cls, error: str | None) -> str | None:
        if error is not None and error not in error_statuses():
            raise ValueError(f"must be one of {', '.join(sorted(error_statuses()))}")
        return error


class Answer(Body):
    """The answer of models and endpoints whose name contains `match`."""

    match: str
    text: str


class Faults:
    """The faults that are still to happen, in the order of their requests."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._left: list[tuple[Fault, int]] = []
        self._answers: list[Answer] = []

    def add(self, fault: Fault) -> None:
        """Request a fault."""
        with self._lock:
            self._left.append((fault, fault.count))

    def prescribe(self, answer: Answer) -> None:
        """Set an answer, which is used until `clear`."""
        with self._lock:
            self._answers.append(answer)

    def clear(self) -> None:
        """Forget all faults and answers."""
        with self._lock:
            self._left.clear()
            self._answers.clear()

    def prescribed(self, target: str) -> str | None:
        """Return the answer that is set for this model or endpoint, if there is one."""
        with self._lock:
            return next((each.text for each in self._answers if each.match in target), None)

    def strike(self, target: str) -> None:
        """Delay, or raise the `ServiceError` or `Damaged`, that is due for this model."""
        with self._lock:
            fault = self._next(target)
        if fault is None:
            return
        time.sleep(fault.delay_s)
        if fault.error is not None:
            raise ServiceError(fault.error, fault.message)
        if fault.damage is not None:
            raise Damaged(fault.damage)

    def _next(self, target: str) -> Fault | None:
        for index, (fault, left) in enumerate(self._left):
            if fault.match in target:
                self._left[index : index + 1] = [(fault, left - 1)] if left > 1 else []
                return fault
        return None
