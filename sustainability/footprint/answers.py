"""The footprint of answers: Lambda functions, tokens on Bedrock, and your own instances."""

from __future__ import annotations

from sustainability.deployment.function_sizes import ANSWER_MEMORY_MIB, INGEST_MEMORY_MIB
from sustainability.deployment.schema import Deployment
from sustainability.energy import power
from sustainability.energy.bedrock import bedrock_tokens, embedded_token
from sustainability.energy.demand import Demand, document_tokens
from sustainability.energy.functions import MIB_PER_GIB, function_second, invocation, waiting_hour
from sustainability.energy.impact import HOURS_PER_MONTH, Component, Impact
from sustainability.energy.instances import busy_hour, instance_hour
from sustainability.energy.site import Site
from sustainability.energy.small_first import SmallFirst
from sustainability.facts.lookup import Facts
from sustainability.facts.ranges import Estimate
from sustainability.plan.serving_plan import Mode, ServingPlan


def functions(demand: Demand, site: Site) -> Component:
    """Return the footprint of the answer and ingest functions; zero without questions."""
    facts = site.facts
    cached = demand.questions - demand.generated
    answering = (
        facts("workload/answer_seconds", "s") * (demand.generated + demand.asked_small)
        + facts("workload/cached_seconds", "s") * cached
        + facts("serving/before_generation", "s") * (demand.searched - demand.generated)
    )
    ingesting = facts("workload/ingest_seconds", "s") * demand.changed_documents
    total = (
        function_second(ANSWER_MEMORY_MIB, site) * answering
        + function_second(INGEST_MEMORY_MIB, site) * ingesting
        + invocation(site) * (demand.questions + demand.changed_documents)
        + waiting_hour(ANSWER_MEMORY_MIB, site) * demand.asked_hours
        + waiting_hour(INGEST_MEMORY_MIB, site) * demand.ingest_hours
    )
    gib_seconds = answering.mid * ANSWER_MEMORY_MIB / MIB_PER_GIB + ingesting.mid * (
        INGEST_MEMORY_MIB / MIB_PER_GIB
    )
    return Component("Lambda functions", f"arm64, {gib_seconds:,.0f} GB-seconds", Impact(), total)


def bedrock_generation(
    deployment: Deployment, plan: ServingPlan, demand: Demand, site: Site
) -> Component:
    """Return the footprint of the answers that Bedrock writes."""
    answers, traffic = demand.generated * plan.bedrock_share, deployment.traffic
    reading = answers * traffic.input_tokens.mean
    writing = answers * deployment.answer_tokens.mean
    model = deployment.answers.generator
    batch = plan.in_batches(demand.generated)
    basis = (
        f"{model}, {reading / 1e6:,.2f} million input tokens, "
        f"{writing / 1e6:,.2f} million output tokens"
    )
    return Component(
        "Generation on Bedrock",
        f"{basis}, in batch jobs" if batch else basis,
        Impact(),
        bedrock_tokens(model, input_tokens=reading, output_tokens=writing, site=site, batch=batch),
    )


def small_first(deployment: Deployment, demand: Demand, facts: Facts) -> list[Component]:
    """Return the footprint of a smaller model that is asked before the generator, if one is."""
    model = SmallFirst.of(deployment, facts).model
    if model is None:
        return []
    reading = demand.asked_small * deployment.traffic.input_tokens.mean
    writing = demand.asked_small * deployment.answer_tokens.mean
    site = Site.of_model(model, deployment.region, deployment.footprint.accounting, facts)
    return [
        Component(
            "Smaller model, asked first",
            f"{model}, {reading / 1e6:,.2f} million input tokens, "
            f"{writing / 1e6:,.2f} million output tokens",
            Impact(),
            bedrock_tokens(model, input_tokens=reading, output_tokens=writing, site=site),
        )
    ]


def embeddings(deployment: Deployment, demand: Demand, site: Site) -> Component:
    """Return the footprint of the embeddings of questions and changed documents."""
    facts, model = site.facts, deployment.knowledge.embedding.model
    tokens = facts("workload/question_tokens", "tokens") * demand.searched + (
        document_tokens(deployment, facts) * demand.changed_documents
    )
    return Component(
        "Embeddings",
        f"{model}, {tokens.mid / 1e6:,.2f} million tokens",
        Impact(),
        embedded_token(model, site) * tokens,
    )


def own_tokens(
    plan: ServingPlan, site: Site, *, input_tokens: float, output_tokens: float
) -> Impact:
    """Return the footprint of tokens on your own instances, with their share of the idle time."""
    assert plan.instance_type is not None
    on, found = instance_hour(plan.instance_type, site), Impact()
    for tokens, wh, hours in zip(
        (input_tokens, output_tokens),
        instance_tokens(plan, site.facts),
        instance_token_hours(plan),
        strict=True,
    ):
        each = site.impact(wh / 1000, embodied_g=on.embodied_g * hours)
        found += (each + Impact(usd=on.usd * hours)) * (tokens / 1000)
    return found


def own_work(plan: ServingPlan, site: Site, *, input_tokens: float, output_tokens: float) -> Impact:
    """Return what the work on tokens adds to instances that run anyway.

    Reading uses a whole copy; writing uses one of its slots.
    """
    assert plan.instance_type is not None
    assert plan.model is not None
    copies, model = plan.copies_per_instance, plan.model
    seconds = model.prefill * input_tokens + model.decode * (output_tokens / model.slots)
    return busy_hour(plan.instance_type, site) * (seconds * (1 / 3600 / copies))


def instance_tokens(plan: ServingPlan, facts: Facts) -> tuple[Estimate, Estimate]:
    """Return the IT energy in Wh of reading and of writing 1,000 tokens on your own instances.

    The energy has two parts: the idle power of the instance divided by the planned utilization, and
    the power that the accelerators add for work. Both are multiplied by the time that a token keeps
    a copy busy. Reading uses a whole copy; writing uses one of its slots. If the plan expects no
    work of the instance, each answer carries the whole idle power.
    """
    assert plan.instance_type is not None
    assert plan.model is not None
    machine, model = power.accelerated(plan.instance_type, facts), plan.model
    copies = plan.copies_per_instance
    expected = plan.expected_utilization or 1 / (copies * model.slots)

    def wh(seconds: Estimate) -> Estimate:
        hours = seconds * (1000 / 3600 / copies)
        return machine.idle.watts * (hours.mid / expected) + machine.work_watts * hours

    return wh(model.prefill), wh(model.decode * (1 / model.slots))


def instance_token_hours(plan: ServingPlan) -> tuple[Estimate, Estimate]:
    """Return the instance-hours of reading and of writing 1,000 tokens, idle time included."""
    assert plan.model is not None
    model, copies = plan.model, plan.copies_per_instance
    expected = plan.expected_utilization or 1 / (copies * model.slots)
    each = 1000 / 3600 / copies / expected
    return model.prefill * each, model.decode * (each / model.slots)


def instances(plan: ServingPlan, site: Site) -> list[Component]:
    """Return the footprint of Inferentia2 instances: while they run, and what work adds.

    Without questions, a real-time endpoint keeps at least one instance; all other modes have none.
    """
    if plan.instance_type is None:
        return []
    name, hours = plan.instance_type, plan.expected_instance_hours
    on = instance_hour(name, site)
    kept = min(hours, HOURS_PER_MONTH) if plan.mode is Mode.REALTIME else 0.0
    return [
        Component(
            "Instances, idle power", f"{name}, {hours:,.0f} instance-hours", on * kept, on * hours
        ),
        Component(
            "Instances, work",
            f"{name}, {plan.expected_utilization:.0%} of decode slots busy",
            Impact(),
            busy_hour(name, site) * (hours * plan.expected_utilization),
        ),
    ]
