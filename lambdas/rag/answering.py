"""From a question to an answer with citations, with as few tokens as possible."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

from rag import recipes, retrieval
from rag.answers import LAST_OF_ENDPOINT, LAST_OF_STORE, Answer, Answers, Draft, Lookup, Pending
from rag.composing import Composer, citation, metrics, usage
from rag.deferral import Deferral, ticket
from rag.embedding import Embedder, Vector
from rag.errors import DeadlineExceeded, NotFound, Unanswered, Unavailable
from rag.footprint import Footprint, Usage
from rag.generation import ENDPOINT, Generation, Generator
from rag.prompt import Prompt
from rag.question import Question
from rag.settings import Limits
from rag.small_first import Attempt, Step
from rag.stores.store import Found, KnowledgeStore, Passage
from rag.telemetry import logger

HAND_OVER_S = 30
"""Longer than the function can run: a hand-over that is not done by then has failed."""

_LOOK_AGAIN_S = 0.25
"""Seconds between two reads of an answer that another call writes."""

_LOOKS_PER_CLAIM = 4
"""Reading the row costs less than trying to replace a writer that failed."""

_WAKING_PAUSE_S = 1
"""Between two tries of a store that wakes: it says so at once, and takes 10 to 30 s."""

_SEARCH_S = 1
"""The least that a search gets."""

_AGAIN = "ask the question again"


@dataclass(slots=True)
class Trace:
    """The metrics of one request, filled in while it is served, complete or not at its end."""

    metrics: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Record the duration of the block in milliseconds, even if it fails."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.metrics[name] = (time.perf_counter() - started) * 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """One generation of the index, and the model that made its vectors.

    `table` is its documents table, by which an answer knows whether it is complete.
    """

    generation: str
    table: str
    embedder: Embedder
    knowledge: KnowledgeStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Answering:
    """Everything an answer needs. Of the `indexes`, the newest comes first.

    The generators of `first` are smaller, and are asked before the generator in their order.
    """

    answers: Answers
    indexes: Sequence[Index]
    generator: Generator | Deferral
    generator_name: str
    first: Sequence[Step] = ()
    prompt: Prompt
    limits: Limits
    footprint: Footprint

    def answer(self, question: Question, trace: Trace) -> Answer | Pending:
        """Answer from the cache or from the documents, or state that they contain no answer.

        If answers come later, return the pending answer, or the answer if it has come.

        Raises `Throttled`, `Unavailable` and `DeadlineExceeded`.
        """
        deadline = time.monotonic() + self.limits.deadline_s
        trace.metrics |= self._composer.energy_metrics(Usage())
        ids = {index.table: self._identity(question, index) for index in self.indexes}
        cached = self.answers.look_up(ids)
        id_ = ids[cached.table]
        pending = cached.pending
        if pending and pending.draft.version == cached.version is not None:
            with suppress(Unanswered):
                return self._settle(pending, trace)
        if isinstance(self.generator, Deferral):
            return self._answer(question, id_, cached, deadline, trace)
        cached = self._claimed(id_, cached, deadline)
        try:
            return self._answer(question, id_, cached, deadline, trace)
        except BaseException:
            if cached.version is not None and not cached.answer:
                with suppress(Exception):  # the claim expires by itself; keep the first error
                    self.answers.give_up(id_, cached.version)
            raise

    def _claimed(self, id_: str, found: Lookup, deadline: float) -> Lookup:
        """Wait until the answer exists or we may write it: one of several callers writes it."""
        looks = itertools.count()
        while found.version is not None and not found.answer:
            if next(looks) % _LOOKS_PER_CLAIM == 0 and self._claim(id_, found.version):
                break
            if time.monotonic() > deadline:
                raise Unavailable("the same question is being answered", retry_after_s=1)
            time.sleep(_LOOK_AGAIN_S)
            found = self.answers.look_up({found.table: id_})
        return found

    def _claim(self, id_: str, version: int) -> bool:
        try:
            return self.answers.claim(id_, version, seconds=self.limits.deadline_s)
        except (DeadlineExceeded, Unavailable):  # without a claim, work is only repeated
            return True

    def _answer(
        self, question: Question, id_: str, cached: Lookup, deadline: float, trace: Trace
    ) -> Answer | Pending:
        if cached.answer:
            return self._reuse(cached.answer, question, Usage(), trace)
        index = next(index for index in self.indexes if index.table == cached.table)
        with trace.timed("EmbeddingLatency"):
            vector, embedding_tokens = index.embedder.query(question.text)
        trace.metrics["EmbeddingTokens"] = embedding_tokens
        with trace.timed("RetrievalLatency"):
            found = self._search(index, question, vector, deadline)
            passages = self._passages(question, found)
        awake_s = 0.0
        if self.footprint.rests_after_s:
            awake_s = self.answers.kept_awake_s(LAST_OF_STORE, self.footprint.rests_after_s)
            trace.metrics["StoreAwakeSeconds"] = awake_s
        trace.metrics["NothingFound"] = int(not passages)
        draft = Draft(
            id=id_,
            question=question.text,
            citations=[citation(number, passage) for number, passage in enumerate(passages, 1)],
            evidence=[f"{passage.source}\n{passage.text}" for passage in passages],
            prompt_version=self.prompt.version,
            embedding_tokens=embedding_tokens,
            version=cached.version,
            awake_s=awake_s,
        )
        if cached.earlier and cached.earlier.read == draft.read:
            with suppress(DeadlineExceeded, Unavailable):  # the next caller searches again
                self.answers.confirm(draft)
            return self._reuse(cached.earlier.answer, question, usage(draft, None), trace)
        generation, attempts = None, []
        if passages:
            trace.metrics["ContextTokens"] = sum(map(retrieval.context_cost, passages))
            if isinstance(self.generator, Deferral):
                request = self.generator.shape.request(
                    self.prompt.instructions(question.detail),
                    self.prompt.user(question.text, passages),
                    max_tokens=self.prompt.longest(question.max_tokens),
                )
                trace.metrics |= self._composer.energy_metrics(usage(draft, None))
                return self._defer(self.generator, draft, request, cached, trace)
            attempts = self._attempts(draft, question, passages, deadline, trace)
            if attempts and attempts[-1].accepted:
                generation = attempts.pop().generation
            else:
                generation = self._generated(self.generator, question, passages, deadline, trace)
        used = usage(draft, generation, attempts)
        answer = self._composer.compose(draft, generation, before=attempts)
        trace.metrics |= metrics(answer, used, by_small=bool(generation and generation.is_small))
        trace.metrics |= self._composer.energy_metrics(used)
        try:
            self.answers.put(answer, draft)
        except (DeadlineExceeded, Unavailable) as error:  # the tokens are spent: do not lose them
            logger.warning("answer not stored", id=id_, error=str(error))
        return answer

    def _attempts(
        self,
        draft: Draft,
        question: Question,
        passages: Sequence[Passage],
        deadline: float,
        trace: Trace,
    ) -> list[Attempt]:
        """Ask the smaller generators until an answer is taken, which is then the last one.

        One that fails or has no time left is passed over: the generator answers in its place.
        """
        attempts: list[Attempt] = []
        for step in self.first:
            left = deadline - self.limits.generation_s - time.monotonic()
            if question.detail not in step.details or left < step.seconds:
                continue
            try:
                generation = recipes.write(step.generator, self.prompt, question, passages)
            except (DeadlineExceeded, Unavailable) as error:
                logger.warning("smaller generator failed", error=str(error))
                continue
            generation = replace(generation, is_small=True)
            judged = self._composer.compose(draft, generation)
            accepted = judged["answered"] and judged["grounded"] >= step.grounded
            attempts.append(Attempt(generation, judged["grounded"], accepted))
            spent = usage(draft, None, attempts)  # also if the generator then fails
            trace.metrics |= self._composer.energy_metrics(spent) | {
                step.metric: int(accepted),
                "SmallInputTokens": spent.small_input_tokens,
                "SmallOutputTokens": spent.small_output_tokens,
            }
            if accepted:
                break
        return attempts

    def _generated(
        self,
        generator: Generator,
        question: Question,
        passages: Sequence[Passage],
        deadline: float,
        trace: Trace,
    ) -> Generation:
        if deadline - time.monotonic() < self.limits.generation_s:
            raise DeadlineExceeded("no time left for the generator")
        with trace.timed("GenerationLatency"):
            generation = recipes.write(generator, self.prompt, question, passages)
        return self._kept_awake(generation, trace)

    def _kept_awake(self, generation: Generation, trace: Trace) -> Generation:
        """Note for how long the answer keeps an endpoint awake that would sleep without it."""
        endpoint = self.footprint.endpoint
        if generation.served_by != ENDPOINT or endpoint is None or not endpoint.rests_after_s:
            return generation
        awake_s = self.answers.kept_awake_s(LAST_OF_ENDPOINT, endpoint.rests_after_s)
        trace.metrics["EndpointAwakeSeconds"] = awake_s
        return replace(generation, awake_s=awake_s)

    def _reuse(self, answer: Answer, question: Question, used: Usage, trace: Trace) -> Answer:
        trace.metrics |= {"CacheHits": 1, "Abstentions": int(not answer["answered"])}
        trace.metrics |= self._composer.energy_metrics(used)
        return self._composer.reuse(answer, used) | {"question": question.text}

    def _search(self, index: Index, question: Question, vector: Vector, deadline: float) -> Found:
        """Search, and wait for a store that wakes for as long as the generator's time allows."""
        last = deadline - self.limits.generation_s
        while True:
            try:
                return index.knowledge.search(
                    retrieval.search_text(question.text),
                    vector,
                    question.filters,
                    self.limits.candidates,
                    seconds=max(last - time.monotonic(), _SEARCH_S),
                )
            except Unavailable:
                if time.monotonic() + _WAKING_PAUSE_S + _SEARCH_S > last:
                    raise
                time.sleep(_WAKING_PAUSE_S)

    def stored(self, id_: str, trace: Trace) -> Answer | Pending:
        """Return an answer by its id, stored or to come. Raises `NotFound` and `Unanswered`."""
        answer = self.answers.get(id_)
        if not answer:
            raise NotFound("there is no answer with this id; answers are kept for a while only")
        if isinstance(answer, Pending):
            return self._settle(answer, trace)
        return self._composer.reuse(answer, Usage())

    def retry_after_s(self, pending: Pending) -> int:
        """Return when to poll again: after a tenth of the time waited so far."""
        waited = self.answers.clock() - pending.asked_at
        return round(min(max(waited / 10, 5), 600))

    def _defer(
        self,
        deferral: Deferral,
        draft: Draft,
        request: dict[str, Any],
        found: Lookup,
        trace: Trace,
    ) -> Answer | Pending:
        """Store a pending answer, then hand over the prompt: only one of two callers does so."""
        now = int(self.answers.clock())
        pending = Pending(
            draft=draft,
            ticket=ticket(draft.id, request),
            asked_at=now,
            expected_by=now + int(deferral.deadline_s),
        )
        if found.pending and found.pending.ticket == pending.ticket:
            with suppress(Unanswered):
                return self._settle(replace(found.pending, draft=draft), trace)
        if not self.answers.announce(pending, instead_of=found.pending):
            with suppress(NotFound, Unanswered):
                return self.stored(draft.id, trace)
            raise Unavailable("another request asks the same question at this moment")
        try:
            place = deferral.hand_over(pending.ticket, request)
        except Exception:
            self.answers.withdraw(pending)
            raise
        pending = replace(pending, place=place)
        self.answers.handed_over(pending)
        return pending

    def _settle(self, pending: Pending, trace: Trace) -> Answer | Pending:
        """Return the answer if it has come. Raises `Unanswered` if it will not come."""
        if not isinstance(self.generator, Deferral):
            raise Unanswered(f"answers do not come later any more; {_AGAIN}")
        now = self.answers.clock()
        if pending.place is None:
            if now > pending.asked_at + HAND_OVER_S:
                raise Unanswered(f"the question did not reach the model; {_AGAIN}")
            return pending
        generation = self.generator.fetch(pending.place, since=pending.asked_at)
        if generation is None:
            if now > pending.expected_by:
                raise Unanswered(f"the model has not answered in time; {_AGAIN}")
            return pending
        answer = self._composer.compose(pending.draft, generation, requests=2)
        if self.answers.finish(pending, answer):  # what two fetch at once was spent but once
            spent = replace(
                usage(pending.draft, generation), embedding_tokens=0, searches=0, awake_s=0
            )
            trace.metrics |= metrics(answer, spent) | self._composer.energy_metrics(spent)
        return answer

    @property
    def _composer(self) -> Composer:
        return Composer(self.prompt, self.footprint)

    def _identity(self, question: Question, index: Index) -> str:
        limits = self.limits
        return question.identity(
            self.generator_name,
            self.prompt.fingerprint,
            index.generation,
            [limits.temperature, limits.top_p, limits.top_k],
            [limits.context_tokens, limits.passages, limits.candidates, limits.evidence_share],
            limits.minimum_similarity,
        )

    def _passages(self, question: Question, found: Found) -> list[Passage]:
        if not retrieval.is_relevant(question.text, found, self.limits.minimum_similarity):
            return []
        return retrieval.select(
            retrieval.fuse(found.lexical, found.semantic),
            passages=self.limits.passages,
            context_tokens=self.limits.context_tokens,
            evidence_share=self.limits.evidence_share,
        )
