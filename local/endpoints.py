"""SageMaker endpoints: copies that start, serve and stop, and their metrics.

Metrics and their dimensions:
https://docs.aws.amazon.com/sagemaker/latest/dg/monitoring-cloudwatch.html
https://docs.aws.amazon.com/sagemaker/latest/dg/async-inference-monitor.html
"""

from __future__ import annotations

import math
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import psutil
from ministack.core.responses import get_region, set_request_region
from ministack.services import cloudwatch

from local import clock
from local import ministack_internals as internals
from local.cloudformation import RECORDS, Behaviour, Properties
from sustainability.facts.lookup import Facts

COMPONENT = "AWS::SageMaker::InferenceComponent"
ENDPOINT = "AWS::SageMaker::Endpoint"
CONFIG = "AWS::SageMaker::EndpointConfig"
MODEL = "AWS::SageMaker::Model"

_LOAD_PERIOD_S, _PERIOD_S = 10, 60
_settings = {"cold_start_s": 0.0}
_lock = threading.Lock()
_outstanding: Counter[str] = Counter()
_peaks: Counter[str] = Counter()
_published: dict[tuple[str, int], float] = {}


@dataclass(frozen=True)
class Fleet:
    """A scalable target: the copies of an inference component, or the instances of a variant."""

    record: dict[str, Any] = field(repr=False)
    endpoint: str
    variant: str
    component: str | None

    @property
    def region(self) -> str:
        """Its Region."""
        return str(self.record["region"])

    @property
    def name(self) -> str:
        """The name that callers use: the component's or the endpoint's."""
        return self.component or self.endpoint

    @property
    def resource_id(self) -> str:
        """Its resource id in Application Auto Scaling."""
        if self.component:
            return f"inference-component/{self.component}"
        return f"endpoint/{self.endpoint}/variant/{self.variant}"

    @property
    def model(self) -> Properties:
        """The properties of the model that it serves."""
        if self.component:
            name = self.record["properties"]["Specification"]["ModelName"]
        else:
            name = variant_of(self.endpoint, self.region)["ModelName"]
        properties: Properties = find(MODEL, name, self.region)["properties"]
        return properties

    @property
    def dimensions(self) -> dict[str, str]:
        """The dimensions of its metrics."""
        return {"InferenceComponentName": self.component} if self.component else self._hosts

    @property
    def state(self) -> dict[str, Any]:
        """State that is not in the template; it exists as long as the resource."""
        if "fleet" not in self.record:
            ready_at = [0.0] * self._initial
            self.record["fleet"] = {"ready_at": ready_at, "queue": [], "since": clock.now()}
        state: dict[str, Any] = self.record["fleet"]
        return state

    @property
    def desired(self) -> int:
        """Copies that should serve."""
        return len(self.state["ready_at"])

    @property
    def current(self) -> int:
        """Copies that serve now."""
        now = clock.now()
        return sum(ready_at <= now for ready_at in self.state["ready_at"])

    @property
    def outstanding(self) -> int:
        """Requests in progress."""
        return _outstanding[self.resource_id]

    @property
    def queue_config(self) -> dict[str, Any] | None:
        """The configuration of an asynchronous endpoint; None for others."""
        return config_of(self.endpoint, self.region).get("AsyncInferenceConfig")

    def instances(self, copies: int) -> int:
        """Return how many instances so many copies need."""
        if not self.component:
            return copies
        variant = variant_of(self.endpoint, self.region)
        required = self.record["properties"]["Specification"]["ComputeResourceRequirements"]
        devices = Facts()(f"power/accelerators/{variant['InstanceType'][3:]}", "devices").mid
        per_instance = devices // int(required["NumberOfAcceleratorDevicesRequired"])
        least = int(variant.get("ManagedInstanceScaling", {}).get("MinInstanceCount", 0))
        return max(math.ceil(copies / per_instance), least)

    def resize(self, copies: int, *, waited_for: bool = False) -> None:
        """Start copies, which serve after a cold start, or stop the newest at once.

        A deployment waits for the copies that it starts, so for a deployment they serve at once.
        """
        ready_at = clock.now() + (0 if waited_for else _settings["cold_start_s"])
        kept = self.state["ready_at"][:copies]
        self.state["ready_at"] = kept + [ready_at] * (copies - len(kept))

    def begin(self) -> None:
        """Count a request as in progress."""
        with _lock:
            _outstanding[self.resource_id] += 1
            _peaks[self.resource_id] = max(_peaks[self.resource_id], self.outstanding)

    def end(self) -> None:
        """Count a request as done."""
        with _lock:
            _outstanding[self.resource_id] -= 1

    def publish_answer(self, metrics: Mapping[str, float], *, unit: str = "None") -> None:
        """Publish to AWS/SageMaker by component and by variant."""
        for dimensions in (self.dimensions, self._hosts) if self.component else (self._hosts,):
            self._publish("AWS/SageMaker", metrics, dimensions, unit)

    def publish_outcome(self, metric: str) -> None:
        """Publish the result of a queued request."""
        self._publish("AWS/SageMaker", {metric: 1}, {"EndpointName": self.endpoint})

    def publish_refusal(self) -> None:
        """Publish that a call found no copy, which SageMaker counts only by component."""
        self._publish("AWS/SageMaker", {"NoCapacityInvocationFailures": 1}, self.dimensions)

    def publish_regularly(self) -> None:
        """Publish the metrics that SageMaker publishes also without requests."""
        if self._due(_LOAD_PERIOD_S) and self.current:
            peak, _peaks[self.resource_id] = _peaks[self.resource_id], self.outstanding
            name = "ConcurrentRequestsPer" + ("Copy" if self.component else "Model")
            self._publish("AWS/SageMaker", {name: peak / self.current}, self.dimensions)
        if self._due(_PERIOD_S):
            self._publish_utilization()
            if self.queue_config:
                self._publish_backlog()

    def _publish_utilization(self) -> None:
        """Publish this machine's utilization, because the models run on it."""
        cpu, memory = psutil.cpu_percent(), psutil.virtual_memory().percent
        for _ in range(self.current if self.component else 0):
            copy = {"CPUUtilizationNormalized": cpu, "MemoryUtilizationNormalized": memory}
            self._publish("/aws/sagemaker/InferenceComponents", copy, self.dimensions)
        for _ in range(self.instances(self.current)):
            instance = {
                "CPUUtilization": cpu * (psutil.cpu_count() or 1),  # SageMaker adds up the cores
                "MemoryUtilization": memory,
                "DiskUtilization": psutil.disk_usage("/").percent,
            }
            self._publish("/aws/sagemaker/Endpoints", instance, self._hosts)

    def _publish_backlog(self) -> None:
        waiting = self.state["queue"]
        backlog = len(waiting) + self.outstanding
        metrics: dict[str, float] = {
            "ApproximateBacklogSize": backlog,
            "HasBacklogWithoutCapacity": int(backlog > 0 and not self.current),
        }
        if self.current:
            metrics["ApproximateBacklogSizePerInstance"] = backlog / self.current
        if waiting:
            metrics["ApproximateAgeOfOldestRequest"] = clock.now() - waiting[0]["received_at"]
        self._publish("AWS/SageMaker", metrics, {"EndpointName": self.endpoint})

    def _publish(
        self,
        namespace: str,
        metrics: Mapping[str, float],
        dimensions: dict[str, str],
        unit: str = "None",
    ) -> None:
        set_request_region(self.region)
        for name, value in metrics.items():
            cloudwatch.record_metric(namespace, name, value, unit, dimensions)

    def _due(self, period_s: int) -> bool:
        key, now = (self.resource_id, period_s), clock.now()
        if now // period_s == _published.get(key, 0.0) // period_s:
            return False
        _published[key] = now
        return True

    @property
    def _initial(self) -> int:
        if self.component:
            return _copy_count(self.record["properties"])
        return int(variant_of(self.endpoint, self.region)["InitialInstanceCount"])

    @property
    def _hosts(self) -> dict[str, str]:
        return {"EndpointName": self.endpoint, "VariantName": self.variant}


def install(*, cold_start_s: float) -> dict[str, Behaviour]:
    """Set the start time of a copy; return the behaviour of each resource type."""
    _settings["cold_start_s"] = cold_start_s

    def check_models(physical_id: str, props: Properties) -> None:
        for variant in props["ProductionVariants"]:
            if "RoutingConfig" in variant and "AsyncInferenceConfig" in props:
                raise ValueError("RoutingConfig is not for asynchronous endpoints.")
            if "ModelName" in variant:
                find(MODEL, variant["ModelName"], get_region())

    def check_config(physical_id: str, props: Properties) -> None:
        find(CONFIG, props["EndpointConfigName"], get_region())

    def check_component(physical_id: str, props: Properties) -> None:
        find(MODEL, props["Specification"]["ModelName"], get_region())
        variant = variant_of(props["EndpointName"], get_region())["VariantName"]
        if variant != props["VariantName"]:
            raise ValueError(f"{props['EndpointName']} has no variant {props['VariantName']}")

    def update_component(physical_id: str, props: Properties) -> None:
        check_component(physical_id, props)
        (fleet,) = (fleet for fleet in fleets() if fleet.record["id"] == physical_id)
        policy = props.get("DeploymentConfig", {}).get("RollingUpdatePolicy")
        if policy is not None:
            _check_batch(policy["MaximumBatchSize"], fleet.desired)
        fleet.resize(_copy_count(props), waited_for=True)

    def check_empty(physical_id: str, props: Properties) -> None:
        name = _name(physical_id)
        if any(fleet.endpoint == name and fleet.component for fleet in fleets()):
            raise ValueError(f"Endpoint {name} hosts inference components: delete them first")

    def check_artifacts(physical_id: str, props: Properties) -> None:
        place = urlsplit(artifacts_of(props))
        if place.netloc and not internals.has_objects(place.netloc, place.path.lstrip("/")):
            raise ValueError(f"Could not find model data at {place.geturl()}.")

    return {
        MODEL: Behaviour(create=check_artifacts),
        CONFIG: Behaviour(create=check_models),
        ENDPOINT: Behaviour(create=check_config, update=check_config, delete=check_empty),
        COMPONENT: Behaviour(create=check_component, update=update_component),
    }


def artifacts_of(model: Properties) -> str:
    """Return the S3 prefix of a model's artifacts; empty if it names none."""
    source = model.get("PrimaryContainer", {}).get("ModelDataSource", {})
    return str(source.get("S3DataSource", {}).get("S3Uri", ""))


def fleets() -> list[Fleet]:
    """Return the scalable targets of all Regions."""
    return list(_fleets())


def _fleets() -> Iterator[Fleet]:
    for record in list(RECORDS.values()):
        properties, name = record["properties"], _name(record["id"])
        if record["type"] == COMPONENT:
            yield Fleet(record, properties["EndpointName"], properties["VariantName"], name)
        elif record["type"] == ENDPOINT:
            variant = variant_of(name, record["region"])
            if "ModelName" in variant:
                yield Fleet(record, name, variant["VariantName"], None)


def find(type_name: str, name: str, region: str) -> dict[str, Any]:
    """Return the record of a SageMaker resource. Raises ValueError if there is none."""
    for record in list(RECORDS.values()):
        if (record["type"], record["region"], _name(record["id"])) == (type_name, region, name):
            return record
    kind = type_name.rsplit("::", 1)[1]
    raise ValueError(f"Could not find {kind} {name} in {region}.")


def config_of(endpoint: str, region: str) -> dict[str, Any]:
    """Return the properties of an endpoint's configuration. Raises ValueError."""
    name = find(ENDPOINT, endpoint, region)["properties"]["EndpointConfigName"]
    properties: dict[str, Any] = find(CONFIG, name, region)["properties"]
    return properties


def variant_of(endpoint: str, region: str) -> dict[str, Any]:
    """Return an endpoint's only variant. Raises ValueError."""
    variant: dict[str, Any] = config_of(endpoint, region)["ProductionVariants"][0]
    return variant


def _check_batch(size: Mapping[str, Any], copies: int) -> None:
    """Refuse a rolling update whose batch is not 5 to 50 % of the copies.

    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_InferenceComponentRollingUpdatePolicy.html
    """
    counted = size["Type"] == "COPY_COUNT"
    percent = 100 * int(size["Value"]) / max(copies, 1) if counted else int(size["Value"])
    if not copies or not 5 <= percent <= 50:
        raise ValueError(
            f"MaximumBatchSize must be between 5% and 50% of the copy count, which is {copies}."
        )


def _copy_count(props: Properties) -> int:
    return int(props.get("RuntimeConfig", {}).get("CopyCount", 0))


def _name(arn: str) -> str:
    return arn.rsplit("/", 1)[-1]
