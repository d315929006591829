"""The interface between the request formats and a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

Role = Literal["system", "user", "assistant"]
StoppedBy = Literal["model", "max_tokens", "stop_sequence"]

DEFAULT_MAX_TOKENS = 256
"""The limit if the request has none. Cloud models have defaults of thousands of tokens."""


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: Role
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """A conversation to continue, and its parameters. None means the model's default."""

    messages: Sequence[Message]
    max_tokens: int = DEFAULT_MAX_TOKENS
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """The text of a generator, and why it stopped; tokens by its own tokenizer."""

    text: str
    stopped_by: StoppedBy
    stop_sequence: str | None = None
    input_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True)
class Embedding:
    """A text's vector, of any length, and the number of tokens that were read."""

    vector: Sequence[float]
    tokens: int


class Generator(Protocol):
    """Continues conversations. Requests above its concurrency wait."""

    @property
    def name(self) -> str:
        """The model's name, which is in every response."""
        ...

    def generate(self, prompt: Prompt) -> Completion:
        """Write the next turn. Raises `ServiceError` with Bedrock's messages."""
        ...


class Embedder(Protocol):
    """Turns texts into vectors. The cosine of two vectors shows how similar the texts are."""

    @property
    def name(self) -> str:
        """The model's name, which is in every response."""
        ...

    def embed(self, texts: Sequence[str]) -> list[Embedding]:
        """Embed each text, in order."""
        ...
