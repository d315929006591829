"""Input of a plan: demand, what the Region offers, and the footprint of each way to answer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property

from sustainability.deployment.function_sizes import ENDPOINT_LOOK_S, LONGEST_GENERATION_S
from sustainability.deployment.schema import (
    BedrockUse,
    Deployment,
    DeploymentError,
    Rate,
)
from sustainability.energy.bedrock import bedrock_tokens
from sustainability.energy.impact import HOURS_PER_MONTH, Impact
from sustainability.energy.repetition import Repetition
from sustainability.energy.site import Site
from sustainability.energy.small_first import SmallFirst
from sustainability.facts.lookup import Facts
from sustainability.offers.endpoint_models import InferenceModel
from sustainability.offers.region_services import INFERENCE_COMPONENT, has_resource, hosting_types
from sustainability.plan.break_even import BreakEven, Tokens, break_even, instance_hour
from sustainability.plan.capacity import Capacity
from sustainability.plan.serving_plan import ServingPlan


class NoHostError(DeploymentError):
    """The Region offers no instance that can run the model, and nothing else may answer."""


@dataclass(frozen=True)
class Host:
    """An instance type, and how many copies of the model fit on one instance."""

    instance_type: str
    copies: int


@dataclass(frozen=True)
class Situation:
    """A deployment with the facts about it. Rates are questions per hour that reach a model."""

    deployment: Deployment
    facts: Facts
    model: InferenceModel
    bedrock: bool
    """Whether questions may be answered by Bedrock."""

    @classmethod
    def of(cls, deployment: Deployment, facts: Facts | None = None) -> Situation:
        """Return the situation of ``deployment``.

        Raises
        ------
        DeploymentError
            If its model is not in the catalogue, or prompt and answer are too long for it.
        """
        facts = facts or Facts()
        model = InferenceModel.named(deployment.inference.model, facts)
        longest = deployment.traffic.input_tokens.p95 + deployment.answers.max_tokens
        if longest > model.sequence_length:
            raise DeploymentError(
                f"{deployment.place('traffic.input_tokens.p95')} plus answers.max_tokens is "
                f"{longest:,.0f} tokens, but {model.name} is compiled for "
                f"{model.sequence_length:,}; lower one of them"
            )
        return cls(deployment, facts, model, deployment.inference.bedrock is BedrockUse.ALLOWED)

    def seconds(self, name: str) -> float:
        """Return a time in seconds from ``data/serving.csv``, middle estimate."""
        return self.facts(f"serving/{name}", "s").mid

    @cached_property
    def week(self) -> tuple[Rate, ...]:
        """The rate of each hour of the week that neither the cache nor a smaller step answers."""
        first = SmallFirst.of(self.deployment, self.facts)
        generated = (1 - Repetition.of(self.deployment).kept) * first.left_at_most
        return tuple(
            Rate(
                mean_per_hour=rate.mean_per_hour * generated,
                peak_per_hour=rate.peak_per_hour * generated,
            )
            for rate in self.deployment.traffic.week()
        )

    @property
    def answers_per_month(self) -> float:
        """Answers that a model writes in a month (730 hours)."""
        return sum(rate.mean_per_hour for rate in self.week) / len(self.week) * HOURS_PER_MONTH

    @property
    def bedrock_answer_s(self) -> float:
        """Seconds that Bedrock needs for an answer of the 95th percentile, with a slow start."""
        first, token = self.facts("serving/bedrock/first_token", "s"), self.bedrock_token_s
        return first.high + token * self.deployment.answer_tokens.p95

    @property
    def bedrock_p95_s(self) -> float:
        """Seconds from the question to the end of an answer of the 95th percentile on Bedrock."""
        return (
            self.seconds("before_generation")
            + self.seconds("bedrock/first_token")
            + self.bedrock_token_s * self.deployment.answer_tokens.p95
        )

    @property
    def bedrock_token_s(self) -> float:
        """Seconds per token on Bedrock, middle estimate."""
        return self.facts("serving/bedrock/token", "s/token").mid

    @property
    def patience_s(self) -> float:
        """Seconds that the answer function can wait for the complete answer of an endpoint.

        A call returns nothing until the answer is complete. The endpoint completes every answer,
        even if no one waits for it, so an early time-out saves nothing. Therefore the function
        waits as long as it can. It leaves time for an answer of Bedrock, if Bedrock is allowed.
        """
        left = LONGEST_GENERATION_S - ENDPOINT_LOOK_S
        return left - self.bedrock_answer_s if self.bedrock else left

    @property
    def promised_s(self) -> float:
        """Seconds that the service level leaves for generation."""
        level = self.deployment.service_level
        promised = level.latency_p95 or level.deadline
        assert promised is not None
        return self.within(promised)

    def within(self, promised: timedelta | float) -> float:
        """Return the seconds that remain for generation if an answer may need ``promised``."""
        seconds = promised.total_seconds() if isinstance(promised, timedelta) else promised
        return seconds - self.seconds("before_generation")

    def capacity(self, limit: timedelta | float) -> Capacity:
        """Return the capacity of copies if an answer must end ``limit`` after the question.

        A number is in seconds. For interactive answers, ``limit`` is at most as long as the answer
        function waits for the endpoint.
        """
        traffic = self.deployment.traffic
        generating = self.within(limit)
        if self.deployment.service_level.latency_p95 is not None:
            generating = min(generating, self.patience_s)
        return Capacity(
            model=self.model,
            input_tokens=traffic.input_tokens,
            output_tokens=traffic.output_tokens,
            max_tokens=self.deployment.answers.max_tokens,
            limit=generating,
            arrival_variation=traffic.arrival_variation
            or self.facts("serving/arrival_variation", "ratio").mid,
        )

    @cached_property
    def inference_components(self) -> bool:
        """Whether endpoints of the Region can scale copies, and therefore scale to zero."""
        return has_resource(self.deployment.region, INFERENCE_COMPONENT) is True

    def hosts(self, *, inference_components: bool) -> tuple[Host, ...]:
        """Return the instance types that can run the model in the Region, in the declared order.

        Raises
        ------
        NoHostError
            If there is none, and Bedrock may not answer instead.
        """
        inference, offered = self.deployment.inference, hosting_types(self.deployment.region)
        found = tuple(
            Host(name, copies)
            for name in inference.instance_types
            if name in offered
            and (
                copies := self.model.copies_per_instance(
                    name, self.facts, inference_components=inference_components
                )
            )
        )
        if found or self.bedrock:
            return found
        raise NoHostError(
            f"{self.deployment.place('region')}: SageMaker offers none of inference.instance_types "
            f"in {self.deployment.region} that can hold {self.model.name}, and inference.bedrock "
            "is never"
        )

    def break_even(self, host: Host) -> BreakEven:
        """Return the questions per hour above which an instance has less footprint than Bedrock."""
        full_rate = self.capacity(0.0).full_rate
        return break_even(
            objective=self.deployment.inference.optimize,
            model=self.deployment.answers.generator,
            instance_type=host.instance_type,
            tokens=Tokens(
                self.deployment.traffic.input_tokens.mean, self.deployment.answer_tokens.mean
            ),
            full_per_hour=host.copies * full_rate * 3600,
            region=self.deployment.region,
            accounting=self.deployment.footprint.accounting,
            facts=self.facts,
        )

    def impact(
        self,
        instance_type: str | None,
        *,
        hours: float,
        utilization: float,
        bedrock_tokens_in: float,
        bedrock_tokens_out: float,
        batch: bool = False,
    ) -> Impact:
        """Return the footprint of instance-hours plus tokens on Bedrock."""
        accounting, region = self.deployment.footprint.accounting, self.deployment.region
        generator = self.deployment.answers.generator
        found = Impact()
        if instance_type is not None:
            site = Site.of_region(region, accounting, self.facts)
            found += instance_hour(instance_type, utilization=utilization, site=site) * hours
        if bedrock_tokens_in or bedrock_tokens_out:
            found += bedrock_tokens(
                generator,
                input_tokens=bedrock_tokens_in,
                output_tokens=bedrock_tokens_out,
                site=Site.of_model(generator, region, accounting, self.facts),
                batch=batch,
            )
        return found

    def quantity(self, impact: Impact) -> float:
        """Return the middle estimate in kWh, gCO2e or USD, by ``inference.optimize``."""
        return impact.by(self.deployment.inference.optimize).mid

    def takes(self, plan: ServingPlan) -> float:
        """Return the same :meth:`quantity` for a month of generation with ``plan``."""
        return self.quantity(self.month(plan))

    def month(self, plan: ServingPlan) -> Impact:
        """Return the footprint of a month of generation with ``plan``."""
        answers, traffic = self.answers_per_month, self.deployment.traffic
        elsewhere = answers * plan.bedrock_share
        return self.impact(
            plan.instance_type,
            hours=plan.expected_instance_hours,
            utilization=plan.expected_utilization,
            bedrock_tokens_in=elsewhere * traffic.input_tokens.mean,
            bedrock_tokens_out=elsewhere * self.deployment.answer_tokens.mean,
            batch=plan.in_batches(answers),
        )
