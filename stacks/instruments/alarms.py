"""Alarms of one kind, which tell through one composite alarm: one message for one incident.

A metric alarm has no action of its own. The message of the composite names the alarms behind it,
and each says in its description what to change; ``docs/runbook.md`` has an entry for each.
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
from sustainability.deployment.schema import Deployment

_COMPARISONS = {
    ">": cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
    ">=": cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
    "<": cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
}
Comparison = Literal[">", ">=", "<"]


class Alarms(Construct):
    """A group of alarms and, once ``compose`` is called, the composite that tells of them."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        deployment: Deployment,
        topic: sns.Topic,
        says: str,
    ) -> None:
        super().__init__(scope, id_)
        self._deployment, self._topic, self._says = deployment, topic, says
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
    ) -> None:
        """Add an alarm that is on when all of the last ``periods`` breach the threshold.

        Without data it is off: what sleeps is well.
        """
        alarm = self._alarm(
            self, id_, metric, comparison, threshold, periods, self._described(id_, says, practice)
        )
        self.include(alarm)

    def add_burn(
        self,
        id_: str,
        failing: Callable[[cdk.Duration, int], cloudwatch.IMetric],
        budget: float,
        *,
        says: str,
    ) -> None:
        """Add alarms on how fast an error budget burns, which tell in pairs only.

        ``failing`` gives, for a window and for the failures below which there are none to speak of,
        the percentage that failed; ``budget`` is the share, 0 to 1, that may.
        """
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
        """Tell of an alarm that stands elsewhere."""
        self.members.append(alarm)
        self._rules.append(_is_on(alarm))

    def compose(self) -> cloudwatch.CompositeAlarm:
        """Return the composite that is on while any alarm, or any pair, of the group is."""
        composite = cloudwatch.CompositeAlarm(
            self,
            "Composite",
            composite_alarm_name=f"{self._deployment.name}-{self.node.id}",
            alarm_description=self._described(self.node.id, self._says, None),
            alarm_rule=cloudwatch.AlarmRule.any_of(*self._rules),
        )
        action = actions.SnsAction(self._topic)
        composite.add_alarm_action(action)
        composite.add_ok_action(action)
        return composite

    def _alarm(
        self,
        scope: Construct,
        id_: str,
        metric: cloudwatch.IMetric,
        comparison: Comparison,
        threshold: float,
        periods: int,
        description: str,
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
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )

    def _described(self, id_: str, says: str, practice: str | None) -> str:
        serves = f" Serves {practice}, {load_practices()[practice].title}." if practice else ""
        return f"{says}{serves} {self._deployment.monitoring.runbook_entry(id_)}"


def _path_below(group: Construct, scope: Construct) -> list[str]:
    return [group.node.id] if scope is group else [group.node.id, scope.node.id]


def _is_on(alarm: cloudwatch.IAlarm) -> cloudwatch.IAlarmRule:
    return cloudwatch.AlarmRule.from_alarm(alarm, cloudwatch.AlarmState.ALARM)
