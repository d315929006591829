"""Alarms and graphs of the service level of answers: errors, latency and throttles."""

from __future__ import annotations

from functools import partial

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch

from stacks.functions.python_function import METRICS_NAMESPACE
from stacks.instruments.alarms import Alarms
from stacks.instruments.burn_rates import LEAST_FAILURES
from stacks.instruments.graphs import BLUE, GREEN, ORANGE, PURPLE, RED, Line, graph
from stacks.instruments.metrics import (
    DAY,
    FIVE_MINUTES,
    HOUR,
    known,
    maths,
    metric,
    own,
    where_seen,
)
from stacks.rag import RagStack
from sustainability.deployment.schema import Deployment
from sustainability.plan.serving_plan import ServingPlan

_SLOW = 0.05
"""Share of answers that may be slower than the 95th percentile."""
_WITHOUT, _LEAST_WITHOUT = 0.8, 10
"""Share of an hour's searches that find nothing, and their number, from which an index may be lost.
People ask what no document says; hardly ever do ten in an hour, and nobody else."""
_FAILED = "(FILL(errors, 0) + FILL(crashes, 0))"


class ServiceLevelMonitor:
    """Alarms and graphs of errors, latency and throttles."""

    def __init__(self, *, deployment: Deployment, plan: ServingPlan, rag: RagStack) -> None:
        self._deployment = deployment
        self._budget = 1 - deployment.service_level.attainment
        self._limit_s = plan.alarms.latency_p95_s
        self._concurrency = plan.answer_concurrency
        self._own = partial(own, deployment, "answer")
        self._function = {"FunctionName": rag.answer.function_name}

    def watch(self, sla: Alarms) -> None:
        """Add the alarms."""
        sla.add_burn(
            "AnswerErrors",
            self._failing,
            self._budget,
            vital=True,
            says=f"The error budget burns too fast: {100 * self._budget:.2g} % of the answers may "
            "fail.",
        )
        if self._limit_s is not None:
            sla.add_burn(
                "AnswerLatency",
                partial(self._slow, self._limit_s),
                _SLOW,
                says=f"More than 5 of 100 answers need more than {self._limit_s:g} s.",
            )
        sla.add(
            "Throttles",
            self._throttled(),
            ">",
            100 * self._budget,
            says="More questions are rejected than may fail: by Lambda at answers.concurrency, or "
            "by the Bedrock quota, which the whole AWS account shares.",
        )
        sla.add(
            "NothingFound",
            maths(
                where_seen(
                    f"IF(FILL(nothing, 0) >= {_LEAST_WITHOUT}, 100 * nothing / searched, 0)",
                    "nothing",
                    "searched",
                ),
                HOUR,
                label="found no passage, %",
                nothing=self._own("NothingFound"),
                searched=self._own("RetrievalLatency", "SampleCount"),
            ),
            ">",
            100 * _WITHOUT,
            periods=1,
            says="Most questions find no passage. Look whether the index still has the documents; "
            "python -m sustainability reindex fills it again.",
        )
        sla.add(
            "LegacyModel",
            maths(
                f"SUM([{', '.join(self._models)}])",
                DAY,
                label="calls of legacy models",
                color=PURPLE,
                **{
                    name: metric(
                        "AWS/Bedrock",
                        "LegacyModelInvocations",
                        {"ModelId": model},
                        "Sum",
                        period=DAY,
                    )
                    for name, model in self._models.items()
                },
            ),
            ">",
            0,
            periods=1,
            says="AWS has announced the end of a model that is called: after it, calls fail. "
            "`python -m sustainability review-models` says until when, and what to try instead.",
        )
        sla.add(
            "NothingAnswered",
            maths(
                "IF(FILL(answered, 0) > 0, 0, deferred)",
                label="deferred, and none answered",
                answered=self._own("AnswerLatency", "SampleCount"),
                deferred=self._own("Deferred"),
            ),
            ">",
            0,
            vital=True,
            says="Every question gets a 503 response, for longer than a store or endpoint needs to "
            "start.",
        )

    def attainment(self) -> cloudwatch.GraphWidget:
        """Return the daily graph of the share of answers that meet the service level."""
        kept: list[cloudwatch.IMetric] = [
            maths(
                f"100 * (1 - {_FAILED} / questions)",
                DAY,
                label="not failed",
                color=BLUE,
                **self._outcomes(),
            )
        ]
        if self._limit_s is not None:
            label = f"within {self._limit_s:g} s"
            kept.append(self._within(self._limit_s, label=label, color=ORANGE))
        return graph(
            "Service level met",
            *kept,
            unit="% of answers",
            period=DAY,
            limit=Line(100 * (1 - self._budget)),
            top=100,
            # Ten times what may fail: at 0 a difference would not be visible.
            bottom=max(0.0, 100 - 1000 * self._budget),
        )

    def graphs(self) -> list[cloudwatch.GraphWidget]:
        """Return the graphs for the engineer dashboard."""
        return [
            graph(
                "Answer latency, 95th percentile",
                *(
                    self._own(f"{name}Latency", "p95", label=label, color=color)
                    for name, label, color in (
                        ("Answer", "total", ORANGE),
                        ("Embedding", "embedding", GREEN),
                        ("Retrieval", "search", BLUE),
                        ("Generation", "generation", PURPLE),
                    )
                ),
                unit="ms",
                limit=None if self._limit_s is None else Line(_milliseconds(self._limit_s)),
            ),
            graph(
                "Errors and throttles",
                self._failing(FIVE_MINUTES, 1),
                self._throttled(),
                unit="% of questions",
            ),
            graph(
                "Answer function: copies at once",
                metric(
                    "AWS/Lambda",
                    "ConcurrentExecutions",
                    self._function,
                    "Maximum",
                    label="used",
                    color=BLUE,
                ),
                unit="executions",
                limit=Line(self._concurrency, "reserved"),
            ),
        ]

    def _failing(self, window: cdk.Duration, least: int) -> cloudwatch.MathExpression:
        """Return the percentage of failed questions; 0 if fewer than ``least`` failed."""
        asked = "(FILL(questions, 0) + FILL(crashes, 0))"
        # A deferred answer can fail in an hour without questions.
        of = f"IF({asked} > {_FAILED}, {asked}, {_FAILED})"
        return maths(
            where_seen(f"IF({_FAILED} >= {least}, 100 * {_FAILED} / {of}, 0)", *self._outcomes()),
            window,
            label="failed, %",
            color=RED,
            **self._outcomes(),
        )

    def _slow(self, limit_s: float, window: cdk.Duration, least: int) -> cloudwatch.MathExpression:
        """Return the percentage of late answers; 0 if fewer than ``least`` are late."""
        return maths(
            f"IF(answers * (100 - within) >= {100 * least}, 100 - within, 0)",
            window,
            label=f"slower than {limit_s:g} s, %",
            answers=self._own("AnswerLatency", "SampleCount"),
            within=self._within(limit_s),
        )

    @property
    def _models(self) -> dict[str, str]:
        """The models on Bedrock, by what they do."""
        return {
            "generator": self._deployment.answers.generator,
            "embedding": self._deployment.knowledge.embedding.model,
        }

    def _throttled(self) -> cloudwatch.MathExpression:
        """Return the percentage of questions that Lambda or Bedrock rejected."""
        throttles = {
            name: metric("AWS/Bedrock", "InvocationThrottles", {"ModelId": model}, "Sum")
            for name, model in self._models.items()
        }
        refused = " + ".join(f"FILL({name}, 0)" for name in ("function", *throttles))
        return maths(
            where_seen(
                f"IF({refused} >= {LEAST_FAILURES}, 100 * ({refused}) / "
                "(FILL(questions, 0) + FILL(function, 0)), 0)",
                "questions",
                "function",
                *throttles,
            ),
            label="rejected, %",
            color=PURPLE,
            function=metric("AWS/Lambda", "Throttles", self._function, "Sum"),
            questions=self._own("Questions"),
            **throttles,
        )

    def _outcomes(self) -> dict[str, cloudwatch.IMetric]:
        return {
            "questions": self._own("Questions"),
            "errors": self._own("Errors"),
            # The function itself cannot report these.
            "crashes": metric("AWS/Lambda", "Errors", self._function, "Sum"),
        }

    def _within(
        self, limit_s: float, *, label: str | None = None, color: str | None = None
    ) -> cloudwatch.Metric:
        rank = f"PR(:{_milliseconds(limit_s):.0f})"
        return self._own("AnswerLatency", rank, label=label, color=color)


def _milliseconds(seconds: float) -> float:
    return known(METRICS_NAMESPACE, "AnswerLatency").of_seconds(seconds)
