"""The CloudWatch queries, and the use that follows from their results.

Metrics of our own functions are preferred to those of the services where both exist: AWS/Bedrock
counts the tokens of the whole account, the functions those of this deployment.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from operations.settings import Sources

_OURS = "SustainableGenerativeAI"
_ACCELERATOR = "SustainableGenerativeAI/Accelerator"
_MINUTES = 60
"""Minutes in an hour: OpenSearch Serverless sends its OCUs every minute while it runs."""
_MS_PER_HOUR = 3_600_000
_OF_SMALL = (
    ("by_small", "SmallAnswers", "Sum"),
    ("small_input_tokens", "SmallInputTokens", "Sum"),
    ("small_output_tokens", "SmallOutputTokens", "Sum"),
)


@dataclass(frozen=True, slots=True)
class Measure:
    """One hourly number, as a CloudWatch query."""

    namespace: str
    metric: str
    statistic: str
    dimensions: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """The use in one hour. The share of a resource that did not run is None."""

    usage: Mapping[str, float]
    """By quantity, as in the coefficients."""
    added: Mapping[str, float]
    """What the questions of the hour added, as each answer states it: by quantity of `ADDED`."""
    answers: Mapping[str, float]
    """Questions, and answers by their source."""
    tokens: Mapping[str, float]
    quality: Mapping[str, float] | None
    """Answers settled and abstained from, answers judged and the sum of their groundedness; None
    if the answers sent none of it."""
    utilization: Mapping[str, float | None]
    missing: Sequence[str]
    """Measures that a running resource should have sent, but did not."""


def measures(deployment: str, sources: Sources) -> dict[str, Measure]:
    """Return all queries, by the name that :func:`count` uses."""
    asked = {}
    for name, metric, statistic in (
        ("questions", "Questions", "Sum"),
        ("generated", "InputTokens", "SampleCount"),
        ("cached", "CacheHits", "Sum"),
        ("by_bedrock", "BedrockAnswers", "Sum"),
        *((("by_endpoint", "EndpointAnswers", "Sum"),) if sources.endpoint else ()),
        *((("quoted", "QuotedAnswers", "Sum"),) if sources.quotes else ()),
        *(_OF_SMALL if sources.small else ()),
        ("input_tokens", "InputTokens", "Sum"),
        ("output_tokens", "OutputTokens", "Sum"),
        ("question_tokens", "EmbeddingTokens", "Sum"),
        ("searches", "EmbeddingTokens", "SampleCount"),  # each embeds its question
    ):
        dimensions = {"Deployment": deployment, "service": "answer"}
        asked[name] = Measure(_OURS, metric, statistic, dimensions)
    if sources.quality:
        for name, metric, statistic in (
            ("settled", "Abstentions", "SampleCount"),
            ("abstained", "Abstentions", "Sum"),
            ("judged", "Grounded", "SampleCount"),
            ("grounded", "Grounded", "Sum"),
        ):
            dimensions = {"Deployment": deployment, "service": "answer"}
            asked[name] = Measure(_OURS, metric, statistic, dimensions)
    for name, metric in (
        ("document_tokens", "EmbeddingTokens"),
        ("indexed", "DocumentsIndexed"),
        ("unchanged", "DocumentsUnchanged"),
        ("deleted", "DocumentsDeleted"),
        ("rejected", "DocumentsRejected"),
    ):
        dimensions = {"Deployment": deployment, "service": "ingest"}
        asked[name] = Measure(_OURS, metric, "Sum", dimensions)
    for name, function in (("answer", sources.answer), ("ingest", sources.ingest)):
        for metric in ("Duration", "Invocations"):
            asked[f"{name}_{metric.lower()}"] = Measure(
                "AWS/Lambda", metric, "Sum", {"FunctionName": function}
            )
    return asked | _of_store(deployment, sources) | _of_endpoint(deployment, sources)


def _of_store(deployment: str, sources: Sources) -> dict[str, Measure]:
    answer = {"Deployment": deployment, "service": "answer"}
    if sources.vectors:
        ingest = {"Deployment": deployment, "service": "ingest"}
        return {
            "written_chunks": Measure(_OURS, "ChunksEmbedded", "Sum", ingest),
        }
    client = {"ClientId": sources.account}
    if sources.domain is None:
        assert sources.group is not None
        assert sources.group_id is not None
        # With the dimension ClientId alone, AWS counts only collections that are in no group.
        group = client | {
            "CollectionGroupId": sources.group_id,
            "CollectionGroupName": sources.group,
        }
        return {
            "searching_ms": Measure(_OURS, "RetrievalLatency", "Sum", answer),
            "awake_s": Measure(_OURS, "StoreAwakeSeconds", "Sum", answer),
            **{
                name: Measure("AWS/AOSS", metric, "Sum", group)
                for name, metric in (
                    ("search_units", "SearchOCU"),
                    ("indexing_units", "IndexingOCU"),
                    ("building_units", "VectorIndexBuildAccelerationOCU"),
                )
            },
        }
    domain = client | {"DomainName": sources.domain}
    return {
        "nodes": Measure("AWS/ES", "Nodes", "Average", domain),
        "store_cpu": Measure("AWS/ES", "CPUUtilization", "Average", domain),
    }


def _of_endpoint(deployment: str, sources: Sources) -> dict[str, Measure]:
    if sources.endpoint is None:
        return {}
    monitor = {"Deployment": deployment, "Endpoint": sources.endpoint}
    variant = {"EndpointName": sources.endpoint, "VariantName": sources.variant or ""}
    answer = {"Deployment": deployment, "service": "answer"}
    added = Measure(_OURS, "EndpointAwakeSeconds", "Sum", answer)
    return {
        **({"endpoint_awake_s": added} if sources.endpoint_sleeps else {}),
        # SageMaker reports each instance each minute, one that starts as well.
        "instance_minutes": Measure(
            "/aws/sagemaker/Endpoints", "CPUUtilization", "SampleCount", variant
        ),
        "busy_cores": Measure(_ACCELERATOR, "NeuronCoreUtilization", "Average", monitor),
    }


def count(values: Mapping[str, float], sources: Sources) -> Counted:
    """Return how much was used in an hour with these CloudWatch `values`.

    A missing value means zero, unless it belongs to something that was running.
    """
    of = _Zeroes(values)
    by_models = of["by_bedrock"] + of["by_endpoint"]
    # The functions do not count tokens by generator: each answer gets an equal part.
    on_bedrock = of["by_bedrock"] / by_models if by_models else 0.0
    documents = of["indexed"] + of["unchanged"] + of["deleted"] + of["rejected"]
    embedded = of["question_tokens"] + of["document_tokens"]
    usage = {
        "hours": 1.0,
        "active_hours": float(of["questions"] > 0),
        "ingest_hours": float(documents > 0),
        "questions": of["questions"],
        "searches": of["searches"],
        "documents": documents,
        "answer_seconds": of["answer_duration"] / 1000,
        "ingest_seconds": of["ingest_duration"] / 1000,
        "invocations": of["answer_invocations"] + of["ingest_invocations"],
        "input_tokens": of["input_tokens"] * on_bedrock,
        "output_tokens": of["output_tokens"] * on_bedrock,
        "embedding_tokens": embedded,
    }
    if sources.small:
        usage |= {name: of[name] for name in ("small_input_tokens", "small_output_tokens")}
    store, endpoint = _count_store(of, sources), _count_instances(of, sources)
    return Counted(
        usage={**usage, **store.usage, **endpoint.usage},
        added={
            "request": of["questions"],
            "search": of["searches"],
            "awake": of["awake_s"],
            "embedding": of["question_tokens"] / 1000,
            "bedrock_reading": of["input_tokens"] * on_bedrock / 1000,
            "bedrock_writing": of["output_tokens"] * on_bedrock / 1000,
            "small_reading": of["small_input_tokens"] / 1000,
            "small_writing": of["small_output_tokens"] / 1000,
            "endpoint_awake": of["endpoint_awake_s"],
            "endpoint_reading": of["input_tokens"] * (1 - on_bedrock) / 1000,
            "endpoint_writing": of["output_tokens"] * (1 - on_bedrock) / 1000,
        },
        answers={
            "questions": of["questions"],
            "answered": of["cached"] + of["generated"] + of["quoted"] + of["by_small"],
            "cached": of["cached"],
            "quoted": of["quoted"],
            "small": of["by_small"],
            "bedrock": of["by_bedrock"],
            "endpoint": of["by_endpoint"],
        },
        tokens={
            "input": of["input_tokens"] + of["small_input_tokens"],
            "output": of["output_tokens"] + of["small_output_tokens"],
            "embedding": embedded,
        },
        quality={name: of[name] for name in ("settled", "abstained", "judged", "grounded")}
        if "settled" in values
        else None,
        utilization={"store": store.share, "endpoint": endpoint.share},
        missing=[*store.missing, *endpoint.missing],
    )


class _Zeroes(dict[str, float]):
    """Return zero for a missing value."""

    def __missing__(self, key: str) -> float:
        return 0.0


class _Machines(NamedTuple):
    """How long machines ran, the share of it that was used, and the hours without data."""

    usage: Mapping[str, float] = {}
    share: float | None = None
    missing: Sequence[str] = ()


def _count_store(of: _Zeroes, sources: Sources) -> _Machines:
    if sources.vectors:  # no machine of ours: a quantity for each thing that was done
        return _Machines({"written_chunks": of["written_chunks"]})
    return _count_units(of, sources) if sources.domain is None else _count_nodes(of, sources)


def _count_units(of: _Zeroes, sources: Sources) -> _Machines:
    searching, indexing, building = (
        of[name] / _MINUTES for name in ("search_units", "indexing_units", "building_units")
    )
    busy_hours = of["searching_ms"] / _MS_PER_HOUR
    # A store at zero sends nothing. A store with searches or writes did run.
    missing = [
        name
        for name, used in (("search_units", of["searching_ms"]), ("indexing_units", of["indexed"]))
        if used and name not in of
    ]
    unit_hours = searching + indexing + building
    return _Machines(
        {} if missing and not unit_hours else {"search_unit_hours": unit_hours},
        min(busy_hours / searching, 1.0) if searching else None,
        missing,
    )


def _count_nodes(of: _Zeroes, sources: Sources) -> _Machines:
    assert sources.nodes is not None
    return _Machines(
        {"node_hours": of.get("nodes", sources.nodes)},
        of["store_cpu"] / 100 if "store_cpu" in of else None,
        [name for name in ("nodes", "store_cpu") if name not in of],
    )


def _count_instances(of: _Zeroes, sources: Sources) -> _Machines:
    if sources.endpoint is None:
        return _Machines()
    hours = of["instance_minutes"] / 60
    busy = of["busy_cores"] / 100
    usage = {"instance_hours": hours, "busy_hours": hours * busy, "awake_hours": min(hours, 1.0)}
    if hours and "busy_cores" not in of:
        return _Machines(usage, None, ["busy_cores"])
    return _Machines(usage, busy if hours else None)
