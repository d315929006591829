"""The traffic of an account, from its metrics: counts of ten minutes over weeks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import boto3
import botocore.exceptions

from sustainability.facts.metrics import OWN
from sustainability.operate.account import AccountError
from sustainability.simulation.trace_fit import CountedFit, fit_counts

_INTERVAL_S = 600
"""As the rates of a trace. CloudWatch keeps points of five minutes for 63 days."""
_WEEKS = 4
_TOKENS = ("input_tokens", "output_tokens")


@dataclass(frozen=True)
class Source:
    """The metrics that count questions and tokens, and their dimensions."""

    namespace: str
    counts: str
    tokens: tuple[str, str]
    """Of prompts and of answers."""
    dimensions: Mapping[str, str]

    @classmethod
    def of_model(cls, model: str) -> Source:
        """Return the calls of a model or inference profile on Bedrock."""
        tokens = ("InputTokenCount", "OutputTokenCount")
        return cls("AWS/Bedrock", "Invocations", tokens, {"ModelId": model})

    @classmethod
    def of_deployment(cls, name: str) -> Source:
        """Return the questions of a deployed stack."""
        dimensions = {"Deployment": name, "service": "answer"}
        tokens = ("InputTokens", "OutputTokens")
        return cls(OWN, "Questions", tokens, dimensions)


def measured_traffic(
    region: str,
    source: Source,
    *,
    timezone: str,
    spread: Mapping[str, float],
    now: datetime | None = None,
    client: Callable[..., Any] | None = None,
) -> CountedFit:
    """Return the traffic section that fits the last four weeks, up to the last full hour.

    Parameters
    ----------
    region, source
        Where the metrics are, and which.
    timezone
        In which the hours of the week are declared.
    spread
        95th percentile of ``input_tokens`` and ``output_tokens``, divided by the mean.
    now, client
        The present, and what makes a client; as they are if left out.

    Raises
    ------
    AccountError
        If CloudWatch refuses, or has no such traffic. Names the models that it has calls of.
    UserError
        If there are too few questions.
    """
    until = (now or datetime.now(UTC)).replace(minute=0, second=0, microsecond=0)
    try:
        cloudwatch = (client or boto3.Session(region_name=region).client)("cloudwatch")
        series = _series(cloudwatch, source, until)
        if not any(series["counts"].values()):
            raise AccountError(_nothing(cloudwatch, region, source))
    except botocore.exceptions.NoCredentialsError as error:
        raise AccountError("no AWS credentials; run `aws sso login` or set AWS_PROFILE") from error
    except (botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError) as error:
        raise AccountError(f"CloudWatch refused: {error}") from error
    tokens = {}
    for name in _TOKENS:
        calls = sum(series[f"{name}_calls"].values())
        if calls:
            tokens[name] = sum(series[name].values()) / calls
    return fit_counts(
        series["counts"],
        interval_s=_INTERVAL_S,
        until=until,
        zone=ZoneInfo(timezone),
        tokens=tokens,
        spread=spread,
    )


def _series(cloudwatch: Any, source: Source, until: datetime) -> dict[str, dict[datetime, float]]:
    """Return the points of each metric; CloudWatch has none where nothing happened."""
    asked = {"counts": (source.counts, "Sum")}
    for name, metric in zip(_TOKENS, source.tokens, strict=True):
        asked[name] = (metric, "Sum")
        asked[f"{name}_calls"] = (metric, "SampleCount")
    pages = cloudwatch.get_paginator("get_metric_data").paginate(
        MetricDataQueries=[
            {
                "Id": id_,
                "MetricStat": {
                    "Metric": {
                        "Namespace": source.namespace,
                        "MetricName": metric,
                        "Dimensions": _dimensions(source.dimensions.items()),
                    },
                    "Period": _INTERVAL_S,
                    "Stat": statistic,
                },
            }
            for id_, (metric, statistic) in asked.items()
        ],
        StartTime=until - timedelta(weeks=_WEEKS),
        EndTime=until,
        ScanBy="TimestampAscending",
    )
    series: dict[str, dict[datetime, float]] = {id_: {} for id_ in asked}
    for page in pages:
        for part in page["MetricDataResults"]:
            series[part["Id"]].update(zip(part["Timestamps"], part["Values"], strict=True))
    return series


def _dimensions(pairs: Iterable[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"Name": name, "Value": value} for name, value in pairs]


def _nothing(cloudwatch: Any, region: str, source: Source) -> str:
    """Say that there is no traffic, and of what there is."""
    (name,) = [key for key in source.dimensions if key in ("ModelId", "Deployment")]
    pages = cloudwatch.get_paginator("list_metrics").paginate(
        Namespace=source.namespace, MetricName=source.counts
    )
    known = {
        dimension["Value"]
        for page in pages
        for metric in page["Metrics"]
        for dimension in metric["Dimensions"]
        if dimension["Name"] == name
    }
    told = f"there are {', '.join(sorted(known))}" if known else "there are none of any other"
    return (
        f"no {source.counts} of {name} {source.dimensions[name]} in {region} in the last "
        f"{_WEEKS} weeks; {told}"
    )
