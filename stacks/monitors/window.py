"""Alarms and graphs of the daily batch windows."""

from __future__ import annotations

from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_stepfunctions as sfn

from stacks.instruments.alarms import Alarms
from stacks.instruments.graphs import BLUE, GREEN, ORANGE, RED, Line, graph
from stacks.instruments.metrics import HOUR, known, maths, metric, scaled
from sustainability.plan.serving_plan import ServingPlan

_ENDS = {"ExecutionsFailed": RED, "ExecutionsTimedOut": ORANGE, "ExecutionsAborted": BLUE}


class WindowMonitor:
    """Alarms and graphs of the state machine that answers the questions in the mailbox."""

    def __init__(self, *, plan: ServingPlan, machine: sfn.IStateMachine) -> None:
        assert plan.batch is not None
        self._batch = plan.batch
        self._machine = {"StateMachineArn": machine.state_machine_arn}

    def watch(self, sla: Alarms) -> None:
        """Add the alarms."""
        counts = {
            name: metric("AWS/States", name, self._machine, "Sum")
            for name in ("ExecutionsFailed", "ExecutionsTimedOut", "ExecutionsAborted")
        }
        sla.add(
            "WindowFailed",
            maths(
                "SUM([failed, late, aborted])",
                label="failed windows",
                failed=counts["ExecutionsFailed"],
                late=counts["ExecutionsTimedOut"],
                aborted=counts["ExecutionsAborted"],
            ),
            ">",
            0,
            periods=1,
            vital=True,
            says="A batch window ended before all questions were answered. They wait for the next "
            "window.",
        )

    def graphs(self) -> list[cloudwatch.GraphWidget]:
        """Return the graphs for the engineer dashboard."""
        return [
            graph(
                "Windows",
                metric(
                    "AWS/States",
                    "ExecutionsSucceeded",
                    self._machine,
                    "Sum",
                    period=HOUR,
                    label="Succeeded",
                    color=GREEN,
                ),
                *(
                    metric(
                        "AWS/States",
                        name,
                        self._machine,
                        "Sum",
                        period=HOUR,
                        label=name.removeprefix("Executions"),
                        color=color,
                    )
                    for name, color in _ENDS.items()
                ),
                unit="windows",
                stacked=True,
            ),
            graph(
                "Window: duration",
                scaled(
                    metric("AWS/States", "ExecutionTime", self._machine, "Maximum"),
                    known("AWS/States", "ExecutionTime").of_seconds(60),
                    label="longest",
                    color=BLUE,
                ),
                unit="minutes",
                limit=Line(round(self._batch.run_s / 60, 1), "planned"),
            ),
        ]
