"""A Lambda function with the defaults of this project: arm64 and its own log group."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from stacks.common.acknowledgements import acknowledge
from stacks.functions.bundle import bundle
from sustainability.deployment.schema import Deployment

METRICS_NAMESPACE = "SustainableGenerativeAI"
"""CloudWatch namespace of the metrics of the functions."""


class PythonFunction(lambda_.Function):
    """A function from ``lambdas/<package>``; its role may write only to its own log group.

    ``digest`` is that of its code.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        deployment: Deployment,
        package: str,
        requirements: str = "requirements",
        handler: str,
        description: str,
        timeout: cdk.Duration,
        memory_mib: int,
        environment: Mapping[str, str],
        reserved_concurrency: int | None = None,
        no_dead_letters: str = "Its callers wait for the outcome; it is never invoked "
        "asynchronously.",
    ) -> None:
        log_group = logs.LogGroup(
            scope,
            f"{id_}Logs",
            removal_policy=cdk.RemovalPolicy.DESTROY,
        )
        cfn_log_group = cast("logs.CfnLogGroup", log_group.node.default_child)
        cfn_log_group.retention_in_days = deployment.monitoring.log_retention_days
        cfn_log_group.kms_key_id = deployment.company.key
        role = iam.Role(
            scope,
            f"{id_}Role",
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
        )
        log_group.grant_write(role)
        archive, self.digest = bundle(package, requirements)
        super().__init__(
            scope,
            id_,
            description=description,
            runtime=lambda_.Runtime.PYTHON_3_14,
            architecture=lambda_.Architecture.ARM_64,
            code=lambda_.Code.from_asset(str(archive), asset_hash=self.digest),
            handler=handler,
            role=role,
            timeout=timeout,
            memory_size=memory_mib,
            log_group=log_group,
            logging_format=lambda_.LoggingFormat.JSON,
            application_log_level_v2=lambda_.ApplicationLogLevel.INFO,
            system_log_level_v2=lambda_.SystemLogLevel.WARN,
            tracing=lambda_.Tracing.ACTIVE
            if deployment.monitoring.tracing
            else lambda_.Tracing.DISABLED,
            reserved_concurrent_executions=reserved_concurrency,
            environment={
                "DEPLOYMENT": deployment.name,
                "POWERTOOLS_METRICS_NAMESPACE": METRICS_NAMESPACE,
                **environment,
            },
        )
        acknowledge(self, "Serverless-LambdaDLQ", no_dead_letters)
        if deployment.monitoring.tracing:
            acknowledge(
                role,
                "AwsSolutions-IAM5[Resource::*]",
                "X-Ray knows no resources that a permission could name.",
            )
        else:
            acknowledge(
                self,
                "Serverless-LambdaTracing",
                "The deployment leaves tracing off: it records every request once more.",
            )
