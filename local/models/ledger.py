"""Counts the models' work, so that a test can see which work a change repeats."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from typing import Any

from local.models.contracts import Completion, Embedding, Prompt


class Ledger:
    """Counters by operation and model, and the last prompt."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counters: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        self._last_prompt: Prompt | None = None

    def asked(self, operation: str, model: str) -> None:
        """Count a request, with any result."""
        self._count(operation, model, requests=1)

    def failed(self, operation: str, model: str) -> None:
        """Count a request that got an error."""
        self._count(operation, model, errors=1)

    def generated(self, operation: str, model: str, prompt: Prompt, made: Completion) -> None:
        """Count a generator's input and output tokens."""
        self._last_prompt = prompt
        self._count(
            operation, model, input_tokens=made.input_tokens, output_tokens=made.output_tokens
        )

    def embedded(self, operation: str, model: str, made: list[Embedding]) -> None:
        """Count an embedder's input tokens."""
        tokens = sum(embedding.tokens for embedding in made)
        self._count(operation, model, texts=len(made), input_tokens=tokens)

    def as_json(self) -> dict[str, Any]:
        """Return all counters, and the last prompt's messages."""
        with self._lock:
            counters = [
                {"operation": operation, "model": model, **counter}
                for (operation, model), counter in sorted(self._counters.items())
            ]
        messages = self._last_prompt.messages if self._last_prompt else []
        last_prompt = [{"role": message.role, "text": message.text} for message in messages]
        return {"counters": counters, "last_prompt": last_prompt}

    def _count(self, operation: str, model: str, **amounts: int) -> None:
        with self._lock:
            self._counters[operation, model].update(amounts)
