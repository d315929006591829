"""The generator on Amazon Bedrock: one Converse call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from rag.clients import asked

BEDROCK, ENDPOINT = "bedrock", "endpoint"
"""Who served an answer."""


@dataclass(frozen=True, slots=True)
class Generation:
    """The text of a generator, its name, and the number of tokens.

    `awake_s` are the seconds for which it keeps an endpoint awake that would sleep without it.
    `is_small` says that it is of a smaller generator, which was asked before the generator.
    """

    text: str
    model: str
    served_by: str
    input_tokens: int
    output_tokens: int
    truncated: bool
    awake_s: float = 0
    is_small: bool = False


class Generator(Protocol):
    """Anything that can answer a prompt."""

    def generate(self, system: str, user: str, *, max_tokens: int) -> Generation:
        """Answer the prompt in at most `max_tokens`."""
        ...


class Shape(Protocol):
    """How a prompt is sent to a model, and how its answer is parsed."""

    def request(self, system: str, user: str, *, max_tokens: int) -> dict[str, Any]:
        """Return the request for an answer in at most `max_tokens`."""
        ...

    def read(self, answer: Any) -> Generation:
        """Read the answer; of another form, it is an error of Python's own kinds."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Converse:
    """The shape of Bedrock's Converse, the same for all models; None is not sent."""

    model: str
    temperature: float | None
    top_p: float | None
    top_k: int | None

    def request(self, system: str, user: str, *, max_tokens: int) -> dict[str, Any]:
        """Return the request, without the model's id."""
        inference: dict[str, Any] = {"maxTokens": max_tokens}
        if self.temperature is not None:
            inference["temperature"] = self.temperature
        # Claude from 4.5 on refuses the two together.
        if self.top_p is not None and not ("anthropic." in self.model and len(inference) > 1):
            inference["topP"] = self.top_p
        return {
            "system": [{"text": system}],
            "messages": [{"role": "user", "content": [{"text": user}]}],
            "inferenceConfig": inference,
            "additionalModelRequestFields": self._top_k(),
        }

    def read(self, answer: Any) -> Generation:
        """Read the answer."""
        usage = answer["usage"]
        content = answer["output"]["message"]["content"]
        return Generation(
            text="".join(block.get("text", "") for block in content).strip(),
            model=self.model,
            served_by=BEDROCK,
            # Bedrock does not count cached prompt tokens among the input tokens.
            input_tokens=usage["inputTokens"]
            + usage.get("cacheReadInputTokens", 0)
            + usage.get("cacheWriteInputTokens", 0),
            output_tokens=usage["outputTokens"],
            truncated=answer["stopReason"] == "max_tokens",
        )

    def _top_k(self) -> dict[str, Any]:
        """Converse has no field for top-k: each family that knows it has its own."""
        if self.top_k is None:
            return {}
        if "amazon.nova" in self.model:
            return {"inferenceConfig": {"topK": self.top_k}}
        return {"top_k": self.top_k} if "anthropic." in self.model else {}


@dataclass(frozen=True, slots=True, kw_only=True)
class BedrockGenerator(Converse):
    """A Bedrock model or inference profile, which has `seconds` to answer."""

    client: Any
    seconds: float

    def generate(self, system: str, user: str, *, max_tokens: int) -> Generation:
        """Answer the prompt.

        Raises `Throttled`, `Unavailable` or `DeadlineExceeded`.
        """
        request = self.request(system, user, max_tokens=max_tokens)
        return asked(
            "generator",
            self.seconds,
            lambda: self.read(self.client.converse(modelId=self.model, **request)),
        )
