"""Amazon SageMaker AI endpoints: how they are updated, watched and recorded."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cfn_sustainability.properties import Fault
from cfn_sustainability.rule import Cases, Outcome, Severity, applies_if, rule
from cfn_sustainability.settings import Profile, RuleSettings
from cfn_sustainability.template import Resource
from cfn_sustainability.values import Undecidable

_CONFIG = "AWS::SageMaker::EndpointConfig"
_UTILIZATION = re.compile(r"utili[sz]ation|invocations|concurrentrequests", re.IGNORECASE)


def _config(instance_type: str) -> str:
    return f"""
C:
  Type: AWS::SageMaker::EndpointConfig
  Properties: {{ProductionVariants: [{{VariantName: a, InstanceType: {instance_type}}}]}}
"""


def _capture(data_capture: str) -> str:
    return f"""
C:
  Type: AWS::SageMaker::EndpointConfig
  Properties: {{DataCaptureConfig: {data_capture}}}
"""


def _fleet(variant: str) -> str:
    return f"""
C:
  Type: AWS::SageMaker::EndpointConfig
  Properties: {{ProductionVariants: [{variant}]}}
E:
  Type: AWS::SageMaker::Endpoint
  Properties:
    EndpointConfigName: !GetAtt C.EndpointConfigName
"""


@rule(
    "EndpointWithoutShadow",
    _CONFIG,
    severity=Severity.ERROR,
    practices=("SUS02-BP03",),
    profiles=(Profile.DEVELOPMENT,),
    what="Development has no shadow variants.",
    why="A shadow answers a copy of every request and throws its answer away; that is a second "
    "endpoint.",
    fix="Remove ShadowProductionVariants; run the comparison offline.",
    evidence="Sustainability Pillar: Stop the creation and maintenance of unused assets",
    note="In production a shadow is a test with real requests.",
    cases=Cases(
        compliant=_config("ml.inf2.xlarge"),
        non_compliant="""
            C:
              Type: AWS::SageMaker::EndpointConfig
              Properties: {ShadowProductionVariants: [{VariantName: shadow}]}
            """,
        not_applicable="E: {Type: AWS::SageMaker::Endpoint}",
        edges=(
            (
                Outcome.COMPLIANT,
                """
                C:
                  Type: AWS::SageMaker::EndpointConfig
                  Properties: {ShadowProductionVariants: [!Ref "AWS::NoValue"]}
                """,
            ),
        ),
    ),
)
def _endpoint_without_shadow(config: Resource, _: RuleSettings) -> Iterator[Fault]:
    if config.each("ShadowProductionVariants"):
        yield config.fault(
            "ShadowProductionVariants", "none", found="runs a second set of instances"
        )


@rule(
    "DataCaptureSampled",
    _CONFIG,
    severity=Severity.WARNING,
    practices=("SUS04-BP05",),
    what="An endpoint captures a sample of its requests.",
    why="Drift shows in a sample; capturing everything stores every prompt and answer.",
    fix="Lower DataCaptureConfig.InitialSamplingPercentage, or raise data_capture_percent_max.",
    evidence="Sustainability Pillar: Remove unneeded or redundant data",
    note="Capture that is switched off captures nothing.",
    cases=Cases(
        compliant=_capture("{EnableCapture: true, InitialSamplingPercentage: 20}"),
        non_compliant=_capture("{EnableCapture: true, InitialSamplingPercentage: 100}"),
        not_applicable=_config("ml.inf2.xlarge"),
        edges=(
            (Outcome.NON_COMPLIANT, _capture("{InitialSamplingPercentage: '21'}")),
            (
                Outcome.NOT_APPLICABLE,
                _capture("{EnableCapture: false, InitialSamplingPercentage: 100}"),
            ),
        ),
    ),
)
def _data_capture_sampled(config: Resource, settings: RuleSettings) -> Iterator[Fault]:
    applies_if(
        config.has("DataCaptureConfig") and config.flag("DataCaptureConfig.EnableCapture", True)
    )
    path, most = "DataCaptureConfig.InitialSamplingPercentage", settings.data_capture_percent_max
    if config.number(path, 0) > most:
        yield config.fault(path, f"at most {most}")


@rule(
    "EndpointUpdatesRoll",
    "AWS::SageMaker::Endpoint",
    severity=Severity.WARNING,
    practices=("SUS02-BP01",),
    what="An endpoint of several instances is updated in batches.",
    why="Without RollingUpdatePolicy an update runs a second fleet of the same size beside the "
    "first.",
    fix="Set DeploymentConfig.RollingUpdatePolicy with a batch of 5 to 50 percent.",
    evidence="Amazon SageMaker AI Developer Guide, rolling deployments",
    note="A single instance has no batches. Inference components are updated by themselves.",
    cases=Cases(
        compliant=_fleet("{ModelName: m, InitialInstanceCount: 4}")
        + "    DeploymentConfig: {RollingUpdatePolicy: {WaitIntervalInSeconds: 300}}",
        non_compliant=_fleet("{ModelName: m, InitialInstanceCount: 4}"),
        not_applicable=_fleet("{ModelName: m, InitialInstanceCount: 1}"),
        edges=(
            (Outcome.NOT_APPLICABLE, _fleet("{InitialInstanceCount: 4}")),
            (
                Outcome.UNKNOWN,
                """
                E:
                  Type: AWS::SageMaker::Endpoint
                  Properties: {EndpointConfigName: made-elsewhere}
                """,
            ),
        ),
    ),
)
def _endpoint_updates_roll(endpoint: Resource, _: RuleSettings) -> Iterator[Fault]:
    config = endpoint.target("EndpointConfigName", _CONFIG)
    if config is None:
        raise Undecidable
    served = [variant for variant in config.each("ProductionVariants") if variant.has("ModelName")]
    applies_if(any(variant.number("InitialInstanceCount", 1) > 1 for variant in served))
    if not endpoint.has("DeploymentConfig.RollingUpdatePolicy"):
        yield endpoint.fault("DeploymentConfig.RollingUpdatePolicy", "a batch of 5 to 50 percent")


@rule(
    "EndpointUtilizationWatched",
    "AWS::SageMaker::Endpoint",
    severity=Severity.WARNING,
    practices=("MLSUS06-BP01",),
    what="An alarm tells when an endpoint is hardly used.",
    why="Nobody notices an idle endpoint: nothing fails.",
    fix="Add an alarm with a LessThan comparison on utilization or invocations of the endpoint.",
    evidence="Machine Learning Lens: Measure material efficiency",
    note="Metrics of the endpoint in any namespace count.",
    cases=Cases(
        compliant="""
            E: {Type: AWS::SageMaker::Endpoint}
            A:
              Type: AWS::CloudWatch::Alarm
              Properties:
                Namespace: /aws/sagemaker/Endpoints
                MetricName: NeuronCoreUtilization
                ComparisonOperator: LessThanThreshold
                Dimensions: [{Name: EndpointName, Value: !GetAtt E.EndpointName}]
            """,
        non_compliant="E: {Type: AWS::SageMaker::Endpoint}",
        not_applicable="C: {Type: AWS::SageMaker::EndpointConfig}",
        edges=(
            (
                Outcome.NON_COMPLIANT,
                """
                E: {Type: AWS::SageMaker::Endpoint, Properties: {EndpointName: busy}}
                A:
                  Type: AWS::CloudWatch::Alarm
                  Properties:
                    MetricName: CPUUtilization
                    ComparisonOperator: GreaterThanThreshold
                    Dimensions: [{Name: EndpointName, Value: busy}]
                """,
            ),
            (
                Outcome.COMPLIANT,
                """
                E: {Type: AWS::SageMaker::Endpoint, Properties: {EndpointName: bot}}
                A:
                  Type: AWS::CloudWatch::Alarm
                  Properties:
                    ComparisonOperator: LessThanOrEqualToThreshold
                    Metrics:
                      - Id: used
                        MetricStat:
                          Metric:
                            MetricName: Invocations
                            Dimensions: [{Name: EndpointName, Value: bot}]
                """,
            ),
        ),
    ),
)
def _utilization_watched(endpoint: Resource, _: RuleSettings) -> Iterator[Fault]:
    for alarm in endpoint.referrers("AWS::CloudWatch::Alarm"):
        words = alarm.words("MetricName") | alarm.words("Metrics")
        if alarm.text("ComparisonOperator").startswith("LessThan") and _UTILIZATION.search(
            " ".join(words)
        ):
            return
    if endpoint.is_shared:
        raise Undecidable
    yield endpoint.fault(
        "", "an alarm on low utilization", found="has no alarm that tells when it idles"
    )
