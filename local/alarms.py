"""Evaluates alarms as CloudWatch does: dimensions, M out of N, missing data, metric math.

The emulator compares only a metric's name, only when a datapoint arrives, and has no metric
math. The rules are in
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation.html
Windows slide and end now. In AWS they move every minute or every 10 seconds; here they move
with every tick, so that tests do not wait. When data is missing, AWS also looks further back
than the evaluation periods; this module does not.
"""

from __future__ import annotations

import json
import logging
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ministack.core.responses import get_account_id, get_region

from local import ministack_internals as internals
from local.cloudformation import Behaviour, Properties
from local.metric_math import Series, Value, evaluate

Record = Callable[[str, Mapping[str, Any]], dict[str, Any]]
"""Creates the record of an alarm from its name and properties."""

_LOGGER = logging.getLogger(__name__)
_PERCENTILE_RANK = re.compile(r"PR\(([\d.]*):([\d.]*)\)")
_BREACHES: dict[str, Callable[[float, float], bool]] = {
    "GreaterThanOrEqualToThreshold": operator.ge,
    "GreaterThanThreshold": operator.gt,
    "LessThanOrEqualToThreshold": operator.le,
    "LessThanThreshold": operator.lt,
}


def state(
    breaching: Sequence[bool | None], *, datapoints_to_alarm: int, missing: str, current: str
) -> str:
    """Return the alarm's state after `breaching`, oldest first; None is missing data.

    `missing` is the alarm's TreatMissingData, `current` its state so far.
    """
    filler = {"breaching": True, "notBreaching": False}.get(missing)
    seen = [filler if point is None else point for point in breaching]
    if seen.count(True) >= datapoints_to_alarm:
        return "ALARM"
    if False in seen:
        return "OK"
    if missing == "ignore":
        return current
    if True not in seen:
        return "INSUFFICIENT_DATA"
    # One breach, then no data: AWS waits until as many periods have passed as the alarm needs.
    return "ALARM" if len(seen) - seen.index(True) >= datapoints_to_alarm else current


def replace_evaluation() -> None:
    """Replace the emulator's evaluation by `evaluate_all`, and allow alarms on metric math."""
    internals.EVALUATE_ALARM.wrap(lambda evaluate: lambda alarm: None)
    internals.ALARM_RECORD.wrap(_recording_metrics)


def _recording_metrics(record: Record) -> Record:
    def record_with_metrics(name: str, props: Mapping[str, Any]) -> dict[str, Any]:
        if not props.get("Metrics"):
            return record(name, props)
        stand_in = {"Threshold": 0, **props, "Metrics": None, "MetricName": "-", "Namespace": "-"}
        metrics = {"Metrics": props["Metrics"], "MetricName": None, "Namespace": None}
        return record(name, stand_in) | metrics

    return record_with_metrics


def composite_behaviour() -> Behaviour:
    """Create composite alarms of templates in the emulator's CloudWatch, which evaluates them."""

    def attributes(physical_id: str, props: Properties) -> dict[str, Any]:
        place = f"{get_region()}:{get_account_id()}"
        return {"Arn": f"arn:aws:cloudwatch:{place}:alarm:{physical_id}"}

    def put(physical_id: str, props: Properties) -> None:
        request = {**props, "AlarmName": physical_id}
        _succeed(internals.put_composite_alarm(request))

    def delete(physical_id: str, props: Properties) -> None:
        _succeed(internals.delete_alarms([physical_id]))

    return Behaviour(attributes=attributes, create=put, update=put, delete=delete)


def _succeed(response: tuple[int, Any, bytes]) -> None:
    status, _, body = response
    if status >= 400:
        raise ValueError(json.loads(body)["message"])


def evaluate_all(now: float) -> None:
    """Set every alarm to the state of its metrics at `now`, in seconds since the epoch."""
    for account, region, alarm in internals.alarms():
        internals.act_as(account, region)
        try:
            _evaluate(alarm, now)
        except Exception as problem:  # one odd alarm must not stop the others
            _report_once(alarm, str(problem) or repr(problem))


def _report_once(alarm: dict[str, Any], problem: str) -> None:
    reason = f"Not evaluated by the embedded AWS: {problem}"
    if alarm["StateReason"] != reason:
        _LOGGER.warning("Alarm %s: %s", alarm["AlarmName"], reason)
        alarm["StateReason"] = reason


def _evaluate(alarm: Mapping[str, Any], now: float) -> None:
    breaches = _BREACHES.get(alarm["ComparisonOperator"])
    if breaches is None:
        raise ValueError(f"the comparison {alarm['ComparisonOperator']}")
    values = current_values(alarm, now)
    periods = int(alarm["EvaluationPeriods"])
    new = state(
        [None if value is None else breaches(value, alarm["Threshold"]) for value in values],
        datapoints_to_alarm=int(alarm.get("DatapointsToAlarm") or periods),
        missing=alarm["TreatMissingData"],
        current=alarm["StateValue"],
    )
    if new == alarm["StateValue"]:
        return
    reason = f"{alarm['ComparisonOperator']} {alarm['Threshold']} in {periods} periods: {values}"
    change = {"AlarmName": alarm["AlarmName"], "StateValue": new, "StateReason": reason}
    data = {"evaluatedDatapoints": [{"value": value} for value in values if value is not None]}
    internals.set_alarm_state(change | {"StateReasonData": json.dumps(data)})


def current_values(alarm: Mapping[str, Any], now: float) -> Series:
    """Return the values that an alarm compares: one per evaluation period, the latest last."""
    periods = int(alarm["EvaluationPeriods"])
    if not alarm.get("Metrics"):
        statistic = alarm.get("ExtendedStatistic") or alarm["Statistic"]
        return series(alarm, statistic, int(alarm["Period"]), periods, now)
    queries = {query["Id"]: query for query in alarm["Metrics"]}

    def series_of(query: Mapping[str, Any]) -> Series:
        if metric := query.get("MetricStat"):
            period = int(metric["Period"])
            return series(metric["Metric"], metric["Stat"], period, periods, now)
        names = queries.keys() & set(re.findall(r"\w+", query["Expression"]))
        used = {name: series_of(queries[name]) for name in names}
        return evaluate(query["Expression"], used, periods)

    return series_of(next(query for query in queries.values() if query.get("ReturnData", True)))


def series(
    metric: Mapping[str, Any], statistic: str, period: int, periods: int, now: float
) -> Series:
    """Return the metric's statistic in each period; the last period ends now."""
    buckets: list[list[Any]] = [[] for _ in range(periods)]
    for point in internals.points(metric):
        age = (now - point["Timestamp"]) // period
        if 0 <= age < periods:
            buckets[-1 - int(age)].append(point)
    return [_statistic(points, statistic) for points in buckets]


def _statistic(points: list[Any], statistic: str) -> Value:
    if not points:
        return None
    if rank := _PERCENTILE_RANK.fullmatch(statistic):
        return _share_between(points, *(float(bound) if bound else None for bound in rank.groups()))
    return internals.statistic_of(points, statistic)


def _share_between(points: list[Any], low: Value, high: Value) -> Value:
    """Return the percentage of values above `low` and up to `high`, which the emulator lacks."""
    samples = internals.percentile_samples(points)
    if not samples:
        return None
    within = sum(
        count
        for value, count in samples
        if (low is None or value > low) and (high is None or value <= high)
    )
    return float(100 * within / sum(count for _, count in samples))
