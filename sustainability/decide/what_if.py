"""The same deployment with one setting changed, to compare plans and footprints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from sustainability.deployment.schema import Deployment
from sustainability.errors import UserError
from sustainability.footprint.footprint import Footprint, footprint
from sustainability.plan.serving import plan_serving
from sustainability.plan.serving_plan import ServingPlan

_FIELDS = {
    "latency": ("service_level", "latency_p95"),
    "deadline": ("service_level", "deadline"),
    "availability": ("service_level", "availability"),
    "attainment": ("service_level", "attainment"),
    "bedrock": ("inference", "bedrock"),
    "model": ("inference", "model"),
    "max_instances": ("inference", "max_instances"),
    "optimize": ("inference", "optimize"),
    "generator": ("answers", "generator"),
    "store": ("knowledge", "store"),
}
_EXCLUSIVE = {"latency": "deadline", "deadline": "latency"}
"""A service level states one of the two."""


class WhatIfError(UserError):
    """A change that is not possible. Names the allowed keys, or what is wrong with the value."""


@dataclass(frozen=True)
class Alternative:
    """A deployment with changes: its plan and footprint, or the obstacle to it."""

    changes: str
    plan: ServingPlan | None
    footprint: Footprint | None
    obstacle: str | None


def alternatives(deployment: Deployment, changes: Sequence[str]) -> list[Alternative]:
    """Return the declared deployment, with each of ``changes`` separately, and with all of them.

    The last one is left out if two changes set the same key.

    Raises
    ------
    WhatIfError
        If a change is not ``key=value`` with a known key and a valid value.
    """
    steps = [[], *([change] for change in changes)]
    if len(changes) > 1 and len({_target(change) for change in changes}) == len(changes):
        steps.append(list(changes))
    return [_alternative(deployment, step) for step in steps]


def _alternative(deployment: Deployment, changes: Sequence[str]) -> Alternative:
    name = ", ".join(changes) or "as declared"
    changed = deployment
    for change in changes:
        changed = changed_by(changed, change)
    try:
        plan = plan_serving(changed)
        return Alternative(name, plan, footprint(changed, plan), None)
    except UserError as error:
        return Alternative(name, None, None, str(error))


def _target(change: str) -> str:
    key = change.partition("=")[0]
    return min(key, _EXCLUSIVE.get(key, key))


def changed_by(deployment: Deployment, change: str) -> Deployment:
    """Return the deployment with one change such as ``store=vectors``.

    Raises
    ------
    WhatIfError
        As of :func:`alternatives`.
    """
    key, equals, value = change.partition("=")
    if key not in _FIELDS or not equals:
        raise WhatIfError(f"--what-if {change!r}: write KEY=VALUE with one of {', '.join(_FIELDS)}")
    section, field = _FIELDS[key]
    present: dict[str, Any] = dict(getattr(deployment, section))
    if key in _EXCLUSIVE:
        present[_FIELDS[_EXCLUSIVE[key]][1]] = None
    try:
        # Validate through the schema: a copy would accept any value.
        return Deployment.model_validate({**dict(deployment), section: {**present, field: value}})
    except ValidationError as error:
        reason = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise WhatIfError(f"--what-if {change}: {reason}") from error
