"""AWS Lambda functions."""

from __future__ import annotations

from collections.abc import Iterator

from cfn_sustainability.offers import Runtime, runtimes
from cfn_sustainability.properties import Fault
from cfn_sustainability.rule import Cases, Outcome, Severity, applies_if, rule
from cfn_sustainability.rules._scaling import scalable_targets
from cfn_sustainability.settings import Profile, RuleSettings
from cfn_sustainability.template import Resource
from cfn_sustainability.values import MARK

_DISTRIBUTION = "AWS::CloudFront::Distribution"


def _is_at_edge(function: Resource) -> bool:
    """Return whether CloudFront may run the function: it then has no choice of architecture."""
    role = function.target("Role", "AWS::IAM::Role")
    if role is not None and "edgelambda.amazonaws.com" in role.words("AssumeRolePolicyDocument"):
        return True
    return any(
        any(one.referrers(_DISTRIBUTION, at="DistributionConfig"))
        for one in (function, *_versions(function))
    )


def _versions(function: Resource) -> Iterator[Resource]:
    return function.referrers("AWS::Lambda::Version", at="FunctionName")


def _may_hold_x86(function: Resource) -> bool:
    """Return whether something that the template does not show may need x86.

    It is code from elsewhere, or a distribution of another template that runs a version.
    """
    runtime = function.fragment("Runtime")
    return (
        function.fragment("PackageType") == "Image"
        or function.has("Code.ImageUri")
        or function.has("Layers")
        or function.has("FileSystemConfigs")
        or MARK in runtime
        or runtime.startswith("provided")
        or any(version.is_shared for version in _versions(function))
    )


@rule(
    "LambdaArm64",
    "AWS::Lambda::Function",
    severity=Severity.ERROR,
    practices=("SUS05-BP02",),
    what="A function runs on Graviton (arm64).",
    why="Graviton does the same work with less energy; without Architectures a function gets "
    "x86_64.",
    fix="Set Architectures to [arm64] and build dependencies with native code for aarch64.",
    evidence="AWS Lambda Developer Guide, instruction set architectures; Sustainability Pillar",
    saving="Up to 60 % less energy at the same performance (AWS, of Graviton3 against x86)",
    note="A warning where layers, a mounted file system, a container image or a custom runtime may "
    "hold code for x86, and where another template may run a version at the edge. Lambda@Edge and "
    "some retired runtimes have no arm64.",
    cases=Cases(
        compliant="F: {Type: AWS::Lambda::Function, Properties: {Architectures: [arm64]}}",
        non_compliant="F: {Type: AWS::Lambda::Function, Properties: {Handler: app.handler}}",
        not_applicable="""
            Resources:
              F:
                Type: AWS::Lambda::Function
                Properties: {Role: !GetAtt R.Arn}
              R:
                Type: AWS::IAM::Role
                Properties:
                  AssumeRolePolicyDocument:
                    Statement:
                      - Effect: Allow
                        Action: sts:AssumeRole
                        Principal: {Service: [lambda.amazonaws.com, edgelambda.amazonaws.com]}
            """,
        edges=(
            (
                Outcome.UNKNOWN,
                """
                Parameters: {Architecture: {Type: String}}
                Resources:
                  F: {Type: AWS::Lambda::Function, Properties: {Architectures: [!Ref Architecture]}}
                """,
            ),
            (
                Outcome.NON_COMPLIANT,
                """
                Parameters: {Stage: {Type: String, Default: prod}}
                Conditions: {IsProd: !Equals [!Ref Stage, prod]}
                Resources:
                  F:
                    Type: AWS::Lambda::Function
                    Properties: {Architectures: [!If [IsProd, arm64, x86_64]]}
                """,
            ),
        ),
    ),
)
def _lambda_arm64(function: Resource, _: RuleSettings) -> Iterator[Fault]:
    if function.texts("Architectures") == ["arm64"]:
        return
    runtime = runtimes().get(function.fragment("Runtime"), Runtime())
    applies_if(runtime.on_arm64 and not runtime.retired and not _is_at_edge(function))
    yield function.fault("Architectures", "[arm64]", certain=not _may_hold_x86(function))


@rule(
    "LambdaRuntimeCurrent",
    "AWS::Lambda::Function",
    severity=Severity.WARNING,
    practices=("SUS06-BP03",),
    what="A function's runtime is supported by AWS, and exists for arm64.",
    why="A deprecated runtime gets no more fixes, and soon no new function; newer ones do the same "
    "work faster.",
    fix="Move to a current version of the runtime; go1.x and java8 to provided.al2023 and java25.",
    evidence="Sustainability Pillar: Keep your workload up-to-date",
    note="Container images bring their own runtime.",
    cases=Cases(
        compliant="F: {Type: AWS::Lambda::Function, Properties: {Runtime: python3.13}}",
        non_compliant="F: {Type: AWS::Lambda::Function, Properties: {Runtime: go1.x}}",
        not_applicable="F: {Type: AWS::Lambda::Function, Properties: {PackageType: Image}}",
        edges=(
            (
                Outcome.NON_COMPLIANT,
                "F: {Type: AWS::Lambda::Function, Properties: {Runtime: nodejs12.x}}",
            ),
            (
                Outcome.COMPLIANT,
                "F: {Type: AWS::Lambda::Function, Properties: {Runtime: java21}}",
            ),
        ),
    ),
)
def _lambda_runtime(function: Resource, _: RuleSettings) -> Iterator[Fault]:
    applies_if(function.has("Runtime"))
    runtime = runtimes().get(function.text("Runtime"), Runtime())
    if runtime.deprecated or not runtime.on_arm64:
        yield function.fault("Runtime", "a current runtime")


@rule(
    "LambdaMemoryWithinBudget",
    "AWS::Lambda::Function",
    severity=Severity.WARNING,
    practices=("SUS05-BP01",),
    what="A function's memory stays within the deployment's budget.",
    why="Memory brings processors with it in proportion; what the code does not use is idle.",
    fix="Measure with AWS Lambda Power Tuning and lower MemorySize, or raise lambda_memory_mb_max.",
    evidence="AWS Lambda Developer Guide, configuring function memory; Sustainability Pillar",
    note="A function without MemorySize gets the least there is.",
    cases=Cases(
        compliant="F: {Type: AWS::Lambda::Function, Properties: {MemorySize: 512}}",
        non_compliant="F: {Type: AWS::Lambda::Function, Properties: {MemorySize: 8192}}",
        not_applicable="F: {Type: AWS::Lambda::LayerVersion}",
        edges=(
            (
                Outcome.COMPLIANT,
                "F: {Type: AWS::Lambda::Function, Properties: {MemorySize: '3072'}}",
            ),
            (
                Outcome.NON_COMPLIANT,
                "F: {Type: AWS::Lambda::Function, Properties: {MemorySize: 3073}}",
            ),
        ),
    ),
)
def _lambda_memory(function: Resource, settings: RuleSettings) -> Iterator[Fault]:
    if function.number("MemorySize", 128) > settings.lambda_memory_mb_max:
        yield function.fault("MemorySize", f"at most {settings.lambda_memory_mb_max} MB")


@rule(
    "LambdaTimeoutWithinBudget",
    "AWS::Lambda::Function",
    severity=Severity.WARNING,
    practices=("SUS05-BP01", "SUS02-BP06"),
    what="A function's timeout stays within the deployment's budget.",
    why="A hung call, such as to a model that does not answer, runs until the timeout ends it.",
    fix="Lower Timeout to what the slowest good call takes, or raise lambda_timeout_seconds_max.",
    evidence="AWS Lambda Developer Guide, configuring function timeout",
    note="A function without Timeout ends after 3 seconds.",
    cases=Cases(
        compliant="F: {Type: AWS::Lambda::Function, Properties: {Timeout: 30}}",
        non_compliant="F: {Type: AWS::Lambda::Function, Properties: {Timeout: 900}}",
        not_applicable="F: {Type: AWS::Lambda::Alias}",
        edges=(
            (Outcome.COMPLIANT, "F: {Type: AWS::Lambda::Function, Properties: {Timeout: 300}}"),
            (
                Outcome.NON_COMPLIANT,
                """
                Parameters: {Limit: {Type: Number, Default: '600'}}
                Resources: {F: {Type: AWS::Lambda::Function, Properties: {Timeout: !Ref Limit}}}
                """,
            ),
        ),
    ),
)
def _lambda_timeout(function: Resource, settings: RuleSettings) -> Iterator[Fault]:
    if function.number("Timeout", 3) > settings.lambda_timeout_seconds_max:
        yield function.fault("Timeout", f"at most {settings.lambda_timeout_seconds_max} seconds")


@rule(
    "LambdaLogGroupDeclared",
    "AWS::Lambda::Function",
    severity=Severity.WARNING,
    practices=("SUS04-BP03",),
    what="A function logs to a log group that the template declares.",
    why="Otherwise Lambda creates the group at the first call, and keeps its logs for ever.",
    fix="Declare an AWS::Logs::LogGroup with RetentionInDays and set LoggingConfig.LogGroup.",
    evidence="AWS Lambda Developer Guide, configuring CloudWatch log groups",
    note="A group that the template names after the function counts as well. Lambda@Edge "
    "logs where it runs.",
    cases=Cases(
        compliant="""
            F: {Type: AWS::Lambda::Function, Properties: {LoggingConfig: {LogGroup: !Ref L}}}
            L: {Type: AWS::Logs::LogGroup, Properties: {RetentionInDays: 14}}
            """,
        non_compliant="F: {Type: AWS::Lambda::Function, Properties: {Handler: app.handler}}",
        not_applicable="F: {Type: AWS::Lambda::LayerVersion}",
        edges=(
            (
                Outcome.COMPLIANT,
                """
                F: {Type: AWS::Lambda::Function, Properties: {Handler: app.handler}}
                L: {Type: AWS::Logs::LogGroup, Properties: {LogGroupName: !Sub "/aws/lambda/${F}"}}
                """,
            ),
            (
                Outcome.COMPLIANT,
                """
                F: {Type: AWS::Lambda::Function, Properties: {FunctionName: ask}}
                L: {Type: AWS::Logs::LogGroup, Properties: {LogGroupName: /aws/lambda/ask}}
                """,
            ),
        ),
    ),
)
def _lambda_log_group(function: Resource, _: RuleSettings) -> Iterator[Fault]:
    if not function.has("LoggingConfig.LogGroup"):
        applies_if(not _is_at_edge(function))
        if function.is_alone("AWS::Logs::LogGroup", "Custom::LogRetention", at="LogGroupName"):
            yield function.fault("LoggingConfig.LogGroup", "a log group with a retention")


@rule(
    "LambdaLogLevel",
    "AWS::Lambda::Function",
    severity=Severity.WARNING,
    practices=("SUS04-BP05",),
    profiles=(Profile.PRODUCTION,),
    what="A function in production does not log DEBUG or TRACE.",
    why="Debug lines of every call are sent, indexed and stored, and hardly ever read.",
    fix="Set LoggingConfig.ApplicationLogLevel to INFO or above; lower it while you debug.",
    evidence="AWS Lambda Developer Guide, advanced logging controls",
    note="The default is INFO.",
    cases=Cases(
        compliant="""
            F:
              Type: AWS::Lambda::Function
              Properties: {LoggingConfig: {LogFormat: JSON, ApplicationLogLevel: INFO}}
            """,
        non_compliant="""
            F:
              Type: AWS::Lambda::Function
              Properties: {LoggingConfig: {LogFormat: JSON, ApplicationLogLevel: DEBUG}}
            """,
        not_applicable="F: {Type: AWS::Lambda::LayerVersion}",
        edges=((Outcome.COMPLIANT, "F: {Type: AWS::Lambda::Function, Properties: {Timeout: 3}}"),),
    ),
)
def _lambda_log_level(function: Resource, _: RuleSettings) -> Iterator[Fault]:
    if function.text("LoggingConfig.ApplicationLogLevel") in ("DEBUG", "TRACE"):
        yield function.fault("LoggingConfig.ApplicationLogLevel", "INFO")


@rule(
    "LambdaProvisionedConcurrencyScales",
    "AWS::Lambda::Alias",
    "AWS::Lambda::Version",
    severity=Severity.WARNING,
    practices=("SUS02-BP01", "MLSUS03-BP01"),
    what="Provisioned concurrency follows demand.",
    why="It keeps environments ready day and night; a fixed number is sized for the peak.",
    fix="Register the alias as a scalable target with target tracking or scheduled actions, or "
    "drop it.",
    evidence="AWS Lambda Developer Guide, managing provisioned concurrency with Application "
    "Auto Scaling",
    note="An alias without provisioned concurrency already follows demand.",
    cases=Cases(
        compliant="""
            A:
              Type: AWS::Lambda::Alias
              Properties:
                Name: live
                FunctionName: ask
                ProvisionedConcurrencyConfig: {ProvisionedConcurrentExecutions: 5}
            T:
              Type: AWS::ApplicationAutoScaling::ScalableTarget
              Properties:
                ServiceNamespace: lambda
                ScalableDimension: lambda:function:ProvisionedConcurrency
                ResourceId: !Sub "function:ask:${A}"
                MinCapacity: 1
                MaxCapacity: 5
            """,
        non_compliant="""
            A:
              Type: AWS::Lambda::Alias
              Properties: {ProvisionedConcurrencyConfig: {ProvisionedConcurrentExecutions: 5}}
            """,
        not_applicable="A: {Type: AWS::Lambda::Alias, Properties: {Name: live}}",
        edges=(
            (
                Outcome.UNKNOWN,
                """
                Parameters: {Scaled: {Type: String}}
                Resources:
                  A:
                    Type: AWS::Lambda::Alias
                    Properties: {ProvisionedConcurrencyConfig: {ProvisionedConcurrentExecutions: 5}}
                  T:
                    Type: AWS::ApplicationAutoScaling::ScalableTarget
                    Properties:
                      ScalableDimension: lambda:function:ProvisionedConcurrency
                      ResourceId: !Ref Scaled
                """,
            ),
        ),
    ),
)
def _lambda_provisioned_concurrency(alias: Resource, _: RuleSettings) -> Iterator[Fault]:
    applies_if(alias.has("ProvisionedConcurrencyConfig"))
    if not scalable_targets(alias, "lambda:function:ProvisionedConcurrency"):
        yield alias.fault("ProvisionedConcurrencyConfig", "a scalable target for the alias")
