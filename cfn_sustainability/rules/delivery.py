"""Amazon API Gateway and CloudFront: what goes over the wire, how fast, how often."""

from __future__ import annotations

from collections.abc import Iterator

from cfn_sustainability.properties import Fault, Properties
from cfn_sustainability.rule import Cases, Outcome, Severity, applies_if, rule
from cfn_sustainability.settings import Profile, RuleSettings
from cfn_sustainability.template import Resource

_COMPRESSION_MAX = 10 * 1024
_MANAGED_POLICY_WITHOUT_CACHE = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"  # CachingDisabled


def _stage(setting: str) -> str:
    return f"S: {{Type: AWS::ApiGateway::Stage, Properties: {{MethodSettings: [{setting}]}}}}"


def _distribution(behavior: str) -> str:
    return f"""
D:
  Type: AWS::CloudFront::Distribution
  Properties: {{DistributionConfig: {{DefaultCacheBehavior: {behavior}}}}}
"""


def _behaviors(distribution: Resource) -> list[Properties]:
    default = distribution.section("DistributionConfig.DefaultCacheBehavior")
    return [default, *distribution.each("DistributionConfig.CacheBehaviors")]


@rule(
    "RestApiCompresses",
    "AWS::ApiGateway::RestApi",
    severity=Severity.WARNING,
    practices=("SUS04-BP07",),
    what="A REST API compresses its answers.",
    why="Compressed JSON is a fraction as large, so that less is sent over networks.",
    fix="Set MinimumCompressionSize to about 1,024 bytes.",
    evidence="Amazon API Gateway Developer Guide, enabling payload compression",
    note="A threshold of many kilobytes compresses hardly anything.",
    cases=Cases(
        compliant="A: {Type: AWS::ApiGateway::RestApi, Properties: {MinimumCompressionSize: 1024}}",
        non_compliant="A: {Type: AWS::ApiGateway::RestApi, Properties: {Name: chat}}",
        not_applicable="A: {Type: AWS::ApiGatewayV2::Api}",
        edges=(
            (
                Outcome.NON_COMPLIANT,
                """
                A:
                  Type: AWS::ApiGateway::RestApi
                  Properties: {MinimumCompressionSize: 10485760}
                """,
            ),
            (
                Outcome.COMPLIANT,
                "A: {Type: AWS::ApiGateway::RestApi, Properties: {MinimumCompressionSize: 0}}",
            ),
        ),
    ),
)
def _rest_api_compresses(api: Resource, _: RuleSettings) -> Iterator[Fault]:
    size = api.number("MinimumCompressionSize")
    if size is None or size > _COMPRESSION_MAX:
        yield api.fault("MinimumCompressionSize", f"at most {_COMPRESSION_MAX:,} bytes")


@rule(
    "ApiThrottles",
    "AWS::ApiGateway::Stage",
    "AWS::ApiGatewayV2::Stage",
    severity=Severity.WARNING,
    practices=("SUS02-BP06",),
    what="An API limits how many requests it passes on.",
    why="A limit flattens the peak that everything behind it has to be sized for, and bounds a "
    "flood.",
    fix="Set ThrottlingRateLimit in MethodSettings or DefaultRouteSettings.",
    evidence="Sustainability Pillar: Implement buffering or throttling to flatten the demand curve",
    note="The account's own limit of 10,000 a second protects AWS, not the workload.",
    cases=Cases(
        compliant="""
            S:
              Type: AWS::ApiGatewayV2::Stage
              Properties: {DefaultRouteSettings: {ThrottlingRateLimit: 10}}
            """,
        non_compliant="S: {Type: AWS::ApiGatewayV2::Stage, Properties: {StageName: $default}}",
        not_applicable="S: {Type: AWS::ApiGateway::Deployment}",
        edges=(
            (Outcome.COMPLIANT, _stage("{HttpMethod: '*', ThrottlingRateLimit: 10}")),
            (Outcome.NON_COMPLIANT, _stage("{HttpMethod: '*', CachingEnabled: false}")),
            (
                Outcome.NON_COMPLIANT,
                "S: {Type: AWS::ApiGateway::Stage, Properties: {StageName: prod}}",
            ),
        ),
    ),
)
def _api_throttles(stage: Resource, _: RuleSettings) -> Iterator[Fault]:
    if stage.type == "AWS::ApiGatewayV2::Stage":
        if not stage.has("DefaultRouteSettings.ThrottlingRateLimit"):
            yield stage.fault(
                "DefaultRouteSettings.ThrottlingRateLimit", "a number of requests a second"
            )
    elif not any(setting.has("ThrottlingRateLimit") for setting in stage.each("MethodSettings")):
        yield stage.fault("MethodSettings", "a ThrottlingRateLimit")


@rule(
    "ApiCacheCluster",
    "AWS::ApiGateway::Stage",
    severity=Severity.ERROR,
    practices=("SUS02-BP02", "SUS03-BP02"),
    profiles=(Profile.DEVELOPMENT,),
    what="A development stage has no cache cluster.",
    why="An API cache is a dedicated machine that runs whether or not anybody calls.",
    fix="Set CacheClusterEnabled to false.",
    evidence="Amazon API Gateway Developer Guide, cache settings for REST APIs",
    note="In production a cache may spare the backend more work than it takes itself.",
    cases=Cases(
        compliant="S: {Type: AWS::ApiGateway::Stage, Properties: {CacheClusterEnabled: false}}",
        non_compliant="S: {Type: AWS::ApiGateway::Stage, Properties: {CacheClusterEnabled: true}}",
        not_applicable="S: {Type: AWS::ApiGatewayV2::Stage}",
        edges=((Outcome.COMPLIANT, "S: {Type: AWS::ApiGateway::Stage}"),),
    ),
)
def _api_cache_cluster(stage: Resource, _: RuleSettings) -> Iterator[Fault]:
    if stage.flag("CacheClusterEnabled"):
        yield stage.fault("CacheClusterEnabled", "false")


@rule(
    "ApiLogsWithoutBodies",
    "AWS::ApiGateway::Stage",
    severity=Severity.WARNING,
    practices=("SUS04-BP05",),
    profiles=(Profile.PRODUCTION,),
    what="A stage in production does not log the bodies of requests.",
    why="Data tracing writes every question and every answer to the log as well.",
    fix="Set DataTraceEnabled to false.",
    evidence="Amazon API Gateway Developer Guide, setting up CloudWatch logging",
    note="Each method's setting is judged by itself.",
    cases=Cases(
        compliant=_stage("{HttpMethod: '*', DataTraceEnabled: false}"),
        non_compliant=_stage("{HttpMethod: '*', DataTraceEnabled: true}"),
        not_applicable="S: {Type: AWS::ApiGatewayV2::Stage}",
        edges=((Outcome.COMPLIANT, "S: {Type: AWS::ApiGateway::Stage}"),),
    ),
)
def _api_logs(stage: Resource, _: RuleSettings) -> Iterator[Fault]:
    for setting in stage.each("MethodSettings"):
        if setting.flag("DataTraceEnabled"):
            yield setting.fault("DataTraceEnabled", "false")


@rule(
    "CloudFrontCompresses",
    "AWS::CloudFront::Distribution",
    severity=Severity.WARNING,
    practices=("SUS04-BP07",),
    what="A distribution compresses what it delivers.",
    why="Compressed text is a fraction as large, so that less is sent over networks.",
    fix="Set Compress to true on every cache behavior.",
    evidence="Amazon CloudFront Developer Guide, serving compressed files",
    note="The default is not to compress; with CachingDisabled CloudFront cannot.",
    cases=Cases(
        compliant=_distribution("{Compress: true}"),
        non_compliant=_distribution("{ViewerProtocolPolicy: redirect-to-https}"),
        not_applicable="D: {Type: AWS::CloudFront::Function}",
        edges=(
            (
                Outcome.NON_COMPLIANT,
                """
                D:
                  Type: AWS::CloudFront::Distribution
                  Properties:
                    DistributionConfig:
                      DefaultCacheBehavior: {Compress: true}
                      CacheBehaviors: [{PathPattern: /api/*, Compress: 'false'}]
                """,
            ),
        ),
    ),
)
def _cloudfront_compresses(distribution: Resource, _: RuleSettings) -> Iterator[Fault]:
    cached = [
        behavior
        for behavior in _behaviors(distribution)
        if behavior.fragment("CachePolicyId") != _MANAGED_POLICY_WITHOUT_CACHE
    ]
    applies_if(bool(cached))
    for behavior in cached:
        if not behavior.flag("Compress"):
            yield behavior.fault("Compress", "true")


@rule(
    "CloudFrontCaches",
    "AWS::CloudFront::CachePolicy",
    "AWS::CloudFront::Distribution",
    severity=Severity.WARNING,
    practices=("SUS04-BP07", "SUS02-BP04"),
    what="What a distribution only reads is cached.",
    why="Without a cache every request travels to the origin and is answered there again.",
    fix="Raise DefaultTTL, or choose a caching policy for the behaviors that only read.",
    evidence="Amazon CloudFront Developer Guide, controlling the cache with policies",
    note="How long an answer holds is for its author to know; that it never does is worth a look.",
    cases=Cases(
        compliant="""
            P:
              Type: AWS::CloudFront::CachePolicy
              Properties: {CachePolicyConfig: {DefaultTTL: 86400}}
            """,
        non_compliant="""
            P:
              Type: AWS::CloudFront::CachePolicy
              Properties: {CachePolicyConfig: {DefaultTTL: 0, MaxTTL: 0, MinTTL: 0}}
            """,
        not_applicable=_distribution(
            f"{{AllowedMethods: [GET, HEAD, POST], CachePolicyId: {_MANAGED_POLICY_WITHOUT_CACHE}}}"
        ),
        edges=(
            (
                Outcome.NON_COMPLIANT,
                _distribution(f"{{CachePolicyId: {_MANAGED_POLICY_WITHOUT_CACHE}}}"),
            ),
            (Outcome.COMPLIANT, _distribution("{CachePolicyId: !ImportValue policy}")),
            (
                Outcome.COMPLIANT,
                """
                P:
                  Type: AWS::CloudFront::CachePolicy
                  Properties: {CachePolicyConfig: {DefaultTTL: 60}}
                """,
            ),
        ),
    ),
)
def _cloudfront_caches(resource: Resource, _: RuleSettings) -> Iterator[Fault]:
    if resource.type == "AWS::CloudFront::CachePolicy":
        if resource.number("CachePolicyConfig.MaxTTL", 31536000) == 0:
            yield resource.fault("CachePolicyConfig.MaxTTL", "a time to live")
        elif resource.number("CachePolicyConfig.DefaultTTL", 86400) == 0:
            yield resource.fault("CachePolicyConfig.DefaultTTL", "a time to live")
        return
    reading = [b for b in _behaviors(resource) if "POST" not in b.texts("AllowedMethods")]
    applies_if(bool(reading))
    for behavior in reading:
        if behavior.fragment("CachePolicyId") == _MANAGED_POLICY_WITHOUT_CACHE:
            yield behavior.fault("CachePolicyId", "a caching policy")
