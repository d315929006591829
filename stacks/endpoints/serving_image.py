"""The serving image: built in the account, built by the CDK CLI, or your own.

Synth never needs Docker: images are built during the deployment.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import aws_cdk as cdk
from aws_cdk import aws_codebuild as codebuild
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_ecr_assets as ecr_assets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3_assets as s3_assets
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from stacks.common.account import account_of
from stacks.common.acknowledgements import acknowledge
from sustainability.deployment.schema import Deployment
from sustainability.offers.serving_images import EcrImage, base_image, own_image

_CONTAINER = Path(__file__).resolve().parents[2] / "containers" / "neuron_vllm"
_FILES: dict[str, Any] = {
    # Files of a Python interpreter would change the image's digest.
    "exclude": ["__pycache__"],
    "ignore_mode": cdk.IgnoreMode.DOCKER,
}
_BUILD_LIMIT = cdk.Duration.hours(1)
_PULL = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]


@dataclass(frozen=True, kw_only=True)
class ServingImage:
    """An image that SageMaker can pull once the stack of compiled models is deployed."""

    uri: str
    repository_arn: str

    @classmethod
    def of(cls, scope: Construct, deployment: Deployment) -> ServingImage:
        """Return the image that ``inference.image`` names."""
        source = deployment.inference.image
        if source == "codebuild":
            # By name: what serves and what compiles must not need each other's stack.
            name = _repository_name(deployment)
            registry = f"{account_of(scope)}.dkr.ecr.{deployment.region}.amazonaws.com"
            arn = cdk.Stack.of(scope).format_arn(
                service="ecr", resource="repository", resource_name=name
            )
            return cls(uri=f"{registry}/{name}:{_tag(deployment)}", repository_arn=arn)
        if source == "docker":
            asset = ecr_assets.DockerImageAsset(
                scope,
                "Image",
                directory=str(_CONTAINER),
                platform=ecr_assets.Platform.LINUX_AMD64,
                build_args={"BASE_IMAGE": base_image(deployment.region).uri},
            )
            return cls(uri=asset.image_uri, repository_arn=asset.repository.repository_arn)
        image = own_image(source, deployment.region)
        return cls(uri=image.uri, repository_arn=image.repository_arn)

    def grant_pull(self, role: iam.Role) -> None:
        """Allow a role to pull this image, and no other."""
        role.add_to_policy(iam.PolicyStatement(actions=_PULL, resources=[self.repository_arn]))
        _grant_token(role)


def build_in_the_account(scope: Construct, deployment: Deployment, image: ServingImage) -> None:
    """Build the image with CodeBuild when it is first deployed, and wait until it exists."""
    repository = ecr.Repository(
        scope,
        "Images",
        repository_name=_repository_name(deployment),
        image_tag_mutability=ecr.TagMutability.IMMUTABLE,
        image_scan_on_push=True,
        removal_policy=cdk.RemovalPolicy.DESTROY,
        empty_on_delete=True,
        # The image that serves, and the one for a rollback.
        lifecycle_rules=[ecr.LifecycleRule(max_image_count=2)],
    )
    source = s3_assets.Asset(scope, "ImageSource", path=str(_CONTAINER), **_FILES)
    base = base_image(deployment.region)
    project = _project(scope, deployment, base, source, repository, image.uri)
    _run_once(scope, project, _tag(deployment))


def _repository_name(deployment: Deployment) -> str:
    return f"{deployment.name}-serving"


def _tag(deployment: Deployment) -> str:
    files = cdk.FileSystem.fingerprint(str(_CONTAINER), **_FILES)
    return hashlib.sha256(f"{files} {base_image(deployment.region).uri}".encode()).hexdigest()[:16]


def _grant_token(role: iam.Role) -> None:
    role.add_to_policy(iam.PolicyStatement(actions=["ecr:GetAuthorizationToken"], resources=["*"]))
    acknowledge(
        role,
        "AwsSolutions-IAM5[Resource::*]",
        "GetAuthorizationToken has no resource; the next statement names the repository.",
    )


def _project(
    scope: Construct,
    deployment: Deployment,
    base: EcrImage,
    source: s3_assets.Asset,
    repository: ecr.Repository,
    uri: str,
) -> codebuild.Project:
    log_group = logs.LogGroup(scope, "ImageBuildLogs", removal_policy=cdk.RemovalPolicy.DESTROY)
    cfn_log_group = cast("logs.CfnLogGroup", log_group.node.default_child)
    cfn_log_group.retention_in_days = deployment.monitoring.log_retention_days
    role = iam.Role(
        scope, "ImageBuildRole", assumed_by=iam.ServicePrincipal("codebuild.amazonaws.com")
    )
    role.add_to_policy(iam.PolicyStatement(actions=_PULL, resources=[base.repository_arn]))
    role.add_to_policy(
        iam.PolicyStatement(
            actions=[
                *_PULL,
                "ecr:CompleteLayerUpload",
                "ecr:InitiateLayerUpload",
                "ecr:PutImage",
                "ecr:UploadLayerPart",
            ],
            resources=[repository.repository_arn],
        )
    )
    role.add_to_policy(
        iam.PolicyStatement(
            actions=["s3:GetObject", "s3:GetObjectVersion"],
            resources=[source.bucket.arn_for_objects(source.s3_object_key)],
        )
    )
    log_group.grant_write(role)
    _grant_token(role)
    login = "aws ecr get-login-password --region {} | docker login --username AWS --password-stdin"
    project = codebuild.Project(
        scope,
        "ImageBuild",
        description=f"Builds the Inferentia2 serving image ({deployment.name})",
        # The construct would add wildcard permissions for buckets, logs and reports.
        role=role.without_policy_updates(),
        source=codebuild.Source.s3(bucket=source.bucket, path=source.s3_object_key),
        environment=codebuild.BuildEnvironment(
            # On Graviton, although the image is for x86: the build only copies files.
            build_image=codebuild.LinuxArmBuildImage.AMAZON_LINUX_2023_STANDARD_3_0,
            # The base image needs more disk space than the small type has.
            compute_type=codebuild.ComputeType.MEDIUM,
            privileged=True,
        ),
        environment_variables={
            "BASE_IMAGE": codebuild.BuildEnvironmentVariable(value=base.uri),
            # Attestations turn an image into an image index, which SageMaker refuses.
            "BUILDX_NO_DEFAULT_ATTESTATIONS": codebuild.BuildEnvironmentVariable(value="1"),
            "IMAGE": codebuild.BuildEnvironmentVariable(value=uri),
        },
        build_spec=codebuild.BuildSpec.from_object(
            {
                "version": "0.2",
                "phases": {
                    "build": {
                        "commands": [
                            f'{login.format(base.region)} "${{BASE_IMAGE%%/*}}"',
                            f'{login.format("$AWS_REGION")} "${{IMAGE%%/*}}"',
                            # Tags are immutable: an earlier attempt pushed the same image.
                            'docker manifest inspect "$IMAGE" > /dev/null || sh -e build.sh',
                        ]
                    }
                },
            }
        ),
        timeout=_BUILD_LIMIT,
        queued_timeout=_BUILD_LIMIT,
        logging=codebuild.LoggingOptions(
            cloud_watch=codebuild.CloudWatchLoggingOptions(log_group=log_group)
        ),
    )
    project.node.add_dependency(role)
    acknowledge(
        project, "AwsSolutions-CB3", "Docker needs privileged mode to build images in CodeBuild."
    )
    acknowledge(
        project,
        "AwsSolutions-CB4",
        "It keeps no artifacts: the image goes to ECR, which encrypts it.",
    )
    return project


def _run_once(scope: Construct, project: codebuild.Project, tag: str) -> None:
    """Run the build when this tag is first deployed, and wait until the image exists.

    A Systems Manager association runs its document as soon as it is created, and CloudFormation
    waits for the result. So no custom resource with a function is needed.
    """
    role = iam.Role(
        scope, "ImageBuildStarterRole", assumed_by=iam.ServicePrincipal("ssm.amazonaws.com")
    )
    allowed = iam.PolicyStatement(
        actions=["codebuild:BatchGetBuilds", "codebuild:StartBuild"],
        resources=[project.project_arn],
    )
    permission = iam.Policy(scope, "ImageBuildStarterPolicy", roles=[role], statements=[allowed])
    builds = {"Service": "codebuild", "Api": "BatchGetBuilds", "ids": ["{{ Start.Id }}"]}
    status = {**builds, "PropertySelector": "$.builds[0].buildStatus"}
    runbook = ssm.CfnDocument(
        scope,
        "ImageBuildRunbook",
        document_type="Automation",
        update_method="NewVersion",
        content={
            "schemaVersion": "0.3",
            "description": "Build the serving image, and succeed or fail as the build does.",
            "assumeRole": role.role_arn,
            "mainSteps": [
                {
                    "name": "Start",
                    "action": "aws:executeAwsApi",
                    "inputs": {
                        "Service": "codebuild",
                        "Api": "StartBuild",
                        "projectName": project.project_name,
                    },
                    "outputs": [{"Name": "Id", "Selector": "$.build.id", "Type": "String"}],
                },
                {
                    "name": "Wait",
                    "action": "aws:waitForAwsResourceProperty",
                    "timeoutSeconds": _BUILD_LIMIT.to_seconds(),
                    "inputs": {
                        **status,
                        "DesiredValues": ["SUCCEEDED", "FAILED", "FAULT", "STOPPED", "TIMED_OUT"],
                    },
                },
                {
                    "name": "Judge",
                    "action": "aws:assertAwsResourceProperty",
                    "inputs": {**status, "DesiredValues": ["SUCCEEDED"]},
                },
            ],
        },
    )
    # A new tag creates a new association: only a new one surely runs and is waited for.
    association = ssm.CfnAssociation(
        scope,
        f"ImageBuild{tag}",
        name=runbook.ref,
        wait_for_success_timeout_seconds=2 * _BUILD_LIMIT.to_seconds(),
    )
    association.node.add_dependency(permission, project)
