"""Who may deploy: roles for a workflow and the rights of CloudFormation, from the templates.

CloudFormation needs for each resource type what AWS's own registry lists for its handlers: the
permissions to create, read, update, delete and list it. cfn-lint brings these lists.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from cfnlint.data import AdditionalSpecs
from cfnlint.helpers import load_resource
from cfnlint.schema._exceptions import ResourceNotFoundError
from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER

from sustainability.deployment.schema import Deployment
from sustainability.errors import UserError

ISSUER = "token.actions.githubusercontent.com"
_DEFAULT_QUALIFIER = "hnb659fds"
_LONGEST_POLICY = 5600
"""Characters of a managed policy: 6,144 at most, without white space, and ARNs written out."""
_MOST_POLICIES = 10
"""Managed policies of one role."""
_NAMED = {
    "dynamodb": "arn:${AWS::Partition}:dynamodb:*:${AWS::AccountId}:table/{name}-*",
    "iam": "arn:${AWS::Partition}:iam::${AWS::AccountId}:role/{name}-*",
    "lambda": "arn:${AWS::Partition}:lambda:*:${AWS::AccountId}:function:{name}-*",
    "s3": "arn:${AWS::Partition}:s3:::{name}-*",
    "sns": "arn:${AWS::Partition}:sns:*:${AWS::AccountId}:{name}-*",
    "sqs": "arn:${AWS::Partition}:sqs:*:${AWS::AccountId}:{name}-*",
}
"""Resources of the deployment by their names, which begin with that of the stack."""
_NAMELESS = re.compile(
    r"iam:(CreateServiceLinkedRole|List(Roles|Policies))|"
    r"lambda:(\w*EventSourceMappings?|List(Functions|EventSourceMappings)|\w*CodeSigningConfig|"
    r"TagResource|UntagResource|ListTags|GetLayerVersion)|"
    r"dynamodb:(List\w+|DescribeLimits|\w*Contributor\w*)|s3:ListAllMyBuckets|"
    r"sns:(List\w+|Unsubscribe|GetSubscriptionAttributes|SetSubscriptionAttributes)|sqs:ListQueues"
)
"""Actions of these services that act on something else, or on nothing in particular."""
_NAMED_WHERE_DELETED = {
    "cloudwatch:DeleteDashboards": (
        "arn:${AWS::Partition}:cloudwatch::${AWS::AccountId}:dashboard/{name}-*"
    ),
    "ecr:DeleteRepository": "arn:${AWS::Partition}:ecr:*:${AWS::AccountId}:repository/{name}-*",
    "sagemaker:DeleteEndpoint": (
        "arn:${AWS::Partition}:sagemaker:*:${AWS::AccountId}:endpoint/{name}-*"
    ),
    "sagemaker:DeleteInferenceComponent": (
        "arn:${AWS::Partition}:sagemaker:*:${AWS::AccountId}:inference-component/{name}-*"
    ),
    "sagemaker:DeleteModelPackageGroup": (
        "arn:${AWS::Partition}:sagemaker:*:${AWS::AccountId}:model-package-group/{name}-*"
    ),
    "sagemaker:DeletePipeline": (
        "arn:${AWS::Partition}:sagemaker:*:${AWS::AccountId}:pipeline/{name}-*"
    ),
    "ssm:DeleteParameter": ("arn:${AWS::Partition}:ssm:*:${AWS::AccountId}:parameter/{name}/*"),
}
"""Deletions of what our templates name; other resources of these services get their names later."""
_SOMETIMES = (
    "AWS::ApiGatewayV2::Authorizer",
    "AWS::ApplicationAutoScaling::ScalableTarget",
    "AWS::ApplicationAutoScaling::ScalingPolicy",
    "AWS::Bedrock::Prompt",
    "AWS::Bedrock::PromptVersion",
    "AWS::CloudWatch::Alarm",
    "AWS::CloudWatch::CompositeAlarm",
    "AWS::CloudWatch::Dashboard",
    "AWS::CodeBuild::Project",
    "AWS::EC2::SecurityGroup",
    "AWS::EC2::VPCEndpoint",
    "AWS::ECR::Repository",
    "AWS::Events::Rule",
    "AWS::Lambda::EventInvokeConfig",
    "AWS::OpenSearchServerless::AccessPolicy",
    "AWS::OpenSearchServerless::Collection",
    "AWS::OpenSearchServerless::CollectionGroup",
    "AWS::OpenSearchServerless::Index",
    "AWS::OpenSearchServerless::SecurityPolicy",
    "AWS::OpenSearchService::Domain",
    "AWS::S3Vectors::Index",
    "AWS::S3Vectors::VectorBucket",
    "AWS::SNS::Subscription",
    "AWS::SNS::Topic",
    "AWS::SNS::TopicPolicy",
    "AWS::SSM::Association",
    "AWS::SSM::Document",
    "AWS::SSM::Parameter",
    "AWS::SageMaker::Endpoint",
    "AWS::SageMaker::EndpointConfig",
    "AWS::SageMaker::InferenceComponent",
    "AWS::SageMaker::Model",
    "AWS::SageMaker::ModelPackageGroup",
    "AWS::SageMaker::Pipeline",
    "AWS::Scheduler::Schedule",
    "AWS::StepFunctions::StateMachine",
)
"""Types that not every deployment has. An update may leave any of them behind, to be deleted."""
_WITHOUT_HANDLERS: Mapping[str, tuple[str, ...]] = {
    "AWS::Budgets::Budget": ("budgets:ModifyBudget", "budgets:ViewBudget"),
    "AWS::CDK::Metadata": (),
    "AWS::CodeBuild::Project": (
        "codebuild:BatchGetProjects",
        "codebuild:CreateProject",
        "codebuild:DeleteProject",
        "codebuild:UpdateProject",
    ),
}
"""Types whose handlers AWS's registry does not list, or not in every Region."""
_BASIC_EXECUTION = ("logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents")
"""AWS's policy AWSLambdaBasicExecutionRole, which functions of the CDK have."""
_ALWAYS = ("cloudformation:DescribeStacks", "ssm:GetParameters")
_READS = (
    "bedrock:GetFoundationModel",
    "bedrock:GetFoundationModelAvailability",
    "bedrock:GetInferenceProfile",
    "bedrock:ListFoundationModels",
    "cloudformation:DescribeStacks",
    "cloudformation:GetTemplate",
    "cloudformation:ListStackResources",
    "ecr:DescribeImages",
    "iam:ListRoles",
    "lambda:GetAccountSettings",
    "lambda:GetFunctionConfiguration",
    "sagemaker:DescribeInferenceComponent",
    "servicequotas:ListAWSDefaultServiceQuotas",
    "servicequotas:ListServiceQuotas",
    "ssm:GetParameter",
)
"""What `deploy` asks by itself: checks, copies, and the index that answers."""
_READS_OF_DEPLOYMENT = ("dynamodb:GetItem", "dynamodb:Scan", "s3:ListBucket")
_COMPILES = ("sagemaker:AddTags", "sagemaker:CreateTrainingJob", "sagemaker:DescribeTrainingJob")
"""On the job that compiles a model, which `deploy` starts with a role and a tag."""
_FINDS_JOBS = ("sagemaker:ListTrainingJobs",)
"""IAM knows no resource for it."""
_OWN_STACKS = tuple(
    f"cloudformation:{action}"
    for action in (
        "CreateChangeSet",
        "DeleteChangeSet",
        "DeleteStack",
        "DescribeChangeSet",
        "DescribeEvents",
        "DescribeStackEvents",
        "ExecuteChangeSet",
        "GetTemplateSummary",
        "UpdateTerminationProtection",
    )
)
_CDK_ROLES = ("deploy", "file-publishing", "image-publishing", "lookup")


@dataclass(frozen=True)
class Repository:
    """A repository on GitHub whose workflows deploy."""

    name: str
    """``OWNER/NAME``."""

    def __post_init__(self) -> None:
        """Refuse what is no repository, lest a role trusts more than one."""
        if not re.fullmatch(r"[\w.-]+/[\w.-]+", self.name):
            raise UserError(f"{self.name!r} is not a repository; write OWNER/NAME")


def execution_actions(templates: Iterable[Mapping[str, Any]]) -> set[str]:
    """Return the actions that CloudFormation needs for the resources of the templates."""
    actions = set(_ALWAYS)
    for kind in {each["Type"] for template in templates for each in template["Resources"].values()}:
        actions.update(_actions_of(kind))
    return _known(actions)


def removal_actions() -> set[str]:
    """Return the actions to delete what an earlier version of a deployment may have held."""
    return _known(action for kind in _SOMETIMES for action in _actions_of(kind, ("read", "delete")))


def _known(actions: Iterable[str]) -> set[str]:
    # AWS's lists hold a few names that IAM does not know, and some in two spellings.
    known = {each.lower(): each for each in sorted(actions, reverse=True) if _is_known(each)}
    return set(known.values())


def _is_known(action: str) -> bool:
    service, _, name = action.partition(":")
    return name.lower() in _iam().get(service, {}).get("Actions", {})


@cache
def _iam() -> Mapping[str, Any]:
    """Return the services and actions that IAM knows, as cfn-lint brings them."""
    services: Mapping[str, Any] = load_resource(AdditionalSpecs, "Policies.json")
    return services


def _actions_of(kind: str, events: Collection[str] = ()) -> Iterator[str]:
    """Yield what the handlers of these events need, or all handlers if none is named."""
    if kind.startswith("Custom::") or kind == "AWS::CloudFormation::CustomResource":
        yield "lambda:InvokeFunction"
        return
    if kind in _WITHOUT_HANDLERS:
        yield from _WITHOUT_HANDLERS[kind]
        return
    try:  # the registry of us-east-1 has every type
        schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", kind).schema
    except ResourceNotFoundError as error:
        raise UserError(f"cfn-lint knows no {kind}; raise its pin") from error
    handlers = schema.get("handlers") or {}
    if not handlers:
        raise UserError(f"AWS lists no permissions for {kind}: name them in deploy_access.py")
    for event, handler in handlers.items():
        if event in events or not events:
            yield from handler["permissions"]


def runtime_actions(templates: Iterable[Mapping[str, Any]]) -> set[str]:
    """Return the actions that the roles in the templates may use: what a boundary must allow.

    A boundary also bounds what the policy of a bucket grants to a role.
    """
    actions = set(_BASIC_EXECUTION)
    for template in templates:
        for resource in template["Resources"].values():
            properties = resource.get("Properties", {})
            if not isinstance(properties.get("PolicyDocument", {}), Mapping):
                continue
            documents = [properties.get("PolicyDocument", {})]
            documents += [each["PolicyDocument"] for each in properties.get("Policies", ())]
            for statement in (each for one in documents for each in one.get("Statement", ())):
                principal = statement.get("Principal", {"AWS": {"Fn::GetAtt": []}})
                to_role = isinstance(principal, Mapping) and "GetAtt" in str(principal.get("AWS"))
                if statement["Effect"] == "Allow" and to_role:
                    found = statement["Action"]
                    actions.update([found] if isinstance(found, str) else found)
    return actions


def access_template(
    deployment: Deployment, templates: Mapping[str, Mapping[str, Any]], repository: Repository
) -> dict[str, Any]:
    """Return a CloudFormation template of the roles that deploy, and of what they may do.

    Raises
    ------
    UserError
        If the rights do not fit into the policies of one role.
    """
    name = deployment.name
    # A stack without the bootstrap is made by the role that deploys, not by CloudFormation's own.
    own = {
        stack: template
        for stack, template in templates.items()
        if "BootstrapVersion" not in template.get("Parameters", {})
    }
    others = [template for stack, template in templates.items() if stack not in own]
    policies = _policies(deployment, execution_actions(others) | removal_actions())
    if len(policies) > _MOST_POLICIES:
        raise UserError(f"{len(policies)} policies are needed, and a role has {_MOST_POLICIES}")
    resources: dict[str, Any] = {
        "GitHub": {
            "Type": "AWS::IAM::OIDCProvider",
            "Condition": "MakesProvider",
            "Properties": {"Url": f"https://{ISSUER}", "ClientIdList": ["sts.amazonaws.com"]},
        },
        "Deploys": _role(
            deployment,
            repository,
            name,
            [*_deploys(deployment, own), *_compiles(deployment, templates)],
        ),
        "Reads": _role(deployment, repository, f"{name}-read", _looks(deployment)),
    }
    resources["Boundary"] = {
        "Type": "AWS::IAM::ManagedPolicy",
        "Properties": {
            "ManagedPolicyName": f"{name}-boundary",
            "Description": f"The most that a role of {name} may do",
            "PolicyDocument": _document(
                [_allow(sorted(runtime_actions(templates.values())), ["*"])]
            ),
        },
    }
    for number, statements in enumerate(policies, start=1):
        resources[f"Execution{number}"] = {
            "Type": "AWS::IAM::ManagedPolicy",
            "Properties": {
                "ManagedPolicyName": f"{name}-cloudformation-{number}",
                "Description": f"What CloudFormation may do for {name}",
                "PolicyDocument": _document(statements),
            },
        }
    return {
        "Description": f"Roles that deploy {name} from {repository.name}, and their rights",
        "Parameters": {
            "MakeProvider": {
                "Type": "String",
                "AllowedValues": ["yes", "no"],
                "Default": "yes",
                "Description": f"no, if the account has a provider for {ISSUER} already",
            }
        },
        "Conditions": {"MakesProvider": {"Fn::Equals": [{"Ref": "MakeProvider"}, "yes"]}},
        "Resources": resources,
        "Outputs": {
            "DeployRole": {"Value": {"Fn::GetAtt": ["Deploys", "Arn"]}},
            "ReadRole": {"Value": {"Fn::GetAtt": ["Reads", "Arn"]}},
            "ExecutionPolicies": {
                "Value": {
                    "Fn::Join": [",", [{"Ref": f"Execution{i + 1}"} for i in range(len(policies))]]
                },
                "Description": "For cdk bootstrap --cloudformation-execution-policies",
            },
        },
    }


def _role(
    deployment: Deployment,
    repository: Repository,
    environment: str,
    statements: list[dict[str, Any]],
) -> dict[str, Any]:
    provider = f"arn:${{AWS::Partition}}:iam::${{AWS::AccountId}}:oidc-provider/{ISSUER}"
    properties: dict[str, Any] = {
        "RoleName": f"{environment}-github",
        "MaxSessionDuration": 7200,
        "AssumeRolePolicyDocument": _document(
            [
                {
                    "Effect": "Allow",
                    "Principal": {"Federated": {"Fn::Sub": provider}},
                    "Action": "sts:AssumeRoleWithWebIdentity",
                    "Condition": {
                        "StringEquals": {
                            f"{ISSUER}:aud": "sts.amazonaws.com",
                            f"{ISSUER}:sub": f"repo:{repository.name}:environment:{environment}",
                        }
                    },
                }
            ]
        ),
        "Policies": [{"PolicyName": "deploys", "PolicyDocument": _document(statements)}],
    }
    boundary = deployment.company.permissions_boundary
    if boundary not in (None, f"{deployment.name}-boundary"):  # ours bounds what runs, not deploys
        properties["PermissionsBoundary"] = _boundary(str(boundary))
    return {"Type": "AWS::IAM::Role", "Properties": properties}


def _deploys(deployment: Deployment, own: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    statements = [_assume(deployment, _CDK_ROLES), *_own_reads(deployment)]
    if own:
        stacks = [
            f"arn:${{AWS::Partition}}:cloudformation:*:${{AWS::AccountId}}:stack/{stack}/*"
            for stack in own
        ]
        statements += [
            _allow(_OWN_STACKS, stacks),
            _allow(sorted(execution_actions(own.values()) - set(_ALWAYS)), ["*"]),
        ]
    return statements


def _compiles(deployment: Deployment, templates: Mapping[str, object]) -> Iterator[dict[str, Any]]:
    """Yield what `deploy` needs to compile a model between two stacks."""
    if f"{deployment.name}-models" in templates:
        jobs = "arn:${AWS::Partition}:sagemaker:*:${AWS::AccountId}:training-job"
        yield _allow(_COMPILES, [f"{jobs}/{deployment.name}-*"])
        yield _allow(_FINDS_JOBS, ["*"])
        passes = _allow(["iam:PassRole"], [_named("iam", deployment)])
        passed_to = {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}
        yield {**passes, "Condition": passed_to}


def _looks(deployment: Deployment) -> list[dict[str, Any]]:
    return [_assume(deployment, ("lookup",)), *_own_reads(deployment)]


def _assume(deployment: Deployment, kinds: Iterable[str]) -> dict[str, Any]:
    qualifier = deployment.company.qualifier or _DEFAULT_QUALIFIER
    return _allow(
        ["sts:AssumeRole"],
        [
            f"arn:${{AWS::Partition}}:iam::${{AWS::AccountId}}:role/cdk-{qualifier}-{kind}-role-"
            f"${{AWS::AccountId}}-{deployment.region}"
            for kind in kinds
        ],
    )


def _own_reads(deployment: Deployment) -> list[dict[str, Any]]:
    places = [_named(service, deployment) for service in ("dynamodb", "s3")]
    return [_allow(_READS, ["*"]), _allow(_READS_OF_DEPLOYMENT, places)]


def _policies(deployment: Deployment, actions: Iterable[str]) -> list[list[dict[str, Any]]]:
    """Return statements for the actions, in as many policies as they need."""
    policies: list[list[dict[str, Any]]] = [[]]
    for statement in _statements(deployment, actions):
        if len(json.dumps([*policies[-1], statement], separators=(",", ":"))) > _LONGEST_POLICY:
            policies.append([])
        policies[-1].append(statement)
    return policies


def _statements(deployment: Deployment, actions: Iterable[str]) -> Iterator[dict[str, Any]]:
    grouped: dict[tuple[str, str], list[str]] = defaultdict(list)
    for action in sorted(actions):
        service = action.partition(":")[0]
        grouped[service, _place(action, deployment)].append(action)
    bounded = ("iam:CreateRole", "iam:PutRolePermissionsBoundary")
    boundary = deployment.company.permissions_boundary
    for (service, place), found in grouped.items():
        free = [each for each in found if boundary is None or each not in bounded]
        yield _allow(free, [place])
        if boundary is not None and service == "iam" and place != "*":
            condition = {"ArnLike": {"iam:PermissionsBoundary": _boundary(boundary)}}
            yield {**_allow(bounded, [place]), "Condition": condition}
    # The code of the functions, from where the CDK puts it.
    qualifier = deployment.company.qualifier or _DEFAULT_QUALIFIER
    yield _allow(["s3:GetObject"], [f"arn:${{AWS::Partition}}:s3:::cdk-{qualifier}-assets-*"])


def _place(action: str, deployment: Deployment) -> str:
    """Return the resources of the deployment that an action is for; all, if IAM knows no names."""
    service = action.partition(":")[0]
    if action in _NAMED_WHERE_DELETED:
        return _NAMED_WHERE_DELETED[action].replace("{name}", deployment.name)
    named = service in _NAMED and not _NAMELESS.fullmatch(action)
    return _named(service, deployment) if named else "*"


def _named(service: str, deployment: Deployment) -> str:
    return _NAMED[service].replace("{name}", deployment.name)


def _boundary(name: str) -> dict[str, str]:
    return {"Fn::Sub": f"arn:${{AWS::Partition}}:iam::${{AWS::AccountId}}:policy/{name}"}


def _allow(actions: Iterable[str], resources: Iterable[str]) -> dict[str, Any]:
    return {
        "Effect": "Allow",
        "Action": list(actions),
        "Resource": [{"Fn::Sub": each} if "${" in each else each for each in resources],
    }


def _document(statements: list[dict[str, Any]]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": statements}
