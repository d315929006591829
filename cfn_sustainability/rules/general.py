"""What holds for a stack as a whole: its Region and its tags."""

from __future__ import annotations

from collections.abc import Iterator

from cfn_sustainability.properties import Fault
from cfn_sustainability.rule import Cases, Outcome, Severity, applies_if, rule
from cfn_sustainability.settings import RuleSettings
from cfn_sustainability.template import TEMPLATE, Resource

_TAGGED = (
    "AWS::Bedrock::ApplicationInferenceProfile",
    "AWS::DynamoDB::Table",
    "AWS::EC2::Instance",
    "AWS::Lambda::Function",
    "AWS::OpenSearchServerless::Collection",
    "AWS::OpenSearchService::Domain",
    "AWS::RDS::DBCluster",
    "AWS::RDS::DBInstance",
    "AWS::S3::Bucket",
    "AWS::SageMaker::Endpoint",
    "AWS::SageMaker::EndpointConfig",
    "AWS::SageMaker::NotebookInstance",
)

_OF_NO_REGION = {TEMPLATE, "AWS::Budgets::Budget", "AWS::CDK::Metadata"}


@rule(
    "RegionAllowed",
    TEMPLATE,
    severity=Severity.ERROR,
    practices=("SUS01-BP01", "MLSUS02-BP02"),
    what="A stack stands in a Region that the deployment allows.",
    why="The same kilowatt-hour emits many times as much carbon in one Region as in another.",
    fix="Set the stack's Region to one of allowed_regions.",
    evidence="Sustainability Pillar: Choose Region based on both business requirements and "
    "sustainability goals",
    note="The rule judges nothing while allowed_regions is empty, and no stack whose resources, "
    "such as a budget, belong to no Region.",
    cases=Cases(
        compliant="{Region: eu-north-1, Resources: {T: {Type: AWS::SNS::Topic}}}",
        non_compliant="{Region: us-east-1, Resources: {T: {Type: AWS::SNS::Topic}}}",
        not_applicable="{Region: us-east-1, Resources: {B: {Type: AWS::Budgets::Budget}}}",
        edges=((Outcome.UNKNOWN, "{Region: null, Resources: {T: {Type: AWS::SNS::Topic}}}"),),
        settings={"allowed_regions": ["eu-north-1", "ca-central-1"]},
    ),
)
def _region_allowed(stack: Resource, settings: RuleSettings) -> Iterator[Fault]:
    applies_if(bool(settings.allowed_regions))
    kinds = {resource["Type"] for resource in stack.template.resources.values()}
    applies_if(bool(kinds - _OF_NO_REGION))
    if stack.text("Region") not in settings.allowed_regions:
        yield stack.fault("Region", " or ".join(settings.allowed_regions))


@rule(
    "RequiredTags",
    *_TAGGED,
    severity=Severity.WARNING,
    practices=("MLSUS06-BP01", "AGENTSUS02-BP04"),
    what="A resource that uses energy carries the tags by which its use is attributed.",
    why="Cost and carbon reports add up by tag; what carries none is missing from them.",
    fix="Add the tags of required_tags; in the CDK, Tags.of(app).add(key, value).",
    evidence="Machine Learning Lens: Measure material efficiency",
    note="The rule judges nothing while required_tags is empty.",
    cases=Cases(
        compliant="""
            B:
              Type: AWS::S3::Bucket
              Properties: {Tags: [{Key: application, Value: chat}]}
            """,
        non_compliant="""
            B:
              Type: AWS::S3::Bucket
              Properties: {Tags: [{Key: team, Value: search}]}
            """,
        not_applicable="L: {Type: AWS::Lambda::Version}",
        edges=(
            (Outcome.NON_COMPLIANT, "F: {Type: AWS::Lambda::Function}"),
            (
                Outcome.UNKNOWN,
                "F: {Type: AWS::Lambda::Function, Properties: {Tags: !ImportValue tags}}",
            ),
        ),
        settings={"required_tags": ["application"]},
    ),
)
def _required_tags(resource: Resource, settings: RuleSettings) -> Iterator[Fault]:
    applies_if(bool(settings.required_tags))
    keys = {tag.text("Key") for tag in resource.each("Tags")}
    for key in settings.required_tags:
        if key not in keys:
            yield resource.fault("Tags", f"a tag {key}", found=f"have no {key}")
