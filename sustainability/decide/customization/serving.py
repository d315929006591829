"""The footprint of one answer today, and by a tuned model."""

from __future__ import annotations

from dataclasses import dataclass

from sustainability.deployment.schema import Customization, Deployment
from sustainability.energy.bedrock import bedrock_tokens
from sustainability.energy.demand import Demand
from sustainability.energy.impact import HOURS_PER_MONTH, Impact
from sustainability.energy.instances import busy_hour, instance_hour
from sustainability.energy.site import Site
from sustainability.errors import UserError
from sustainability.facts.lookup import Facts
from sustainability.facts.ranges import Estimate
from sustainability.offers.endpoint_models import InferenceModel
from sustainability.plan.serving_plan import ServingPlan


@dataclass(frozen=True)
class Answers:
    """How answers are written: today's generator, and the place of a tuned model."""

    deployment: Deployment
    plan: ServingPlan
    facts: Facts

    @property
    def wishes(self) -> Customization:
        """The section ``customization`` of the deployment, or its defaults."""
        return self.deployment.customization or Customization()

    @property
    def base(self) -> str:
        """The model that would be tuned."""
        return self.wishes.base or self.deployment.inference.model

    @property
    def per_month(self) -> float:
        """Answers that a model writes in a month."""
        return Demand.of(self.deployment, self.facts).generated

    @property
    def on_instances(self) -> bool:
        """Whether an endpoint already answers."""
        return self.plan.instance_type is not None

    def today(self, *, added_tokens: Estimate | None = None) -> Impact:
        """Return the footprint of one answer now, with ``added_tokens`` more in its prompt."""
        added = (added_tokens or Estimate.exact(0.0)).as_list()
        prompts = [self.deployment.traffic.input_tokens.mean + tokens for tokens in added]
        share = self.plan.bedrock_share if self.on_instances else 1.0
        bedrock = self._spread([self._on_bedrock(tokens) for tokens in prompts]) * share
        if not self.on_instances:
            return bedrock
        own = self._spread([self._on_instance(self._model(), tokens) for tokens in prompts])
        return bedrock + own * (1 - share) + self._idle()

    def tuned(self) -> Impact:
        """Return the footprint of one answer of the tuned model on an endpoint, with its idling.

        Raises
        ------
        UserError
            If no instance type of the deployment can hold the model.
        """
        tokens = max(1.0, self.deployment.traffic.input_tokens.mean - self.wishes.tokens_saved)
        return self._on_instance(self._model(), tokens) + self._idle()

    def asked_once(self, questions: Estimate) -> Impact:
        """Return the footprint of evaluation: ``questions`` to today's generator."""
        return self._on_bedrock(self.deployment.traffic.input_tokens.mean) * questions

    def _model(self) -> InferenceModel:
        return InferenceModel.named(self.base, self.facts)

    def _on_bedrock(self, prompt: float) -> Impact:
        generator, region = self.deployment.answers.generator, self.deployment.region
        accounting = self.deployment.footprint.accounting
        return bedrock_tokens(
            generator,
            input_tokens=prompt,
            output_tokens=self.deployment.answer_tokens.mean,
            site=Site.of_model(generator, region, accounting, self.facts),
        )

    def _on_instance(self, model: InferenceModel, prompt: float) -> Impact:
        # Between all slots busy and one: what the others would write meanwhile is not written.
        busy = Estimate(1 / model.slots, 2 / (model.slots + 1), 1).drawn("slots in use")
        seconds = model.prefill * prompt + model.decode * busy * self.deployment.answer_tokens.mean
        return busy_hour(self.instance_type, self.home) * (seconds / 3600)

    def _idle(self) -> Impact:
        """Return an answer's part of the hours in which the endpoint is on."""
        if not self.per_month:
            return Impact()
        hour = instance_hour(self.instance_type, self.home)
        return hour * (self.hours_on / self.per_month)

    @property
    def hours_on(self) -> float:
        """Instance-hours in a month: those of the plan, or those in which questions come."""
        if self.on_instances:
            return self.plan.expected_instance_hours
        week = self.deployment.traffic.week()
        return HOURS_PER_MONTH * sum(rate.mean_per_hour > 0 for rate in week) / len(week)

    @property
    def home(self) -> Site:
        """The place of the endpoint."""
        return Site.of_region(
            self.deployment.region, self.deployment.footprint.accounting, self.facts
        )

    @property
    def instance_type(self) -> str:
        """The instance type of the endpoint: the plan's, or the first that holds the model."""
        if self.plan.instance_type is not None:
            return self.plan.instance_type
        model = self._model()
        for name in self.deployment.inference.instance_types:
            if model.copies_per_instance(name, self.facts, inference_components=False):
                return name
        raise UserError(
            f"inference.instance_types: none of them holds {model.name}; add a larger type"
        )

    @staticmethod
    def _spread(cases: list[Impact]) -> Impact:
        """Return the low of the first, the middle of the second and the high of the third case."""
        low, mid, high = cases

        def combine(first: Estimate, second: Estimate, third: Estimate) -> Estimate:
            return Estimate(first.low, second.mid, third.high)

        return Impact(
            combine(low.kwh, mid.kwh, high.kwh),
            combine(low.operational_g, mid.operational_g, high.operational_g),
            combine(low.embodied_g, mid.embodied_g, high.embodied_g),
            combine(low.usd, mid.usd, high.usd),
        )
