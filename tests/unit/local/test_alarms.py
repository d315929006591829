from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from ministack.services import cloudwatch
from ministack.services.cloudformation import provisioners

from local.alarms import composite_behaviour, evaluate_all, state
from local.cloudformation import handlers
from local.metric_math import Series, evaluate
from tests.embedded_cloudwatch import evaluating

NOW = 1_800_000_000.0
COMPOSITE = "AWS::CloudWatch::CompositeAlarm"
ANSWERS = {
    "Namespace": "Rag",
    "MetricName": "Latency",
    "Dimensions": [{"Name": "step", "Value": "answer"}],
    "Statistic": "Maximum",
    "Period": 60,
    "EvaluationPeriods": 1,
    "Threshold": 100,
    "ComparisonOperator": "GreaterThanThreshold",
}


@pytest.fixture(autouse=True)
def _region() -> Iterator[None]:
    with evaluating():
        yield


def put_alarm(name: str, **props: Any) -> None:
    provisioners._cw_metric_alarm_put(name, props)


def measure(value: float, *, age: float = 1, step: str = "answer", name: str = "Latency") -> None:
    dimensions = {"step": step}
    cloudwatch._store_datum("Rag", name, dimensions, NOW - age, "None", value, None, None, None)


def state_of(name: str) -> str:
    evaluate_all(NOW)
    alarm = cloudwatch._alarms.get(name) or cloudwatch._composite_alarms[name]
    return str(alarm["StateValue"])


# Rows of "Configuring how CloudWatch alarms treat missing data": X breaches, 0 does not.
@pytest.mark.parametrize(
    ("points", "needed", "missing", "ignore", "breaching", "not_breaching"),
    [
        ("0XX", 3, "OK", "OK", "OK", "OK"),
        ("XXX", 3, "ALARM", "ALARM", "ALARM", "ALARM"),
        ("X--", 3, "ALARM", "CURRENT", "ALARM", "OK"),
        ("--X", 3, "CURRENT", "CURRENT", "ALARM", "OK"),
        ("--0", 3, "OK", "OK", "OK", "OK"),
        ("---", 3, "INSUFFICIENT_DATA", "CURRENT", "ALARM", "OK"),
        ("X0X", 2, "ALARM", "ALARM", "ALARM", "ALARM"),
        ("0X-", 2, "OK", "OK", "ALARM", "OK"),
    ],
)
def test_missing_data_is_treated_as_told(
    points: str, needed: int, missing: str, ignore: str, breaching: str, not_breaching: str
) -> None:
    seen = [{"X": True, "0": False}.get(point) for point in points]

    found = [
        state(seen, datapoints_to_alarm=needed, missing=treatment, current="CURRENT")
        for treatment in ("missing", "ignore", "breaching", "notBreaching")
    ]

    assert found == [missing, ignore, breaching, not_breaching]


def test_an_alarm_sees_its_own_dimensions_alone() -> None:
    put_alarm("slow", **ANSWERS)
    measure(500, step="retrieve")
    assert state_of("slow") == "INSUFFICIENT_DATA"

    measure(500)
    assert state_of("slow") == "ALARM"


def test_an_alarm_ends_when_the_data_does() -> None:
    put_alarm("slow", **ANSWERS, TreatMissingData="notBreaching")
    measure(500, age=59)
    assert state_of("slow") == "ALARM"

    evaluate_all(NOW + 2)
    assert cloudwatch._alarms["slow"]["StateValue"] == "OK"


def test_an_alarm_needs_its_datapoints_in_different_periods() -> None:
    put_alarm("slow", **{**ANSWERS, "EvaluationPeriods": 3, "DatapointsToAlarm": 2})
    measure(500, age=1)
    measure(500, age=2)
    measure(5, age=61)
    assert state_of("slow") == "OK"

    measure(500, age=121)
    assert state_of("slow") == "ALARM"


def test_percentiles_are_of_the_values_in_the_period() -> None:
    extended = {key: value for key, value in ANSWERS.items() if key != "Statistic"}
    put_alarm("slow", **extended, ExtendedStatistic="p50")
    for value in (1, 1, 500):
        measure(value)
    assert state_of("slow") == "OK"


def test_an_alarm_may_watch_an_expression() -> None:
    metrics = [
        {"Id": "rate", "Expression": "100 * failed / (failed + fine)", "ReturnData": True},
        *(
            {
                "Id": identifier,
                "ReturnData": False,
                "MetricStat": {
                    "Metric": {**ANSWERS, "MetricName": identifier},
                    "Period": 60,
                    "Stat": "Sum",
                },
            }
            for identifier in ("failed", "fine")
        ),
    ]
    rest = ("Threshold", "ComparisonOperator", "EvaluationPeriods")
    put_alarm("failing", Metrics=metrics, **{key: ANSWERS[key] for key in rest} | {"Threshold": 50})
    measure(1, name="failed")
    measure(1, name="fine")
    assert state_of("failing") == "OK"

    measure(1, name="failed")
    assert state_of("failing") == "ALARM"


def test_what_cannot_be_evaluated_says_so_and_stops_no_other_alarm() -> None:
    odd = [{"Id": "found", "Expression": "SEARCH('{Rag,step} Latency', 'Sum')"}]
    comparison = {"ComparisonOperator": "GreaterThanThreshold", "EvaluationPeriods": 1}
    put_alarm("odd", Metrics=odd, Threshold=1, **comparison)
    put_alarm("slow", **ANSWERS)
    measure(500)

    assert state_of("slow") == "ALARM"
    assert cloudwatch._alarms["odd"]["StateValue"] == "INSUFFICIENT_DATA"
    assert "SEARCH" in cloudwatch._alarms["odd"]["StateReason"]


def test_a_composite_alarm_of_a_template_follows_its_children() -> None:
    put_alarm("slow", **ANSWERS)
    handler = handlers(COMPOSITE, composite_behaviour())
    props = {"AlarmName": "any", "AlarmRule": "ALARM(slow)"}
    _, attributes = handler["create"]("Any", props, "Stack")
    measure(500)

    assert state_of("slow") == state_of("any") == "ALARM"
    assert attributes["Arn"] == "arn:aws:cloudwatch:eu-north-1:000000000000:alarm:any"
    handler["delete"]("any", props)
    assert "any" not in cloudwatch._composite_alarms


def test_a_composite_alarm_on_nothing_fails_the_deployment() -> None:
    with pytest.raises(ValueError, match="missing"):
        handlers(COMPOSITE, composite_behaviour())["create"](
            "Any", {"AlarmName": "none", "AlarmRule": "ALARM(missing)"}, "Stack"
        )


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("a + 2 * b", [21, 40, 63]),
        ("a + 2", [3, None, 5]),
        ("a > b AND b > 5", [0, 0, 0]),
        ("IF(b > 5, a, 7)", [1, 0, 3]),
        ("IF(a > 5, 1, b)", [10, None, 30]),
        ("-a ^ 2", [-1, None, -9]),
        ("b / (a - 1)", [None, None, 15]),
        ("FILL(a, 0)", [1, 0, 3]),
        ("FILL(a, REPEAT)", [1, 1, 3]),
        ("FILL(a, b)", [1, 20, 3]),
        ("SUM([a, b])", [11, 20, 33]),
        ("MAX([a, b])", [10, 20, 30]),
        ("AVG(b)", [20, 20, 20]),
        ("IF(b > 15, b, 0)", [0, 20, 30]),
        ("IF(b >= 20 AND b < 30, 1)", [None, 1, None]),
        ("b == 10 || b == 30", [1, 0, 1]),
    ],
)
def test_metric_math(expression: str, expected: list[float | None]) -> None:
    series: dict[str, Series] = {"a": [1.0, None, 3.0], "b": [10.0, 20.0, 30.0]}

    assert evaluate(expression, series, 3) == expected


@pytest.mark.parametrize("expression", ["c", "a +", "__import__('os')", "a.real", "PERIOD(a)", ""])
def test_metric_math_names_what_it_does_not_understand(expression: str) -> None:
    with pytest.raises(ValueError, match="metric math not understood"):
        evaluate(expression, {"a": [1.0]}, 1)


def test_a_percentile_rank_is_the_share_of_values_up_to_a_limit() -> None:
    statistic = {"Statistic": None, "ExtendedStatistic": "PR(:100)", "Threshold": 75}
    put_alarm("latency", **ANSWERS | statistic | {"ComparisonOperator": "LessThanThreshold"})
    for value in (50, 100, 100):
        measure(value)
    assert state_of("latency") == "OK"
    for value in (100.1, 200):
        measure(value)
    assert state_of("latency") == "ALARM"
