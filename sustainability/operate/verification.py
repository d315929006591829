"""Use a deployment once to check that it does what the documentation says.

A check costs one short document, one question, and read calls. It starts no instance: an endpoint
at zero stays at zero.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
import botocore.exceptions

from sustainability.deployment.schema import Deployment
from sustainability.energy.bedrock import bedrock_tokens
from sustainability.energy.site import Site
from sustainability.facts.lookup import Facts
from sustainability.operate.account import Account, AccountError, Progress
from sustainability.operate.checks import Check, Verdict
from sustainability.operate.standing import Standing
from sustainability.plan.serving import plan_serving

_INDEXED_S = 300
"""Longest time to index a document, including the start of the store."""
_GONE_S = 120
_PROMPT_TOKENS = 1500
"""Instructions and question, beside the passages."""
_OWN = "SustainableGenerativeAI"
_WRITTEN_BY_ANSWERS = frozenset(("Questions", "AnswerLatency", "EmbeddingLatency"))


def verify(deployment: Deployment, progress: Progress, *, quick: bool = False) -> list[Check]:
    """Use the deployment once, check what is deployed, and remove the test document.

    ``quick`` leaves out the test document, for a deployment that was used just now.

    Raises
    ------
    AccountError
        If nothing is deployed, or AWS refuses a read call.
    """
    account = Account(deployment)
    assert account.outputs, "raises where nothing is deployed"
    watching = _Watching(deployment)
    standing = Standing(deployment, plan_serving(deployment), account)
    used = iter(()) if quick else _walk(deployment, account, progress)
    try:
        return [*used, *standing.checks(), *watching.checks(progress)]
    except botocore.exceptions.ClientError as error:
        raise AccountError(f"AWS refused: {error}") from error


def _walk(deployment: Deployment, account: Account, progress: Progress) -> Iterator[Check]:
    """Index a test document, ask about it twice, and delete it."""
    word = f"Verilith{uuid4().hex[:12]}"
    key = f"verification/{word}.md"
    question = f"What colour is the harbour of {word}?"
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "probe.md"
        file.write_text(f"# {word}\n\nThe harbour of {word} is painted cobalt blue.\n")
        try:
            yield from _answered(deployment, account, {key: file}, question, progress)
        finally:
            account.remove(key)
    try:
        account.wait_until_removed([key], seconds=_GONE_S)
    except AccountError as error:
        yield Check("a document is deleted", Verdict.FAILED, str(error), _INGEST)
        return
    yield Check("a document is deleted", Verdict.PASSED, "its passages left the index")


def _answered(
    deployment: Deployment,
    account: Account,
    files: Mapping[str, Path],
    question: str,
    progress: Progress,
) -> Iterator[Check]:
    (key,) = files
    began = time.monotonic()
    name = "a document is indexed"
    try:
        (state,) = account.wait_until_settled(
            account.add(files), seconds=_INDEXED_S, progress=progress
        )
    except AccountError as error:
        yield Check(name, Verdict.FAILED, str(error), _INGEST)
        return
    if state.status != "indexed":
        yield Check(name, Verdict.FAILED, f"{state.status}: {state.reason}", _INGEST)
        return
    yield Check(name, Verdict.PASSED, f"after {time.monotonic() - began:.0f} s")

    status, _, _ = account.call("POST", "/answers", {"question": question}, signed=False)
    yield Check(
        "the API refuses an unsigned request",
        Verdict.PASSED if status == 403 else Verdict.FAILED,
        f"status {status}",
        "" if status == 403 else "See the authorizer of the API's routes in stacks/rag.py.",
    )
    name = "a question finds it"
    try:
        first = account.ask(question, progress=progress)
        again = account.ask(question, progress=progress)
    except AccountError as error:
        yield Check(name, Verdict.FAILED, str(error), _ANSWER)
        return
    if first.get("status") == "pending":
        yield Check(
            name, Verdict.UNTOLD, "the answer comes later", f"Fetch it: make ask ID={first['id']}"
        )
        return
    found = key in {citation.get("document") for citation in first["citations"]}
    yield Check(
        name,
        Verdict.PASSED if found else Verdict.FAILED,
        f"{len(first['citations'])} passages cited, answered by {first['served_by']}"
        if first.get("served_by")
        else f"{len(first['citations'])} passages cited",
        "" if found else _ANSWER,
    )
    cached = bool(again.get("cached"))
    yield Check(
        "the same question is answered from the cache",
        Verdict.PASSED if cached else Verdict.UNTOLD,
        "cached" if cached else "generated again: another document may have changed meanwhile",
        "" if cached else "Verify again while no documents are added.",
    )
    yield _taken(deployment, first)


def greatest_cost(deployment: Deployment) -> float:
    """Return what a run costs at most, in USD: two answers by Bedrock, at the highest price.

    All other calls are free, or below a thousandth of a cent.
    """
    answers = deployment.answers
    return 2 * _usd(deployment, answers.context_tokens + _PROMPT_TOKENS, answers.max_tokens)


def _usd(deployment: Deployment, read: float, written: float) -> float:
    site = Site.of_region(deployment.region, deployment.footprint.accounting, Facts())
    generator = deployment.answers.generator
    return bedrock_tokens(generator, input_tokens=read, output_tokens=written, site=site).usd.high


def _taken(deployment: Deployment, answer: Mapping[str, Any]) -> Check:
    usage = answer.get("usage") or {}
    read, written = (usage.get(f"{way}_tokens", 0) for way in ("input", "output"))
    usd, most = _usd(deployment, read, written), greatest_cost(deployment)
    return Check(
        "the run takes what was stated",
        Verdict.PASSED if usd <= most else Verdict.FAILED,
        f"{read} tokens read and {written} written: ${usd:.5f} of at most ${most:.5f}",
        "" if usd <= most else "The prompt is longer than answers.context_tokens allows.",
    )


_INGEST = "See the ingest function's log and the dead letters; docs/runbook.md, DeadLetters."
_ANSWER = "See the answer function's log; docs/runbook.md, AnswerErrors."


class _Watching:
    """Checks in CloudWatch: the alarms, their metrics, and the metrics of the functions."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self._client = boto3.Session(region_name=deployment.region).client("cloudwatch")
        self._seen: dict[tuple[str, str], set[frozenset[tuple[str, str]]]] = {}

    def checks(self, progress: Progress) -> Iterator[Check]:
        """Yield the checks of metrics, alarms and dashboards."""
        progress("checking alarms and metrics")
        yield self._written()
        yield from self._alarms()
        yield self._dashboards()

    def _written(self) -> Check:
        dimensions = frozenset({("Deployment", self._deployment.name), ("service", "answer")})
        missing = sorted(
            name for name in _WRITTEN_BY_ANSWERS if dimensions not in self._sets(_OWN, name)
        )
        if missing:
            return Check(
                "CloudWatch extracts the metrics from the functions' logs",
                Verdict.UNTOLD,
                f"not seen yet: {', '.join(missing)}",
                "CloudWatch lists a new metric after some minutes: verify again.",
            )
        return Check(
            "CloudWatch extracts the metrics from the functions' logs",
            Verdict.PASSED,
            f"{len(_WRITTEN_BY_ANSWERS)} of {len(_WRITTEN_BY_ANSWERS)} seen",
        )

    def _alarms(self) -> Iterator[Check]:
        pages = self._client.get_paginator("describe_alarms").paginate(
            AlarmNamePrefix=f"{self._deployment.name}-", AlarmTypes=["MetricAlarm"]
        )
        alarms = [alarm for page in pages for alarm in page["MetricAlarms"]]
        unseen = sorted(
            {
                f"{space} {name}"
                for alarm in alarms
                for space, name, dimensions in _metrics_of(alarm)
                if dimensions not in self._sets(space, name)
            }
        )
        name = "each alarm's metric has been published with the same dimensions"
        if not alarms:
            yield Check(name, Verdict.UNTOLD, "no alarm has the deployment's name")
        elif unseen:
            yield Check(
                name,
                Verdict.UNTOLD,
                f"{len(alarms)} alarms; not seen yet: {', '.join(unseen)}",
                "A metric of failures appears with the first failure, one of an endpoint when it "
                "runs. An alarm on any other unseen metric can never fire.",
            )
        else:
            yield Check(name, Verdict.PASSED, f"{len(alarms)} alarms")

    def _dashboards(self) -> Check:
        found = self._client.list_dashboards(DashboardNamePrefix=f"{self._deployment.name}-")
        names = [entry["DashboardName"] for entry in found.get("DashboardEntries", [])]
        return Check(
            "the dashboards exist",
            Verdict.PASSED if names else Verdict.UNTOLD,
            f"{len(names)} dashboards",
            "" if names else "Deploy the monitoring stack, unless monitoring is switched off.",
        )

    def _sets(self, namespace: str, name: str) -> set[frozenset[tuple[str, str]]]:
        """Return the sets of dimensions with which a metric has been published."""
        if (namespace, name) not in self._seen:
            pages = self._client.get_paginator("list_metrics").paginate(
                Namespace=namespace, MetricName=name
            )
            self._seen[namespace, name] = {
                _pairs(metric["Dimensions"]) for page in pages for metric in page["Metrics"]
            }
        return self._seen[namespace, name]


def _metrics_of(
    alarm: Mapping[str, Any],
) -> Iterator[tuple[str, str, frozenset[tuple[str, str]]]]:
    queries = [
        query["MetricStat"]["Metric"] for query in alarm.get("Metrics", []) if "MetricStat" in query
    ]
    for metric in queries or [alarm]:
        yield metric["Namespace"], metric["MetricName"], _pairs(metric.get("Dimensions", []))


def _pairs(dimensions: list[dict[str, str]]) -> frozenset[tuple[str, str]]:
    return frozenset((each["Name"], each["Value"]) for each in dimensions)
