"""The functions' settings, read once from the environment.

Everything is required: the stack states every value, and a missing one is an error here rather
than a silent default somewhere else. Three are set only where a deployment has an inference stack:
`GENERATOR_ENDPOINT` or `GENERATOR_DEFERRED`, and `GENERATOR_FALLBACK`, which is `bedrock` unless it
is `never`. `SMALL_FIRST` is set only where something smaller is asked before the generator.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, get_args, get_type_hints

from rag.errors import SettingsError
from rag.footprint import Footprint
from rag.question import DETAILS

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class KnowledgeSettings:
    """One generation of the index: where it is, and what made it.

    `service` is the SigV4 service name: `aoss`, `es` or `s3vectors`. `table` holds what is in the
    index of each document. `model` turns text into unit vectors of `dimensions` numbers.
    """

    generation: str
    endpoint: str
    service: str
    index: str
    table: str
    model: str
    dimensions: int


@dataclass(frozen=True, slots=True)
class Limits:
    """What one answer may use (`ANSWER_SETTINGS`).

    `detail` is that of a question that states none, `max_tokens` the limit of a full answer.
    `temperature`, `top_p` and `top_k` are not sent when null. `passages`, `context_tokens` and
    `evidence_share` (of the best passage's score, 0 to 1) bound the prompt, `candidates` each of
    the two searches; `minimum_similarity` is a cosine.
    The answer ends `deadline_s` after the question; the last `generation_s` are the generator's.
    """

    detail: str
    max_tokens: int
    temperature: float | None
    top_p: float | None
    top_k: int | None
    context_tokens: int
    passages: int
    evidence_share: float
    candidates: int
    minimum_similarity: float
    cache_hours: float
    question_characters: int
    deadline_s: float
    generation_s: float


@dataclass(frozen=True, slots=True)
class EndpointSettings:
    """An endpoint that answers at once (`GENERATOR_ENDPOINT`).

    `component` is null if the endpoint hosts only one model. `thinks` means that the model
    reasons before it answers, unless the request switches this off. The generator's time has
    three parts: `look_s` to check for a running copy, `timeout_s` to wait for its answer, and the
    rest for the fallback.
    """

    endpoint: str
    component: str | None
    model: str
    thinks: bool
    look_s: float
    timeout_s: float


@dataclass(frozen=True, slots=True)
class SmallFirstSettings:
    """What is asked before the generator (`SMALL_FIRST`).

    `fit` is the share of the question's information from which a quotation is an answer, 0 to 1, or
    null if none is tried. `model` is a smaller Bedrock model, or null; its answer is taken if it is
    `grounded` at least so far.
    """

    fit: float | None
    model: str | None
    grounded: float


@dataclass(frozen=True, slots=True)
class DeferralSettings:
    """A model that answers later (`GENERATOR_DEFERRED`): from a queue, or in a daily window.

    `endpoint` is the queue's endpoint, or null if a window answers. `model` is null if Bedrock
    answers the window's questions.
    """

    mailbox: str
    endpoint: str | None
    model: str | None
    thinks: bool
    deadline_s: float


@dataclass(frozen=True, slots=True)
class IngestLimits:
    """How documents are cut and embedded (`INGEST_SETTINGS`)."""

    chunk_tokens: int
    overlap_tokens: int
    max_document_mb: float
    embedding_concurrency: int


@dataclass(frozen=True, slots=True)
class AnswerSettings:
    """Settings of the answer function."""

    knowledge: Sequence[KnowledgeSettings]
    generator_model: str
    endpoint: EndpointSettings | None
    deferral: DeferralSettings | None
    small_first: SmallFirstSettings | None
    bedrock_may_answer: bool
    answers_table: str
    prompt: str
    limits: Limits
    footprint: Footprint
    deployment: str

    @classmethod
    def load(cls, environ: Mapping[str, str]) -> AnswerSettings:
        """Read the settings. Raises `SettingsError` naming the variable at fault."""
        endpoint, deferral = _endpoint(environ), _deferral(environ)
        fallback = environ.get("GENERATOR_FALLBACK", "bedrock")
        if fallback not in ("bedrock", "never"):
            raise SettingsError(f"GENERATOR_FALLBACK: must be bedrock or never, is {fallback!r}")
        if fallback == "never" and endpoint is None and (deferral is None or not deferral.model):
            raise SettingsError(
                "GENERATOR_FALLBACK: never needs a GENERATOR_ENDPOINT or a GENERATOR_DEFERRED that "
                "names a model"
            )
        limits = _record(environ, "ANSWER_SETTINGS", Limits)
        if limits.detail not in DETAILS:
            raise SettingsError(f"ANSWER_SETTINGS: detail: must be {' or '.join(DETAILS)}")
        if not 0 < limits.generation_s < limits.deadline_s:
            raise SettingsError("ANSWER_SETTINGS: generation_s: must be above 0, below deadline_s")
        if endpoint and endpoint.look_s + endpoint.timeout_s > limits.generation_s:
            raise SettingsError(
                "GENERATOR_ENDPOINT: timeout_s: with look_s at most generation_s, "
                f"{limits.generation_s:g}, is {endpoint.timeout_s:g}"
            )
        footprint, small_first = _footprint(environ), _small_first(environ)
        if small_first and small_first.model and footprint.small is None:
            raise SettingsError("FOOTPRINT: small: missing, and SMALL_FIRST has a model")
        if (endpoint or (deferral and deferral.model)) and footprint.endpoint is None:
            raise SettingsError("FOOTPRINT: endpoint: missing, and there is an endpoint")
        return cls(
            knowledge=_knowledge(environ),
            generator_model=_text(environ, "GENERATOR_MODEL"),
            endpoint=endpoint,
            deferral=deferral,
            small_first=small_first,
            bedrock_may_answer=fallback == "bedrock",
            answers_table=_text(environ, "ANSWERS_TABLE"),
            prompt=_text(environ, "PROMPT"),
            limits=limits,
            footprint=footprint,
            deployment=_text(environ, "DEPLOYMENT"),
        )


@dataclass(frozen=True, slots=True)
class IngestSettings:
    """Settings of the ingest function."""

    knowledge: Sequence[KnowledgeSettings]
    documents_bucket: str
    queue_url: str
    dead_letter_queue_url: str
    limits: IngestLimits
    deployment: str
    metrics: tuple[str, ...]
    """The names of the values that are sent to CloudWatch as metrics."""

    @classmethod
    def load(cls, environ: Mapping[str, str]) -> IngestSettings:
        """Read the settings. Raises `SettingsError` naming the variable at fault."""
        limits = _record(environ, "INGEST_SETTINGS", IngestLimits)
        if not 0 <= 2 * limits.overlap_tokens <= limits.chunk_tokens:
            raise SettingsError("INGEST_SETTINGS: overlap_tokens: at most half of chunk_tokens")
        return cls(
            knowledge=_knowledge(environ),
            documents_bucket=_text(environ, "DOCUMENTS_BUCKET"),
            queue_url=_text(environ, "INGEST_QUEUE_URL"),
            dead_letter_queue_url=_text(environ, "DEAD_LETTER_QUEUE_URL"),
            limits=limits,
            deployment=_text(environ, "DEPLOYMENT"),
            metrics=tuple(_text(environ, "METRICS").split()),
        )


def _knowledge(environ: Mapping[str, str]) -> list[KnowledgeSettings]:
    """Return the generations, the newest first."""
    name = "KNOWLEDGE"
    values = _json(environ, name)
    if not isinstance(values, list) or not values:
        raise SettingsError(f"{name}: must be a JSON list of generations, at least one")
    generations = [_checked(value, name, KnowledgeSettings) for value in values]
    for generation in generations:
        if generation.service not in ("aoss", "es", "s3vectors"):
            raise SettingsError(
                f"{name}: service: must be aoss, es or s3vectors, is {generation.service!r}"
            )
    return generations


def _endpoint(environ: Mapping[str, str]) -> EndpointSettings | None:
    name = "GENERATOR_ENDPOINT"
    if name not in environ:
        return None
    settings = _record(environ, name, EndpointSettings)
    for field, seconds in (("look_s", settings.look_s), ("timeout_s", settings.timeout_s)):
        if not seconds > 0:
            raise SettingsError(f"{name}: {field}: must be above 0, is {seconds}")
    return settings


def _deferral(environ: Mapping[str, str]) -> DeferralSettings | None:
    name = "GENERATOR_DEFERRED"
    if name not in environ:
        return None
    settings = _record(environ, name, DeferralSettings)
    if settings.endpoint and not settings.model:
        raise SettingsError(f"{name}: an endpoint needs a model")
    if not settings.deadline_s > 0:
        raise SettingsError(f"{name}: deadline_s: must be above 0, is {settings.deadline_s}")
    return settings


def _small_first(environ: Mapping[str, str]) -> SmallFirstSettings | None:
    name = "SMALL_FIRST"
    return _record(environ, name, SmallFirstSettings) if name in environ else None


def _footprint(environ: Mapping[str, str]) -> Footprint:
    try:
        return Footprint.parse(_json(environ, "FOOTPRINT"))
    except (KeyError, TypeError, ValueError) as error:
        raise SettingsError(f"FOOTPRINT: {error}") from error


def _text(environ: Mapping[str, str], name: str) -> str:
    value = environ.get(name, "").strip()
    if not value:
        raise SettingsError(f"{name}: not set")
    return value


def _json(environ: Mapping[str, str], name: str) -> Any:
    try:
        return json.loads(_text(environ, name))
    except ValueError as error:
        raise SettingsError(f"{name}: not JSON: {error}") from error


def _record(environ: Mapping[str, str], name: str, kind: type[T]) -> T:
    return _checked(_json(environ, name), name, kind)


def _checked(values: Any, name: str, kind: type[T]) -> T:
    hints = get_type_hints(kind)
    if not isinstance(values, dict):
        raise SettingsError(f"{name}: must be a JSON object")
    for key in values.keys() ^ hints.keys():
        raise SettingsError(f"{name}: {key}: {'missing' if key in hints else 'unknown'}")
    for key, hint in hints.items():
        allowed = get_args(hint) or (hint,)
        value = values[key]
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not (
            (is_number and (float in allowed or (int in allowed and isinstance(value, int))))
            or (str in allowed and isinstance(value, str) and value.strip())
            or (bool in allowed and isinstance(value, bool))
            or (value is None and type(None) in allowed)
        ):
            raise SettingsError(f"{name}: {key}: must be {hint}, is {value!r}")
    return kind(**values)
