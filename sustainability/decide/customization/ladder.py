"""The rungs of customization: what each takes once, what an answer takes then, the payback."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from sustainability.decide.customization.serving import Answers
from sustainability.deployment.schema import Deployment, Rung
from sustainability.energy.bedrock import bedrock_tokens, embedded_token
from sustainability.energy.demand import document_tokens
from sustainability.energy.impact import Impact
from sustainability.energy.instances import busy_hour, instance_hour
from sustainability.energy.site import Site
from sustainability.energy.training import device_hours, processing, training
from sustainability.errors import UserError
from sustainability.facts.lookup import Facts
from sustainability.facts.ranges import Estimate
from sustainability.offers.bedrock import ModelName
from sustainability.offers.region_map import place, places
from sustainability.offers.training import SILICON, regions_with
from sustainability.plan.serving_plan import ServingPlan

NEVER = math.inf
_PREPARED_ON = "ml.m7i.large"
_COMPILED_ON = "ml.inf2.8xlarge"
_QUESTION_TOKENS = 400
"""Tokens of a teacher's prompt: a passage of the documents and the request for an answer."""
_MONTHS_OF_USE = 12
"""A model is taken to be replaced after a year, even if its data does not change."""


@dataclass(frozen=True)
class Payback:
    """Answers after which what was spent once is saved again; ``inf`` means never."""

    low: float
    mid: float
    high: float

    @classmethod
    def of(cls, once: Estimate, before: Estimate, after: Estimate, *, alike: bool) -> Payback:
        """Return once / (before - after).

        ``alike``: the same coefficients are in both, so their errors have the same direction, and
        low is compared with low. Otherwise low is compared with high.
        """
        saved = [
            before.low - (after.low if alike else after.high),
            before.mid - after.mid,
            before.high - (after.high if alike else after.low),
        ]
        least, most = min(saved), max(saved)
        return cls(_quotient(once.low, most), _quotient(once.mid, saved[1]),
                   _quotient(once.high, least))  # fmt: skip


def _quotient(once: float, saved: float) -> float:
    if once == 0:
        return 0.0
    return once / saved if saved > 0 else NEVER


@dataclass(frozen=True)
class Part:
    """One thing that a rung takes once, with what is counted."""

    name: str
    basis: str
    impact: Impact


@dataclass(frozen=True)
class Step:
    """A rung of the ladder."""

    rung: Rung
    parts: tuple[Part, ...]
    per_answer: Impact
    energy: Payback
    carbon: Payback
    cost: Payback
    obstacle: str | None
    """Why it cannot be tried now; ``None`` if it can."""

    @property
    def once(self) -> Impact:
        """What it takes before the first answer: every attempt, evaluation and compile."""
        return Impact.total(part.impact for part in self.parts)


@dataclass(frozen=True)
class TrainingPlace:
    """Silicon in a Region, with the footprint of one run."""

    instance_type: str
    region: str
    hours: Estimate
    impact: Impact


@dataclass(frozen=True)
class Ladder:
    """All rungs for one deployment, and the places where it could train."""

    answers: Answers
    steps: tuple[Step, ...]
    places: tuple[TrainingPlace, ...]
    """For one run of PEFT, the one with the least carbon first."""
    lasting_answers: float
    """Answers until the data changes and the model must be tuned again, a year at most."""

    def __getitem__(self, rung: Rung) -> Step:
        return next(step for step in self.steps if step.rung is rung)


def climb(deployment: Deployment, plan: ServingPlan, facts: Facts | None = None) -> Ladder:
    """Estimate every rung for a deployment, staying included.

    Raises
    ------
    UserError
        If the model to tune has no size, or no instance type holds it.
    """
    facts = facts or Facts()
    answers = Answers(deployment, plan, facts)
    builder = _Builder(answers)
    wishes = answers.wishes
    months = min(_MONTHS_OF_USE, _MONTHS_OF_USE / (wishes.changes_per_year or 1))
    return Ladder(
        answers,
        tuple(builder.step(rung) for rung in Rung),
        builder.places(builder.flop_per_token(Rung.PEFT) * builder.tuning_tokens()),
        answers.per_month * months,
    )


class _Builder:
    def __init__(self, answers: Answers) -> None:
        self.answers, self.facts = answers, answers.facts
        self.deployment, self.wishes = answers.deployment, answers.wishes
        path = f"customization/size/{answers.base}"
        if not self.facts.has(path):
            raise UserError(
                f"customization.base: {answers.base!r} has no row size/{answers.base} in "
                "sustainability/facts/data/customization.csv; add one, in billion parameters"
            )
        self.parameters = self.facts(path, "billion parameters") * 1e9
        self.today = answers.today()

    def fact(self, key: str, unit: str) -> Estimate:
        return self.facts(f"customization/{key}", unit)

    def step(self, rung: Rung) -> Step:
        parts: tuple[Part, ...] = ()
        after, alike = self.today, True
        make: dict[Rung, Callable[[], tuple[Part, ...]]] = {
            Rung.PROMPTS: self.prompts, Rung.RAG: self.rag, Rung.PEFT: self.peft,
            Rung.DISTILLATION: self.distillation, Rung.FULL: self.full, Rung.SCRATCH: self.scratch,
        }  # fmt: skip
        if rung in make:
            parts = make[rung]()
        if rung is Rung.PROMPTS:
            shown = self.fact("few_shot/examples", "examples") * self.wishes.example_tokens
            after = self.today if not self.wishes.examples else self.answers.today(
                added_tokens=shown
            )  # fmt: skip
        elif rung not in (Rung.STAY, Rung.RAG):
            after, alike = self.answers.tuned(), self.answers.on_instances
        once = Impact.total(part.impact for part in parts)

        def payback(quantity: Callable[[Impact], Estimate]) -> Payback:
            if rung is Rung.STAY:
                return Payback(0, 0, 0)
            return Payback.of(quantity(once), quantity(self.today), quantity(after), alike=alike)

        return Step(
            rung, parts, after,
            energy=payback(lambda impact: impact.kwh),
            carbon=payback(lambda impact: impact.carbon_g),
            cost=payback(lambda impact: impact.usd),
            obstacle=self.obstacle(rung),
        )  # fmt: skip

    # What each rung takes once -------------------------------------------------------------

    def prompts(self) -> tuple[Part, ...]:
        asked = self.fact("attempts/prompts", "candidates") * self.wishes.golden_questions
        return (Part("experiments", f"{_about(asked)} golden questions asked",
                     self.answers.asked_once(asked)),)  # fmt: skip

    def rag(self) -> tuple[Part, ...]:
        knowledge = self.deployment.knowledge
        tokens = document_tokens(self.deployment, self.facts) * float(knowledge.documents)
        site = Site.of_model(
            knowledge.embedding.model, self.deployment.region,
            self.deployment.footprint.accounting, self.facts,
        )  # fmt: skip
        return (Part("index", f"{_about(tokens)} tokens of documents embedded once",
                     embedded_token(knowledge.embedding.model, site) * tokens),)  # fmt: skip

    def peft(self) -> tuple[Part, ...]:
        return self._tuned(Rung.PEFT, self.tuning_tokens(), "attempts/peft")

    def full(self) -> tuple[Part, ...]:
        tokens = self.tuning_tokens() + Estimate.exact(self.wishes.domain_tokens)
        return self._tuned(Rung.FULL, tokens, "attempts/full")

    def scratch(self) -> tuple[Part, ...]:
        per_parameter = self.fact("scratch/tokens_per_parameter", "tokens/parameter")
        return self._tuned(Rung.SCRATCH, self.parameters * per_parameter, "attempts/scratch")

    def distillation(self) -> tuple[Part, ...]:
        pairs = self.fact("examples/distillation", "examples")
        kept = self.fact("teacher_kept", "share")
        asked = pairs * kept.inverse()
        generator = self.deployment.answers.generator
        teacher = bedrock_tokens(
            generator,
            input_tokens=_QUESTION_TOKENS,
            output_tokens=self.wishes.example_tokens,
            site=Site.of_model(
                generator, self.deployment.region, self.deployment.footprint.accounting, self.facts
            ),
        )
        tokens = pairs * self.wishes.example_tokens * self.fact("epochs", "passes")
        return (
            Part("teacher", f"{_about(asked)} answers of {generator}", teacher * asked),
            *self._tuned(Rung.PEFT, tokens, "attempts/peft"),
        )

    def _tuned(self, rung: Rung, tokens: Estimate, attempts: str) -> tuple[Part, ...]:
        runs = self.fact(attempts, "runs")
        best = self.places(self.flop_per_token(rung) * tokens)[0]
        home = self.answers.home
        prepared = self.fact("prepare", "h")
        compiled = self.fact("compile", "h")
        hour = instance_hour(_COMPILED_ON, home)
        return (
            Part("preparation and gate", f"{_about(prepared)} h of {_PREPARED_ON}",
                 processing(prepared, _PREPARED_ON, home) * runs),
            Part("training", f"{_about(runs)} runs of {_about(best.hours)} h on "
                 f"{best.instance_type} in {best.region}, {_about(tokens)} tokens each",
                 best.impact * runs),
            Part("evaluation", f"{_about(runs)} times {self.wishes.golden_questions} questions, "
                 "tuned and untuned", self._evaluation(runs)),
            Part("compile", f"{_about(compiled)} h on {_COMPILED_ON}, once",
                 (hour + busy_hour(_COMPILED_ON, home) * 0.1) * compiled),
        )  # fmt: skip

    def _evaluation(self, runs: Estimate) -> Impact:
        # Two forward passes a question, on the silicon that trained: a third of its training.
        tokens = (
            2.0 * self.wishes.golden_questions
            * (self.deployment.traffic.input_tokens.mean + self.deployment.answer_tokens.mean)
        )  # fmt: skip
        return self.places(self.parameters * (2 * tokens))[0].impact * runs

    def tuning_tokens(self) -> Estimate:
        least = self.fact("examples/peft", "examples").mid
        pairs = max(float(self.wishes.examples), least)
        return self.fact("epochs", "passes") * (pairs * self.wishes.example_tokens)

    def flop_per_token(self, rung: Rung) -> Estimate:
        kind = "peft" if rung is Rung.PEFT else "full"
        return self.parameters * self.fact(f"flop/{kind}", "FLOP/parameter/token")

    # Where -----------------------------------------------------------------------------------

    def places(self, flop: Estimate) -> tuple[TrainingPlace, ...]:
        """Return silicon in every Region that has it and that the deployment allows."""
        area, accounting = self.deployment.footprint.within, self.deployment.footprint.accounting
        known = places()
        found = [
            TrainingPlace(
                kind, region, device_hours(flop, kind, self.facts),
                training(flop, kind, Site.of_region(region, accounting, self.facts)),
            )
            for kind in SILICON
            for region in regions_with(kind)
            if region in known and (area is None or place(region).within(area))
        ]  # fmt: skip
        if not found:
            raise UserError(
                f"footprint.within: no Region in {area} has {', '.join(SILICON)}; widen it"
            )
        return tuple(sorted(found, key=lambda where: where.impact.carbon_g.mid))

    # Whether -----------------------------------------------------------------------------------

    def obstacle(self, rung: Rung) -> str | None:
        examples = self.wishes.examples
        if rung in (Rung.PEFT, Rung.FULL):
            least = self.fact(f"examples/{rung.value}", "examples").mid
            text = self.wishes.domain_tokens
            enough = rung is Rung.FULL and text >= self.fact("domain_tokens/full", "tokens").mid
            if examples < least and not enough:
                return f"{examples} examples; it takes {least:,.0f} or more"
        if rung is Rung.DISTILLATION:
            if not self.deployment.answers.generated:
                return "no teacher: the generator is extractive"
            size = self.facts(
                f"models/{ModelName.parse(self.deployment.answers.generator).model}/active",
                "billion parameters",
            )
            if size.mid * 1e9 <= self.parameters.mid:
                return f"{self.answers.base} is not smaller than its teacher"
        if rung is Rung.SCRATCH:
            needed = self.parameters * self.fact("scratch/tokens_per_parameter", "tokens/parameter")
            if self.wishes.domain_tokens < needed.low:
                return (
                    f"{_short(self.wishes.domain_tokens)} tokens of text; it takes "
                    f"{_short(needed.low)} or more"
                )
        return None


def _about(value: Estimate) -> str:
    if value.low == value.high:
        return _short(value.mid)
    return f"{_short(value.low)} to {_short(value.high)}"


def _short(value: float) -> str:
    for size, name in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e4, "k")):
        if value >= size:
            factor = 1e3 if name == "k" else size
            return f"{value / factor:.3g}{name}" if value / factor < 1000 else f"{value:,.0f}"
    return f"{value:.3g}" if value < 1000 else f"{value:,.0f}"
