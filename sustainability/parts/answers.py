"""Writing the answers: functions, tokens on Bedrock, instances of one's own."""

from __future__ import annotations

from sustainability import power
from sustainability.bedrock import ModelName
from sustainability.deployment import Deployment
from sustainability.estimate import Estimate
from sustainability.facts import Facts
from sustainability.grid import Site
from sustainability.impact import HOURS_PER_MONTH, Component, Impact
from sustainability.llm_energy import generation, prefill
from sustainability.parts.demand import Demand, document_tokens
from sustainability.serving import Mode, ServingPlan
from sustainability.workload import ANSWER_MEMORY_MIB, INGEST_MEMORY_MIB

_MIB_PER_GIB = 1024


def functions(demand: Demand, site: Site) -> Component:
    """Return what the answer and ingest functions take; nothing while nobody asks."""
    facts = site.facts
    cached = demand.questions - demand.generated
    answering = facts("workload/answer_seconds", "s") * demand.generated + (
        facts("workload/cached_seconds", "s") * cached
    )
    ingesting = facts("workload/ingest_seconds", "s") * demand.changed_documents
    total = Impact()
    for memory, seconds in ((ANSWER_MEMORY_MIB, answering), (INGEST_MEMORY_MIB, ingesting)):
        machine = power.function(memory, facts)
        total += site.impact(
            machine.kwh(seconds / 3600),
            embodied_g=machine.embodied_g_per_h * (seconds / 3600),
            usd=facts("prices/lambda/gb_second", "USD/GB-s") * seconds * (memory / _MIB_PER_GIB),
        )
    calls = demand.questions + demand.changed_documents
    total += site.impact(usd=facts("prices/lambda/request", "USD/million") * (calls / 1e6))
    gib_seconds = answering.mid * ANSWER_MEMORY_MIB / _MIB_PER_GIB + ingesting.mid * (
        INGEST_MEMORY_MIB / _MIB_PER_GIB
    )
    return Component("Functions", f"Lambda arm64, {gib_seconds:,.0f} GB-s", Impact(), total)


def bedrock_tokens(model: str, *, input_tokens: float, output_tokens: float, site: Site) -> Impact:
    """Return what reading and writing so many tokens takes on Bedrock, on demand."""
    tokens = generation(ModelName.parse(model).model, site.facts)
    return site.impact(
        (tokens.wh_per_1k_input * input_tokens + tokens.wh_per_1k_output * output_tokens) / 1e6,
        embodied_g=tokens.embodied_g_per_1k_output * (output_tokens / 1000),
        usd=token_price(model, "input", site.facts) * (input_tokens / 1e6)
        + token_price(model, "output", site.facts) * (output_tokens / 1e6),
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
    return Component(
        "Generation on Bedrock",
        f"{model}, {reading / 1e6:,.2f} M tokens in, {writing / 1e6:,.2f} M out",
        Impact(),
        bedrock_tokens(model, input_tokens=reading, output_tokens=writing, site=site),
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
        site.impact(
            prefill(ModelName.parse(model).model, facts) * tokens / 1e6,
            usd=token_price(model, "input", facts) * tokens / 1e6,
        ),
    )


def instances(plan: ServingPlan, site: Site) -> list[Component]:
    """Return what Inferentia2 instances take: being on, and the work on top of it.

    A real-time endpoint keeps at least one instance when nobody asks; every other mode sleeps.
    """
    if plan.instance_type is None:
        return []
    facts = site.facts
    machine = power.accelerated(plan.instance_type, facts)
    hourly = facts(f"prices/instance/{plan.instance_type}", "USD/h")

    def on(hours: float) -> Impact:
        return site.impact(
            machine.idle.kwh(hours),
            embodied_g=machine.idle.embodied_g_per_h * hours,
            usd=hourly * hours,
        )

    hours = plan.expected_instance_hours
    kept = min(hours, HOURS_PER_MONTH) if plan.mode is Mode.REALTIME else 0.0
    work = site.impact(machine.work_watts * (hours * plan.expected_utilization / 1000))
    name = plan.instance_type
    return [
        Component("Instances awake", f"{name}, {hours:,.0f} h", on(kept), on(hours)),
        Component(
            "Instances at work",
            f"{name}, {plan.expected_utilization:.0%} of decode slots busy",
            Impact(),
            work,
        ),
    ]
