"""Generative AI: capacity that is on without an end, and larger than what it serves."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from cfn_sustainability.properties import Fault, Properties
from cfn_sustainability.rule import Cases, Outcome, Severity, applies_if, rule
from cfn_sustainability.rules._instances import is_gpu
from cfn_sustainability.settings import RuleSettings
from cfn_sustainability.template import Resource
from cfn_sustainability.values import MARK

_MACHINE = "AWS::StepFunctions::StateMachine"
_CUSTOM = "Custom::AWS"
_GRAPH = "AWS::NeptuneGraph::Graph"
_GROUP = "AWS::OpenSearchServerless::CollectionGroup"
_CONFIG = "AWS::SageMaker::EndpointConfig"
_MODEL = "AWS::SageMaker::Model"
_CREATES, _ENDS = "createprovisionedmodelthroughput", "deleteprovisionedmodelthroughput"
_PROVISIONED = ":provisioned-model/"
_GRAPH_MEMORY = 32
_FLOOR_OCU = 2
_COMPILES = re.compile(r"llama|mixtral|qwen-?[23]|granite|phi-?[34]|smollm3", re.IGNORECASE)
"""Families that optimum-neuron compiles for Inferentia2 (its list of 2026-08); not Mistral."""
_BILLIONS = re.compile(r"(?<![\d.])(\d+(?:\.\d+)?)\s?b(?![a-z])", re.IGNORECASE)
_BYTES_PER_PARAMETER = 2.0
_ROOM = 1.25
"""Weights, and a quarter of them for the cache of a batch."""
_INFERENTIA_GB = (("ml.inf2.xlarge", 32), ("ml.inf2.24xlarge", 192), ("ml.inf2.48xlarge", 384))


def _machine(*actions: str) -> str:
    states = ", ".join(
        f"S{number}: {{Type: Task, Resource: 'arn:aws:states:::aws-sdk:bedrock:{action}'}}"
        for number, action in enumerate(actions)
    )
    return f"M: {{Type: {_MACHINE}, Properties: {{Definition: {{States: {{{states}}}}}}}}}"


def _serving(instance: str, model: str) -> str:
    return f"""
C:
  Type: {_CONFIG}
  Properties: {{ProductionVariants: [{{ModelName: !GetAtt M.ModelName, InstanceType: {instance}}}]}}
M:
  Type: {_MODEL}
  Properties: {{PrimaryContainer: {{Image: vllm, Environment: {{HF_MODEL_ID: {model}}}}}}}
"""


def _graph(properties: str) -> str:
    return f"G: {{Type: {_GRAPH}, Properties: {{{properties}}}}}"


def _group(limits: str) -> str:
    return f"G: {{Type: {_GROUP}, Properties: {{Generation: NEXTGEN, CapacityLimits: {limits}}}}}"


def _written(resource: Resource, *paths: str) -> str:
    """Return what the properties say, as lower-case text."""
    values = [resource.plain(path) for path in paths]
    return json.dumps(values, default=lambda unknown: getattr(unknown, "text", MARK)).lower()


@rule(
    "ProvisionedThroughputEnds",
    _MACHINE,
    _CUSTOM,
    "AWS::Bedrock::Agent",
    "AWS::Bedrock::Prompt",
    severity=Severity.WARNING,
    practices=("GENSUS01-BP01", "MLSUS03-BP01", "SUS02-BP03"),
    what="Provisioned throughput of Bedrock ends by itself, or is not used.",
    why="Model units are reserved, and on, for every hour until they are deleted, asked or not; on "
    "demand a model is on for the answer alone.",
    fix="Delete the throughput in the same workflow, give the custom resource a Delete call, or "
    "use the model on demand or in batches.",
    evidence="Amazon Bedrock User Guide, provisioned throughput",
    note="CloudFormation has no resource for it. The rule judges what creates it, and what calls "
    "it.",
    cases=Cases(
        compliant=_machine("createProvisionedModelThroughput", "deleteProvisionedModelThroughput"),
        non_compliant=_machine("createProvisionedModelThroughput"),
        not_applicable=_machine("invokeModel"),
        edges=(
            (
                Outcome.NON_COMPLIANT,
                """
                C:
                  Type: Custom::AWS
                  Properties:
                    Create: '{"service": "Bedrock", "action": "createProvisionedModelThroughput"}'
                """,
            ),
            (
                Outcome.COMPLIANT,
                """
                C:
                  Type: Custom::AWS
                  Properties:
                    Create: '{"service": "Bedrock", "action": "createProvisionedModelThroughput"}'
                    Delete: '{"service": "Bedrock", "action": "deleteProvisionedModelThroughput"}'
                """,
            ),
            (
                Outcome.NON_COMPLIANT,
                """
                A:
                  Type: AWS::Bedrock::Agent
                  Properties:
                    FoundationModel:
                      Fn::Sub: arn:aws:bedrock:${AWS::Region}:${AWS::AccountId}:provisioned-model/a1
                """,
            ),
        ),
    ),
)
def _provisioned_throughput(resource: Resource, _: RuleSettings) -> Iterator[Fault]:
    if resource.type in (_MACHINE, _CUSTOM):
        paths = ("Create",) if resource.type == _CUSTOM else ("DefinitionString", "Definition")
        applies_if(_CREATES in _written(resource, *paths))
        if _ENDS not in _written(resource, *paths, "Delete"):
            yield resource.fault(
                paths[0], "a call that deletes it", found="creates a throughput without an end"
            )
        return
    users: list[tuple[Properties, str]] = [(resource, "FoundationModel")]
    users += [(variant, "ModelId") for variant in resource.each("Variants")]
    asked = [(user, path) for user, path in users if _PROVISIONED in user.fragment(path)]
    applies_if(bool(asked))
    for user, path in asked:
        yield user.fault(path, "a model on demand", found="is a provisioned throughput")


@rule(
    "VectorStoreModest",
    _GRAPH,
    _GROUP,
    severity=Severity.WARNING,
    practices=("GENSUS01-BP01", "GENSUS02-BP01", "SUS05-BP01"),
    what="A store of vectors keeps no more on than its questions need.",
    why="Units of memory or of search are on around the clock; most stores are asked some times a "
    "minute.",
    fix="Lower ProvisionedMemory to 16 and ReplicaCount to 0, the minimum of the group to 2, or "
    "use Amazon S3 Vectors.",
    evidence="Amazon Neptune Analytics User Guide, provisioned memory; Generative AI Lens",
    note="A graph has one replica by default. Measure what is used before you lower it.",
    cases=Cases(
        compliant=_graph("ProvisionedMemory: 16, ReplicaCount: 0"),
        non_compliant=_graph("ProvisionedMemory: 256, ReplicaCount: 0"),
        not_applicable="V: {Type: AWS::S3Vectors::Index}",
        edges=(
            (Outcome.NON_COMPLIANT, _graph("ProvisionedMemory: 16")),
            (Outcome.NON_COMPLIANT, _group("{MinSearchCapacityInOcu: 8}")),
            (Outcome.COMPLIANT, _group("{MinSearchCapacityInOcu: '2'}")),
            (Outcome.UNKNOWN, _graph("ProvisionedMemory: !ImportValue m, ReplicaCount: 0")),
        ),
    ),
)
def _vector_store_modest(store: Resource, _: RuleSettings) -> Iterator[Fault]:
    if store.type == _GRAPH:
        if store.number("ProvisionedMemory", 0) > _GRAPH_MEMORY:
            yield store.fault("ProvisionedMemory", f"at most {_GRAPH_MEMORY}")
        if store.number("ReplicaCount", 1) > 0:
            yield store.fault("ReplicaCount", "0")
        return
    for key in ("MinIndexingCapacityInOcu", "MinSearchCapacityInOcu"):
        if store.number(f"CapacityLimits.{key}", 0) > _FLOOR_OCU:
            yield store.fault(f"CapacityLimits.{key}", f"at most {_FLOOR_OCU}")


@rule(
    "ModelFitsInferentia",
    _CONFIG,
    severity=Severity.WARNING,
    practices=("MLSUS05-BP02", "SUS05-BP04", "GENSUS01-BP01"),
    what="A language model that compiles for Inferentia2 and fits it does not hold a GPU.",
    why="Inferentia2 does more inferences for each watt.",
    fix="Compile the model with optimum-neuron and choose the type that the finding names, or give "
    "the reason in allowed_instances.",
    evidence="Machine Learning Lens: Use efficient silicon",
    saving="Up to 50 % better performance per watt than comparable EC2 instances (AWS, of Inf2)",
    note="The family and the size stand in the model's name; the room is that of 16-bit weights "
    "and a quarter more. Software for Inferentia2 is maintained, no longer extended.",
    cases=Cases(
        compliant=_serving("ml.inf2.xlarge", "org/Qwen3-8B"),
        non_compliant=_serving("ml.g5.2xlarge", "org/Qwen3-8B"),
        not_applicable=_serving("ml.g5.2xlarge", "org/Mistral-7B"),
        edges=(
            (Outcome.NON_COMPLIANT, _serving("ml.p4d.24xlarge", "org/Llama-3.1-70B")),
            (Outcome.NOT_APPLICABLE, _serving("ml.p5.48xlarge", "org/Llama-3.1-405B")),
            (Outcome.NOT_APPLICABLE, _serving("ml.g5.2xlarge", "!ImportValue model")),
        ),
    ),
)
def _model_fits(config: Resource, settings: RuleSettings) -> Iterator[Fault]:
    served = []
    models = {model.logical_id: model for model in config.others(_MODEL)}
    for variant in config.each("ProductionVariants"):
        for name in variant.mentions("ModelName") & models.keys():
            if smallest := _smallest_inferentia(models[name]):
                served.append((variant, smallest))
    applies_if(bool(served))
    for variant, smallest in served:
        name = variant.text("InstanceType")
        if is_gpu(name) and name not in settings.allowed_instances:
            yield variant.fault("InstanceType", smallest)


def _smallest_inferentia(model: Resource) -> str:
    """Return the smallest type of Inferentia2 that holds a model; empty when none is known to."""
    for value in model.entries("PrimaryContainer.Environment").values():
        text = value.fragment("")
        size = _BILLIONS.search(text)
        if size and _COMPILES.search(text):
            needed = float(size[1]) * _BYTES_PER_PARAMETER * _ROOM
            return next((name for name, room in _INFERENTIA_GB if needed <= room), "")
    return ""


@rule(
    "MlflowServerless",
    "AWS::SageMaker::MlflowTrackingServer",
    severity=Severity.WARNING,
    practices=("MLSUS03-BP01", "SUS02-BP05"),
    what="Experiments are tracked without a server that is always on.",
    why="A tracking server runs around the clock; runs are logged and looked at now and then.",
    fix="Use AWS::SageMaker::MlflowApp, which has no server, or stop the server out of hours.",
    evidence="Amazon SageMaker AI Developer Guide, managed MLflow",
    note="A server that something stops by schedule passes.",
    cases=Cases(
        compliant="""
            S:
              Type: AWS::SageMaker::MlflowTrackingServer
              Properties: {TrackingServerName: runs}
            N:
              Type: AWS::Scheduler::Schedule
              Properties: {Target: {Input: !Sub '{"TrackingServerName": "${S}"}'}}
            """,
        non_compliant="""
            S:
              Type: AWS::SageMaker::MlflowTrackingServer
              Properties: {TrackingServerName: runs}
            """,
        not_applicable="S: {Type: AWS::SageMaker::MlflowApp}",
        edges=(
            (
                Outcome.NON_COMPLIANT,
                "S: {Type: AWS::SageMaker::MlflowTrackingServer, Properties: !ImportValue all}",
            ),
        ),
    ),
)
def _mlflow_serverless(server: Resource, _: RuleSettings) -> Iterator[Fault]:
    if server.is_alone("AWS::Scheduler::Schedule", "AWS::Events::Rule"):
        yield server.fault("", "AWS::SageMaker::MlflowApp", found="is on around the clock")
