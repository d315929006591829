"""Writing the answers: functions, tokens on Bedrock, instances of one's own."""

from __future__ import annotations

from sustainability.deployment.function_sizes import ANSWER_MEMORY_MIB, INGEST_MEMORY_MIB
from sustainability.deployment.schema import Deployment
from sustainability.energy import power
from sustainability.energy.bedrock import bedrock_tokens, embedded_token
from sustainability.energy.demand import Demand, document_tokens
from sustainability.energy.functions import MIB_PER_GIB, function_second, invocation
from sustainability.energy.impact import HOURS_PER_MONTH, Component, Impact
from sustainability.energy.instances import busy_hour, instance_hour
from sustainability.energy.site import Site
from sustainability.facts.lookup import Facts
from sustainability.facts.ranges import Estimate
from sustainability.offers.bedrock import BATCH_RECORDS_MIN
from sustainability.plan.serving_plan import Mode, ServingPlan


def functions(demand: Demand, site: Site) -> Component:
    """Return what the answer and ingest functions take; nothing while nobody asks."""
    facts = site.facts
    cached = demand.questions - demand.generated
    answering = facts("workload/answer_seconds", "s") * demand.generated + (
        facts("workload/cached_seconds", "s") * cached
    )
    ingesting = facts("workload/ingest_seconds", "s") * demand.changed_documents
    total = (
        function_second(ANSWER_MEMORY_MIB, site) * answering
        + function_second(INGEST_MEMORY_MIB, site) * ingesting
        + invocation(site) * (demand.questions + demand.changed_documents)
    )
    gib_seconds = answering.mid * ANSWER_MEMORY_MIB / MIB_PER_GIB + ingesting.mid * (
        INGEST_MEMORY_MIB / MIB_PER_GIB
    )
    return Component("Functions", f"Lambda arm64, {gib_seconds:,.0f} GB-s", Impact(), total)


def bedrock_generation(
    deployment: Deployment, plan: ServingPlan, demand: Demand, site: Site
) -> Component:
    """Return what the answers that Bedrock writes take."""
    answers, traffic = demand.generated * plan.bedrock_share, deployment.traffic
    reading = answers * traffic.input_tokens.mean
    writing = answers * deployment.answer_tokens.mean
    model = deployment.answers.generator
    batch = in_batches(plan, demand)
    basis = f"{model}, {reading / 1e6:,.2f} M tokens in, {writing / 1e6:,.2f} M out"
    return Component(
        "Generation on Bedrock",
        f"{basis}, in batch jobs" if batch else basis,
        Impact(),
        bedrock_tokens(model, input_tokens=reading, output_tokens=writing, site=site, batch=batch),
    )


def in_batches(plan: ServingPlan, demand: Demand) -> bool:
    """Return whether Bedrock answers in batch jobs, which cost less.

    A window of fewer questions than a job must have is answered on demand.
    """
    if plan.batch is None:
        return False
    windows = len(plan.batch.hours) * HOURS_PER_MONTH / 24
    return demand.generated * plan.bedrock_share >= BATCH_RECORDS_MIN * windows


def embeddings(deployment: Deployment, demand: Demand, site: Site) -> Component:
    """Return what turning questions and changed documents into vectors takes."""
    facts, model = site.facts, deployment.knowledge.embedding.model
    tokens = facts("workload/question_tokens", "tokens") * demand.generated + (
        document_tokens(deployment, facts) * demand.changed_documents
    )
    return Component(
        "Embeddings",
        f"{model}, {tokens.mid / 1e6:,.2f} M tokens",
        Impact(),
        embedded_token(model, site) * tokens,
    )


def instance_tokens(plan: ServingPlan, facts: Facts) -> tuple[Estimate, Estimate]:
    """Return the IT energy in Wh of reading and of writing 1,000 tokens on one's own instances.

    An idle instance's watts are shared out over the work that the plan expects of it, and the
    accelerators' are added, by the time that a token keeps a copy busy: while it reads, all of it,
    while it writes, one of its slots. An instance that the plan expects no work of is all there for
    the answer that it gives.
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


def instances(plan: ServingPlan, site: Site) -> list[Component]:
    """Return what Inferentia2 instances take: being on, and the work on top of it.

    A real-time endpoint keeps at least one instance when nobody asks; every other mode sleeps.
    """
    if plan.instance_type is None:
        return []
    name, hours = plan.instance_type, plan.expected_instance_hours
    on = instance_hour(name, site)
    kept = min(hours, HOURS_PER_MONTH) if plan.mode is Mode.REALTIME else 0.0
    return [
        Component("Instances awake", f"{name}, {hours:,.0f} h", on * kept, on * hours),
        Component(
            "Instances at work",
            f"{name}, {plan.expected_utilization:.0%} of decode slots busy",
            Impact(),
            busy_hour(name, site) * (hours * plan.expected_utilization),
        ),
    ]
