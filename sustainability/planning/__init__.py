"""How a serving plan comes about: what it is planned from, and a module for each kind of answer."""

from __future__ import annotations

from sustainability.deployment import Deployment
from sustainability.facts import Facts
from sustainability.planning.deferrable import plan_deferrable
from sustainability.planning.interactive import plan_interactive
from sustainability.planning.situation import Situation
from sustainability.serving import ServingPlan


def plan(deployment: Deployment, facts: Facts | None = None) -> ServingPlan:
    """Return the plan; see :func:`sustainability.serving.plan_serving`."""
    situation = Situation.of(deployment, facts)
    if deployment.service_level.latency_p95 is not None:
        return plan_interactive(situation)
    return plan_deferrable(situation)
