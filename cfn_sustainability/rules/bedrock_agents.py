"""Amazon Bedrock agents and AgentCore: sessions and memories that end."""

from __future__ import annotations

from collections.abc import Iterator

from cfn_sustainability.properties import Fault
from cfn_sustainability.rule import Cases, Outcome, Severity, applies_if, rule
from cfn_sustainability.settings import RuleSettings
from cfn_sustainability.template import Resource

_SESSIONS = "AGENTSUS02-BP03"


def _agent(seconds: str) -> str:
    return f"A: {{Type: AWS::Bedrock::Agent, Properties: {{IdleSessionTTLInSeconds: {seconds}}}}}"


def _runtime(seconds: str) -> str:
    return f"""
R:
  Type: AWS::BedrockAgentCore::Runtime
  Properties: {{LifecycleConfiguration: {{IdleRuntimeSessionTimeout: {seconds}}}}}
"""


def _memory(days: str) -> str:
    return (
        f"M: {{Type: AWS::BedrockAgentCore::Memory, Properties: {{EventExpiryDuration: {days}}}}}"
    )


@rule(
    "AgentSessionsEnd",
    "AWS::Bedrock::Agent",
    severity=Severity.WARNING,
    practices=(_SESSIONS, "AGENTSUS02-BP01"),
    what="An agent's idle session ends soon.",
    why="While a session lasts, Bedrock keeps its history and sends it with every call.",
    fix="Lower IdleSessionTTLInSeconds, or raise agent_idle_seconds_max.",
    evidence="Agentic AI Lens: Appropriately scale data, networking, and compute dependencies",
    note="The default of the service passes.",
    cases=Cases(
        compliant=_agent("600"),
        non_compliant=_agent("3600"),
        not_applicable="A: {Type: AWS::Bedrock::Agent, Properties: {AgentName: helper}}",
        edges=(
            (Outcome.NON_COMPLIANT, _agent("'601'")),
            (Outcome.UNKNOWN, _agent("!ImportValue ttl")),
        ),
    ),
)
def _agent_sessions_end(agent: Resource, settings: RuleSettings) -> Iterator[Fault]:
    seconds, most = agent.number("IdleSessionTTLInSeconds"), settings.agent_idle_seconds_max
    applies_if(seconds is not None)
    if seconds is not None and seconds > most:
        yield agent.fault("IdleSessionTTLInSeconds", f"at most {most}")


@rule(
    "AgentRuntimeIdles",
    "AWS::BedrockAgentCore::Runtime",
    severity=Severity.WARNING,
    practices=(_SESSIONS,),
    what="An AgentCore runtime ends idle sessions soon.",
    why="Each session holds a machine of its own until it ends.",
    fix="Lower LifecycleConfiguration.IdleRuntimeSessionTimeout, or raise "
    "agent_runtime_idle_seconds_max.",
    evidence="Amazon Bedrock AgentCore Developer Guide, lifecycle settings",
    note="The default is 900 seconds.",
    cases=Cases(
        compliant=_runtime("900"),
        non_compliant=_runtime("7200"),
        not_applicable="R: {Type: AWS::BedrockAgentCore::Gateway}",
        edges=((Outcome.COMPLIANT, "R: {Type: AWS::BedrockAgentCore::Runtime}"),),
    ),
)
def _agent_runtime_idles(runtime: Resource, settings: RuleSettings) -> Iterator[Fault]:
    path, most = (
        "LifecycleConfiguration.IdleRuntimeSessionTimeout",
        settings.agent_runtime_idle_seconds_max,
    )
    if runtime.number(path, 900) > most:
        yield runtime.fault(path, f"at most {most}")


@rule(
    "AgentMemoryExpires",
    "AWS::BedrockAgentCore::Memory",
    severity=Severity.WARNING,
    practices=("AGENTSUS02-BP01", "SUS04-BP03"),
    what="Events in an agent's memory expire.",
    why="Old events are stored and searched long after the conversation has lost its meaning.",
    fix="Lower EventExpiryDuration, or raise agent_memory_days_max.",
    evidence="Agentic AI Lens: Optimize context management and memory utilization",
    note="EventExpiryDuration is required, so that each memory is judged.",
    cases=Cases(
        compliant=_memory("90"),
        non_compliant=_memory("365"),
        not_applicable="M: {Type: AWS::BedrockAgentCore::Runtime}",
        edges=(
            (Outcome.NON_COMPLIANT, _memory("91")),
            (Outcome.UNKNOWN, _memory("!ImportValue days")),
        ),
    ),
)
def _agent_memory_expires(memory: Resource, settings: RuleSettings) -> Iterator[Fault]:
    most = settings.agent_memory_days_max
    if memory.number("EventExpiryDuration", 0) > most:
        yield memory.fault("EventExpiryDuration", f"at most {most} days")
