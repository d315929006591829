"""Groups of alarms that share one composite alarm, so that one incident sends one message.

A metric alarm has no action. The message of the composite alarm names the alarms behind it. The
description of each alarm says what to change, and ``docs/runbook.md`` has an entry for each.

A deployment whose service level is ``best_effort`` has the alarms that are ``vital`` alone. Each
sends its own message, because a composite alarm costs as much as five metrics that alarms watch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_sns as sns
from constructs import Construct

from cfn_sustainability.practices import load_practices
from stacks.instruments.burn_rates import BURN_RATES, LEAST_FAILURES
from stacks.instruments.graphs import Line
from sustainability.deployment.schema import Deployment

_COMPARISONS = {
    ">": cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
    ">=": cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
    "<": cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
}
Comparison = Literal[">", ">=", "<"]


class Alarms(Construct):
    """A group of alarms and, after a call of ``compose``, their composite alarm."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        deployment: Deployment,
        topic: sns.Topic,
        says: str,
        only_vital: bool,
        each_tells: bool = False,
    ) -> None:
        super().__init__(scope, id_)
        self._deployment, self._says = deployment, says
        self._only_vital, self._each_tells = only_vital, only_vital or each_tells
        self._action = actions.SnsAction(topic)
        self._rules: list[cloudwatch.IAlarmRule] = []
        self.members: list[cloudwatch.IAlarm] = []

    def add(
        self,
        id_: str,
        metric: cloudwatch.IMetric,
        comparison: Comparison,
        threshold: float,
        *,
        says: str,
        periods: int = 3,
        practice: str | None = None,
        vital: bool = False,
        keeps: bool = False,
        entry: str | None = None,
    ) -> Line:
        """Add an alarm that is on when all of the last ``periods`` breach the threshold.

        Without data the alarm is off, because a resource at zero capacity writes no metrics.

        Parameters
        ----------
        id_
            The name of the alarm, and of its entry in ``docs/runbook.md``.
        metric, comparison, threshold
            The alarm is on while metric, comparison and threshold together are true.
        says
            The description: what is wrong and what to change.
        periods
            How many periods in a row must breach the threshold.
        practice
            The best practice that the alarm supports, such as ``SUS05-BP01``.
        vital
            Whether the alarm tells of an outage, of spending without end, or of idle capacity that
            costs more than the alarm. Otherwise a deployment with ``best_effort`` has it not.
        keeps
            Whether the alarm stays as it is without data, and does not go off.
        entry
            The runbook entry of several alarms together; the default is ``id_``.

        Returns
        -------
        Line
            The threshold, for the graph of the same metric.
        """
        line = Line(threshold, f"alarm {id_}")
        if self._only_vital and not vital:
            return line
        says = self._described(entry or id_, says, practice)
        alarm = self._alarm(self, id_, metric, comparison, threshold, periods, says, keeps=keeps)
        if self._each_tells:
            self._tells(alarm)
            self.members.append(alarm)
        else:
            self.include(alarm)
        return line

    def add_burn(
        self,
        id_: str,
        failing: Callable[[cdk.Duration, int], cloudwatch.IMetric],
        budget: float,
        *,
        says: str,
        vital: bool = False,
    ) -> None:
        """Add alarms on the burn rate of an error budget; only both windows of a pair send.

        A deployment that has the ``vital`` alarms alone has one window: the long one of the highest
        rate, which needs no second one to know that the problem is serious. It goes off later.

        Parameters
        ----------
        id_
            The name of the alarms, and of their entry in ``docs/runbook.md``.
        failing
            Returns the metric of the percentage that failed. Its arguments are the window and the
            number of failures below which it must be 0.
        budget
            The share that may fail, 0 to 1.
        says
            The description: what is wrong and what to change.
        vital
            As in :meth:`add`.
        """
        if self._only_vital:
            if vital:
                burn = BURN_RATES[0]
                hours = cdk.Duration.hours(burn.long_hours)
                percent = burn.failing_percent(budget)
                metric = failing(hours, LEAST_FAILURES)
                self.add(id_, metric, ">=", percent, periods=1, says=says, vital=True)
            return
        pairs = Construct(self, id_)
        for burn in BURN_RATES:
            windows = {
                "Short": (cdk.Duration.minutes(burn.short_minutes), 1),
                "Long": (cdk.Duration.hours(burn.long_hours), LEAST_FAILURES),
            }
            pair = [
                self._alarm(
                    pairs,
                    f"{burn.name}{name}",
                    failing(*window),
                    ">=",
                    burn.failing_percent(budget),
                    1,
                    self._described(id_, says, None),
                )
                for name, window in windows.items()
            ]
            self.members += pair
            self._rules.append(cloudwatch.AlarmRule.all_of(*map(_is_on, pair)))

    def include(self, alarm: cloudwatch.IAlarm) -> None:
        """Add an alarm that another construct defines to the group."""
        self.members.append(alarm)
        self._rules.append(_is_on(alarm))

    def compose(self) -> cloudwatch.CompositeAlarm | None:
        """Return the composite alarm, which is on while any alarm, or any pair, is on.

        ``None`` if each alarm of the group sends its own message.
        """
        if not self._rules:
            return None
        composite = cloudwatch.CompositeAlarm(
            self,
            "Composite",
            composite_alarm_name=f"{self._deployment.name}-{self.node.id}",
            alarm_description=self._described(self.node.id, self._says, None),
            alarm_rule=cloudwatch.AlarmRule.any_of(*self._rules),
        )
        self._tells(composite)
        return composite

    def _tells(self, alarm: cloudwatch.AlarmBase) -> None:
        alarm.add_alarm_action(self._action)
        alarm.add_ok_action(self._action)

    def _alarm(
        self,
        scope: Construct,
        id_: str,
        metric: cloudwatch.IMetric,
        comparison: Comparison,
        threshold: float,
        periods: int,
        description: str,
        *,
        keeps: bool = False,
    ) -> cloudwatch.Alarm:
        name = "-".join((self._deployment.name, *_path_below(self, scope), id_))
        return cloudwatch.Alarm(
            scope,
            id_,
            alarm_name=name,
            alarm_description=description,
            metric=metric,
            threshold=round(threshold, 6),
            comparison_operator=_COMPARISONS[comparison],
            evaluation_periods=periods,
            datapoints_to_alarm=periods,
            treat_missing_data=cloudwatch.TreatMissingData.IGNORE
            if keeps
            else cloudwatch.TreatMissingData.NOT_BREACHING,
        )

    def _described(self, id_: str, says: str, practice: str | None) -> str:
        serves = f" Supports {practice}, {load_practices()[practice].title}." if practice else ""
        return f"{says}{serves} {self._deployment.monitoring.runbook_entry(id_)}"


def _path_below(group: Construct, scope: Construct) -> list[str]:
    return [group.node.id] if scope is group else [group.node.id, scope.node.id]


def _is_on(alarm: cloudwatch.IAlarm) -> cloudwatch.IAlarmRule:
    return cloudwatch.AlarmRule.from_alarm(alarm, cloudwatch.AlarmState.ALARM)
