"""Writing the answers: functions, tokens on Bedrock, instances of one's own."""

from __future__ import annotations

from sustainability.bedrock import BATCH_RECORDS_MIN, ModelName
from sustainability.deployment import EXTRACTIVE, Deployment
from sustainability.energy import power
from sustainability.energy.impact import HOURS_PER_MONTH, Component, Impact
from sustainability.energy.tokens import generation, prefill
from sustainability.estimate import Estimate
from sustainability.facts import Facts
from sustainability.grid.intensity import Site
from sustainability.parts.demand import Demand, document_tokens
from sustainability.serving_plan import Mode, ServingPlan
from sustainability.workload import ANSWER_MEMORY_MIB, INGEST_MEMORY_MIB

_MIB_PER_GIB = 1024


def function_second(memory_mib: int, site: Site) -> Impact:
    """Return what one second of a running function takes."""
    machine = power.function(memory_mib, site.facts)
    return site.impact(
        machine.kwh(1 / 3600),
        embodied_g=machine.embodied_g_per_h / 3600,
        usd=site.facts("prices/lambda/gb_second", "USD/GB-s") * (memory_mib / _MIB_PER_GIB),
    )


def invocation(site: Site) -> Impact:
    """Return what calling a function takes, whatever it then does."""
    return site.impact(usd=site.facts("prices/lambda/request", "USD/million") / 1e6)


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
    gib_seconds = answering.mid * ANSWER_MEMORY_MIB / _MIB_PER_GIB + ingesting.mid * (
        INGEST_MEMORY_MIB / _MIB_PER_GIB
    )
    return Component("Functions", f"Lambda arm64, {gib_seconds:,.0f} GB-s", Impact(), total)


def bedrock_tokens(
    model: str, *, input_tokens: float, output_tokens: float, site: Site, batch: bool = False
) -> Impact:
    """Return what reading and writing so many tokens takes on Bedrock, on demand or in a job."""
    if model == EXTRACTIVE:
        return Impact()
    tokens = generation(ModelName.parse(model).model, site.facts)
    usd = token_price(model, "input", site.facts) * (input_tokens / 1e6) + (
        token_price(model, "output", site.facts) * (output_tokens / 1e6)
    )
    return site.impact(
        (tokens.wh_per_1k_input * input_tokens + tokens.wh_per_1k_output * output_tokens) / 1e6,
        embodied_g=tokens.embodied_g_per_1k_output * (output_tokens / 1000),
        usd=usd * site.facts("prices/bedrock/batch", "ratio") if batch else usd,
    )


def token_price(model: str, direction: str, facts: Facts) -> Estimate:
    """Return USD per million tokens of a model or of the profile it is called through."""
    parsed = ModelName.parse(model)
    prefix = {None: "", "global": "global."}.get(parsed.scope, "regional.")
    name = prefix + parsed.model
    if not facts.has(f"bedrock_prices/{name}/{direction}"):
        name = parsed.model
    return facts(f"bedrock_prices/{name}/{direction}", "USD/million tokens")


def bedrock_generation(
    deployment: Deployment, plan: ServingPlan, demand: Demand, site: Site
) -> Component:
    """Return what the answers that Bedrock writes take."""
    answers, traffic = demand.generated * plan.bedrock_share, deployment.traffic
    reading = answers * traffic.input_tokens.mean
    writing = answers * traffic.output_tokens.mean
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


def embedded_token(model: str, site: Site) -> Impact:
    """Return what turning one token into its share of a vector takes."""
    return site.impact(
        prefill(ModelName.parse(model).model, site.facts) / 1e6,
        usd=token_price(model, "input", site.facts) / 1e6,
    )


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


def instance_hour(instance_type: str, site: Site) -> Impact:
    """Return what an instance takes for being on."""
    machine = power.accelerated(instance_type, site.facts).idle
    return site.impact(
        machine.kwh(1),
        embodied_g=machine.embodied_g_per_h,
        usd=site.facts(f"prices/instance/{instance_type}", "USD/h"),
    )


def busy_hour(instance_type: str, site: Site) -> Impact:
    """Return what an hour with all accelerators busy takes on top of being on."""
    return site.impact(power.accelerated(instance_type, site.facts).work_watts / 1000)


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
