"""The serving plan: from service level and traffic to mode, copies and schedule, with reasons."""

from __future__ import annotations

from dataclasses import replace

from sustainability.deployment.schema import Deployment, DeploymentError
from sustainability.energy.bedrock import require_facts
from sustainability.energy.small_first import SmallFirst
from sustainability.facts.lookup import Facts
from sustainability.offers.names import check_names
from sustainability.plan.concurrency import answer_concurrency
from sustainability.plan.deferrable import plan_deferrable
from sustainability.plan.interactive import plan_interactive
from sustainability.plan.knowledge_store import store_reasons
from sustainability.plan.serving_plan import Mode, ServingPlan
from sustainability.plan.situation import Situation


def plan_serving(deployment: Deployment, facts: Facts | None = None) -> ServingPlan:
    """Return the plan that meets the service level with the lowest footprint.

    ``inference.optimize`` says which footprint counts: energy, carbon or cost. The same deployment
    and the same ``sustainability/facts/data`` always give the same plan.

    Raises
    ------
    ServiceLevelError
        If the model cannot meet the service level with the instances that the deployment allows.
    DeploymentError
        If the file names a Region, model or instance type that does not exist, or the Region
        cannot serve the model.
    FactError
        If a number has no row in ``sustainability/facts/data``; names all rows of a new model.
    """
    check_names(deployment)
    facts = facts or Facts()
    plan = _served(deployment, facts)
    first = SmallFirst.of(deployment, facts)
    if first.model is not None and plan.instance_type is not None:
        raise DeploymentError(
            f"{deployment.place('answers.small_first.model')}: the plan answers on "
            f"{plan.instance_type}, and its gain was computed against Bedrock; leave the model "
            "out (a quotation may come first), or set inference so that Bedrock answers alone"
        )
    return replace(
        plan,
        answer_concurrency=answer_concurrency(deployment, plan, facts),
        reasons=(*plan.reasons, *first.reasons, *store_reasons(deployment)),
    )


def _served(deployment: Deployment, facts: Facts) -> ServingPlan:
    require_facts(deployment, facts)
    if not deployment.answers.generated:
        return ServingPlan(
            mode=Mode.BEDROCK,
            instance_type=None,
            expected_instance_hours=0.0,
            expected_utilization=0.0,
            expected_attainment=None,
            bedrock_share=0.0,
            reasons=("Answers are quotations from the documents: no model writes them.",),
        )
    situation = Situation.of(deployment, facts)
    if deployment.service_level.latency_p95 is not None:
        return plan_interactive(situation)
    return plan_deferrable(situation)
