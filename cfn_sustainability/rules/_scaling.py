"""Whether Application Auto Scaling scales a resource."""

from __future__ import annotations

from cfn_sustainability.template import Resource
from cfn_sustainability.values import MARK, Undecidable

TARGET = "AWS::ApplicationAutoScaling::ScalableTarget"
POLICY = "AWS::ApplicationAutoScaling::ScalingPolicy"


def scalable_targets(resource: Resource, dimension: str) -> list[Resource]:
    """Return the targets that scale ``dimension`` of the resource.

    Raises
    ------
    Undecidable
        If there is none, but one may stand in another template or mean it by an unknown name.
    """
    targets = [
        target
        for target in resource.referrers(TARGET, at="ResourceId")
        if target.fragment("ScalableDimension") in (dimension, MARK)
    ]
    if not targets and (resource.is_shared or any(map(_is_nameless, resource.others(TARGET)))):
        raise Undecidable
    return targets


def _is_nameless(target: Resource) -> bool:
    """Return whether only the deployment knows what a target scales."""
    return MARK in target.fragment("ResourceId") and target.is_elsewhere("ResourceId")


def policies(scaled: Resource) -> list[Resource]:
    """Return the scaling policies that refer to a target, or to what it scales."""
    return list(scaled.referrers(POLICY))
