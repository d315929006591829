"""The generator: one Converse call on Amazon Bedrock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from rag.clients import translated


@dataclass(frozen=True, slots=True)
class Generation:
    """What a generator said, who it was, and the tokens it took."""

    text: str
    model: str
    served_by: str
    input_tokens: int
    output_tokens: int
    truncated: bool


class Generator(Protocol):
    """Anything that can answer a prompt."""

    def generate(self, system: str, user: str, *, max_tokens: int) -> Generation:
        """Answer the prompt in at most `max_tokens`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class BedrockGenerator:
    """A Bedrock model or inference profile; parameters that are None are not sent."""

    client: Any
    model: str
    temperature: float | None
    top_p: float | None
    top_k: int | None

    def generate(self, system: str, user: str, *, max_tokens: int) -> Generation:
        """Answer the prompt.

        Raises `Throttled`, `Unavailable` or `DeadlineExceeded`.
        """
        inference: dict[str, Any] = {"maxTokens": max_tokens}
        if self.temperature is not None:
            inference["temperature"] = self.temperature
        # Claude from 4.5 on refuses the two together.
        if self.top_p is not None and not ("anthropic." in self.model and len(inference) > 1):
            inference["topP"] = self.top_p
        with translated("generator"):
            answer = self.client.converse(
                modelId=self.model,
                system=[{"text": system}],
                messages=[{"role": "user", "content": [{"text": user}]}],
                inferenceConfig=inference,
                additionalModelRequestFields=self._top_k(),
            )
        usage = answer["usage"]
        content = answer["output"]["message"]["content"]
        return Generation(
            text="".join(block.get("text", "") for block in content).strip(),
            model=self.model,
            served_by="bedrock",
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
