"""A new deployment file: valid by construction, with comments, its budget from its estimate."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from sustainability.decide.region_requirements import checked_plan, passes
from sustainability.deployment.accepted import LONGEST_ANSWER_S
from sustainability.deployment.durations import parse_duration
from sustainability.deployment.faults import explain
from sustainability.deployment.schema import Deployment
from sustainability.errors import UserError
from sustainability.footprint.footprint import Footprint, footprint
from sustainability.offers.names import check_names, smallest_first
from sustainability.plan.serving_plan import ServingPlan

_SCHEMA = "# yaml-language-server: $schema=../docs/schemas/deployment.schema.json"
_QUIETER = 20
"""Outside working hours, a usual hour has this part of their questions."""


@dataclass(frozen=True)
class Wishes:
    """What a person says about a new deployment; all else has a default or is derived."""

    name: str
    region: str
    answer_within: str
    """A duration. Up to what an HTTP API waits, it is a latency; a longer one is a deadline."""
    timezone: str
    per_hour: float
    """Questions in a usual working hour."""
    peak_per_hour: float
    documents: int
    generator: str
    availability: str = "best_effort"
    within: str = ""
    email: str = ""
    account: str = ""
    production: bool = False
    traffic: Mapping[str, Any] | None = None
    """A fitted traffic section, in place of the numbers above."""
    fit: tuple[str, ...] = ()
    """How good the fit is: comments for the file."""


@dataclass(frozen=True)
class NewDeployment:
    """A deployment that passes every check, its plan and its estimate, and its file."""

    deployment: Deployment
    plan: ServingPlan
    estimate: Footprint
    text: str


def compose(wishes: Wishes) -> NewDeployment:
    """Return the deployment that meets the wishes.

    Raises
    ------
    UserError
        If a wish is not possible. Names it, and what is possible.
    """
    plain = _read(_text(wishes, budget=None))
    plan = checked_plan(plain)
    estimate = footprint(plain, plan)
    budget = _rounded_up(estimate.traffic.usd.high) if wishes.email else None
    text = _text(wishes, budget)
    return NewDeployment(_read(text), plan, estimate, text)


def check(wishes: Wishes) -> None:
    """Refuse what no file may say, without a plan, which takes longer.

    Raises
    ------
    UserError
        As of :func:`compose`.
    """
    check_names(_read(_text(wishes, budget=None)))


def fitting_generator(wishes: Wishes) -> str:
    """Return the smallest model that Bedrock offers for these wishes; theirs if there is none."""
    for model in smallest_first():
        if passes(_read(_text(replace(wishes, generator=model), budget=None))):
            return model
    return wishes.generator


def write(new: NewDeployment, file: Path) -> None:
    """Write the file, at once and complete.

    Raises
    ------
    UserError
        If it exists, or cannot be written. Nothing is changed then.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("x", encoding="utf-8") as written:
            written.write(new.text)
    except FileExistsError as error:
        raise UserError(f"{file} exists; choose another name, or edit that file") from error
    except OSError as error:
        raise UserError(f"cannot write {file}: {error.strerror}") from error


def _read(text: str) -> Deployment:
    try:
        return Deployment.model_validate(yaml.safe_load(text))
    except ValidationError as error:
        faults = [
            ": ".join(explain(fault, str(fault["input"]), Deployment))
            for fault in error.errors(include_url=False)
        ]
        raise UserError("\n".join(faults)) from error


def _rounded_up(usd: float) -> float:
    """Return ``usd`` rounded up to two digits, and at least a dollar: a budget is no estimate."""
    step = 10.0 ** max(0, math.floor(math.log10(max(usd, 1))) - 1)
    return max(1.0, math.ceil(usd / step) * step)


def _text(wishes: Wishes, budget: float | None) -> str:
    return "\n".join(_lines(wishes, budget)) + "\n"


def _lines(wishes: Wishes, budget: float | None) -> Iterator[str]:
    yield _SCHEMA
    yield f"# What {wishes.name} needs. How it is served is derived: python -m sustainability plan"
    yield from _stated({"name": wishes.name, "region": wishes.region})
    if wishes.account:
        yield f"{_one('account', wishes.account)} # credentials for another account are refused"
    if wishes.production:
        yield "profile: production # stricter rules; documents are kept after a deletion"
    yield ""
    yield "service_level:"
    yield f"  {_level(wishes.answer_within)}"
    yield f"  {_one('availability', wishes.availability)}"
    yield ""
    yield "traffic: # questions per hour: the mean, and the peak at which the service level holds"
    yield from _traffic(wishes)
    yield ""
    yield "knowledge:"
    yield "  store: auto # the one that uses least for this traffic; the plan says why"
    yield f"  {_one('documents', wishes.documents)}"
    yield ""
    yield "answers:"
    yield f"  {_one('generator', wishes.generator)} # to compare: choose-model"
    if wishes.email:
        yield ""
        yield "monitoring:"
        yield f"  {_one('email', wishes.email)} # gets the messages of alarms and of the budget"
        if budget is not None:
            yield "  # The high end of the estimate: python -m sustainability footprint"
            yield f"  {_one('monthly_budget_usd', _number(budget))}"
    if wishes.within:
        yield ""
        yield "footprint:"
        yield f"  {_one('within', wishes.within)} # data residency: other Regions are refused"


def _traffic(wishes: Wishes) -> Iterator[str]:
    yield f"  {_one('timezone', wishes.timezone)}"
    if wishes.traffic is not None:
        yield from (f"  # {line}" for line in wishes.fit)
        fitted = yaml.safe_dump(dict(wishes.traffic), sort_keys=False, default_flow_style=None)
        yield from (f"  {line}" for line in fitted.splitlines())
        return
    quiet = {
        "mean_per_hour": _number(wishes.per_hour / _QUIETER),
        "peak_per_hour": _number(max(wishes.per_hour, wishes.peak_per_hour / _QUIETER)),
    }
    rate = {
        "mean_per_hour": _number(wishes.per_hour),
        "peak_per_hour": _number(wishes.peak_per_hour),
    }
    yield "  periods:"
    yield f"    - {_flow({'days': 'mon-fri', 'hours': '8-18', **rate})}"
    yield f"  otherwise: {_flow(quiet)}"
    yield "  # Tokens of a prompt: question, passages, instructions. Those of an answer follow from"
    yield "  # answers.detail. When it runs, compare: python -m sustainability report"
    yield "  input_tokens: {mean: 1200, p95: 1800}"
    yield "  cache_hit_share: 0.2 # of questions that repeat an earlier one"


def _level(answer_within: str) -> str:
    try:
        seconds = parse_duration(answer_within).total_seconds()
    except ValueError as error:
        raise UserError(f"answer within {answer_within!r}: {error}") from error
    if seconds <= LONGEST_ANSWER_S:
        return f"{_one('latency_p95', answer_within)} # of 100 answers, 95 arrive within this time"
    return f"{_one('deadline', answer_within)} # answers are ready within this time"


def _stated(values: Mapping[str, Any]) -> Iterator[str]:
    return (_one(key, value) for key, value in values.items())


def _number(value: float) -> float:
    """Return a whole number without a decimal point, others with at most three digits after it."""
    return int(value) if float(value).is_integer() else round(value, 3)


def _one(key: str, value: Any) -> str:
    return f"{key}: {_flow(value)}"


def _flow(value: Any) -> str:
    """Return a value as YAML in one line; text that YAML would misread is in quotes."""
    if isinstance(value, str) and value.isdigit():
        return f"'{value}'"  # YAML 1.2 would read a number
    dumped = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=math.inf)
    return dumped.removesuffix("\n").removesuffix("\n...").strip()
