"""What was provisioned, what was used, what it took: an hourly function and its history."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_scheduler as scheduler
from constructs import Construct

from cfn_sustainability.settings import Profile
from stacks.common.acknowledgements import acknowledge
from stacks.endpoints.endpoint import VARIANT
from stacks.functions.python_function import PythonFunction
from stacks.inference import InferenceStack
from stacks.rag import RagStack
from sustainability.deployment.function_sizes import OPERATIONS_MEMORY_MIB
from sustainability.deployment.schema import Deployment
from sustainability.footprint.coefficients import as_json, coefficients
from sustainability.plan.serving_plan import Mode, ServingPlan

HISTORY_BUCKET = "HistoryBucketName"
"""The output that names the bucket."""
_ROOT = Path(__file__).resolve().parents[2]
_MONITOR = _ROOT / "containers" / "neuron_vllm" / "neuron-monitor.json"
_KEPT = cdk.Duration.days(400)
"""A year to compare with, and a month to do it in."""
_WINDOW_MINUTES = 15
"""Within which a run may start: nobody waits for it, and AWS may choose a calm moment."""

_NEXT_RUN = (
    "What a run leaves undone, the next one does: it computes every hour that is missing. An event "
    "that was kept would say nothing more."
)


class Operations(Construct):
    """The function, its schedule, and the bucket that keeps an object for each hour."""

    SERVICE = "operations"
    """The dimension ``service`` of its metrics, beside ``Deployment``."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        deployment: Deployment,
        plan: ServingPlan,
        rag: RagStack,
        inference: InferenceStack | None,
    ) -> None:
        super().__init__(scope, id_)
        self.bucket = self._build_bucket(deployment)
        self.function = PythonFunction(
            self,
            "Function",
            deployment=deployment,
            package="operations",
            handler="operations.handler.handler",
            description="Counts what was provisioned and used, and what that took",
            timeout=cdk.Duration.minutes(5),
            memory_mib=OPERATIONS_MEMORY_MIB,
            environment={
                "POWERTOOLS_SERVICE_NAME": self.SERVICE,
                "HISTORY_BUCKET": self.bucket.bucket_name,
                "ACCOUNTING": deployment.footprint.accounting,
                "SOURCES": cdk.Stack.of(self).to_json_string(_sources(rag, inference)),
                "COEFFICIENTS": json.dumps(
                    as_json(coefficients(deployment, plan)), separators=(",", ":")
                ),
                "NOT_COUNTED": json.dumps(_not_counted(plan)),
            },
            no_dead_letters=_NEXT_RUN,
        )
        self.function.configure_async_invoke(retry_attempts=0, max_event_age=cdk.Duration.hours(1))
        acknowledge(self.function, "Serverless-LambdaAsyncFailureDestination", _NEXT_RUN)
        self._grant()
        self._schedule("Hourly", "cron(5 * * * ? *)", {})
        # By then AWS has mostly published the month before; what comes later is asked for again.
        self._schedule("Monthly", "cron(30 6 20 * ? *)", {"task": "account"})
        cdk.CfnOutput(cdk.Stack.of(self), HISTORY_BUCKET, value=self.bucket.bucket_name)

    def _build_bucket(self, deployment: Deployment) -> s3.Bucket:
        production = deployment.profile is Profile.PRODUCTION
        bucket = s3.Bucket(
            self,
            "History",
            encryption=s3.BucketEncryption.S3_MANAGED,
            enforce_ssl=True,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            removal_policy=cdk.RemovalPolicy.RETAIN if production else cdk.RemovalPolicy.DESTROY,
            auto_delete_objects=not production,
            lifecycle_rules=[
                s3.LifecycleRule(
                    id="forget",
                    expiration=_KEPT,
                    abort_incomplete_multipart_upload_after=cdk.Duration.days(1),
                )
            ],
        )
        acknowledge(
            bucket,
            "AwsSolutions-S1",
            "Only the function writes to it, and its log names every object. Access logs would "
            "soon hold more bytes than the history.",
        )
        return bucket

    def _grant(self) -> None:
        function = self.function
        for actions, resource in (
            (["s3:GetObject", "s3:PutObject"], self.bucket.arn_for_objects("*")),
            (["s3:ListBucket"], self.bucket.bucket_arn),
            (["cloudwatch:GetMetricData", "sustainability:GetEstimatedCarbonEmissions"], "*"),
        ):
            function.add_to_role_policy(iam.PolicyStatement(actions=actions, resources=[resource]))
        bucket = cdk.Stack.of(self).get_logical_id(_cfn(self.bucket))
        for finding, reason in (
            (f"<{bucket}.Arn>/*", "The history is the whole bucket."),
            ("*", "CloudWatch and Sustainability know no resources that a permission could name."),
        ):
            acknowledge(function.role, f"AwsSolutions-IAM5[Resource::{finding}]", reason)

    def _schedule(self, id_: str, expression: str, event: dict[str, Any]) -> None:
        role = iam.Role(
            self, f"{id_}Role", assumed_by=iam.ServicePrincipal("scheduler.amazonaws.com")
        )
        role.add_to_policy(
            iam.PolicyStatement(
                actions=["lambda:InvokeFunction"], resources=[self.function.function_arn]
            )
        )
        scheduler.CfnSchedule(
            self,
            id_,
            schedule_expression=expression,
            flexible_time_window=scheduler.CfnSchedule.FlexibleTimeWindowProperty(
                mode="FLEXIBLE", maximum_window_in_minutes=_WINDOW_MINUTES
            ),
            target=scheduler.CfnSchedule.TargetProperty(
                arn=self.function.function_arn,
                role_arn=role.role_arn,
                input=json.dumps(event),
                retry_policy=scheduler.CfnSchedule.RetryPolicyProperty(
                    maximum_event_age_in_seconds=3600, maximum_retry_attempts=2
                ),
            ),
        )


def _sources(rag: RagStack, inference: InferenceStack | None) -> dict[str, Any]:
    """Return the names by which CloudWatch knows what the stacks built."""
    sources: dict[str, Any] = {
        "answer": rag.answer.function_name,
        "ingest": rag.ingest.function_name,
        "account": cdk.Aws.ACCOUNT_ID,
        **rag.store.sources,
    }
    if inference is not None and inference.endpoint is not None:
        sources |= {
            "endpoint": inference.endpoint.name,
            "variant": VARIANT,
            "samples_per_hour": 60,
        }
    elif inference is not None and inference.window is not None:
        period = json.loads(_MONITOR.read_text(encoding="utf-8"))["period"]
        sources |= {
            "endpoint": inference.window.served_as,
            "samples_per_hour": 3600 // int(period.removesuffix("s")),
        }
    return sources


def _not_counted(plan: ServingPlan) -> list[str]:
    if plan.mode is not Mode.BATCH or plan.instance_type is None:
        return []
    return ["the start of a job's instances, before their monitor speaks"]


def _cfn(bucket: s3.Bucket) -> s3.CfnBucket:
    resource = bucket.node.default_child
    assert isinstance(resource, s3.CfnBucket)
    return resource
