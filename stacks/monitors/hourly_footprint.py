"""The hourly footprint record: a function that measures and estimates, and its S3 bucket."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_scheduler as scheduler
from constructs import Construct

from cfn_sustainability.settings import Profile
from stacks.common.acknowledgements import acknowledge
from stacks.endpoints.neuron_endpoint import VARIANT
from stacks.functions.python_function import PythonFunction
from stacks.inference import InferenceStack
from stacks.rag import RagStack
from sustainability.deployment.function_sizes import OPERATIONS_MEMORY_MIB
from sustainability.deployment.schema import Deployment
from sustainability.energy.small_first import SmallFirst
from sustainability.facts.lookup import Facts
from sustainability.footprint.coefficients import coefficients, litres_per_kwh, packed
from sustainability.footprint.statement import answer_coefficients, per_quantity
from sustainability.footprint.targets import in_base_units
from sustainability.plan.serving_plan import ServingPlan
from sustainability.plan.watching import Watching

HISTORY_BUCKET = "HistoryBucketName"
"""The stack output with the name of the bucket."""
_KEPT = cdk.Duration.days(400)
"""A year to compare with, plus one month."""
_WINDOW_MINUTES = 15
"""A run may start at any time in this window, because no one waits for it."""

_NEXT_RUN = (
    "The next run does the work of a failed one, because it calculates every missing hour. A "
    "stored event would contain nothing else."
)


class Operations(Construct):
    """The function, its schedules, and the bucket with one object per hour."""

    SERVICE = "operations"
    """The value of the dimension ``service`` of its metrics; the other one is ``Deployment``."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        deployment: Deployment,
        plan: ServingPlan,
        rag: RagStack,
        inference: InferenceStack | None,
        watching: Watching,
    ) -> None:
        super().__init__(scope, id_)
        self.bucket = self._build_bucket(deployment)
        self.function = PythonFunction(
            self,
            "Function",
            deployment=deployment,
            package="operations",
            handler="operations.handler.handler",
            description="Records provisioned and used resources, and estimates their footprint",
            timeout=cdk.Duration.minutes(5),
            memory_mib=OPERATIONS_MEMORY_MIB,
            environment={
                "POWERTOOLS_SERVICE_NAME": self.SERVICE,
                "METRICS": " ".join(watching.functions[self.SERVICE]),
                "HISTORY_BUCKET": self.bucket.bucket_name,
                "TARGETS": json.dumps(in_base_units(deployment), separators=(",", ":")),
                "ACCOUNTING": deployment.footprint.accounting,
                "SOURCES": cdk.Stack.of(self).to_json_string(
                    _sources(deployment, rag, inference, plan, watching.answers)
                ),
                "ADDED": json.dumps(
                    per_quantity(answer_coefficients(deployment, plan)), separators=(",", ":")
                ),
                "COEFFICIENTS": json.dumps(
                    packed(coefficients(deployment, plan)), separators=(",", ":")
                ),
                "LITRES_PER_KWH": json.dumps(litres_per_kwh(deployment), separators=(",", ":")),
            },
            no_dead_letters=_NEXT_RUN,
        )
        self.function.configure_async_invoke(retry_attempts=0, max_event_age=cdk.Duration.hours(1))
        acknowledge(self.function, "Serverless-LambdaAsyncFailureDestination", _NEXT_RUN)
        self._grant()
        # Nobody waits for an hour's record, and one run writes all hours that are missing. Metrics
        # must be less than a day old to show at once, so a run a day would come too late for them.
        self._schedule("Twice", "cron(10 3/12 * * ? *)", {})
        # By the 20th, AWS has mostly published the month before. A later run asks for the rest.
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
            "Only the function writes to this bucket, and its log names every object. Access logs "
            "would soon be larger than the history.",
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
            (f"<{bucket}.Arn>/*", "The history uses the whole bucket."),
            ("*", "These actions of CloudWatch and Sustainability support no resource ARNs."),
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


def _sources(
    deployment: Deployment,
    rag: RagStack,
    inference: InferenceStack | None,
    plan: ServingPlan,
    answers: Collection[str],
) -> dict[str, Any]:
    """Return the names of the deployed resources in CloudWatch."""
    sources: dict[str, Any] = {
        "answer": rag.answer.function_name,
        "ingest": rag.ingest.function_name,
        "account": cdk.Aws.ACCOUNT_ID,
        **rag.store.sources,
        **({"quality": True} if "Abstentions" in answers else {}),
    }
    first = SmallFirst.of(deployment, Facts())
    sources |= {"quotes": True} if first.fit is not None else {}
    sources |= {"small": True} if first.model is not None else {}
    if inference is not None and inference.endpoint is not None:
        sources |= {
            "endpoint": inference.endpoint.name,
            "variant": VARIANT,
            "endpoint_sleeps": plan.sleep is not None,
        }
    return sources


def _cfn(bucket: s3.Bucket) -> s3.CfnBucket:
    resource = bucket.node.default_child
    assert isinstance(resource, s3.CfnBucket)
    return resource
