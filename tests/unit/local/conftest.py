"""An endpoint as it would be deployed, and a clock that the test sets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from ministack.core.responses import set_request_region
from ministack.services import cloudwatch

from local import autoscaling, clock, endpoints
from local.cloudformation import RECORDS, handlers
from local.endpoints import COMPONENT, CONFIG, ENDPOINT, MODEL, Fleet, fleets

REGION = "eu-north-1"
NOW = datetime(2026, 11, 23, 6, 0, tzinfo=UTC).timestamp()
COLD_START_S = 300
TARGET = "inference-component/answers|sagemaker:inference-component:DesiredCopyCount|sagemaker"


class World:
    """One component with a scalable target, and a clock that the test sets."""

    def __init__(self) -> None:
        self.now = NOW

    def deploy(self, *, copies: int, least: int = 0, most: int = 9, **target: Any) -> Fleet:
        for type_name, properties in (
            (MODEL, {"ModelName": "model"}),
            (CONFIG, {"EndpointConfigName": "config", "ProductionVariants": [variant()]}),
            (ENDPOINT, {"EndpointName": "answers", "EndpointConfigName": "config"}),
            (COMPONENT, component(copies)),
        ):
            handlers(type_name)["create"]("Thing", properties, "stack")
        bounds = {"MinCapacity": least, "MaxCapacity": most}
        self._record("AWS::ApplicationAutoScaling::ScalableTarget", TARGET, bounds | target)
        (fleet,) = fleets()
        return fleet

    def deploy_queue(self, config: dict[str, Any]) -> Fleet:
        """Deploy an asynchronous endpoint with one instance."""
        hosting = variant() | {"ModelName": "model"}
        properties = {"EndpointConfigName": "config", "ProductionVariants": [hosting]}
        for type_name, props in (
            (MODEL, {"ModelName": "model"}),
            (CONFIG, properties | {"AsyncInferenceConfig": config}),
            (ENDPOINT, {"EndpointName": "answers", "EndpointConfigName": "config"}),
        ):
            handlers(type_name)["create"]("Thing", props, "stack")
        (fleet,) = fleets()
        return fleet

    def policy(self, name: str, kind: str, configuration: dict[str, Any]) -> None:
        self._record(
            "AWS::ApplicationAutoScaling::ScalingPolicy",
            name,
            {"ScalingTargetId": TARGET, f"{kind}PolicyConfiguration": configuration},
        )

    def track(self, *configurations: dict[str, Any]) -> None:
        for number, configuration in enumerate(configurations):
            self.policy(f"track-{number}", "TargetTrackingScaling", configuration)

    def load(self, name: str, values: Sequence[float], period: int) -> None:
        """Publish a datapoint in the middle of each of the last whole periods, oldest first."""
        for age, value in enumerate(reversed(values)):
            time = self.now - self.now % period - (age + 0.5) * period
            dimensions = {"InferenceComponentName": "answers"}
            cloudwatch._store_datum(
                "AWS/SageMaker", name, dimensions, time, "None", value, None, None, None
            )

    def alarm(self, policy: str, state: str, value: float) -> None:
        """Have an alarm with the threshold 5 be in a state, its metric at a value."""
        alarm = {
            "AlarmName": f"of-{policy}",
            "StateValue": state,
            "ActionsEnabled": True,
            "AlarmActions": [policy],
            "Threshold": 5,
            "EvaluationPeriods": 1,
            "Namespace": "Rag",
            "MetricName": policy,
            "Statistic": "Sum",
            "Period": 60,
        }
        cloudwatch._alarms[alarm["AlarmName"]] = alarm
        cloudwatch._store_datum("Rag", policy, {}, self.now, "None", value, None, None, None)

    def scale(self, *, after: float = 0) -> None:
        self.now += after
        autoscaling.scale(self.now)

    def _record(self, type_name: str, id_: str, properties: dict[str, Any]) -> None:
        RECORDS[f"{type_name} {id_}"] = {
            "type": type_name,
            "id": id_,
            "region": REGION,
            "properties": {"ResourceId": TARGET.split("|")[0], **properties},
            "attributes": {},
        }


def variant() -> dict[str, Any]:
    return {"VariantName": "all", "InstanceType": "ml.inf2.24xlarge", "InitialInstanceCount": 1}


def component(copies: int) -> dict[str, Any]:
    return {
        "InferenceComponentName": "answers",
        "EndpointName": "answers",
        "VariantName": "all",
        "Specification": {
            "ModelName": "model",
            "ComputeResourceRequirements": {
                "MinMemoryRequiredInMb": 1024,
                "NumberOfAcceleratorDevicesRequired": 1,
            },
        },
        "RuntimeConfig": {"CopyCount": copies},
    }


@contextmanager
def emptied() -> Iterator[None]:
    """Have nothing deployed and nothing measured, before and after."""
    set_request_region(REGION)
    RECORDS.clear()
    cloudwatch.reset()
    yield
    RECORDS.clear()
    cloudwatch.reset()
    set_request_region(None)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    world = World()
    monkeypatch.setattr(clock, "now", lambda: world.now)
    monkeypatch.setattr(endpoints, "_published", {})
    endpoints.install(cold_start_s=COLD_START_S)
    with emptied():
        yield world
