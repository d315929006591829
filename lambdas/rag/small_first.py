"""Smaller generators that are asked before the generator, and when their answer is taken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rag.generation import Generation, Generator


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A smaller generator. Its answer is taken if it is `grounded` at least as far as stated.

    It answers only questions of these `details`, and is asked only if `seconds` are left before
    the generator's own time begins. `metric` counts the answers that are taken.
    """

    generator: Generator
    grounded: float
    details: Sequence[str]
    seconds: float
    metric: str


@dataclass(frozen=True, slots=True)
class Attempt:
    """What a smaller generator said. `grounded` is None if it refused."""

    generation: Generation
    grounded: float | None
    accepted: bool

    def as_json(self) -> dict[str, object]:
        """Return it for a response."""
        return {
            "model": self.generation.model,
            "accepted": self.accepted,
            "grounded": self.grounded,
            "input_tokens": self.generation.input_tokens,
            "output_tokens": self.generation.output_tokens,
        }
