"""Generative AI: what each request carries, keeps and leaves behind."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cfn_sustainability.properties import Fault, Properties, tokens
from cfn_sustainability.rule import Cases, Outcome, Severity, applies_if, rule
from cfn_sustainability.settings import RuleSettings
from cfn_sustainability.template import Resource
from cfn_sustainability.values import Undecidable, section

_AGENT = "AWS::Bedrock::Agent"
_FLOW = "AWS::Bedrock::Flow"
_FUNCTION = "AWS::Lambda::Function"
_GRAPH = "AWS::NeptuneGraph::Graph"
_GRAPH_DIMENSION = "VectorSearchConfiguration.VectorSearchDimension"
_MODEL = "AWS::SageMaker::Model"
_BUCKET = "AWS::S3::Bucket"
_CONFIG = "AWS::SageMaker::EndpointConfig"
_WINDOW = re.compile(r"MAX_(MODEL_LEN|TOTAL_TOKENS|INPUT_LENGTH|INPUT_TOKENS)$|SEQUENCE_LENGTH$")
_WINDOW_MAX = 32_768
_ANSWER = re.compile(r"MAX_?(NEW_|OUTPUT_|GENERATED_|COMPLETION_)?TOKENS$", re.IGNORECASE)
_TRACES = re.compile(
    r"invocation|guardrail|trace|bedrock.*log|model.*log|prompt.*log", re.IGNORECASE
)
_USERS = (
    "AWS::ApiGateway::RestApi",
    "AWS::AppSync::DataSource",
    "AWS::Bedrock::Agent",
    "AWS::Bedrock::Flow",
    "AWS::Bedrock::FlowAlias",
    "AWS::Bedrock::FlowVersion",
    "AWS::Bedrock::EnforcedGuardrailConfiguration",
    "AWS::BedrockAgentCore::GatewayTarget",
    "AWS::BedrockAgentCore::Runtime",
    "AWS::ECS::TaskDefinition",
    "AWS::IAM::ManagedPolicy",
    "AWS::IAM::Policy",
    "AWS::IAM::Role",
    "AWS::IAM::RolePolicy",
    "AWS::Lambda::Function",
    "AWS::SSM::Parameter",
    "AWS::SecretsManager::Secret",
    "AWS::StepFunctions::StateMachine",
    "AWS::CloudFormation::Stack",
)


def _agent(properties: str) -> str:
    return f"A: {{Type: {_AGENT}, Properties: {{{properties}}}}}"


def _flow(nodes: str, connections: str = "[{Name: a, Source: In, Target: Out, Type: Data}]") -> str:
    return f"""
F:
  Type: {_FLOW}
  Properties: {{Definition: {{Nodes: {nodes}, Connections: {connections}}}}}
"""


def _prompt_node(inference: str) -> str:
    return _flow(
        "[{Name: Ask, Type: Prompt, Configuration: {Prompt: {SourceConfiguration: "
        f"{{Inline: {{ModelId: m, InferenceConfiguration: {{Text: {inference}}}}}}}}}}}}}]"
    )


def _model(environment: str) -> str:
    return f"""
M: {{Type: {_MODEL}, Properties: {{PrimaryContainer: {{Image: i, Environment: {environment}}}}}}}
"""


def _bucket(name: str, lifecycle: str) -> str:
    return f"""
B:
  Type: {_BUCKET}
  Properties: {{BucketName: {name}, LifecycleConfiguration: {{Rules: [{lifecycle}]}}}}
"""


@rule(
    "ContextWindowLean",
    _MODEL,
    severity=Severity.WARNING,
    practices=("GENSUS03-BP01", "GENSUS01-BP01"),
    what="A served language model takes no longer a context than its requests have.",
    why="Memory for the context is held on the accelerator for every request of a batch; a shorter "
    "window serves more requests at once, or fits a smaller machine.",
    fix="Set the server's window, such as SM_VLLM_MAX_MODEL_LEN, to what prompt and answer need.",
    evidence="Generative AI Lens: Leverage smaller models and optimized inference techniques",
    note="Up to 32,768 tokens pass. A server without the setting takes the model's own window, "
    "which its template does not tell.",
    cases=Cases(
        compliant=_model("{SM_VLLM_MAX_MODEL_LEN: '8192'}"),
        non_compliant=_model("{OPTION_MAX_MODEL_LEN: 131072}"),
        not_applicable=_model("{HF_MODEL_ID: m}"),
        edges=(
            (Outcome.COMPLIANT, _model("{MAX_TOTAL_TOKENS: '32768'}")),
            (Outcome.NON_COMPLIANT, _model("{SM_ON_SEQUENCE_LENGTH: '65536'}")),
            (Outcome.UNKNOWN, _model("{MAX_MODEL_LEN: !ImportValue window}")),
        ),
    ),
)
def _context_window(model: Resource, _: RuleSettings) -> Iterator[Fault]:
    containers = [model.section("PrimaryContainer"), *model.each("Containers")]
    windows = _settings(containers, "Environment", _WINDOW)
    applies_if(bool(windows))
    for holder, path in windows:
        if holder.number(path, 0) > _WINDOW_MAX:
            found = f"set {path.partition('.')[2]} to {holder.number(path, 0):.0f}"
            yield holder.fault("Environment", f"at most {_WINDOW_MAX}", found=found)


def _settings(
    holders: list[Properties], at: str, wanted: re.Pattern[str]
) -> list[tuple[Properties, str]]:
    """Return each variable whose name ends as ``wanted``, with the path to it."""
    return [
        (holder, f"{at}.{name}")
        for holder in holders
        for name in holder.entries(at)
        if wanted.search(name)
    ]


@rule(
    "AnswersLimited",
    _AGENT,
    _FLOW,
    _FUNCTION,
    severity=Severity.WARNING,
    practices=("GENCOST03-BP02", "AGENTSUS02-BP01"),
    what="An agent, a flow and a function ask for answers of a limited length.",
    why="Each output token is a pass through the whole model; a limit that is never meant to be "
    "reached lets some answers run to it.",
    fix="Set MaxTokens or MaximumLength to what an answer needs, or raise "
    "prompt_output_tokens_max.",
    evidence="Generative AI Lens: Control model response length",
    note="Of a function, the rule reads variables such as MAX_TOKENS. PromptLimitsAnswer judges a "
    "managed prompt.",
    cases=Cases(
        compliant=_prompt_node("{MaxTokens: 300}"),
        non_compliant=_prompt_node("{Temperature: 0}"),
        not_applicable=_flow("[{Name: In, Type: Input}, {Name: Out, Type: Output}]"),
        edges=(
            (
                Outcome.NON_COMPLIANT,
                _agent(
                    "PromptOverrideConfiguration: {PromptConfigurations: "
                    "[{PromptType: ORCHESTRATION, InferenceConfiguration: {MaximumLength: 16384}}]}"
                ),
            ),
            (
                Outcome.NON_COMPLIANT,
                f"""
                F:
                  Type: {_FUNCTION}
                  Properties: {{Environment: {{Variables: {{MAX_TOKENS: '64000'}}}}}}
                """,
            ),
            (
                Outcome.COMPLIANT,
                f"""
                F:
                  Type: {_FUNCTION}
                  Properties: {{Environment: {{Variables: {{MaxTokens: 512}}}}}}
                """,
            ),
            (
                Outcome.NON_COMPLIANT,
                _flow(
                    "[{Name: K, Type: KnowledgeBase, Configuration: {KnowledgeBase: {ModelId: m}}}]"
                ),
            ),
        ),
    ),
)
def _answers_limited(resource: Resource, settings: RuleSettings) -> Iterator[Fault]:
    most = settings.prompt_output_tokens_max
    places = _lengths(resource)
    applies_if(bool(places))
    for holder, path in places:
        length = holder.number(path)
        if length is None or length > most:
            yield holder.fault(path, f"at most {most}")


def _lengths(resource: Resource) -> list[tuple[Properties, str]]:
    """Return where a resource states, or should state, the length of an answer."""
    if resource.type == _FUNCTION:
        return _settings([resource], "Environment.Variables", _ANSWER)
    if resource.type == _AGENT:
        at, path = "PromptOverrideConfiguration.PromptConfigurations", "InferenceConfiguration"
        prompts = [(prompt, f"{path}.MaximumLength") for prompt in resource.each(at)]
        return [(prompt, length) for prompt, length in prompts if prompt.has(path)]
    found: list[tuple[Properties, str]] = []
    for node in resource.each("Definition.Nodes"):
        inline = "Configuration.Prompt.SourceConfiguration.Inline"
        base = "Configuration.KnowledgeBase"
        for asks, at in ((f"{inline}.ModelId", inline), (f"{base}.ModelId", base)):
            if node.has(asks):
                found.append((node, f"{at}.InferenceConfiguration.Text.MaxTokens"))
    return found


@rule(
    "VectorDimensionsLean",
    "AWS::S3Vectors::Index",
    _GRAPH,
    "AWS::OpenSearchServerless::Index",
    severity=Severity.WARNING,
    practices=("GENSUS02-BP01", "SUS04-BP02"),
    what="A store that does not compress vectors gets short ones.",
    why="Each dimension is four bytes of every vector, stored and read in each search.",
    fix="Embed with 256 or 512 dimensions, choose a CompressionLevel where the store has one, or "
    "raise embedding_dimensions_max after measuring recall.",
    evidence="Generative AI Lens: Optimize data processing and storage to minimize energy "
    "consumption",
    note="S3 Vectors and Neptune Analytics keep floats as they come; OpenSearch may compress them.",
    cases=Cases(
        compliant="V: {Type: AWS::S3Vectors::Index, Properties: {Dimension: 512}}",
        non_compliant="V: {Type: AWS::S3Vectors::Index, Properties: {Dimension: 1536}}",
        not_applicable="G: {Type: AWS::NeptuneGraph::Graph, Properties: {ProvisionedMemory: 16}}",
        edges=(
            (
                Outcome.NON_COMPLIANT,
                """
                G:
                  Type: AWS::NeptuneGraph::Graph
                  Properties: {VectorSearchConfiguration: {VectorSearchDimension: 1024}}
                """,
            ),
            (
                Outcome.NON_COMPLIANT,
                """
                I:
                  Type: AWS::OpenSearchServerless::Index
                  Properties: {Mappings: {Properties: {v: {Type: knn_vector, Dimension: 1024}}}}
                """,
            ),
            (
                Outcome.COMPLIANT,
                """
                I:
                  Type: AWS::OpenSearchServerless::Index
                  Properties:
                    Mappings:
                      Properties:
                        v: {Type: knn_vector, Dimension: 1024, CompressionLevel: 32x}
                """,
            ),
            (
                Outcome.UNKNOWN,
                "V: {Type: AWS::S3Vectors::Index, Properties: {Dimension: !ImportValue d}}",
            ),
        ),
    ),
)
def _vector_dimensions(store: Resource, settings: RuleSettings) -> Iterator[Fault]:
    paths = {"AWS::S3Vectors::Index": "Dimension", _GRAPH: _GRAPH_DIMENSION}
    places: list[tuple[Properties, str]] = []
    if store.type in paths:
        places = [(store, paths[store.type])]
    else:
        fields = store.entries("Mappings.Properties").values()
        vectors = [field for field in fields if field.text("Type") == "knn_vector"]
        places = [(v, "Dimension") for v in vectors if v.text("CompressionLevel", "1x") == "1x"]
        applies_if(bool(vectors))
    applies_if(store.type not in paths or store.has(paths[store.type]))
    for holder, path in places:
        if holder.number(path, 0) > settings.embedding_dimensions_max:
            yield holder.fault(path, f"at most {settings.embedding_dimensions_max}")


@rule(
    "GenerativeTracesExpire",
    _BUCKET,
    severity=Severity.WARNING,
    practices=("SUS04-BP03", "MLSUS03-BP02", "MLSUS04-BP03"),
    what="Prompts, answers and traces that are written down are deleted after a time.",
    why="Invocation logs, guardrails' traces and captured requests repeat every prompt and every "
    "answer; most are read in the first weeks or never.",
    fix="Add a lifecycle rule with ExpirationInDays.",
    evidence="Amazon Bedrock User Guide, model invocation logging; Sustainability Pillar: Use "
    "policies to manage the lifecycle of your datasets",
    note="A bucket holds traces if its name says so, or if an endpoint captures requests into it. "
    "A colder class keeps them for ever, too. LogGroupExpires judges log groups.",
    cases=Cases(
        compliant=_bucket("bedrock-invocations", "{Status: Enabled, ExpirationInDays: 30}"),
        non_compliant=_bucket(
            "bedrock-invocations",
            "{Status: Enabled, Transitions: [{StorageClass: GLACIER, TransitionInDays: 30}]}",
        ),
        not_applicable=_bucket("documents", "{Status: Enabled, ExpirationInDays: 30}"),
        edges=(
            (Outcome.NON_COMPLIANT, f"GuardrailTraces: {{Type: {_BUCKET}}}"),
            (
                Outcome.NON_COMPLIANT,
                f"""
                B: {{Type: {_BUCKET}}}
                C:
                  Type: {_CONFIG}
                  Properties: {{DataCaptureConfig: {{DestinationS3Uri: !Sub "s3://${{B}}/captured"}}}}
                """,
            ),
            (
                Outcome.NON_COMPLIANT,
                _bucket("invocation-logs", "{Status: Disabled, ExpirationInDays: 30}"),
            ),
        ),
    ),
)
def _traces_expire(bucket: Resource, _: RuleSettings) -> Iterator[Fault]:
    name = f"{bucket.logical_id} {bucket.fragment('BucketName')}"
    captured = any(bucket.referrers(_CONFIG, at="DataCaptureConfig.DestinationS3Uri"))
    applies_if(captured or bool(_TRACES.search(name)))
    rules = bucket.each("LifecycleConfiguration.Rules")
    if not any(
        entry.text("Status") == "Enabled" and entry.has(key)
        for entry in rules
        for key in ("ExpirationInDays", "ExpirationDate")
    ):
        yield bucket.fault("LifecycleConfiguration.Rules", "a rule with ExpirationInDays")


@rule(
    "FlowPartsUsed",
    _FLOW,
    _AGENT,
    severity=Severity.WARNING,
    practices=("SUS03-BP02", "AGENTSUS02-BP01"),
    what="A flow has no node, and an agent no tool, that nothing reaches.",
    why="What is left in place keeps its functions, bases and models alive beside it, and is "
    "deployed, listed and paid for with every change.",
    fix="Remove the node, or the action group and knowledge base that are disabled.",
    evidence="Sustainability Pillar: Remove or refactor workload components with low or no use",
    note="A node is reached by a connection; a loop's own nodes are left alone.",
    cases=Cases(
        compliant=_flow("[{Name: In, Type: Input}, {Name: Out, Type: Output}]"),
        non_compliant=_flow(
            "[{Name: In, Type: Input}, {Name: Out, Type: Output}, {Name: Old, Type: Prompt}]"
        ),
        not_applicable=f"F: {{Type: {_FLOW}, Properties: {{Name: f}}}}",
        edges=(
            (Outcome.NON_COMPLIANT, _agent("KnowledgeBases: [{KnowledgeBaseState: DISABLED}]")),
            (Outcome.NON_COMPLIANT, _agent("ActionGroups: [{ActionGroupState: DISABLED}]")),
            (Outcome.COMPLIANT, _agent("ActionGroups: [{ActionGroupState: ENABLED}]")),
            (Outcome.UNKNOWN, _flow("!ImportValue nodes")),
        ),
    ),
)
def _flow_parts(resource: Resource, _: RuleSettings) -> Iterator[Fault]:
    if resource.type == _AGENT:
        lists = (("KnowledgeBases", "KnowledgeBaseState"), ("ActionGroups", "ActionGroupState"))
        parts = [(part, state) for at, state in lists for part in resource.each(at)]
        applies_if(bool(parts))
        for part, state in parts:
            if part.text(state) == "DISABLED":
                yield part.fault(state, "its removal")
        return
    applies_if(resource.has("Definition.Nodes"))
    connections = resource.each("Definition.Connections")
    reached = {name.text(end) for name in connections for end in ("Source", "Target")}
    for node in resource.each("Definition.Nodes"):
        if node.text("Name") not in reached and not node.text("Type").startswith("Loop"):
            yield node.fault("", "a connection, or its removal", found="is not connected")


@rule(
    "BedrockPartUsed",
    "AWS::Bedrock::KnowledgeBase",
    "AWS::Bedrock::Guardrail",
    severity=Severity.WARNING,
    practices=("SUS03-BP02",),
    what="Something in the program uses a knowledge base or a guardrail.",
    why="A knowledge base keeps its store, and often its sync, going whether or not anybody asks.",
    fix="Refer to it where it is asked, or remove it.",
    evidence="Sustainability Pillar: Remove or refactor workload components with low or no use",
    note="Its own sources and versions do not count. What the template puts out may be used "
    "elsewhere and is left alone.",
    cases=Cases(
        compliant="""
            K: {Type: AWS::Bedrock::KnowledgeBase}
            A:
              Type: AWS::Bedrock::Agent
              Properties: {KnowledgeBases: [{KnowledgeBaseId: !Ref K}]}
            """,
        non_compliant="""
            K: {Type: AWS::Bedrock::KnowledgeBase}
            D: {Type: AWS::Bedrock::DataSource, Properties: {KnowledgeBaseId: !Ref K}}
            """,
        not_applicable="D: {Type: AWS::Bedrock::DataSource}",
        edges=(
            (
                Outcome.UNKNOWN,
                """
                Resources: {G: {Type: AWS::Bedrock::Guardrail}}
                Outputs: {G: {Value: !GetAtt G.GuardrailId}}
                """,
            ),
            (
                Outcome.COMPLIANT,
                """
                G: {Type: AWS::Bedrock::Guardrail}
                F:
                  Type: AWS::Lambda::Function
                  Properties: {Environment: {Variables: {GUARDRAIL: !Ref G}}}
                """,
            ),
        ),
    ),
)
def _bedrock_part(part: Resource, _: RuleSettings) -> Iterator[Fault]:
    if any(part.referrers(*_USERS)):
        return
    put_out = tokens(section(part.template.body, "Outputs"))
    if part.is_shared or ("ref", part.logical_id) in put_out:
        raise Undecidable
    yield part.fault("", "something that uses it", found="is used by nothing")


@rule(
    "EndpointMetricsWhole",
    _CONFIG,
    severity=Severity.WARNING,
    practices=("SUS04-BP05",),
    what="An endpoint publishes its metrics once a minute at the most.",
    why="Every 10 or 30 seconds each instance and container writes up to six times as many values.",
    fix="Set MetricsConfig.MetricPublishFrequencyInSeconds to 60 or more.",
    evidence="Amazon SageMaker API Reference, MetricsConfig",
    note="Scaling that reacts within seconds may need it: acknowledge it there.",
    cases=Cases(
        compliant=f"""
            C:
              Type: {_CONFIG}
              Properties: {{MetricsConfig: {{MetricPublishFrequencyInSeconds: 60}}}}
            """,
        non_compliant=f"""
            C:
              Type: {_CONFIG}
              Properties: {{MetricsConfig: {{MetricPublishFrequencyInSeconds: 10}}}}
            """,
        not_applicable="E: {Type: AWS::SageMaker::Endpoint}",
        edges=((Outcome.COMPLIANT, f"C: {{Type: {_CONFIG}}}"),),
    ),
)
def _endpoint_metrics(config: Resource, _: RuleSettings) -> Iterator[Fault]:
    path = "MetricsConfig.MetricPublishFrequencyInSeconds"
    if config.number(path, 60) < 60:
        yield config.fault(path, "60")
