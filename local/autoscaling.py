"""Emulates Application Auto Scaling for the deployed targets, policies and schedules.

It follows the AWS documentation. Where that is silent, it does the same as the simulator: target
tracking scales out after three datapoints above the target. It scales in when every datapoint of 15
minutes was below 90 % of the target, to the number of copies for the highest of them.
https://docs.aws.amazon.com/autoscaling/application/userguide/what-is-application-auto-scaling.html
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from ministack import app
from ministack.core.responses import get_region, set_request_region

from local import ministack_internals as internals
from local.alarms import current_values, series
from local.cloudformation import RECORDS
from local.endpoints import Fleet, fleets
from sustainability.offers.target_tracking import IN_SECONDS, IN_THRESHOLD, OUT_DATAPOINTS

_LOGGER = logging.getLogger(__name__)
_SERVICE = "application-autoscaling"
_PREDEFINED = {
    "SageMakerInferenceComponentConcurrentRequestsPerCopyHighResolution": (
        "ConcurrentRequestsPerCopy",
        "Maximum",
        10,
    ),
    "SageMakerInferenceComponentInvocationsPerCopy": ("InvocationsPerCopy", "Sum", 60),
    "SageMakerVariantConcurrentRequestsPerModelHighResolution": (
        "ConcurrentRequestsPerModel",
        "Maximum",
        10,
    ),
    "SageMakerVariantInvocationsPerInstance": ("InvocationsPerInstance", "Sum", 60),
}
"""Metric, statistic and period in seconds."""


def install() -> None:
    """Serve the part of the API that sets the limits of a target by hand."""
    operations = {
        "DescribeScalableTargets": _describe_targets,
        "RegisterScalableTarget": _register_target,
    }

    async def serve(
        method: str, path: str, headers: Mapping[str, str], body: bytes, query: object
    ) -> tuple[int, dict[str, str], bytes]:
        operation = headers.get("x-amz-target", "").rpartition(".")[2]
        try:
            if operation not in operations:
                raise ValueError(f"The embedded AWS does not support {operation}.")
            status, answer = 200, operations[operation](json.loads(body))
        except ValueError as error:
            status, answer = 400, {"__type": "ValidationException", "message": str(error)}
        kind = {"content-type": "application/x-amz-json-1.1"}
        return status, kind, json.dumps(answer).encode()

    app.SERVICE_HANDLERS[_SERVICE] = serve
    internals.authorize_service(_SERVICE, _SERVICE)


def _describe_targets(request: dict[str, Any]) -> dict[str, Any]:
    found = []
    for target in _targets_here():
        properties = target["properties"]
        least, most = _bounds(target)
        if properties["ResourceId"] in request.get("ResourceIds", [properties["ResourceId"]]):
            kept = {key: properties[key] for key in ("ResourceId", "ScalableDimension")}
            kept["ServiceNamespace"] = request["ServiceNamespace"]
            found.append({**kept, "MinCapacity": least, "MaxCapacity": most})
    return {"ScalableTargets": found}


def _register_target(request: dict[str, Any]) -> dict[str, Any]:
    for target in _targets_here():
        if target["properties"]["ResourceId"] == request["ResourceId"]:
            least, most = _bounds(target)
            bounds = [request.get("MinCapacity", least), request.get("MaxCapacity", most)]
            target["bounds"] = bounds
            for fleet in fleets():
                if (fleet.region, fleet.resource_id) == (target["region"], request["ResourceId"]):
                    _move_into(bounds, fleet.desired, fleet, "its bounds")
            return {"ScalableTargetARN": target["id"]}
    raise ValueError(f"No scalable target is registered for {request['ResourceId']}.")


def _targets_here() -> Iterator[dict[str, Any]]:
    targets = _records("AWS::ApplicationAutoScaling::ScalableTarget")
    return (target for target in targets if target["region"] == get_region())


def _bounds(target: Mapping[str, Any]) -> list[int]:
    """Return the fewest and the most copies of a target, as they are now."""
    bounds: list[int] = target.get("bounds") or _declared(target)
    return bounds


def _declared(target: Mapping[str, Any]) -> list[int]:
    properties = target["properties"]
    return [properties["MinCapacity"], properties["MaxCapacity"]]


def scale(now: float) -> None:
    """Set every scalable target to the copies that its schedule and its policies request.

    If several step policies act at once, the one with the most copies wins.
    """
    served = {(fleet.region, fleet.resource_id): fleet for fleet in fleets()}
    for target in _records("AWS::ApplicationAutoScaling::ScalableTarget"):
        fleet = served.get((target["region"], target["properties"]["ResourceId"]))
        if fleet is None:
            continue
        set_request_region(fleet.region)
        policies = [
            policy
            for policy in _records("AWS::ApplicationAutoScaling::ScalingPolicy")
            if policy["properties"]["ScalingTargetId"] == target["id"]
            and policy["region"] == fleet.region
        ]
        _keep_in_bounds(fleet, target, now)
        stepped = [_step(policy, fleet.desired, now) for policy in policies]
        if asked := [copies for copies in stepped if copies is not None]:
            _scale_to(max(asked), fleet, target, "an alarm")
        _scale_to(_track(policies, fleet, now), fleet, target, "target tracking")


def _records(type_name: str) -> Iterator[dict[str, Any]]:
    return (record for record in list(RECORDS.values()) if record["type"] == type_name)


def _scale_to(wanted: int, fleet: Fleet, target: Mapping[str, Any], cause: str) -> None:
    """Set the copies only if the wanted number changes: a user may have set them by hand."""
    if wanted != fleet.desired:
        _move_into(target["bounds"], wanted, fleet, cause)


def _move_into(bounds: list[int], wanted: int, fleet: Fleet, cause: str) -> None:
    copies = min(max(wanted, bounds[0]), bounds[1])
    if copies != fleet.desired:
        _LOGGER.info("%s: %d to %d copies, by %s", fleet.name, fleet.desired, copies, cause)
        fleet.resize(copies)


def _keep_in_bounds(fleet: Fleet, target: dict[str, Any], now: float) -> None:
    """Set the target's bounds, from the template or the schedule; new ones move the copies."""
    properties = target["properties"]
    bounds, declared = _bounds(target), _declared(target)
    if target.get("declared") != declared:
        target["declared"] = bounds = declared
    since = target.get("scheduled_until", now)
    for action in properties.get("ScheduledActions", []):
        if _fires(action, since, now):
            change = action["ScalableTargetAction"]
            bounds = [change.get("MinCapacity", bounds[0]), change.get("MaxCapacity", bounds[1])]
    target["scheduled_until"] = now
    if bounds != target.get("bounds"):
        target["bounds"] = bounds = [int(bound) for bound in bounds]
        _move_into(bounds, fleet.desired, fleet, "its bounds")


def _fires(action: Mapping[str, Any], since: float, now: float) -> bool:
    """Return whether a schedule, in its own time zone, is due after `since` and up to `now`.

    https://docs.aws.amazon.com/autoscaling/application/userguide/scheduled-scaling-using-cron-expressions.html
    """
    zone = ZoneInfo(action.get("Timezone", "UTC"))
    fires_at = internals.next_cron_time(action["Schedule"], datetime.fromtimestamp(since, zone))
    return fires_at is not None and fires_at.timestamp() <= now


def _step(policy: dict[str, Any], copies: int, now: float) -> int | None:
    """Return the copies that a policy requests while its alarm lasts; None without an alarm.

    https://docs.aws.amazon.com/autoscaling/application/userguide/step-scaling-policy-overview.html
    """
    configuration = policy["properties"].get("StepScalingPolicyConfiguration")
    if configuration is None or now < policy.get("cooling_until", 0.0):
        return None
    for alarm in internals.alarms_here():
        acts = alarm["ActionsEnabled"] and policy["id"] in alarm["AlarmActions"]
        if not acts or alarm["StateValue"] != "ALARM":
            continue
        value = current_values(alarm, now)[-1]
        # If missing data counts as a breach, the size of the breach is unknown.
        excess = 0.0 if value is None else value - alarm["Threshold"]
        adjustment = _adjustment(configuration["StepAdjustments"], excess)
        if adjustment is None:
            continue
        relative = configuration["AdjustmentType"] == "ChangeInCapacity"
        wanted = copies + adjustment if relative else adjustment
        if wanted != copies:
            policy["cooling_until"] = now + configuration.get("Cooldown", 0)
        return wanted
    return None


def _adjustment(steps: list[Mapping[str, Any]], excess: float) -> int | None:
    for step in steps:
        lower = step.get("MetricIntervalLowerBound", -math.inf)
        upper = step.get("MetricIntervalUpperBound", math.inf)
        # The bound that is nearer to the threshold belongs to the step.
        if (lower <= excess < upper) if lower >= 0 else (lower < excess <= upper):
            return int(step["ScalingAdjustment"])
    return None


def _track(policies: list[dict[str, Any]], fleet: Fleet, now: float) -> int:
    """Return the copies that target tracking requests: any policy scales out, all scale in.

    https://docs.aws.amazon.com/autoscaling/application/userguide/target-tracking-scaling-policy-overview.html
    """
    out, into = [], []
    for policy in policies:
        configuration = policy["properties"].get("TargetTrackingScalingPolicyConfiguration")
        if configuration is None:
            continue
        more, fewer = _tracked(configuration, fleet, now)
        if more and now >= policy.get("out_cooling_until", 0.0):
            out.append((more, policy, configuration))
        into.append((fewer, policy, configuration))
    if out:
        wanted = max(more for more, _, _ in out)
        for _, policy, configuration in out:
            policy["out_cooling_until"] = now + configuration.get("ScaleOutCooldown", 0)
        return max(wanted, fleet.desired)
    if not into or any(
        fewer is None or now < policy.get("in_cooling_until", 0.0) for fewer, policy, _ in into
    ):
        return fleet.desired
    wanted = min(max(fewer for fewer, _, _ in into if fewer is not None), fleet.desired)
    if wanted < fleet.desired:
        for _, policy, configuration in into:
            policy["in_cooling_until"] = now + configuration.get("ScaleInCooldown", 0)
    return wanted


def _tracked(
    configuration: Mapping[str, Any], fleet: Fleet, now: float
) -> tuple[int | None, int | None]:
    """Return the copies after scale-out and after scale-in; None where a policy does neither."""
    metric, statistic, period = _metric(configuration, fleet)
    target = configuration["TargetValue"]
    # Whole periods: each holds one datapoint of a metric that is published once in each.
    recent = series(metric, statistic, period, IN_SECONDS // period, now - now % period)
    above = [value for value in recent[-OUT_DATAPOINTS:] if value is not None and value > target]
    more = fewer = None
    if len(above) == OUT_DATAPOINTS:
        more = math.ceil(fleet.current * above[-1] / target)
    below = [value for value in recent if value is not None and value < IN_THRESHOLD * target]
    if len(below) == len(recent):
        fewer = math.ceil(fleet.current * max(below) / target)
    return more, fewer


def _metric(configuration: Mapping[str, Any], fleet: Fleet) -> tuple[Mapping[str, Any], str, int]:
    if custom := configuration.get("CustomizedMetricSpecification"):
        return custom, custom["Statistic"], 60
    kind = configuration["PredefinedMetricSpecification"]["PredefinedMetricType"]
    name, statistic, period = _PREDEFINED[kind]
    dimensions = [{"Name": key, "Value": value} for key, value in fleet.dimensions.items()]
    metric = {"Namespace": "AWS/SageMaker", "MetricName": name, "Dimensions": dimensions}
    return metric, statistic, period
