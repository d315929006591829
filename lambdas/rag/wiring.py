"""Builds the objects that answer a question, as the settings say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rag.answering import Answering, Index
from rag.answers import Answers
from rag.clients import client
from rag.deferral import Carrier, Deferral, Queue, Record, Window
from rag.embedding import Embedder
from rag.endpoint_generator import (
    Breaker,
    BridgedGenerator,
    ChatCompletions,
    Copies,
    EndpointGenerator,
    Fallback,
)
from rag.extractive import EXTRACTIVE, ExtractiveGenerator
from rag.generation import BedrockGenerator, Converse, Generator, Shape
from rag.prompt import Prompt
from rag.question import BRIEF, DETAILS
from rag.settings import AnswerSettings, DeferralSettings, EndpointSettings
from rag.small_first import Step
from rag.stores.kinds import open_store


def wire(settings: AnswerSettings, prompt: Prompt) -> Answering:
    """Put together what the settings name."""
    limits = settings.limits
    # A search has what the embedding leaves of this.
    before_s = limits.deadline_s - limits.generation_s
    bedrock = client("bedrock-runtime", read_timeout_s=before_s / 2, attempts=2)
    return Answering(
        answers=Answers(
            client=client("dynamodb", read_timeout_s=2, attempts=2),
            table=settings.answers_table,
            keep_hours=limits.cache_hours,
        ),
        indexes=[
            Index(
                generation=each.generation,
                table=each.table,
                embedder=Embedder(bedrock, each.model, each.dimensions, before_s),
                knowledge=open_store(each, timeout_s=before_s),
            )
            for each in settings.knowledge
        ],
        generator=_generator(settings, prompt.recipe.calls)
        if settings.deferral is None
        else _deferral(settings, settings.deferral),
        generator_name=_name(settings),
        first=_first(settings),
        prompt=prompt,
        limits=limits,
        footprint=settings.footprint,
    )


def _name(settings: AnswerSettings) -> str:
    """Return the scope of the answer cache: answers of other models are not used."""
    if settings.deferral is not None:
        return settings.deferral.model or settings.generator_model
    names = [settings.generator_model]
    if settings.endpoint:
        names.append(settings.endpoint.model)
    if small := settings.small_first:
        names.append(f"after {small.fit} {small.model} {small.grounded}")
    return " ".join(names)


def _first(settings: AnswerSettings) -> list[Step]:
    small, limits = settings.small_first, settings.limits
    if small is None or settings.deferral is not None:
        return []
    steps = []
    if small.fit is not None:
        # A quotation has two sentences at most, so it is no full answer.
        quoting = ExtractiveGenerator(small.fit)
        steps.append(
            Step(generator=quoting, grounded=0, details=[BRIEF], seconds=0, metric="QuotedAnswers")
        )
    if small.model is not None:
        # Half of what the search may take: most searches leave nearly all of it.
        seconds = (limits.deadline_s - limits.generation_s) / 2
        steps.append(
            Step(
                generator=_bedrock(settings, seconds, small.model),
                grounded=small.grounded,
                details=DETAILS,
                seconds=seconds,
                metric="SmallAnswers",
            )
        )
    return steps


def _deferral(settings: AnswerSettings, later: DeferralSettings) -> Deferral:
    limits = settings.limits
    budget_s = limits.generation_s
    inference: dict[str, Any] = {
        "temperature": limits.temperature,
        "top_p": limits.top_p,
        "top_k": limits.top_k,
    }
    shape: Shape = (
        ChatCompletions(model=later.model, thinks=later.thinks, **inference)
        if later.model
        else Record(Converse(model=settings.generator_model, **inference))
    )
    carrier: Carrier = (
        Queue(
            # No second try: the first one may have queued the question without a response.
            client=client("sagemaker-runtime", read_timeout_s=budget_s * 2 / 3, attempts=1),
            endpoint=later.endpoint,
            deadline_s=later.deadline_s,
        )
        if later.endpoint
        else Window()
    )
    return Deferral(
        client=client("s3", read_timeout_s=budget_s / 6, attempts=2),
        bucket=later.mailbox,
        shape=shape,
        carrier=carrier,
        deadline_s=later.deadline_s,
    )


def _generator(settings: AnswerSettings, calls: int) -> Generator:
    if settings.generator_model == EXTRACTIVE:
        return ExtractiveGenerator()
    if settings.endpoint is None:
        return _bedrock(settings, settings.limits.generation_s / calls)
    return _bridged(settings, settings.endpoint)


def _bridged(settings: AnswerSettings, endpoint: EndpointSettings) -> BridgedGenerator:
    limits = settings.limits
    rest_s = limits.generation_s - endpoint.look_s
    return BridgedGenerator(
        endpoint=EndpointGenerator(
            client=client("sagemaker-runtime", read_timeout_s=endpoint.timeout_s, attempts=1),
            endpoint=endpoint.endpoint,
            component=endpoint.component,
            seconds=endpoint.timeout_s,
            model=endpoint.model,
            thinks=endpoint.thinks,
            temperature=limits.temperature,
            top_p=limits.top_p,
            top_k=limits.top_k,
        ),
        fallback=Fallback(
            alone=_bedrock(settings, rest_s),
            afterwards=_bedrock(settings, rest_s - endpoint.timeout_s),
        )
        if settings.bedrock_may_answer
        else None,
        is_awake=_is_awake(endpoint),
        breaker=Breaker(),
    )


def _is_awake(endpoint: EndpointSettings) -> Callable[[], bool]:
    if endpoint.component is None:
        return lambda: True  # an endpoint without components never scales to zero
    control_plane = client("sagemaker", read_timeout_s=endpoint.look_s, attempts=1)
    return Copies(control_plane, endpoint.component).awake


def _bedrock(
    settings: AnswerSettings, timeout_s: float, model: str | None = None
) -> BedrockGenerator:
    limits = settings.limits
    # No second try: the caller decides whether to ask again.
    return BedrockGenerator(
        client=client("bedrock-runtime", read_timeout_s=timeout_s, attempts=1),
        seconds=timeout_s,
        model=model or settings.generator_model,
        temperature=limits.temperature,
        top_p=limits.top_p,
        top_k=limits.top_k,
    )
