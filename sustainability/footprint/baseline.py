"""The same deployment with nothing generated: what the practices ask for before a model.

Plain search with extractive answers quotes the sentences that fit a question. What generating takes
beyond that is what its better answers have to be worth. The other baseline is no system at all: it
takes nothing, and answers nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from sustainability.deployment.schema import EXTRACTIVE, Deployment
from sustainability.energy.impact import Impact
from sustainability.footprint.answered import Answered
from sustainability.footprint.footprint import Footprint, footprint
from sustainability.plan.serving import plan_serving


@dataclass(frozen=True)
class Baseline:
    """Search with extractive answers, beside the deployment as declared. For 1,000 answers."""

    searching: Impact
    generating: Impact
    """What the deployment takes beyond that, draw by draw; at least zero."""
    generator: str
    answered: Answered | None
    """What the generator answered beyond search; None if no comparison was recorded."""


def baseline(
    deployment: Deployment, declared: Footprint, answered: Answered | None = None
) -> Baseline | None:
    """Return what the deployment would take without a generator; None without traffic.

    Parameters
    ----------
    deployment
        As declared.
    declared
        Its footprint.
    answered
        What its generator answered beyond search, if that was recorded.
    """
    answers = deployment.answers.model_copy(update={"generator": EXTRACTIVE})
    without = deployment.model_copy(update={"answers": answers})
    searching = footprint(without, plan_serving(without)).per_1000_answers
    all_of_it = declared.per_1000_answers
    if searching is None or all_of_it is None:
        return None
    return Baseline(
        searching=searching,
        generating=Impact(
            all_of_it.kwh.less(searching.kwh),
            all_of_it.operational_g.less(searching.operational_g),
            all_of_it.embodied_g.less(searching.embodied_g),
            all_of_it.usd.less(searching.usd),
            all_of_it.litres.less(searching.litres),
        ),
        generator=deployment.answers.generator,
        answered=answered,
    )
