"""From a question to an answer with citations, in as few tokens as it takes."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from rag import retrieval
from rag.answers import Answer, Answers
from rag.embedding import Embedder
from rag.endpoint import ENDPOINT
from rag.errors import DeadlineExceeded, NotFound, Unavailable
from rag.footprint import Footprint, Range, Usage
from rag.generation import Generation, Generator
from rag.knowledge import Found, Knowledge, Passage
from rag.prompt import NO_ANSWER, Prompt, cite
from rag.question import Question
from rag.settings import Limits
from rag.telemetry import logger, spread

NOTHING_FOUND = "The documents do not answer this question."

GENERATION_SHARE = 0.6
"""Share of the deadline that the generator may take; without it left, it is not called."""

_EXCERPT_CHARACTERS = 300
_NO_ENERGY = Range(0, 0, 0)


@dataclass(slots=True)
class Trace:
    """The metrics of one request, filled in while it is served, complete or not at its end."""

    metrics: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Note how long the block takes, in milliseconds, even if it fails."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.metrics[name] = (time.perf_counter() - started) * 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Answering:
    """Everything an answer needs."""

    answers: Answers
    embedder: Embedder
    knowledge: Knowledge
    generator: Generator
    generator_name: str
    prompt: Prompt
    limits: Limits
    footprint: Footprint

    def answer(self, question: Question, trace: Trace) -> Answer:
        """Answer from the cache, from the documents, or say that they hold no answer.

        Raises `Throttled`, `Unavailable` and `DeadlineExceeded`.
        """
        deadline = time.monotonic() + self.limits.deadline_s
        id_ = self._identity(question)
        cached = self.answers.look_up(id_)
        if cached.answer:
            return self._reuse(cached.answer, trace) | {"question": question.text}

        with trace.timed("EmbeddingLatency"):
            vector, embedding_tokens = self.embedder.query(question.text)
        trace.metrics["EmbeddingTokens"] = embedding_tokens
        with trace.timed("RetrievalLatency"):
            found = self.knowledge.search(
                question.text, vector, question.filters, self.limits.candidates
            )
            passages = self._passages(question, found)
        generation = None
        if passages:
            if deadline - time.monotonic() < GENERATION_SHARE * self.limits.deadline_s:
                raise DeadlineExceeded("no time left for the generator")
            trace.metrics["ContextTokens"] = sum(map(retrieval.context_cost, passages))
            with trace.timed("GenerationLatency"):
                generation = self.generator.generate(
                    self.prompt.system,
                    self.prompt.user(question.text, passages),
                    max_tokens=question.max_tokens,
                )
        answer = self._compose(id_, question, passages, generation, embedding_tokens, trace)
        try:
            self.answers.put(answer, cached.version)
        except (DeadlineExceeded, Unavailable) as error:  # the tokens are spent: do not lose them
            logger.warning("answer not stored", id=id_, error=str(error))
        return answer

    def stored(self, id_: str) -> Answer:
        """Return a stored answer by its id. Raises `NotFound`."""
        answer = self.answers.get(id_)
        if not answer:
            raise NotFound("there is no answer with this id; answers are kept for a while only")
        return self._reuse(answer, Trace())

    def _identity(self, question: Question) -> str:
        limits = self.limits
        return question.identity(
            self.generator_name,
            self.prompt.fingerprint,
            self.embedder.model,
            self.embedder.dimensions,
            [limits.temperature, limits.top_p, limits.top_k],
            [limits.context_tokens, limits.passages, limits.candidates],
            limits.minimum_similarity,
        )

    def _passages(self, question: Question, found: Found) -> list[Passage]:
        if not retrieval.is_relevant(question.text, found, self.limits.minimum_similarity):
            return []
        return retrieval.select(
            retrieval.fuse(found.lexical, found.semantic),
            passages=self.limits.passages,
            context_tokens=self.limits.context_tokens,
        )

    def _compose(
        self,
        id_: str,
        question: Question,
        passages: Sequence[Passage],
        generation: Generation | None,
        embedding_tokens: int,
        trace: Trace,
    ) -> Answer:
        text, cited = cite(generation.text, len(passages)) if generation else ("", set())
        leaked = self.prompt.is_leaked_by(text)
        if leaked:
            logger.warning("answer withheld: it repeats the system prompt", id=id_)
        answered = bool(text) and NO_ANSWER not in text and not leaked
        usage = Usage(
            input_tokens=generation.input_tokens if generation else 0,
            output_tokens=generation.output_tokens if generation else 0,
            embedding_tokens=embedding_tokens,
            by_endpoint=bool(generation and generation.served_by == ENDPOINT),
        )
        trace.metrics |= {
            "InputTokens": usage.input_tokens,
            "OutputTokens": usage.output_tokens,
            "Abstentions": int(not answered),
            "OutputTruncated": int(bool(generation and generation.truncated)),
            "EndpointAnswers": int(usage.by_endpoint),
            "BedrockAnswers": int(bool(generation and generation.served_by == "bedrock")),
        }
        return {
            "id": id_,
            "question": question.text,
            "answer": text if answered else NOTHING_FOUND,
            "answered": answered,
            "citations": [
                _citation(number, passage, cited=number in cited)
                for number, passage in enumerate(passages if answered else (), start=1)
            ],
            "model": generation.model if generation else None,
            "served_by": generation.served_by if generation else None,
            "prompt_version": self.prompt.version,
            "truncated": bool(generation and generation.truncated),
            "cached": False,
            **self._cost(usage, trace),
            "saved_energy_wh": _NO_ENERGY.as_json(),
        }

    def _reuse(self, answer: Answer, trace: Trace) -> Answer:
        trace.metrics |= {"CacheHits": 1, "Abstentions": int(not answer["answered"])}
        cost = self._cost(Usage(), trace)
        spent, now = answer["energy_wh"], cost["energy_wh"]
        saved = {bound: float(f"{max(0, spent[bound] - now[bound]):.6g}") for bound in spent}
        return answer | cost | {"cached": True, "saved_energy_wh": saved}

    def _cost(self, usage: Usage, trace: Trace) -> dict[str, Any]:
        energy = self.footprint.energy_wh(usage)
        carbon = self.footprint.carbon_g(energy)
        trace.metrics |= {**spread("EnergyWh", energy), **spread("CarbonGrams", carbon)}
        return {
            "usage": {
                "input_tokens": usage.input_tokens,
                "output_tokens": usage.output_tokens,
                "embedding_tokens": usage.embedding_tokens,
            },
            "energy_wh": energy.as_json(),
            "carbon_gco2e": carbon.as_json(),
        }


def _citation(number: int, passage: Passage, *, cited: bool) -> dict[str, Any]:
    return {
        "number": number,
        "document": passage.document,
        "title": passage.title,
        "section": passage.section,
        "excerpt": passage.text[:_EXCERPT_CHARACTERS],
        "cited": cited,
    }
