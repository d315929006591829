"""A model compiled for Inferentia2, with its execution role and the server's settings."""

from __future__ import annotations

from collections.abc import Collection

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from stacks.common.account import account_of
from stacks.common.log_groups import log_group_arn
from stacks.common.patterns import acknowledge_pattern
from stacks.endpoints.serving_image import ServingImage
from sustainability.deployment.schema import Deployment
from sustainability.offers.endpoint_models import InferenceModel
from sustainability.plan.compiled_models import artifacts_bucket, artifacts_prefix
from sustainability.plan.tuning import COMPILED, model_parameter, training_bucket

_MODEL_FOLDER = "/opt/ml/model"
"""The folder into which SageMaker puts the artifacts."""
_METRICS = "/aws/sagemaker/*"


class NeuronModel(Construct):
    """The model that an endpoint serves, and its execution role."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        deployment: Deployment,
        shape: InferenceModel,
        image: ServingImage,
        served_as: str,
        metrics: Collection[str],
        log_group_name: str,
    ) -> None:
        super().__init__(scope, id_)
        bucket = artifacts_bucket(deployment, account_of(self))
        artifacts = s3.Bucket.from_bucket_name(self, "Artifacts", bucket)
        prefix = artifacts_prefix(shape)
        self.role = iam.Role(
            self, "Role", assumed_by=iam.ServicePrincipal("sagemaker.amazonaws.com")
        )
        image.grant_pull(self.role)
        self._grant(artifacts, prefix, log_group_name)
        self.permissions = self.role.node.find_child("DefaultPolicy")
        model = sagemaker.CfnModel(
            self,
            "Model",
            execution_role_arn=self.role.role_arn,
            enable_network_isolation=True,
            primary_container=sagemaker.CfnModel.ContainerDefinitionProperty(
                image=image.uri,
                model_data_source=sagemaker.CfnModel.ModelDataSourceProperty(
                    s3_data_source=sagemaker.CfnModel.S3DataSourceProperty(
                        s3_uri=self._served(deployment) or artifacts.s3_url_for_object(prefix),
                        s3_data_type="S3Prefix",
                        compression_type="None",
                    )
                ),
                environment={
                    "SM_ON_MODEL": _MODEL_FOLDER,
                    "SM_ON_SERVED_MODEL_NAME": shape.name,
                    "SM_ON_BATCH_SIZE": str(shape.slots),
                    "SM_ON_SEQUENCE_LENGTH": str(shape.sequence_length),
                    "SM_ON_TENSOR_PARALLEL_SIZE": str(shape.tensor_parallel),
                    "ACCELERATOR_DEPLOYMENT": deployment.name,
                    "ACCELERATOR_ENDPOINT": served_as,
                    "ACCELERATOR_METRICS": " ".join(metrics),
                },
            ),
        )
        # When a model is created, SageMaker reads the image and the artifacts with the role.
        model.node.add_dependency(self.permissions)
        self.name = model.attr_model_name

    def _served(self, deployment: Deployment) -> str | None:
        """Return what the approval of a tuned model wrote last, where the deployment tunes."""
        if deployment.training is None:
            return None
        bucket = training_bucket(deployment, account_of(self))
        tuned = s3.Bucket.from_bucket_name(self, "Tuned", bucket)
        objects = tuned.arn_for_objects(f"{COMPILED}*")
        self.role.add_to_policy(iam.PolicyStatement(actions=["s3:GetObject"], resources=[objects]))
        self.role.add_to_policy(
            iam.PolicyStatement(
                actions=["s3:ListBucket"],
                resources=[tuned.bucket_arn],
                conditions={"StringLike": {"s3:prefix": f"{COMPILED}*"}},
            )
        )
        acknowledge_pattern(self.role, objects, "Tuned models; the compiler names their files.")
        # CloudFormation reads it anew in each update.
        return cdk.CfnParameter(
            self,
            "Served",
            type="AWS::SSM::Parameter::Value<String>",
            default=model_parameter(deployment),
            description="The parameter that tells from where the model is loaded",
        ).value_as_string

    def _grant(self, artifacts: s3.IBucket, prefix: str, log_group_name: str) -> None:
        objects = artifacts.arn_for_objects(f"{prefix}*")
        log_group = log_group_arn(self, log_group_name)
        log_streams = f"{log_group}:*"
        acknowledge_pattern(
            self.role,
            objects,
            "One compiled model; the compiler names its files.",
        )
        acknowledge_pattern(
            self.role, log_streams, "One log group; SageMaker names its streams by instance."
        )
        for statement in (
            iam.PolicyStatement(actions=["s3:GetObject"], resources=[objects]),
            iam.PolicyStatement(
                actions=["s3:ListBucket"],
                resources=[artifacts.bucket_arn],
                conditions={"StringLike": {"s3:prefix": f"{prefix}*"}},
            ),
            # SageMaker looks for the log group before it writes, even though the stack created it.
            iam.PolicyStatement(
                actions=["logs:CreateLogGroup"], resources=[log_group, log_streams]
            ),
            iam.PolicyStatement(
                actions=["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"],
                resources=[log_streams],
            ),
            iam.PolicyStatement(
                actions=["cloudwatch:PutMetricData"],
                resources=["*"],
                conditions={"StringLike": {"cloudwatch:namespace": _METRICS}},
            ),
        ):
            self.role.add_to_policy(statement)
