"""What the wire shapes ask of a model, and what they get."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

Role = Literal["system", "user", "assistant"]
StoppedBy = Literal["model", "max_tokens", "stop_sequence"]

DEFAULT_MAX_TOKENS = 256
"""The limit if the request has none. Models in the cloud have their own, thousands of tokens."""


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: Role
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """A conversation to continue, and how. What is None is the model's to choose."""

    messages: Sequence[Message]
    max_tokens: int = DEFAULT_MAX_TOKENS
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """What a generator wrote, and why it stopped; tokens by its own tokenizer."""

    text: str
    stopped_by: StoppedBy
    stop_sequence: str | None = None
    input_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True)
class Embedding:
    """A text's vector, of any length, and the tokens that were read for it."""

    vector: Sequence[float]
    tokens: int


class Generator(Protocol):
    """Continues conversations; requests beyond what it can do at once wait."""

    @property
    def name(self) -> str:
        """The model's name, which goes with every response."""
        ...

    def generate(self, prompt: Prompt) -> Completion:
        """Write the next turn. Raises `ServiceError` in Bedrock's words."""
        ...


class Embedder(Protocol):
    """Turns texts into vectors whose cosine says how near their meanings are."""

    @property
    def name(self) -> str:
        """The model's name, which goes with every response."""
        ...

    def embed(self, texts: Sequence[str]) -> list[Embedding]:
        """Embed each text, in order."""
        ...
