"""A replayed month that gets worse by 15 % sets off one alarm, once, which names the cause.

The deployed settings, the function's own code, and the alarms of the template in the embedded
CloudWatch: only S3 and the metrics of the answers are stand-ins.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from ministack.services import cloudwatch
from ministack.services.cloudformation import provisioners

from local import alarms, month
from operations import course, recording
from operations.history import History, due
from operations.measures import measures
from operations.settings import Settings
from sustainability.deployment.schema import Availability, Deployment, Store
from sustainability.report.targets import course_as_html, course_as_text
from tests.embedded_cloudwatch import evaluating
from tests.infrastructure.conftest import FOLDER
from tests.infrastructure.reading import Templates, flat, resources
from tests.unit.operations import fakes

START = datetime(2026, 10, 1, tzinfo=UTC)
REGRESSES = START.date() + timedelta(days=18)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def alarmed() -> Iterator[None]:
    with evaluating():
        yield


def a_deployment(at_most: float, by: date) -> Deployment:
    """Return ours of the laptop, on a store that costs nothing between questions, and busier."""
    ours = Deployment.load(FOLDER / "local.yaml")
    data = ours.model_dump(mode="json", exclude_unset=True)
    data["service_level"]["availability"] = Availability.STANDARD
    data["knowledge"]["store"] = Store.VECTORS
    data["traffic"]["otherwise"] = {"mean_per_hour": 40, "peak_per_hour": 80}
    data["traffic"]["periods"] = []
    target = {"at_most": at_most, "by": by.isoformat()}
    data["footprint"] = {"targets": {"per_answer": {"energy_wh": target}}}
    return Deployment.model_validate(data)


class Month:
    """A month of the deployment as its function and its alarms see it."""

    def __init__(self, deployment: Deployment, templates: Templates) -> None:
        self.deployment, self.states = deployment, dict[str, list[str]]()
        template = templates[f"{deployment.name}-monitoring"]
        (found,) = (
            properties["Environment"]["Variables"]
            for properties in resources(template, "AWS::Lambda::Function")
            if properties["Handler"] == "operations.handler.handler"
        )
        variables = {name: flat(value) for name, value in found.items()}
        self.settings = Settings.load(variables | {"AWS_REGION": deployment.region})
        (answer,) = (
            properties["Environment"]["Variables"]["METRICS"].split()
            for properties in resources(templates, "AWS::Lambda::Function")
            if properties["Handler"] == "rag.answer_handler.handler"
        )
        self.sent = set(answer)
        for properties in resources(template, "AWS::CloudWatch::Alarm"):
            if properties["AlarmName"].split("-")[1] == "OffTarget":
                provisioners._cw_metric_alarm_put(properties["AlarmName"], properties)
                self.states[properties["AlarmName"].split("-")[-1]] = []

    def replay(self, longer: float, monkeypatch: pytest.MonkeyPatch) -> fakes.Bucket:
        """Run the function on each day as its schedule does, and judge the alarms after it."""
        asked = measures(self.deployment.name, self.settings.sources)
        sources = {"answer": self.settings.sources.answer, "account": "1"}
        hours = month._hours(self.deployment, START, month.DAYS, longer)
        values = {
            hour: _values(
                month.metrics(self.deployment, hour, questions, sources, self.sent, seed=number),
                asked,
            )
            for number, (hour, questions) in enumerate(hours)
        }
        monkeypatch.setattr(course, "publish", self._put)
        monkeypatch.setattr(recording, "publish", self._put)
        clock = [START]
        bucket = fakes.Bucket(lambda: clock[0])
        store, told = History(bucket, "history"), fakes.CloudWatch(values)
        for day in range(1, month.DAYS + 1):
            now = clock[0] = START + day * DAY + timedelta(hours=3, minutes=10)
            known = store.written(now)
            waiting = [hour for hour in due(now, known) if hour >= START]
            written = recording.update(now, waiting, store, told, self.settings)
            assert len(course.update(now, written, store, self.settings)) == 1
            assert course.update(now, [], store, self.settings) == []  # the second run of the day
            alarms.evaluate_all(now.timestamp())
            for name, states in self.states.items():
                full = f"{self.deployment.name}-OffTarget-{name}"
                states.append(cloudwatch._alarms[full]["StateValue"])
        return bucket

    def fired(self) -> dict[str, int]:
        """Return how often each alarm went on."""
        return {
            name: count
            for name, states in self.states.items()
            if (
                count := sum(a != "ALARM" == b for a, b in zip(["", *states], states, strict=False))
            )
        }

    def _put(self, name: str, at: datetime, values: Mapping[str, float]) -> None:
        dimensions = {"Deployment": name, "service": "operations"}
        for metric, value in values.items():
            put = partial(cloudwatch._store_datum, "SustainableGenerativeAI", metric, dimensions)
            put(at.timestamp(), "None", value, None, None, None)


def _values(hour: month.Hour, asked: Mapping[str, Any]) -> dict[str, float]:
    found = {}
    for name, measure in asked.items():
        key = measure.namespace, measure.metric, tuple(measure.dimensions.items())
        if key in hour.values:
            each = hour.values[key]
            found[name] = float(len(each) if measure.statistic == "SampleCount" else sum(each))
    return found


def _course(bucket: fakes.Bucket) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(bucket.objects["course.json"][0])
    return found


@pytest.mark.parametrize("by", [date(2026, 7, 1), date(2027, 7, 1)], ids=["due", "not yet due"])
def test_a_month_that_regresses_by_15_percent_fires_its_alarm_once_and_names_the_cause(
    by: date,
    alarmed: None,
    synthesize: Callable[[Deployment], Templates],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    usual = Month(a_deployment(1, by), synthesize(a_deployment(1, by)))
    before = _course(usual.replay(0.0001, monkeypatch))
    assert usual.fired() == {}
    (target,) = before["targets"]
    assert target["state"] == "holds"
    days = [day for day in before["days"].values() if day]
    generating = sum(day["parts"]["Generating"]["kwh"] for day in days)
    longer = 0.15 * sum(day["taken"]["kwh"] for day in days) / generating

    # The target is what the deployment takes, or less where its date is still to come.
    now = target["week"] * 1000 * (1.01 if by < START.date() else 0.9)
    cloudwatch.reset()
    worse = Month(a_deployment(now, by), synthesize(a_deployment(now, by)))
    bucket = worse.replay(longer, monkeypatch)

    after = _course(bucket)
    assert after["targets"][0]["week"] / target["week"] == pytest.approx(1.15, abs=0.03)
    assert worse.fired() == {"OffTargetGenerating": 1}
    fired = worse.states["OffTargetGenerating"].index("ALARM")
    assert REGRESSES < START.date() + fired * DAY < REGRESSES + 9 * DAY
    assert after["off"]["part"] == "Generating"
    assert after["quality"]["answered"]["drop"] == 0
    for told in (course_as_text(after), course_as_html(after)):
        assert "generating on Bedrock" in told
        assert "energy per answer" in told
        assert f"of which {after['baseline_days']} have a record" in told
