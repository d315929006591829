"""Deployments and plans for the tests of the footprint and the Regions."""

from __future__ import annotations

from typing import Any

from sustainability.deployment.schema import Deployment
from sustainability.plan.serving_plan import Mode, ServingPlan


def a_deployment(**sections: Any) -> Deployment:
    """A small deployment in Stockholm; sections replace its own."""
    return Deployment.model_validate(
        {
            "name": "test",
            "region": "eu-north-1",
            "service_level": {"latency_p95": "12s"},
            "traffic": traffic(100),
            **sections,
        }
    )


def traffic(per_hour: float, **more: Any) -> dict[str, Any]:
    return {
        "timezone": "Europe/Stockholm",
        "otherwise": {"mean_per_hour": per_hour, "peak_per_hour": 2 * per_hour},
        "input_tokens": {"mean": 1000, "p95": 1500},
        "output_tokens": {"mean": 200, "p95": 400},
        **more,
    }


def a_plan(**fields: Any) -> ServingPlan:
    """A plan in which Bedrock answers all, unless fields say otherwise."""
    plan = {
        "mode": Mode.BEDROCK,
        "instance_type": None,
        "expected_instance_hours": 0.0,
        "expected_utilization": 0.0,
        "expected_attainment": None,
        "bedrock_share": 1.0,
        "reasons": (),
    }
    return ServingPlan(**{**plan, **fields})
