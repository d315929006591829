"""Use a deployment once to check that it does what the documentation says.

A run costs one short document, a few questions, and read calls. It starts an instance only if
somebody agrees.
"""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
import botocore.exceptions

from sustainability.deployment.schema import Deployment, Store
from sustainability.energy.bedrock import bedrock_tokens
from sustainability.energy.site import Site
from sustainability.facts.lookup import Facts
from sustainability.facts.metrics import OWN as OWN_METRICS
from sustainability.operate.account import Account, AccountError, Progress
from sustainability.operate.checks import Check, Row, Verdict
from sustainability.operate.dead_letters import DeadLetters
from sustainability.operate.search_capacity import SearchCapacity
from sustainability.operate.standing import Standing
from sustainability.operate.waking import ROUNDS, Waking
from sustainability.plan.serving import plan_serving
from sustainability.stores.kinds import chosen

_PATIENCE_S = 300
"""Longest time to index or delete a document or to answer, including the start of the store."""
_RESTED = timedelta(minutes=15)
"""A store that has not run for so long sleeps."""
_ANSWER_S = 10
"""The part of a first answer that is not the store."""
_PROMPT_TOKENS = 1500
"""Instructions and question, beside the passages."""
_WRITTEN_BY_ANSWERS = frozenset(("Questions", "AnswerLatency", "EmbeddingLatency"))


def verify(
    deployment: Deployment, progress: Progress, *, quick: bool = False, wake: bool = False
) -> list[Check]:
    """Use the deployment once, check what is deployed, and remove the test document.

    ``quick`` leaves out the test document, for a deployment that was used just now. ``wake`` says
    that an endpoint at zero may be started.

    Raises
    ------
    AccountError
        If nothing is deployed, or AWS refuses a read call.
    """
    account = Account(deployment)
    assert account.outputs, "raises where nothing is deployed"
    plan = plan_serving(deployment)
    standing = Standing(deployment, plan, account)
    walk = _Walk(deployment, account, Waking(deployment, plan, account), progress, wake=wake)
    try:
        return [
            *(iter(()) if quick else walk.checks()),
            *standing.checks(),
            *_Watching(deployment).checks(progress),
        ]
    except (botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError) as error:
        raise AccountError(f"AWS refused: {error}") from error


def in_short(checks: Collection[Check]) -> str:
    """Return how many checks passed, and each that failed, with its cure."""
    counts = Counter(check.verdict for check in checks)
    lines = [
        f"{counts[Verdict.PASSED]} of {len(checks)} checks passed, {counts[Verdict.FAILED]} "
        f"failed, {counts[Verdict.UNTOLD]} have nothing to see yet."
    ]
    for check in checks:
        if check.verdict is Verdict.FAILED:
            lines += [f"  {check.name}: {check.evidence}", f"    {check.cure}"]
    return "\n".join(lines)


class _Walk:
    """The rows of a test document: it is indexed, asked about, deleted, and sent for in vain."""

    def __init__(
        self,
        deployment: Deployment,
        account: Account,
        waking: Waking,
        progress: Progress,
        *,
        wake: bool,
    ) -> None:
        self._deployment, self._account, self._progress = deployment, account, progress
        self._waking, self._wake = waking, wake
        self._word = f"Verilith{uuid4().hex[:12]}"
        self._key = f"verification/{self._word}.md"

    def checks(self) -> Iterator[Check]:
        """Yield the rows."""
        if chosen(self._deployment) is Store.SERVERLESS:
            yield self._store_wakes()
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "probe.md"
            file.write_text(f"# {self._word}\n\nThe harbour of {self._word} is cobalt blue.\n")
            try:
                yield from self._answered(file)
            finally:
                self._account.remove(self._key)
        try:
            self._account.wait_until_removed([self._key], seconds=_PATIENCE_S)
        except AccountError as error:
            yield Check(Row.DELETED, Verdict.FAILED, str(error), _INGEST)
            return
        yield Check(Row.DELETED, Verdict.PASSED, "its passages left the index")
        yield self._redriven()

    def _question(self, number: int) -> str:
        """Return a question that no cache can answer."""
        return f"What colour is the harbour of {self._word}? ({number})"

    def _store_wakes(self) -> Check:
        now = datetime.now(UTC)
        running = SearchCapacity(self._deployment).running(now - _RESTED, now)
        began = time.monotonic()
        try:
            self._account.ask(f"Is there a tower in {self._word}?", progress=self._progress)
        except AccountError as error:
            return Check(Row.STORE_WAKES, Verdict.FAILED, str(error), _ANSWER)
        seconds = time.monotonic() - began
        most = Facts()("workload/search_seconds/serverless", "s").high
        told = f"the first answer came after {seconds:.0f} s"
        if running is None or running > 0:
            cure = "Verify again after an hour without questions."
            return Check(Row.STORE_WAKES, Verdict.UNTOLD, f"{told}; it did not sleep before", cure)
        told += f" of at most {most:.0f} s for the store"
        if seconds <= most + _ANSWER_S:
            return Check(Row.STORE_WAKES, Verdict.PASSED, told)
        return Check(Row.STORE_WAKES, Verdict.FAILED, told, _ANSWER)

    def _answered(self, file: Path) -> Iterator[Check]:
        account, progress, began = self._account, self._progress, time.monotonic()
        try:
            (state,) = account.wait_until_settled(
                account.add({self._key: file}), seconds=_PATIENCE_S, progress=progress
            )
        except AccountError as error:
            yield Check(Row.INDEXED, Verdict.FAILED, str(error), _INGEST)
            return
        if state.status != "indexed":
            yield Check(Row.INDEXED, Verdict.FAILED, f"{state.status}: {state.reason}", _INGEST)
            return
        yield Check(Row.INDEXED, Verdict.PASSED, f"after {time.monotonic() - began:.0f} s")

        # API Gateway refuses who sends no token with 401, who sends no signature with 403.
        refused = 403 if self._deployment.company.sign_in is None else 401
        status, _, _ = account.call(
            "POST", "/answers", {"question": self._question(0)}, signed=False
        )
        yield Check(
            Row.SIGNED,
            Verdict.PASSED if status == refused else Verdict.FAILED,
            f"status {status}",
            "" if status == refused else "See the authorizer of the API's routes in stacks/rag.py.",
        )
        try:
            first = account.ask(self._question(0), patience_s=_PATIENCE_S, progress=progress)
            if first.get("status") == "pending" and self._wake and self._waking.answers_later:
                first = account.fetch(str(first["id"]), progress=progress)
            again = account.ask(self._question(0), patience_s=_PATIENCE_S, progress=progress)
        except AccountError as error:
            yield Check(Row.FOUND, Verdict.FAILED, str(error), _ANSWER)
            return
        if first.get("status") == "pending":
            cure = f"Fetch it: make ask ID={first['id']}"
            yield Check(Row.FOUND, Verdict.UNTOLD, "the answer comes later", cure)
            return
        found = self._key in {citation.get("document") for citation in first["citations"]}
        by = f", answered by {first['served_by']}" if first.get("served_by") else ""
        yield Check(
            Row.FOUND,
            Verdict.PASSED if found else Verdict.FAILED,
            f"{len(first['citations'])} passages cited{by}",
            "" if found else _ANSWER,
        )
        cached = bool(again.get("cached"))
        yield Check(
            Row.CACHED,
            Verdict.PASSED if cached else Verdict.UNTOLD,
            "cached" if cached else "generated again: a document that it reads may have changed",
            "" if cached else "Verify again while no documents are added.",
        )
        yield _taken(self._deployment, first)
        yield from self._waking.checks(
            lambda number: self._question(number + 1), progress, agreed=self._wake
        )

    def _redriven(self) -> Check:
        """Put a dead letter about the deleted document into the queue, and send it back."""
        letters = DeadLetters(self._deployment)
        try:
            if waiting := len(letters.read()):
                told = f"{waiting} dead letters wait, which this would send back as well"
                return Check(Row.REDRIVEN, Verdict.UNTOLD, told, "make redrive, then verify again.")
            letters.write(self._key)
            moved = letters.send_back(self._progress)
            left = letters.wait_until_worked_off(seconds=_PATIENCE_S, progress=self._progress)
            back = len(letters.read())
        except botocore.exceptions.ClientError as error:
            return Check(Row.REDRIVEN, Verdict.UNTOLD, f"you may not send it back: {error}")
        told = f"{moved} sent back, {left} not worked off, {back} dead again"
        if (moved, left, back) == (1, 0, 0):
            return Check(Row.REDRIVEN, Verdict.PASSED, told)
        return Check(Row.REDRIVEN, Verdict.FAILED, told, _INGEST)


def greatest_cost(deployment: Deployment) -> float:
    """Return what a run costs at most, in USD, without an instance that is woken.

    Two answers by Bedrock at the highest price, and for each slot of the plan's model one in each
    round. All other calls are free, or below a thousandth of a cent.
    """
    answers, model = deployment.answers, plan_serving(deployment).model
    return (2 + (ROUNDS * model.slots if model else 0)) * _usd(
        deployment, answers.context_tokens + _PROMPT_TOKENS, answers.max_tokens
    )


def _usd(deployment: Deployment, read: float, written: float) -> float:
    site = Site.of_region(deployment.region, deployment.footprint.accounting, Facts())
    generator = deployment.answers.generator
    return bedrock_tokens(generator, input_tokens=read, output_tokens=written, site=site).usd.high


def _taken(deployment: Deployment, answer: Mapping[str, Any]) -> Check:
    usage = answer.get("usage") or {}
    read, written = (usage.get(f"{way}_tokens", 0) for way in ("input", "output"))
    usd, most = _usd(deployment, read, written), greatest_cost(deployment)
    return Check(
        Row.COST,
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
            name for name in _WRITTEN_BY_ANSWERS if dimensions not in self._sets(OWN_METRICS, name)
        )
        if missing:
            return Check(
                Row.WRITTEN,
                Verdict.UNTOLD,
                f"not seen yet: {', '.join(missing)}",
                "CloudWatch lists a new metric after some minutes: verify again.",
            )
        return Check(
            Row.WRITTEN,
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
        name = Row.ALARMS
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
            Row.DASHBOARDS,
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
