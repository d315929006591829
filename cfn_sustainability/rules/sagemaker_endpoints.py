"""Amazon SageMaker AI endpoints: how they scale."""

from __future__ import annotations

from collections.abc import Iterator

from cfn_sustainability.properties import Fault, Properties
from cfn_sustainability.rule import Cases, Outcome, Severity, applies_if, rule
from cfn_sustainability.rules._scaling import policies, scalable_targets
from cfn_sustainability.settings import Profile, RuleSettings
from cfn_sustainability.template import Resource
from cfn_sustainability.values import MARK, Undecidable

_CONFIG = "AWS::SageMaker::EndpointConfig"
_ENDPOINT = "AWS::SageMaker::Endpoint"
_INSTANCES = "sagemaker:variant:DesiredInstanceCount"
_COPIES = "sagemaker:inference-component:DesiredCopyCount"
_CONCURRENCY = "sagemaker:variant:DesiredProvisionedConcurrency"

_REAL_TIME = """
C: {Type: AWS::SageMaker::EndpointConfig, Properties: {ProductionVariants: [{VariantName: a}]}}
E: {Type: AWS::SageMaker::Endpoint, Properties: {EndpointConfigName: !GetAtt C.EndpointConfigName}}
"""
_ASYNC = """
C:
  Type: AWS::SageMaker::EndpointConfig
  Properties: {AsyncInferenceConfig: {OutputConfig: {}}, ProductionVariants: [{VariantName: a}]}
E: {Type: AWS::SageMaker::Endpoint, Properties: {EndpointConfigName: !Ref C}}
"""


def _config(variant: str) -> str:
    return f"""
C:
  Type: AWS::SageMaker::EndpointConfig
  Properties: {{ProductionVariants: [{variant}]}}
"""


def _serving(variant: str) -> str:
    endpoint = "E: {Type: AWS::SageMaker::Endpoint, Properties: {EndpointConfigName: !Ref C}}"
    return _config(variant) + endpoint


def _managed(scaling: str) -> str:
    return _config(f"{{VariantName: a, ManagedInstanceScaling: {scaling}}}")


def _target(minimum: str, resource: str = '!Sub "endpoint/${E.EndpointName}/variant/a"') -> str:
    return f"""
T:
  Type: AWS::ApplicationAutoScaling::ScalableTarget
  Properties:
    ServiceNamespace: sagemaker
    ScalableDimension: {_INSTANCES}
    ResourceId: {resource}
    MinCapacity: {minimum}
    MaxCapacity: 2
"""


def _policy(kind: str) -> str:
    return f"""
P:
  Type: AWS::ApplicationAutoScaling::ScalingPolicy
  Properties: {{PolicyName: p, PolicyType: {kind}, ScalingTargetId: !Ref T}}
"""


def _endpoints(config: Resource) -> list[Resource]:
    endpoints = list(config.referrers(_ENDPOINT, at="EndpointConfigName"))
    applies_if(bool(endpoints))
    return endpoints


def _variant_targets(config: Resource, variant: Properties, dimension: str) -> list[Resource]:
    """Return the scalable targets of a variant; one without a readable variant name counts."""
    name = variant.fragment("VariantName")
    found = []
    for endpoint in _endpoints(config):
        for target in scalable_targets(endpoint, dimension):
            _, marked, meant = target.fragment("ResourceId").partition("/variant/")
            if not marked or meant == name or MARK in meant + name:
                found.append(target)
    return found


@rule(
    "SageMakerEndpointScales",
    _CONFIG,
    severity=Severity.ERROR,
    practices=("GENSUS01-BP01", "SUS02-BP01", "MLSUS03-BP01"),
    what="The instances behind an endpoint follow demand.",
    why="An endpoint runs day and night; with a fixed count it idles whenever fewer people ask.",
    fix="Add a scalable target for sagemaker:variant:DesiredInstanceCount with a policy, enable "
    "ManagedInstanceScaling, or use ServerlessConfig.",
    evidence="Generative AI Lens: Implement auto scaling and serverless architectures to optimize "
    "resource utilization",
    note="A warning for one instance, which has none to give back while requests must be answered "
    "at once. SageMaker AI does not scale burstable types such as ml.t2.",
    cases=Cases(
        compliant=_REAL_TIME + _target("1"),
        non_compliant=_REAL_TIME,
        not_applicable=_serving("{VariantName: a, ServerlessConfig: {MaxConcurrency: 5}}"),
        edges=(
            (Outcome.NOT_APPLICABLE, _serving("{VariantName: a, InstanceType: ml.t2.medium}")),
            (
                Outcome.COMPLIANT,
                _serving("{VariantName: a, ManagedInstanceScaling: {Status: ENABLED}}"),
            ),
            (
                Outcome.NON_COMPLIANT,
                """
C:
  Type: AWS::SageMaker::EndpointConfig
  Properties: {ProductionVariants: [{VariantName: a}, {VariantName: b}]}
E: {Type: AWS::SageMaker::Endpoint, Properties: {EndpointName: bot, EndpointConfigName: !Ref C}}
"""
                + _target("1", "endpoint/bot/variant/a"),
            ),
            (Outcome.UNKNOWN, _REAL_TIME + _target("1", "!ImportValue elsewhere")),
            (
                Outcome.NON_COMPLIANT,
                """
                Parameters: {Stage: {Type: String, AllowedValues: [dev, prod]}}
                Conditions: {IsProd: !Equals [!Ref Stage, prod]}
                Resources:
                  C:
                    Type: AWS::SageMaker::EndpointConfig
                    Properties: {ProductionVariants: [{VariantName: a}]}
                  E: {Type: AWS::SageMaker::Endpoint, Properties: {EndpointConfigName: !Ref C}}
                  T:
                    Type: AWS::ApplicationAutoScaling::ScalableTarget
                    Condition: IsProd
                    Properties:
                      ScalableDimension: sagemaker:variant:DesiredInstanceCount
                      ResourceId: !Sub "endpoint/${E}/variant/a"
                """,
            ),
        ),
    ),
)
def _endpoint_scales(config: Resource, _: RuleSettings) -> Iterator[Fault]:
    servers = [
        variant
        for variant in config.each("ProductionVariants")
        if not variant.has("ServerlessConfig")
        and not variant.fragment("InstanceType").startswith("ml.t")
    ]
    applies_if(bool(servers) and bool(_endpoints(config)))
    waits = config.has("AsyncInferenceConfig")
    for variant in servers:
        managed = variant.text("ManagedInstanceScaling.Status") == "ENABLED"
        if not managed and not _variant_targets(config, variant, _INSTANCES):
            yield variant.fault(
                "",
                f"a scalable target for {_INSTANCES}",
                found="has a fixed instance count",
                certain=waits or _has_several(variant),
            )


def _has_several(variant: Properties) -> bool:
    try:
        return variant.number("InitialInstanceCount", 1) > 1
    except Undecidable:
        return False


@rule(
    "AsyncEndpointScalesToZero",
    _CONFIG,
    severity=Severity.WARNING,
    practices=("MLSUS05-BP01", "GENSUS01-BP01"),
    what="An asynchronous endpoint rests at zero instances.",
    why="Its requests wait in a queue, so nothing is lost while no instance runs.",
    fix="Set MinCapacity of its scalable target to 0, with a step policy on "
    "HasBacklogWithoutCapacity.",
    evidence="Amazon SageMaker AI Developer Guide, autoscaling an asynchronous endpoint",
    note="SageMakerEndpointScales judges an endpoint without any target. An instance that is "
    "always on spares the first request some minutes.",
    cases=Cases(
        compliant=_ASYNC + _target("0"),
        non_compliant=_ASYNC + _target("1"),
        not_applicable=_REAL_TIME + _target("1"),
        edges=(
            (
                Outcome.NON_COMPLIANT,
                """
                Parameters: {Stage: {Type: String, Default: dev}}
                Conditions: {IsProd: !Equals [!Ref Stage, prod]}
                Resources:
                  C:
                    Type: AWS::SageMaker::EndpointConfig
                    Properties:
                      AsyncInferenceConfig: {OutputConfig: {}}
                      ProductionVariants: [{VariantName: a}]
                  E: {Type: AWS::SageMaker::Endpoint, Properties: {EndpointConfigName: !Ref C}}
                  T:
                    Type: AWS::ApplicationAutoScaling::ScalableTarget
                    Properties:
                      ScalableDimension: sagemaker:variant:DesiredInstanceCount
                      ResourceId: !Sub "endpoint/${E}/variant/a"
                      MinCapacity: !If [IsProd, 1, 0]
                """,
            ),
        ),
    ),
)
def _async_scales_to_zero(config: Resource, _: RuleSettings) -> Iterator[Fault]:
    applies_if(config.has("AsyncInferenceConfig"))
    for variant in config.each("ProductionVariants"):
        for target in _variant_targets(config, variant, _INSTANCES):
            least = target.number("MinCapacity", 0)
            if least > 0:
                found = f"rests at {least:.0f} instances by {target.logical_id}.MinCapacity"
                yield variant.fault("", "0", found=found)


@rule(
    "AsyncEndpointWakes",
    _CONFIG,
    severity=Severity.WARNING,
    practices=("MLSUS05-BP01",),
    what="An asynchronous endpoint at zero wakes for the first request.",
    why="Target tracking alone leaves requests waiting until the backlog exceeds its target.",
    fix="Add a step policy that is triggered by an alarm on HasBacklogWithoutCapacity.",
    evidence="Amazon SageMaker AI Developer Guide, autoscaling an asynchronous endpoint",
    note="A policy may name the endpoint itself instead of the target.",
    cases=Cases(
        compliant=_ASYNC + _target("0") + _policy("StepScaling"),
        non_compliant=_ASYNC + _target("0") + _policy("TargetTrackingScaling"),
        not_applicable=_REAL_TIME,
        edges=((Outcome.COMPLIANT, _ASYNC + _target("1")),),
    ),
)
def _async_wakes(config: Resource, _: RuleSettings) -> Iterator[Fault]:
    applies_if(config.has("AsyncInferenceConfig"))
    for variant in config.each("ProductionVariants"):
        for target in _variant_targets(config, variant, _INSTANCES):
            by_name = [policy for e in _endpoints(config) for policy in policies(e)]
            kinds = {policy.text("PolicyType") for policy in (*policies(target), *by_name)}
            if target.number("MinCapacity", 0) == 0 and "StepScaling" not in kinds:
                if any(one.is_shared for one in (target, *_endpoints(config))):
                    raise Undecidable
                yield variant.fault(
                    "", "a step policy for the first request", found="rests at zero"
                )


@rule(
    "EndpointRestsAtZero",
    _CONFIG,
    severity=Severity.WARNING,
    practices=("GENSUS01-BP01", "MLSUS05-BP01"),
    profiles=(Profile.DEVELOPMENT,),
    what="A managed endpoint rests at zero instances in development.",
    why="Nobody asks at night; an instance that waits for them uses most of its power all the "
    "same.",
    fix="Set ManagedInstanceScaling.MinInstanceCount to 0 and serve the model as an inference "
    "component with a scalable target of MinCapacity 0.",
    evidence="Amazon SageMaker AI Developer Guide, scaling an endpoint to zero instances",
    note="Without a minimum, the initial count is kept.",
    cases=Cases(
        compliant=_managed("{Status: ENABLED, MinInstanceCount: 0}"),
        non_compliant=_managed("{Status: ENABLED, MinInstanceCount: 1}"),
        not_applicable=_REAL_TIME,
        edges=(
            (Outcome.NOT_APPLICABLE, _managed("{Status: DISABLED}")),
            (Outcome.NON_COMPLIANT, _managed("{Status: ENABLED}")),
        ),
    ),
)
def _endpoint_rests_at_zero(config: Resource, _: RuleSettings) -> Iterator[Fault]:
    managed = [
        variant
        for variant in config.each("ProductionVariants")
        if variant.text("ManagedInstanceScaling.Status") == "ENABLED"
    ]
    applies_if(bool(managed))
    for variant in managed:
        if variant.number("ManagedInstanceScaling.MinInstanceCount", 1) > 0:
            yield variant.fault("ManagedInstanceScaling.MinInstanceCount", "0")


@rule(
    "InferenceComponentScales",
    "AWS::SageMaker::InferenceComponent",
    severity=Severity.WARNING,
    practices=("GENSUS01-BP01", "SUS02-BP01"),
    what="The copies of an inference component follow demand.",
    why="Copies hold accelerators; while their number is fixed, no instance can be released.",
    fix=f"Add a scalable target for {_COPIES}.",
    evidence="Amazon SageMaker AI Developer Guide, autoscaling policies for inference components",
    note="An adapter component runs on the copies of its base component.",
    cases=Cases(
        compliant=f"""
            I: {{Type: AWS::SageMaker::InferenceComponent, Properties: {{VariantName: a}}}}
            T:
              Type: AWS::ApplicationAutoScaling::ScalableTarget
              Properties:
                ScalableDimension: {_COPIES}
                ResourceId: !Sub "inference-component/${{I.InferenceComponentName}}"
            """,
        non_compliant="I: {Type: AWS::SageMaker::InferenceComponent, Properties: {VariantName: a}}",
        not_applicable="I: {Type: AWS::SageMaker::Model}",
        edges=(
            (
                Outcome.COMPLIANT,
                f"""
                I:
                  Type: AWS::SageMaker::InferenceComponent
                  Properties: {{InferenceComponentName: writer}}
                T:
                  Type: AWS::ApplicationAutoScaling::ScalableTarget
                  Properties:
                    ScalableDimension: {_COPIES}
                    ResourceId: inference-component/writer
                """,
            ),
        ),
    ),
)
def _component_scales(component: Resource, _: RuleSettings) -> Iterator[Fault]:
    applies_if(not component.has("Specification.BaseInferenceComponentName"))
    if not scalable_targets(component, _COPIES):
        yield component.fault(
            "RuntimeConfig.CopyCount", f"a scalable target for {_COPIES}", found="is fixed"
        )


@rule(
    "EndpointConsolidates",
    _CONFIG,
    severity=Severity.WARNING,
    practices=("SUS05-BP01",),
    what="A managed endpoint gathers its copies on as few instances as hold them.",
    why="IDLE_RELEASE frees only instances that happen to be empty; thinly used ones stay on.",
    fix="Set ScaleInPolicy.Strategy to CONSOLIDATION.",
    evidence="Amazon SageMaker API Reference, ProductionVariantManagedInstanceScalingScaleInPolicy",
    note="The service's choice where the template makes none is not documented.",
    cases=Cases(
        compliant=_managed("{Status: ENABLED, ScaleInPolicy: {Strategy: CONSOLIDATION}}"),
        non_compliant=_managed("{Status: ENABLED, ScaleInPolicy: {Strategy: IDLE_RELEASE}}"),
        not_applicable=_REAL_TIME,
        edges=((Outcome.NOT_APPLICABLE, _managed("{Status: ENABLED}")),),
    ),
)
def _endpoint_consolidates(config: Resource, _: RuleSettings) -> Iterator[Fault]:
    path = "ManagedInstanceScaling.ScaleInPolicy.Strategy"
    chosen = [variant for variant in config.each("ProductionVariants") if variant.has(path)]
    applies_if(bool(chosen))
    for variant in chosen:
        if variant.text(path) != "CONSOLIDATION":
            yield variant.fault(path, "CONSOLIDATION")


@rule(
    "EndpointStartsSmall",
    _CONFIG,
    severity=Severity.WARNING,
    practices=("MLSUS05-BP01", "SUS02-BP02"),
    profiles=(Profile.DEVELOPMENT,),
    what="An endpoint starts with one instance in development.",
    why="A second instance is a standby, which a development environment can do without.",
    fix="Set InitialInstanceCount to 1.",
    evidence="Machine Learning Lens: Align SLAs with sustainability goals",
    note="Each variant is judged by itself.",
    cases=Cases(
        compliant=_config("{InitialInstanceCount: 1}"),
        non_compliant=_config("{InitialInstanceCount: 2}"),
        not_applicable="E: {Type: AWS::SageMaker::Endpoint}",
        edges=((Outcome.COMPLIANT, _REAL_TIME),),
    ),
)
def _endpoint_starts_small(config: Resource, _: RuleSettings) -> Iterator[Fault]:
    for variant in config.each("ProductionVariants"):
        if variant.number("InitialInstanceCount", 1) > 1:
            yield variant.fault("InitialInstanceCount", "1")


@rule(
    "EndpointProvisionedConcurrencyScales",
    _CONFIG,
    severity=Severity.WARNING,
    practices=("MLSUS03-BP01", "GENSUS01-BP01"),
    what="Provisioned concurrency of a serverless endpoint follows demand.",
    why="It keeps the endpoint warm around the clock, which serverless inference is there to "
    "avoid.",
    fix=f"Add a scalable target for {_CONCURRENCY}, or drop ProvisionedConcurrency.",
    evidence="Amazon SageMaker AI Developer Guide, autoscaling provisioned concurrency",
    note="Serverless endpoints without it fall to zero by themselves.",
    cases=Cases(
        compliant=_serving("{VariantName: a, ServerlessConfig: {ProvisionedConcurrency: 1}}")
        + f"""
T:
  Type: AWS::ApplicationAutoScaling::ScalableTarget
  Properties:
    ScalableDimension: {_CONCURRENCY}
    ResourceId: !Sub "endpoint/${{E}}/variant/a"
""",
        non_compliant=_serving("{VariantName: a, ServerlessConfig: {ProvisionedConcurrency: 1}}"),
        not_applicable=_REAL_TIME,
        edges=((Outcome.NOT_APPLICABLE, _serving("{ServerlessConfig: {MaxConcurrency: 5}}")),),
    ),
)
def _endpoint_concurrency_scales(config: Resource, _: RuleSettings) -> Iterator[Fault]:
    path = "ServerlessConfig.ProvisionedConcurrency"
    warm = [variant for variant in config.each("ProductionVariants") if variant.has(path)]
    applies_if(bool(warm))
    for variant in warm:
        if not _variant_targets(config, variant, _CONCURRENCY):
            yield variant.fault(path, f"a scalable target for {_CONCURRENCY}")
