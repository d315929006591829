"""The consumer score of a deployment by SCI for AI, the Software Carbon Intensity of AI systems.

Source: Green Software Foundation, ``sci-ai`` SPEC.md (2026-01), on ISO/IEC 21031:2024. The score is
(operational + embodied carbon) per functional unit. Its carbon intensity is location-based,
whatever the deployment file chooses, because the specification allows no market instruments.
``docs/footprint.md`` maps each item of the consumer boundary to a part of the footprint.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sustainability.deployment.schema import Accounting, Deployment
from sustainability.energy.impact import HOURS_PER_MONTH
from sustainability.energy.repetition import Repetition
from sustainability.energy.site import intensity
from sustainability.facts.lookup import Facts
from sustainability.footprint.footprint import Footprint, footprint
from sustainability.plan.serving_plan import ServingPlan

EXCLUDED = (
    "client side: the devices and networks of the users beyond the Region",
    "provider boundary: training and retiring of the models",
)


def manifest(found: Mapping[str, Any], month: Footprint) -> dict[str, Any]:
    """Return a score as a manifest of the Impact Framework, which computes it from its parts.

    Source: npm ``@grnsft/if`` 1.1. A manifest has one number where the score has a range: the
    middle.
    """
    _, operational, _ = found["operational_gco2e"]
    _, embodied, _ = found["embodied_gco2e"]
    parts = ["carbon-operational", "carbon-embodied"]
    return {
        "name": month.deployment,
        "description": f"{found['specification']}; {found['boundary']} boundary; "
        f"{found['intensity']}; {found['period']}; not included: {'; '.join(found['excluded'])}",
        "initialize": {
            "plugins": {
                "sum": {
                    "method": "Sum",
                    "path": "builtin",
                    "config": {"input-parameters": parts, "output-parameter": "carbon"},
                },
                "sci": {
                    "method": "Sci",
                    "path": "builtin",
                    "config": {"functional-unit": "answers"},
                },
            }
        },
        "tree": {
            "children": {
                month.deployment: {
                    "pipeline": {"compute": ["sum", "sci"]},
                    "inputs": [
                        {
                            "timestamp": "2026-01-01T00:00:00.000Z",
                            "duration": HOURS_PER_MONTH * 3600,
                            "carbon-operational": operational,
                            "carbon-embodied": embodied,
                            "answers": month.answers_per_month,
                        }
                    ],
                }
            }
        },
    }


def score(deployment: Deployment, plan: ServingPlan) -> dict[str, Any]:
    """Return the score per answer and per 1,000 tokens, with all that a report has to state.

    Ranges are ``[low, mid, high]`` in gCO2e. Scores are ``None`` without traffic. Tokens are the
    input and output tokens of the generators in a month.

    Raises
    ------
    FactError
        If a number has no row in ``sustainability/facts/data``.
    """
    located = deployment.model_copy(
        update={
            "footprint": deployment.footprint.model_copy(update={"accounting": Accounting.LOCATION})
        }
    )
    month, traffic = footprint(located, plan), deployment.traffic
    generated = month.answers_per_month * (1 - Repetition.of(deployment).kept)
    tokens = generated * (traffic.input_tokens.mean + deployment.answer_tokens.mean)
    grams = month.traffic.carbon_g

    def per(count: float) -> list[float] | None:
        return (grams * (1 / count)).as_list() if count else None

    return {
        "specification": "SCI for AI (Green Software Foundation), ISO/IEC 21031:2024",
        "boundary": "consumer",
        "period": "month of 730 hours with the declared traffic",
        "region": deployment.region,
        "intensity": "location-based",
        "gco2e_per_kwh": intensity(deployment.region, Accounting.LOCATION, Facts()).as_list(),
        "operational_gco2e": month.traffic.operational_g.as_list(),
        "embodied_gco2e": month.traffic.embodied_g.as_list(),
        "scores": {
            "answer": per(month.answers_per_month),
            "1000_tokens": per(tokens / 1000),
        },
        "excluded": list(EXCLUDED),
    }
