"""Text to unit vectors, by Amazon Titan Text Embeddings V2 or Cohere Embed on Bedrock."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal

from rag import tokens
from rag.backoff import pause_s
from rag.clients import asked
from rag.errors import DeadlineExceeded, Unavailable

Vector = list[float]

_COHERE_BATCH = 96
"""Texts per call (Bedrock user guide, model-parameters-embed)."""
_TRIES = 4
_FIRST_PAUSE_S = 0.5


@dataclass(frozen=True, slots=True)
class Embedder:
    """Embeds through a Bedrock runtime client.

    Each call has `seconds` to answer; `concurrency` bounds parallel calls.
    """

    client: Any
    model: str
    dimensions: int
    seconds: float
    concurrency: int = 1

    def query(self, text: str) -> tuple[Vector, int]:
        """Return the vector of a question, and the number of its tokens."""
        vectors, count = self._embed([text], "search_query")
        return vectors[0], count

    def documents(self, texts: Sequence[str]) -> tuple[list[Vector], int]:
        """Return the vectors of passages in their order, and the number of their tokens."""
        size = _COHERE_BATCH if self._is_cohere else 1
        batches = [texts[at : at + size] for at in range(0, len(texts), size)]
        with ThreadPoolExecutor(self.concurrency) as pool:
            results = list(pool.map(self._patiently, batches))
        return [v for vectors, _ in results for v in vectors], sum(count for _, count in results)

    def _patiently(self, batch: Sequence[str]) -> tuple[list[Vector], int]:
        """Embed passages; a call that fails or times out does not cost what was embedded before."""
        for tries in range(1, _TRIES):
            try:
                return self._embed(batch, "search_document")
            except (DeadlineExceeded, Unavailable):
                time.sleep(pause_s(tries, _FIRST_PAUSE_S))
        return self._embed(batch, "search_document")

    @property
    def _is_cohere(self) -> bool:
        return "cohere.embed" in self.model

    def _embed(
        self, texts: Sequence[str], purpose: Literal["search_query", "search_document"]
    ) -> tuple[list[Vector], int]:
        body: dict[str, Any]
        if self._is_cohere:
            body = {"texts": texts, "input_type": purpose, "embedding_types": ["float"]}
            if "embed-v4" in self.model:  # the older ones have one size, 1,024
                body["output_dimension"] = self.dimensions
        else:
            body = {"inputText": texts[0], "dimensions": self.dimensions, "normalize": True}

        def embed() -> tuple[list[Vector], int]:
            response = self.client.invoke_model(modelId=self.model, body=json.dumps(body))
            answer = json.loads(response["body"].read())
            if not self._is_cohere:
                return [_unit(answer["embedding"])], answer["inputTextTokenCount"]
            # Cohere's body has no usage; Bedrock counts in a header.
            count = response["ResponseMetadata"]["HTTPHeaders"].get(
                "x-amzn-bedrock-input-token-count"
            ) or sum(tokens.estimate(text) for text in texts)
            return [_unit(vector) for vector in answer["embeddings"]["float"]], int(count)

        vectors, count = asked("embedding model", self.seconds, embed)
        for vector in vectors:
            if len(vector) != self.dimensions:
                raise ValueError(
                    f"{self.model} returned {len(vector)} dimensions, not {self.dimensions}"
                )
        return vectors, count


def _unit(vector: Vector) -> Vector:
    """Length 1, so that the inner product the index computes is the cosine."""
    length = math.hypot(*vector)
    if not math.isfinite(length):
        raise ValueError("not numbers")
    return [number / length for number in vector]
