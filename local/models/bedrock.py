"""Amazon Bedrock Runtime: Converse, and InvokeModel for text embeddings."""

from __future__ import annotations

import math
import re
import uuid
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Field

from local.models.aws import check_converse, invalid
from local.models.body import Body
from local.models.contracts import (
    DEFAULT_MAX_TOKENS,
    Completion,
    Embedding,
    Message,
    Prompt,
)

_MODEL_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,2047}")
_TITAN_TOKENS = 8192
_STOP_REASONS = {"model": "end_turn", "max_tokens": "max_tokens", "stop_sequence": "stop_sequence"}
_IGNORED = ("requestMetadata", "performanceConfig", "serviceTier")
_SUPPORTED = (
    "modelId",
    "messages",
    "system",
    "inferenceConfig",
    "additionalModelRequestFields",
    *_IGNORED,
)


class _NovaInference(Body):
    topK: int | None = Field(default=None, ge=0, le=128)


class _AdditionalFields(Body):
    """Top-k, for which Converse has no field, as Claude and Nova write it."""

    top_k: int | None = Field(default=None, ge=0, le=500)
    inferenceConfig: _NovaInference = _NovaInference()


class Titan(Body):
    """The request format of Titan Text Embeddings V2."""

    inputText: str = Field(min_length=1, max_length=50_000)
    dimensions: Literal[256, 512, 1024] = 1024
    normalize: bool = True
    embeddingTypes: list[Literal["float"]] = Field(default=["float"], min_length=1)

    @property
    def inputs(self) -> list[str]:
        """The texts to embed: one."""
        return [self.inputText]

    def response(self, embeddings: Sequence[Embedding]) -> dict[str, Any]:
        """Return the body of the response. Raises `ServiceError` if the text is too long."""
        if embeddings[0].tokens > _TITAN_TOKENS:
            raise invalid(
                f"400 Bad Request: Too many input tokens. Max input tokens: {_TITAN_TOKENS}, "
                f"request input token count: {embeddings[0].tokens}"
            )
        vector = fit(embeddings[0].vector, self.dimensions, normalize=self.normalize)
        return {
            "embedding": vector,
            "embeddingsByType": {"float": vector},
            "inputTextTokenCount": embeddings[0].tokens,
        }


class Cohere(Body):
    """The request format of the Cohere Embed models.

    The local model reads every text completely, ignores `truncate`, and treats questions and
    documents alike.
    """

    texts: list[Annotated[str, Field(min_length=1)]] = Field(min_length=1, max_length=96)
    input_type: Literal["search_document", "search_query", "classification", "clustering"]
    embedding_types: list[Literal["float"]] | None = Field(default=None, min_length=1)
    truncate: str
    output_dimension: int

    @property
    def inputs(self) -> list[str]:
        """The texts to embed."""
        return self.texts

    def response(self, embeddings: Sequence[Embedding]) -> dict[str, Any]:
        """Return the body of the response."""
        vectors = [fit(embedding.vector, self.output_dimension) for embedding in embeddings]
        typed = self.embedding_types is not None
        return {
            "id": str(uuid.uuid4()),
            "texts": self.texts,
            "embeddings": {"float": vectors} if typed else vectors,
            "response_type": "embeddings_by_type" if typed else "embeddings_floats",
        }


class CohereV3(Cohere):
    """Embed 3: short texts, and one size of vector."""

    texts: list[Annotated[str, Field(min_length=1, max_length=2048)]] = Field(
        min_length=1, max_length=96
    )
    truncate: Literal["NONE", "START", "END"] = "NONE"
    output_dimension: Literal[1024] = 1024


class CohereV4(Cohere):
    """Embed 4."""

    truncate: Literal["NONE", "LEFT", "RIGHT"] = "NONE"
    output_dimension: Literal[256, 512, 1024, 1536] = 1536


def check_model_id(model: str) -> None:
    """Raise Bedrock's error for an impossible model identifier."""
    if not _MODEL_ID.fullmatch(model):
        raise invalid("The provided model identifier is invalid.")


def read_converse(model: str, body: dict[str, Any]) -> Prompt:
    """Read a Converse request. Raises `ServiceError` for what is invalid or not supported."""
    if "modelId" in body:
        raise invalid("modelId: belongs into the path")
    check_converse({"modelId": model, **body})
    if "embed" in model:
        raise invalid("This action doesn't support the model that you provided: it embeds text.")
    if beyond := sorted(body.keys() - set(_SUPPORTED)):
        raise invalid(f"The local stand-in does not support {', '.join(beyond)}.")
    inference = body.get("inferenceConfig", {})
    additional = _AdditionalFields.of(body.get("additionalModelRequestFields", {}))
    top_k = additional.inferenceConfig.topK if additional.top_k is None else additional.top_k
    return Prompt(
        messages=_messages(body.get("system", []), body.get("messages", [])),
        max_tokens=inference.get("maxTokens", DEFAULT_MAX_TOKENS),
        temperature=inference.get("temperature"),
        top_p=inference.get("topP"),
        top_k=top_k,
        stop=tuple(inference.get("stopSequences", ())),
    )


def converse_response(completion: Completion, latency_s: float) -> dict[str, Any]:
    """Return the body of a Converse response."""
    return {
        "output": {"message": {"role": "assistant", "content": [{"text": completion.text}]}},
        "stopReason": _STOP_REASONS[completion.stopped_by],
        "usage": {
            "inputTokens": completion.input_tokens,
            "outputTokens": completion.output_tokens,
            "totalTokens": completion.input_tokens + completion.output_tokens,
        },
        "metrics": {"latencyMs": round(latency_s * 1000)},
    }


def read_invoke(model: str, data: bytes) -> Titan | Cohere:
    """Read an InvokeModel request.

    Raises
    ------
    ServiceError
        ValidationException for a model without a local one, or for an invalid body.
    """
    if "titan-embed-text-v2" in model:
        return Titan.read(data)
    if "cohere.embed" in model:
        return (CohereV4 if "embed-v4" in model else CohereV3).read(data)
    raise invalid(
        "The local stand-in serves InvokeModel for amazon.titan-embed-text-v2:0 and Cohere Embed "
        "only; generate text with Converse."
    )


def fit(vector: Sequence[float], dimensions: int, *, normalize: bool = True) -> list[float]:
    """Cut a vector to its first dimensions, or pad it with zeros, which does not change cosines."""
    kept = vector[:dimensions]
    length = math.hypot(*kept) if normalize else 1.0
    return [number / length for number in kept] + [0.0] * (dimensions - len(kept))


def _messages(
    system: Sequence[dict[str, Any]], messages: Sequence[dict[str, Any]]
) -> list[Message]:
    roles = [message["role"] for message in messages]
    if roles != ["user", *["assistant", "user"] * (len(roles) // 2)]:
        raise invalid(
            "A conversation must start with a user message, alternate between user and assistant "
            "roles and end with a user message."
        )
    conversation = [
        Message(message["role"], _text(message["content"], f"messages[{index}].content"))
        for index, message in enumerate(messages)
    ]
    if any(not message.text.strip() for message in conversation):
        raise invalid("The text field in the ContentBlock object is blank.")
    instructions = _text(system, "system")
    return [*([Message("system", instructions)] if instructions else []), *conversation]


def _text(blocks: Sequence[dict[str, Any]], path: str) -> str:
    parts = []
    for index, block in enumerate(blocks):
        match block:
            case {"text": text} | {"guardContent": {"text": {"text": text}}}:
                parts.append(text)
            case {"cachePoint": _}:  # marks the end of a cached prefix, adds nothing to the prompt
                pass
            case _:
                raise invalid(
                    f"{path}[{index}]: the local model accepts text, not {', '.join(block)}"
                )
    return "\n".join(parts)
