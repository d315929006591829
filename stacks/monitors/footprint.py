"""Graphs of energy, carbon and cost from the hourly footprint record, its alarm, its targets'."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial

from aws_cdk import aws_cloudwatch as cloudwatch

from stacks.instruments.alarms import Alarms
from stacks.instruments.graphs import BLUE, GREEN, ORANGE, PURPLE, Line, graph
from stacks.instruments.metrics import DAY, HOUR, maths, metric, own
from stacks.monitors.hourly_footprint import Operations
from sustainability.deployment.schema import Deployment
from sustainability.plan.serving_plan import ServingPlan

_DAYS_PER_MONTH = 730 / 24
_LASTS_DAYS = 3
"""For so many days, the week before each must be over the target."""
_DROP_POINTS = 5
_MOVED = {
    "Store": "the knowledge store: look for searches in a loop, a store that no longer sleeps, or "
    "larger nodes",
    "Generating": "generating on Bedrock: look at the tokens of prompts and answers, the model and "
    "its prompt version",
    "Embedding": "embedding: look for documents that change or are embedded again and again",
    "Endpoint": "the instances of the endpoint: look at their hours, utilization and wake-ups",
    "Functions": "the functions and their requests: look at their duration, memory and logs",
    "Standing": "what exists without questions: look at storage, alarms and dashboards",
    "Traffic": "the number of answers: a month took more for more of them, or fewer of them share "
    "what runs anyway. Plan anew with the measured traffic",
}
"""What to look at, by the part that moved most: the ends of the metrics' names."""


class HourlyFootprintMonitor:
    """Graphs of energy, carbon and cost, and the alarm on the function that measures them."""

    def __init__(
        self,
        *,
        deployment: Deployment,
        plan: ServingPlan,
        operations: Operations,
        course: Collection[str],
    ) -> None:
        self._deployment, self._plan, self._course = deployment, plan, course
        self._own = partial(own, deployment, Operations.SERVICE, period=DAY)
        self._of_answers = partial(own, deployment, "answer", period=DAY)
        self._function = {"FunctionName": operations.function.function_name}

    def watch(self, waste: Alarms) -> None:
        """Add the alarms."""
        waste.add(
            "RecordFailing",
            metric("AWS/Lambda", "Errors", self._function, "Sum", period=HOUR),
            ">",
            0,
            practice="MLSUS06-BP01",
            says="The function of the hourly footprint record fails, so energy, carbon and cost "
            "are not recorded. Read its log.",
        )

    def watch_course(self, off_target: Alarms) -> None:
        """Add an alarm for each part that can move, and one on a drop of quality.

        The record names one part for each deviation, so one of the alarms goes on for it, once.
        """
        for part, look in _MOVED.items():
            name = f"OffTarget{part}"
            if name in self._course:
                off_target.add(
                    name,
                    self._own(name, "Average"),
                    ">",
                    0,
                    periods=_LASTS_DAYS,
                    practice="MLSUS06-BP01",
                    keeps=True,
                    entry="OffTarget",
                    says="The last week takes more than footprint.targets allows, or before their "
                    "date more than the 30 days before it. What moved most is " + look + ". "
                    "`python -m sustainability report` has the numbers.",
                )
        if "QualityDrop" in self._course:
            off_target.add(
                "QualityDrop",
                self._own("QualityDrop", "Average"),
                ">",
                _DROP_POINTS,
                periods=_LASTS_DAYS,
                practice="MLSUS06-BP02",
                keeps=True,
                says="The last week answers fewer questions than the 30 days before it, or its "
                "answers are grounded less. Look what changed: documents, questions, prompt or "
                "model. A drop is a reason to tune or to retrain, a calendar is none.",
            )

    def totals(self) -> list[cloudwatch.IMetric]:
        """Return questions, energy, carbon and cost of the period that a dashboard shows."""
        return [
            self._of_answers("Questions", label="questions"),
            maths("wh / 1000", DAY, label="kWh", color=GREEN, wh=self._own("TotalEnergyWhMid")),
            maths(
                "grams / 1000",
                DAY,
                label="kgCO2e",
                color=PURPLE,
                grams=self._own("TotalCarbonGramsMid"),
            ),
            self._own("TotalCostUsdMid", label="USD", color=BLUE),
            maths(
                "1000 * spent / asked",
                DAY,
                label="Wh per 1,000 answers",
                color=ORANGE,
                spent=self._own("TotalEnergyWhMid"),
                asked=self._of_answers("Questions"),
            ),
        ]

    def by_day(self) -> list[cloudwatch.GraphWidget]:
        """Return energy, carbon and cost of each day."""
        budget = self._deployment.monitoring.monthly_budget_usd
        return [
            graph(
                "Energy (estimate)",
                self._own("TotalEnergyWhMid", label="total", color=GREEN),
                self._of_answers("EnergyWhMid", label="of which answers", color=BLUE),
                unit="Wh per day",
                period=DAY,
            ),
            graph(
                "Carbon (estimate)",
                self._own("TotalCarbonGramsMid", label="total", color=PURPLE),
                self._of_answers("CarbonGramsMid", label="of which answers", color=BLUE),
                unit="gCO2e per day",
                period=DAY,
            ),
            graph(
                "Cost (list prices)",
                self._own("TotalCostUsdMid", label="total", color=BLUE),
                unit="USD per day",
                period=DAY,
                limit=None
                if budget is None
                else Line(round(budget / _DAYS_PER_MONTH, 2), "budget"),
            ),
        ]

    def per_1000(self) -> list[cloudwatch.GraphWidget]:
        """Return the trend of energy, carbon and cost per 1,000 answers."""
        return [
            graph(
                f"{title} per 1,000 answers",
                maths(
                    "1000 * spent / asked",
                    DAY,
                    label="per day",
                    color=color,
                    spent=self._own(name),
                    asked=self._of_answers("Questions"),
                ),
                unit=unit,
                period=DAY,
            )
            for title, name, unit, color in (
                ("Energy", "TotalEnergyWhMid", "Wh", GREEN),
                ("Carbon", "TotalCarbonGramsMid", "gCO2e", PURPLE),
                ("Cost", "TotalCostUsdMid", "USD", BLUE),
            )
        ]

    def used(self) -> cloudwatch.GraphWidget:
        """Return the graph of the share of running capacity that was used."""
        used = [self._own("StoreUtilization", "Average", label="knowledge store", color=ORANGE)]
        if self._plan.instance_type is not None:
            used.append(self._own("EndpointUtilization", "Average", label="endpoint", color=BLUE))
        return graph(
            "Utilization of running capacity",
            *used,
            unit="% of running capacity",
            period=DAY,
            top=100,
        )
