"""What is asked before the generator, where that takes less, and how many questions it answers."""

from __future__ import annotations

from dataclasses import dataclass

from sustainability.deployment.schema import Deployment, Detail
from sustainability.energy.bedrock import bedrock_tokens
from sustainability.energy.impact import UNITS, Impact
from sustainability.energy.site import Site
from sustainability.facts.lookup import Facts
from sustainability.facts.ranges import Estimate


@dataclass(frozen=True, kw_only=True)
class SmallFirst:
    """The steps before the generator that are a gain. Shares are of the questions, 0 to 1."""

    fit: float | None = None
    """From this fit on a quotation is an answer; None if none is tried."""
    model: str | None = None
    """The smaller model on Bedrock; None if none is asked."""
    quoted: float = 0.0
    """Share that quotations answer."""
    quoted_at_least: float = 0.0
    """The low end of that share, on which capacity is planned."""
    taken: float = 0.0
    """Share of the questions asked of the smaller model whose answer is taken."""
    reasons: tuple[str, ...] = ()
    """Why each step is taken or not."""

    @property
    def asked(self) -> float:
        """Share of the questions that the smaller model is asked."""
        return 1 - self.quoted if self.model else 0.0

    @property
    def left(self) -> float:
        """Share of the questions that are left for the generator."""
        return (1 - self.quoted) * (1 - self.taken)

    @property
    def left_at_most(self) -> float:
        """The same, at the low end of what quotations answer."""
        return (1 - self.quoted_at_least) * (1 - self.taken)

    @classmethod
    def of(cls, deployment: Deployment, facts: Facts) -> SmallFirst:
        """Return what of ``answers.small_first`` takes less of ``inference.optimize``.

        Raises
        ------
        FactError
            If a model has no size or price.
        """
        stated = deployment.answers.small_first
        if stated is None or not deployment.answers.generated:
            return cls()
        if deployment.service_level.latency_p95 is None:
            return cls(
                reasons=(
                    "Nothing smaller is asked first: answers in the background are not read "
                    "before they are stored.",
                )
            )
        fit, share, reasons = None, None, []
        if stated.fit is not None and deployment.answers.detail is Detail.FULL:
            reasons.append(
                "No quotation is tried first: answers.detail is full, and a quotation has two "
                "sentences at most."
            )
        elif stated.fit is not None:
            fit, share = stated.fit, facts("workload/quoted_share", "ratio")
            reasons.append(
                f"A quotation is tried first, which takes no tokens: it is an answer if a sentence "
                f"holds {fit:g} of the question's information, as for {share.mid:.0%} of this "
                f"project's held-out questions ({share.low:.0%} to {share.high:.0%})."
            )
        model, reason = _model(deployment, facts)
        return cls(
            fit=fit,
            model=model,
            quoted=share.mid if share else 0.0,
            quoted_at_least=share.low if share else 0.0,
            taken=stated.accepted or 0.0 if model else 0.0,
            reasons=(*reasons, *reason),
        )


def _model(deployment: Deployment, facts: Facts) -> tuple[str | None, tuple[str, ...]]:
    """Return the smaller model if asking it is a gain, and the reason."""
    stated, generator = deployment.answers.small_first, deployment.answers.generator
    assert stated is not None
    if stated.model is None:
        return None, ()
    assert stated.accepted is not None
    objective = deployment.inference.optimize
    small, large = (
        answer_impact(deployment, each, facts).by(objective).mid
        for each in (stated.model, generator)
    )
    unit = UNITS[objective]
    sums = (
        f"asking it takes {1000 * small:.3g} {unit} for 1,000 answers, and each answer that is "
        f"taken spares one of {generator}, {1000 * large:.3g} {unit}"
    )
    if small >= stated.accepted * large:
        return None, (
            f"{stated.model} is not asked first: {sums}; with {stated.accepted:.0%} taken that is "
            "no gain.",
        )
    latency = deployment.service_level.latency_p95
    assert latency is not None
    seconds = _seconds(deployment, facts)
    if seconds > latency.total_seconds():
        return None, (
            f"{stated.model} is not asked first: with the generator after it, an answer would need "
            f"about {seconds:.1f} s, and service_level.latency_p95 is {latency.total_seconds():g} "
            "s.",
        )
    return stated.model, (
        f"{stated.model} is asked before {generator}, and its answer taken if "
        f"{stated.grounded:g} of it stands in what it cites: {sums}; {stated.accepted:.0%} are "
        "taken, as answers.small_first.accepted says.",
    )


def answer_impact(deployment: Deployment, model: str, facts: Facts) -> Impact:
    """Return the footprint of the tokens of one mean answer of ``model`` on Bedrock."""
    return bedrock_tokens(
        model,
        input_tokens=deployment.traffic.input_tokens.mean,
        output_tokens=deployment.answer_tokens.mean,
        site=Site.of_model(model, deployment.region, deployment.footprint.accounting, facts),
    )


def _seconds(deployment: Deployment, facts: Facts) -> float:
    """Return the seconds of an answer of the 95th percentile that two models write in turn."""

    def mid(name: str, unit: str) -> float:
        estimate: Estimate = facts(f"serving/{name}", unit)
        return estimate.mid

    each = mid("bedrock/first_token", "s") + (
        mid("bedrock/token", "s/token") * deployment.answer_tokens.p95
    )
    return mid("before_generation", "s") + 2 * each
