"""Amazon SageMaker AI endpoints: what they run on, and what they serve."""

from __future__ import annotations

import re
from collections.abc import Iterator
from textwrap import indent

from cfn_sustainability.properties import Fault, Properties
from cfn_sustainability.rule import Cases, Outcome, Severity, applies_if, rule
from cfn_sustainability.rules._instances import (
    graviton_faults,
    is_gpu,
    is_old,
    old_faults,
)
from cfn_sustainability.settings import RuleSettings
from cfn_sustainability.template import Resource
from cfn_sustainability.values import MARK, Undecidable

_CONFIG = "AWS::SageMaker::EndpointConfig"
_LANGUAGE_MODEL_SERVER = re.compile(r"vllm|tgi|text-generation|djl-inference|lmi")
_QUANTIZED = re.compile(r"quanti|awq|gptq|fp8|int8|int4|[48]-?bit", re.IGNORECASE)
_COMPILED = re.compile(r"neuron|tensorrt|compiled", re.IGNORECASE)


def _config(instance_type: str) -> str:
    return f"""
C:
  Type: AWS::SageMaker::EndpointConfig
  Properties: {{ProductionVariants: [{{VariantName: a, InstanceType: {instance_type}}}]}}
"""


def _two_configs(*instance_types: str) -> str:
    return "".join(
        f"""
C{number}:
  Type: AWS::SageMaker::EndpointConfig
  Properties: {{ProductionVariants: [{{ModelName: m{number}, InstanceType: {name}}}]}}
"""
        for number, name in enumerate(instance_types)
    )


def _variants(config: Resource, settings: RuleSettings) -> list[tuple[Properties, str]]:
    """Return the variants on instances that the settings do not allow anyway, with their types."""
    found = [
        (variant, variant.text("InstanceType"))
        for variant in config.each("ProductionVariants")
        if variant.has("InstanceType")
    ]
    applies_if(bool(found))
    return [(variant, name) for variant, name in found if name not in settings.allowed_instances]


@rule(
    "SageMakerInstanceCurrent",
    _CONFIG,
    severity=Severity.ERROR,
    practices=("SUS05-BP02", "MLSUS05-BP02"),
    what="An endpoint does not run on a generation of instances that newer ones have replaced.",
    why="Old generations use more energy for the same work than those that replaced them.",
    fix="Move to the current generation of the series, best to one on AWS silicon.",
    evidence="Sustainability Pillar: Use instance types with the least impact",
    note="An error for what the Amazon EC2 Instance Types guide lists among previous generations, "
    "such as m4 and p3; a warning for t2 and p2, which it does not list.",
    cases=Cases(
        compliant=_config("ml.c7g.large"),
        non_compliant=_config("ml.p3.2xlarge"),
        not_applicable="""
            C:
              Type: AWS::SageMaker::EndpointConfig
              Properties: {ProductionVariants: []}
            """,
        edges=(
            (Outcome.COMPLIANT, _config("ml.p4d.24xlarge")),
            (
                Outcome.NON_COMPLIANT,
                """
                Mappings: {Sizes: {dev: {type: ml.t2.medium}}}
                Resources:
                  C:
                    Type: AWS::SageMaker::EndpointConfig
                    Properties:
                      ProductionVariants: [{InstanceType: !FindInMap [Sizes, dev, type]}]
                """,
            ),
        ),
    ),
)
def _instance_current(config: Resource, settings: RuleSettings) -> Iterator[Fault]:
    for variant, name in _variants(config, settings):
        if is_old(name):
            region = config.template.region
            yield from old_faults(variant, "InstanceType", settings, prefix="ml.", region=region)


@rule(
    "SageMakerAcceleratorEfficient",
    _CONFIG,
    severity=Severity.WARNING,
    practices=("MLSUS05-BP02", "SUS05-BP04", "GENSUS01-BP01"),
    what="Inference runs on Inferentia or Trainium, or says why it needs a GPU.",
    why="For models that compile for it, Inferentia2 does more inferences for each watt.",
    fix="Compile the model for Neuron and use ml.inf2 or ml.trn1, or give the reason in "
    "allowed_instances.",
    evidence="Machine Learning Lens: Use efficient silicon",
    saving="Up to 50 % better performance per watt than comparable EC2 instances (AWS, of Inf2)",
    note="GPUs are the series g and p.",
    cases=Cases(
        compliant=_config("ml.inf2.xlarge"),
        non_compliant=_config("ml.g5.xlarge"),
        not_applicable="""
            C:
              Type: AWS::SageMaker::EndpointConfig
              Properties: {ProductionVariants: []}
            """,
        edges=(
            (Outcome.COMPLIANT, _config("ml.g6e.xlarge")),
            (Outcome.NON_COMPLIANT, _config("ml.p6-b200.48xlarge")),
        ),
        settings={
            "allowed_instances": {"ml.g6e.xlarge": "the vision tower does not compile for Neuron"}
        },
    ),
)
def _accelerator_efficient(config: Resource, settings: RuleSettings) -> Iterator[Fault]:
    for variant, name in _variants(config, settings):
        if is_gpu(name) and not is_old(name):
            yield variant.fault("InstanceType", "ml.inf2, ml.trn1 or a reason in allowed_instances")


@rule(
    "SageMakerCpuGraviton",
    _CONFIG,
    severity=Severity.WARNING,
    practices=("MLSUS05-BP02", "SUS05-BP02"),
    what="Inference on CPUs runs on Graviton.",
    why="Graviton does the same work with less energy; the serving image has to exist for arm64.",
    fix="Use ml.c7g, ml.m7g or ml.r7g with an arm64 image.",
    evidence="Machine Learning Lens: Use efficient silicon",
    saving="Up to 60 % less energy at the same performance (AWS, of Graviton3 against x86)",
    note="Only series that exist on both architectures are judged.",
    cases=Cases(
        compliant=_config("ml.m7g.large"),
        non_compliant=_config("ml.m5.large"),
        not_applicable="""
            C:
              Type: AWS::SageMaker::EndpointConfig
              Properties: {ProductionVariants: []}
            """,
        edges=((Outcome.COMPLIANT, _config("ml.inf2.xlarge")),),
    ),
)
def _cpu_graviton(config: Resource, settings: RuleSettings) -> Iterator[Fault]:
    for variant, name in _variants(config, settings):
        if not is_old(name):
            yield from graviton_faults(
                variant, ("InstanceType",), settings, region=config.template.region
            )


def _model(image: str, environment: str = "{}") -> str:
    return f"""
M:
  Type: AWS::SageMaker::Model
  Properties: {{PrimaryContainer: {{Image: {image}, Environment: {environment}}}}}
"""


def _said(model: Resource) -> list[str]:
    """Return what the image and the environment of a language model's server say."""
    image = model.fragment("PrimaryContainer.Image")
    applies_if(bool(_LANGUAGE_MODEL_SERVER.search(image)))
    environment = model.entries("PrimaryContainer.Environment")
    return [image, *(f"{key}={value.fragment('')}" for key, value in environment.items())]


@rule(
    "ModelQuantized",
    "AWS::SageMaker::Model",
    severity=Severity.WARNING,
    practices=("GENSUS03-BP01", "MLSUS05-BP03"),
    what="A language model is served quantized.",
    why="In 8 or 4 bits a model moves a fraction of the bytes for each token, on fewer "
    "accelerators.",
    fix="Set the server's quantization variable or use a quantized checkpoint, and compare the "
    "answers.",
    evidence="Generative AI Lens: Leverage smaller models and optimized inference techniques",
    note="The serving image and its environment tell; a private image does not. ModelCompiled "
    "judges compiling.",
    cases=Cases(
        compliant=_model("vllm", "{SM_VLLM_QUANTIZATION: fp8}"),
        non_compliant=_model("vllm", "{SM_VLLM_MODEL: org/model-7b}"),
        not_applicable=_model("sklearn"),
        edges=(
            (Outcome.NON_COMPLIANT, _model("huggingface-vllm-inference-neuronx")),
            (Outcome.COMPLIANT, _model("vllm", "{HF_MODEL_ID: org/model-7b-AWQ}")),
            (
                Outcome.UNKNOWN,
                "Parameters: {ModelId: {Type: String}}\nResources:\n"
                + indent(_model("vllm", "{HF_MODEL_ID: !Ref ModelId}"), "  "),
            ),
        ),
    ),
)
def _model_quantized(model: Resource, _: RuleSettings) -> Iterator[Fault]:
    texts = _said(model)
    if any(_QUANTIZED.search(text) for text in texts):
        return
    if any(MARK in text for text in texts[1:]):
        raise Undecidable
    yield model.fault(
        "PrimaryContainer.Environment", "a quantization setting", found="has full precision"
    )


@rule(
    "ModelCompiled",
    "AWS::SageMaker::Model",
    severity=Severity.WARNING,
    practices=("MLSUS05-BP03",),
    what="A language model is compiled for the hardware that serves it.",
    why="A compiler plans memory and fuses steps ahead, so each token takes less work.",
    fix="Use a Neuron image on Inferentia2 or Trainium, or TensorRT-LLM on GPUs.",
    evidence="Machine Learning Lens: Optimize models for inference",
    note="The serving image and its environment tell; a private image does not. ModelQuantized "
    "judges quantizing.",
    cases=Cases(
        compliant=_model("huggingface-vllm-inference-neuronx"),
        non_compliant=_model("vllm", "{SM_VLLM_QUANTIZATION: fp8}"),
        not_applicable=_model("sklearn"),
        edges=((Outcome.COMPLIANT, _model("djl-inference:0.33-tensorrtllm")),),
    ),
)
def _model_compiled(model: Resource, _: RuleSettings) -> Iterator[Fault]:
    if not any(_COMPILED.search(text) for text in _said(model)):
        yield model.fault("PrimaryContainer.Image", "an image that compiles", found="compiles none")


@rule(
    "ModelsShareEndpoint",
    _CONFIG,
    severity=Severity.WARNING,
    practices=("MLSUS05-BP04",),
    what="Models of one template that run on the same kind of instance share an endpoint.",
    why="Each endpoint keeps instances of its own, and each of these is idle at other times.",
    fix="Serve the models as inference components, or as one multi-model endpoint.",
    evidence="Machine Learning Lens: Deploy multiple models behind a single endpoint",
    note="Asynchronous and serverless endpoints can fall to zero and are left alone.",
    cases=Cases(
        compliant=_config("ml.inf2.xlarge"),
        non_compliant=_two_configs("ml.m7g.large", "ml.m7g.large"),
        not_applicable="E: {Type: AWS::SageMaker::Endpoint}",
        edges=((Outcome.COMPLIANT, _two_configs("ml.m7g.large", "ml.inf2.xlarge")),),
    ),
)
def _models_share_endpoint(config: Resource, _: RuleSettings) -> Iterator[Fault]:
    own = _single_model_instance(config)
    for other in config.others(_CONFIG):
        if own and own == _single_model_instance(other):
            yield config.fault(
                "ProductionVariants",
                "one endpoint for both",
                found=f"has one model on {own}, as {other.logical_id} has",
            )
            return


def _single_model_instance(config: Resource) -> str:
    """Return the instance type of an endpoint that serves one model in real time; else nothing."""
    variants = config.each("ProductionVariants")
    if len(variants) != 1 or config.has("AsyncInferenceConfig"):
        return ""
    return variants[0].text("InstanceType") if variants[0].has("ModelName") else ""
