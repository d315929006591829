"""The stack that tunes: a SageMaker pipeline that new data starts, and an approval that deploys."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_s3_assets as s3_assets
from aws_cdk import aws_sagemaker as sagemaker
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from stacks.common.account import account_of
from stacks.common.acknowledgements import acknowledge
from stacks.common.model_buckets import tier_and_tidy
from stacks.common.patterns import acknowledge_pattern
from stacks.common.sagemaker_jobs import grant_logs_and_metrics
from stacks.endpoints.serving_image import ServingImage
from stacks.functions.bundle import programs
from stacks.functions.python_function import PythonFunction
from sustainability.deployment.schema import Deployment
from sustainability.plan.compiled_models import (
    COMPILE_INSTANCE,
    artifacts_bucket,
    artifacts_prefix,
)
from sustainability.plan.serving_plan import ServingPlan
from sustainability.plan.tuning import (
    BASE,
    COMPILED,
    CPU_INSTANCE,
    EXAMPLES,
    EXPIRES,
    EXPIRES_AFTER_DAYS,
    GOLDEN,
    PASSING,
    READY,
    Tuning,
    model_parameter,
    pipeline_name,
    training_bucket,
)

_DEFINITION = Path(__file__).resolve().parents[1] / "training" / "pipeline.json"
_MINUTES = "The job takes minutes, and a wait for spare capacity may take hours."
_VERSIONS = "Versions of the one model, which SageMaker numbers."
_MEMORY_MIB = 256
_READS = {
    "Prepare": (EXAMPLES, GOLDEN),
    "Tune": (BASE, "prepare/", "checkpoints/"),
    "Evaluate": (BASE, "prepare/", "tune/"),
    "Gate": ("evaluate/", "tune/"),
    "Compile": ("tune/",),
}
_WRITES = {
    "Prepare": ("prepare/",),
    "Tune": ("tune/", "checkpoints/"),
    "Evaluate": ("evaluate/",),
    "Gate": ("gate/",),
    "Compile": (COMPILED,),
}
"""By step: the prefixes of the bucket that its job reads and writes."""


class CustomizationStack(cdk.Stack):
    """Data, pipeline, registry and approval of a tuned model. Nothing of it runs between runs.

    The definition of the pipeline is ``training/pipeline.json``, which the SageMaker SDK built.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        deployment: Deployment,
        plan: ServingPlan,
        tuning: Tuning,
        served_by: str,
        env: cdk.Environment,
    ) -> None:
        super().__init__(
            scope, id_, env=env, description=f"Tunes the generator ({deployment.name})"
        )
        self._deployment, self._plan, self._tuning = deployment, plan, tuning
        self._bucket = self._build_bucket()
        self._group = sagemaker.CfnModelPackageGroup(
            self,
            "Models",
            model_package_group_name=pipeline_name(deployment),
            model_package_group_description=f"Tuned generators of {deployment.name}",
        )
        self._group.apply_removal_policy(cdk.RemovalPolicy.RETAIN)
        self._image = ServingImage.of(self, deployment)
        self.pipeline = self._build_pipeline()
        self._start_on_new_data()
        self._deploy_on_approval(served_by)
        cdk.CfnOutput(self, "TrainingBucket", value=self._bucket.bucket_name)
        cdk.CfnOutput(self, "PipelineName", value=self.pipeline.pipeline_name)

    def _build_bucket(self) -> s3.Bucket:
        bucket = s3.Bucket(
            self,
            "Data",
            # Known by name: the endpoint reads its models without needing this stack.
            bucket_name=training_bucket(self._deployment, account_of(self)),
            encryption=s3.BucketEncryption.S3_MANAGED,
            enforce_ssl=True,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            removal_policy=cdk.RemovalPolicy.RETAIN,
            lifecycle_rules=[
                *(
                    s3.LifecycleRule(
                        id=prefix.rstrip("/"), prefix=prefix, expiration=cdk.Duration.days(days)
                    )
                    for prefix, days in PASSING.items()
                ),
                s3.LifecycleRule(
                    id="rejected-or-replaced",
                    prefix=COMPILED,
                    tag_filters=dict([EXPIRES]),
                    expiration=cdk.Duration.days(EXPIRES_AFTER_DAYS),
                ),
                tier_and_tidy(),
            ],
        )
        # The L1 property: the L2 method adds a function to set it.
        cfn = bucket.node.default_child
        assert isinstance(cfn, s3.CfnBucket)
        cfn.add_property_override(
            "NotificationConfiguration.EventBridgeConfiguration.EventBridgeEnabled", True
        )
        acknowledge(
            bucket,
            "AwsSolutions-S1",
            "Only the steps of the pipeline use it, each with a role of its own, and their logs "
            "name what they read.",
        )
        return bucket

    def _build_pipeline(self) -> sagemaker.CfnPipeline:
        assert self._plan.model is not None
        shape, tune = self._plan.model, self._tuning
        code, digest = programs("training")
        asset = s3_assets.Asset(self, "Programs", path=str(code), asset_hash=digest)
        roles = {step: self._step_role(step, asset) for step in _READS}
        values = {
            "Bucket": self._bucket.bucket_name,
            "CodeBucket": asset.s3_bucket_name,
            "CodeKey": asset.s3_object_key,
            "CpuImage": tune.image.uri,
            "CpuInstanceType": CPU_INSTANCE,
            "TuneImage": tune.image.uri,
            "TuneInstanceType": tune.instance_type,
            "TuneInstanceWatts": f"{tune.watts:g}",
            "GramsPerKwh": f"{tune.grams_per_kwh:g}",
            "ServingImage": self._image.uri,
            "ServingInstanceType": self._plan.instance_type,
            "CompileInstanceType": COMPILE_INSTANCE,
            "BatchSize": str(shape.slots),
            "SequenceLength": str(shape.sequence_length),
            "TensorParallel": str(shape.tensor_parallel),
            "ModelPackageGroup": self._group.model_package_group_name,
            **{f"{step}Role": role.role_arn for step, role in roles.items()},
        }
        pipeline = sagemaker.CfnPipeline(
            self,
            "Pipeline",
            pipeline_name=pipeline_name(self._deployment),
            pipeline_description=f"Tunes the generator of {self._deployment.name}",
            pipeline_definition={"PipelineDefinitionBody": _filled(values)},
            role_arn=self._pipeline_role(roles.values()).role_arn,
        )
        pipeline.node.add_dependency(self._group)
        acknowledge(
            pipeline,
            "Sustainability-TrainingUsesSpot",
            f"Tuning does. Evaluate and Compile: {_MINUTES}",
        )
        if not tune.instance_type.startswith("ml.trn"):
            acknowledge(
                pipeline,
                "Sustainability-TrainingOnTrainium",
                f"{self._deployment.region} has none that the deployment chose, and the data "
                "stays where it is; customize --advise compares Regions and silicon.",
            )
        return pipeline

    def _step_role(self, step: str, asset: s3_assets.Asset) -> iam.Role:
        """Return the role of one step's job: its prefixes, its image, its logs."""
        role = iam.Role(
            self, f"{step}Role", assumed_by=iam.ServicePrincipal("sagemaker.amazonaws.com")
        )
        if step == "Compile":
            self._image.grant_pull(role)
        else:
            ServingImage(
                uri=self._tuning.image.uri, repository_arn=self._tuning.image.repository_arn
            ).grant_pull(role)
        job = "ProcessingJobs" if step in ("Prepare", "Gate") else "TrainingJobs"
        reads, writes = _READS[step], _WRITES[step]
        touched = sorted({*reads, *writes})
        statements = [
            iam.PolicyStatement(
                actions=["s3:GetObject"],
                resources=[
                    asset.bucket.arn_for_objects(asset.s3_object_key),
                    *(self._objects(prefix) for prefix in reads),
                ],
            ),
            iam.PolicyStatement(
                actions=["s3:PutObject"], resources=[self._objects(prefix) for prefix in writes]
            ),
            iam.PolicyStatement(
                actions=["s3:ListBucket"],
                resources=[self._bucket.bucket_arn],
                conditions={"StringLike": {"s3:prefix": [f"{prefix}*" for prefix in touched]}},
            ),
            iam.PolicyStatement(
                actions=["s3:ListBucket"],
                resources=[asset.bucket.bucket_arn],
                conditions={"StringLike": {"s3:prefix": asset.s3_object_key}},
            ),
        ]
        for statement in statements:
            role.add_to_policy(statement)
        for prefix in touched:
            self._acknowledge_objects(role, prefix, f"Files of the step {step}, named by a run.")
        grant_logs_and_metrics(role, f"/aws/sagemaker/{job}")
        return role

    def _pipeline_role(self, steps: Iterable[iam.Role]) -> iam.Role:
        """Return the role that starts the jobs, hands them their roles, and registers."""
        role = iam.Role(
            self, "PipelineRole", assumed_by=iam.ServicePrincipal("sagemaker.amazonaws.com")
        )
        # A pipeline names its jobs: pipelines-, its execution, the step.
        jobs = [
            self.format_arn(service="sagemaker", resource=kind, resource_name="pipelines-*")
            for kind in ("training-job", "processing-job")
        ]
        statements = {
            "jobs": iam.PolicyStatement(
                actions=[
                    "sagemaker:AddTags",
                    "sagemaker:CreateProcessingJob",
                    "sagemaker:CreateTrainingJob",
                    "sagemaker:DescribeProcessingJob",
                    "sagemaker:DescribeTrainingJob",
                    "sagemaker:StopProcessingJob",
                    "sagemaker:StopTrainingJob",
                ],
                resources=jobs,
            ),
            "packages": iam.PolicyStatement(
                actions=[
                    "sagemaker:AddTags",
                    "sagemaker:CreateModelPackage",
                    "sagemaker:DescribeModelPackage",
                ],
                resources=[self._group.attr_model_package_group_arn, self._versions()],
            ),
            "verdict": iam.PolicyStatement(
                actions=["s3:GetObject"], resources=[self._objects("gate/")]
            ),
            "roles": iam.PolicyStatement(
                actions=["iam:PassRole"],
                resources=[step.role_arn for step in steps],
                conditions={"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}},
            ),
            # Jobs tell by events when they end; the rule is SageMaker's own.
            "ends": iam.PolicyStatement(
                actions=["events:DescribeRule", "events:PutRule", "events:PutTargets"],
                resources=[
                    self.format_arn(
                        service="events",
                        resource="rule",
                        resource_name="SageMakerPipelineExecutionEventBridgeRule",
                    )
                ],
            ),
        }
        for statement in statements.values():
            role.add_to_policy(statement)
        for arn in jobs:
            acknowledge_pattern(role, arn, "SageMaker names the jobs of a pipeline.")
        acknowledge_pattern(role, self._versions(), _VERSIONS)
        self._acknowledge_objects(role, "gate/", "Verdicts, named by the run.")
        return role

    def _start_on_new_data(self) -> None:
        deployment, bucket = self._deployment, self._bucket
        function = self._function(
            "NewData",
            handler="operations.new_data.handler",
            description="Starts the tuning of data that no run has had",
            environment={
                "BUCKET": bucket.bucket_name,
                "PREFIXES": " ".join((EXAMPLES, GOLDEN, BASE)),
                "PIPELINE": self.pipeline.pipeline_name,
                "GROUP": self._group.model_package_group_name,
            },
        )
        pipeline = self.format_arn(
            service="sagemaker", resource="pipeline", resource_name=self.pipeline.pipeline_name
        )
        listed = [f"{prefix}*" for prefix in (EXAMPLES, GOLDEN, BASE)]
        for statement in (
            iam.PolicyStatement(
                actions=["s3:ListBucket"],
                resources=[bucket.bucket_arn],
                conditions={"StringLike": {"s3:prefix": listed}},
            ),
            iam.PolicyStatement(
                actions=["sagemaker:ListPipelineExecutions", "sagemaker:StartPipelineExecution"],
                resources=[pipeline],
            ),
            iam.PolicyStatement(
                actions=["sagemaker:ListModelPackages"], resources=[self._versions()]
            ),
        ):
            function.add_to_role_policy(statement)
        assert function.role is not None
        acknowledge_pattern(function.role, self._versions(), _VERSIONS)
        self._call_on(
            "DataIsReady",
            function,
            f"New data to tune with ({deployment.name})",
            {
                "source": ["aws.s3"],
                "detail-type": ["Object Created"],
                "detail": {"bucket": {"name": [bucket.bucket_name]}, "object": {"key": [READY]}},
            },
        )

    def _deploy_on_approval(self, served_by: str) -> None:
        deployment = self._deployment
        qualifier = deployment.company.qualifier or cdk.DefaultStackSynthesizer.DEFAULT_QUALIFIER
        assert self._plan.model is not None
        first = artifacts_bucket(deployment, account_of(self))
        parameter = model_parameter(deployment)
        ssm.CfnParameter(
            self,
            "Served",
            name=parameter,
            type="String",
            # What the endpoint serves first; an approval writes what it serves next.
            value=f"s3://{first}/{artifacts_prefix(self._plan.model)}",
        )
        function = self._function(
            "Approval",
            handler="operations.approval.handler",
            description="Deploys an approved model, and notes what serves after a rollback",
            environment={
                "BUCKET": self._bucket.bucket_name,
                "PARAMETER": parameter,
                "STACK": served_by,
            },
        )
        stack = self.format_arn(
            service="cloudformation",
            resource="stack",
            resource_name=f"{served_by}/*",
        )
        group = pipeline_name(deployment)
        for statement in (
            iam.PolicyStatement(
                actions=["sagemaker:DescribeModelPackage", "sagemaker:ListModelPackages"],
                resources=[self._versions()],
            ),
            iam.PolicyStatement(
                actions=["ssm:PutParameter"],
                resources=[
                    self.format_arn(
                        service="ssm", resource="parameter", resource_name=parameter.lstrip("/")
                    )
                ],
            ),
            iam.PolicyStatement(
                # With the role of the deployment, which CloudFormation keeps for the stack.
                actions=["cloudformation:DescribeStacks", "cloudformation:UpdateStack"],
                resources=[stack],
            ),
            iam.PolicyStatement(
                # CloudFormation reads the parameter for whoever updates.
                actions=["ssm:GetParameters"],
                resources=[
                    self.format_arn(service="ssm", resource="parameter", resource_name=name)
                    for name in (parameter.lstrip("/"), f"cdk-bootstrap/{qualifier}/version")
                ],
            ),
            iam.PolicyStatement(
                actions=["s3:PutObjectTagging"], resources=[self._objects(COMPILED)]
            ),
            iam.PolicyStatement(
                actions=["s3:ListBucket"],
                resources=[self._bucket.bucket_arn],
                conditions={"StringLike": {"s3:prefix": f"{COMPILED}*"}},
            ),
        ):
            function.add_to_role_policy(statement)
        assert function.role is not None
        acknowledge_pattern(function.role, self._versions(), _VERSIONS)
        acknowledge_pattern(function.role, stack, "CloudFormation numbers a stack; one name.")
        self._acknowledge_objects(
            function.role, COMPILED, "Models, whose files the compiler names."
        )
        self._call_on(
            "Approved",
            function,
            f"A tuned model was approved or rejected ({deployment.name})",
            {
                "source": ["aws.sagemaker"],
                "detail-type": ["SageMaker Model Package State Change"],
                "detail": {
                    "ModelPackageGroupName": [group],
                    "ModelApprovalStatus": ["Approved", "Rejected"],
                },
            },
        )
        self._call_on(
            "RolledBack",
            function,
            f"An update of the endpoint was rolled back ({deployment.name})",
            {
                "source": ["aws.cloudformation"],
                "detail-type": ["CloudFormation Stack Status Change"],
                "detail": {
                    "stack-id": [{"prefix": stack.removesuffix("*")}],
                    "status-details": {"status": ["UPDATE_ROLLBACK_COMPLETE"]},
                },
            },
        )

    def _function(
        self, id_: str, *, handler: str, description: str, environment: Mapping[str, str]
    ) -> lambda_.Function:
        retried = "Lambda tries three times; what failed is in its log, and writing or approving "
        retried += "again calls it again."
        function = PythonFunction(
            self,
            id_,
            deployment=self._deployment,
            package="operations",
            handler=handler,
            description=description,
            timeout=cdk.Duration.minutes(2),
            memory_mib=_MEMORY_MIB,
            environment={"POWERTOOLS_SERVICE_NAME": id_.lower(), **environment},
            no_dead_letters=retried,
        )
        function.configure_async_invoke(retry_attempts=2, max_event_age=cdk.Duration.hours(6))
        acknowledge(function, "Serverless-LambdaAsyncFailureDestination", retried)
        return function

    def _call_on(
        self, id_: str, function: lambda_.Function, description: str, pattern: Mapping[str, object]
    ) -> None:
        rule = events.CfnRule(
            self,
            id_,
            description=description,
            event_pattern=pattern,
            targets=[events.CfnRule.TargetProperty(arn=function.function_arn, id="function")],
        )
        acknowledge(
            rule,
            "Serverless-EventBusDLQ",
            "EventBridge tries for a day, and the function has nothing that the next event lacks.",
        )
        lambda_.CfnPermission(
            self,
            f"{id_}Calls",
            action="lambda:InvokeFunction",
            function_name=function.function_arn,
            principal="events.amazonaws.com",
            source_arn=rule.attr_arn,
        )

    def _versions(self) -> str:
        """Return the ARN of all versions of the model."""
        return self.format_arn(
            service="sagemaker",
            resource="model-package",
            resource_name=f"{pipeline_name(self._deployment)}/*",
        )

    def _objects(self, prefix: str) -> str:
        return self._bucket.arn_for_objects(f"{prefix}*")

    def _acknowledge_objects(self, role: iam.IRole, prefix: str, reason: str) -> None:
        bucket = self._bucket.node.default_child
        assert isinstance(bucket, cdk.CfnElement)
        shown = f"<{self.get_logical_id(bucket)}.Arn>/{prefix}*"
        acknowledge(role, f"AwsSolutions-IAM5[Resource::{shown}]", reason)


def _filled(values: Mapping[str, str | None]) -> str:
    """Return the definition with what a deployment decides; CloudFormation fills in the rest."""
    definition = json.loads(_DEFINITION.read_text())
    return cdk.Fn.sub(
        json.dumps(definition, separators=(",", ":")),
        {name: value for name, value in values.items() if value is not None},
    )
