"""The chosen plan beside the best plan of each other mode, by energy, carbon and cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sustainability.energy.verdict import compared
from sustainability.plan.serving_plan import OtherMode, ServingPlan
from sustainability.plan.situation import Situation


def least(situation: Situation, plans: Sequence[ServingPlan]) -> ServingPlan:
    """Return the plan that takes the least, compared with the best one of each other mode.

    Parameters
    ----------
    situation
        Says what counts, by ``inference.optimize``.
    plans
        At least one. All meet the service level.
    """
    best, *rest = sorted(plans, key=situation.takes)
    others: dict[str, ServingPlan] = {}
    for plan in rest:
        if plan.mode is not best.mode:
            others.setdefault(plan.mode, plan)
    month, objective = situation.month(best), situation.deployment.inference.optimize
    return replace(
        best,
        other_modes=tuple(
            OtherMode(
                mode=plan.mode,
                instance_type=plan.instance_type,
                compared=compared(month, situation.month(plan), objective),
            )
            for plan in others.values()
        ),
    )
