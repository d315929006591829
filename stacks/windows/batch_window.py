"""Batch windows: questions wait in the mailbox and are answered in the hours of the plan.

Nothing runs between the windows. Questions that a window does not answer wait for the next one.
"""

from __future__ import annotations

import json
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from stacks.common.acknowledgements import acknowledge
from stacks.common.bedrock_permissions import grant_invoke, model_arns
from stacks.common.patterns import acknowledge_pattern
from stacks.endpoints.mailbox import ANSWERS, QUESTIONS, Mailbox
from stacks.endpoints.neuron_model import NeuronModel
from stacks.endpoints.serving_image import ServingImage
from stacks.windows.window_states import MANIFESTS, bedrock_jobs, transform_jobs
from sustainability.deployment.schema import Deployment
from sustainability.plan.serving_plan import Batch, ServingPlan

_LOG_GROUP = "/aws/sagemaker/TransformJobs"
"""SageMaker's own choice, shared by all jobs of the account."""
_EVENTS_RULE = "StepFunctionsGetEventsForSageMakerTransformJobsRule"
"""What Step Functions makes to hear that a job has ended."""


class BatchWindow(Construct):
    """A state machine that answers the questions in the mailbox, with its schedule."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        deployment: Deployment,
        plan: ServingPlan,
        mailbox: Mailbox,
    ) -> None:
        super().__init__(scope, id_)
        assert plan.batch is not None
        self._deployment, self._mailbox = deployment, mailbox
        self.served_as = f"{deployment.name}-batch"
        self._role = iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("states.amazonaws.com"))
        self._allow(
            ["s3:ListBucket"],
            [self._mailbox.bucket_arn],
            conditions={"StringLike": {"s3:prefix": [f"{QUESTIONS}*", f"{ANSWERS}*"]}},
        )
        self._mailbox.allow(self._role, "s3:DeleteObject", QUESTIONS)
        states = (
            self._on_inferentia(plan, plan.batch) if plan.batch.instances else self._on_bedrock()
        )
        definition = {
            "Comment": f"Answers the questions that wait ({deployment.name})",
            "QueryLanguage": "JSONata",
            # A window ends before the next one opens.
            "TimeoutSeconds": 24 * 3600 // len(plan.batch.hours),
            **states,
        }
        self.machine = sfn.StateMachine(
            self,
            "Machine",
            definition_body=sfn.DefinitionBody.from_string(json.dumps(definition)),
            role=self._role.without_policy_updates(),
        )
        if not plan.batch.instances:
            self._allow_children()
        acknowledge(
            self.machine,
            "AwsSolutions-SF1",
            "It runs a few times a day, and its execution history tells what it did.",
        )
        acknowledge(
            self.machine,
            "AwsSolutions-SF2",
            "It waits for one service; a trace would show that wait and nothing else.",
        )
        acknowledge(
            self.machine,
            "Serverless-StepFunctionStateMachineXray",
            "It waits for one service; a trace would show that wait and nothing else.",
        )
        self._start_daily(plan.batch.hours)

    def _start_daily(self, hours: tuple[int, ...]) -> None:
        role = iam.Role(
            self, "ScheduleRole", assumed_by=iam.ServicePrincipal("scheduler.amazonaws.com")
        )
        self.machine.grant_start_execution(role)
        scheduler.CfnSchedule(
            self,
            "Schedule",
            description=f"Opens the window for questions that wait ({self._deployment.name})",
            schedule_expression=f"cron(0 {','.join(map(str, hours))} * * ? *)",
            schedule_expression_timezone=self._deployment.traffic.timezone,
            flexible_time_window=scheduler.CfnSchedule.FlexibleTimeWindowProperty(mode="OFF"),
            target=scheduler.CfnSchedule.TargetProperty(
                arn=self.machine.state_machine_arn, role_arn=role.role_arn
            ),
        )

    def _on_inferentia(self, plan: ServingPlan, batch: Batch) -> dict[str, Any]:
        assert plan.model is not None
        stack, name = cdk.Stack.of(self), self._deployment.name
        assert plan.instance_type is not None
        model = NeuronModel(
            self,
            "Generator",
            deployment=self._deployment,
            shape=plan.model,
            image=ServingImage.of(self, self._deployment),
            served_as=self.served_as,
            log_group_name=_LOG_GROUP,
        )
        log_group = stack.format_arn(
            service="logs",
            resource="log-group",
            resource_name=_LOG_GROUP,
            arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
        )
        model.role.add_to_policy(
            iam.PolicyStatement(actions=["logs:CreateLogGroup"], resources=[log_group])
        )
        self._mailbox.allow(model.role, "s3:GetObject", QUESTIONS, MANIFESTS)
        self._mailbox.allow(model.role, "s3:PutObject", ANSWERS)
        self._mailbox.allow(self._role, "s3:PutObject", MANIFESTS)
        self._mailbox.allow(self._role, "s3:GetObject", ANSWERS)
        jobs = stack.format_arn(
            service="sagemaker", resource="transform-job", resource_name=f"{name}-*"
        )
        self._allow(
            [
                "sagemaker:AddTags",
                "sagemaker:CreateTransformJob",
                "sagemaker:DescribeTransformJob",
                "sagemaker:StopTransformJob",
            ],
            [jobs],
        )
        acknowledge_pattern(self._role, jobs, "Every window's job has a name of its own.")
        self._allow(
            ["events:DescribeRule", "events:PutRule", "events:PutTargets"],
            [stack.format_arn(service="events", resource="rule", resource_name=_EVENTS_RULE)],
        )
        return transform_jobs(
            self._mailbox.bucket_name,
            job_prefix=f"{name}-",
            model_name=model.name,
            concurrency=plan.model.slots,
            instance_type=plan.instance_type,
            instances=batch.instances,
            volume_key=self._deployment.inference.volume_key,
        )

    def _on_bedrock(self) -> dict[str, Any]:
        stack, name = cdk.Stack.of(self), self._deployment.name
        model_id = self._deployment.answers.generator
        jobs = stack.format_arn(
            service="bedrock", resource="model-invocation-job", resource_name="*"
        )
        worker = iam.Role(
            self,
            "JobRole",
            assumed_by=iam.ServicePrincipal(
                "bedrock.amazonaws.com",
                conditions={
                    "StringEquals": {"aws:SourceAccount": stack.account},
                    "ArnLike": {"aws:SourceArn": jobs},
                },
            ),
        )
        grant_invoke(worker, model_id)
        worker.add_to_policy(
            iam.PolicyStatement(actions=["s3:ListBucket"], resources=[self._mailbox.bucket_arn])
        )
        self._mailbox.allow(worker, "s3:GetObject", QUESTIONS)
        self._mailbox.allow(worker, "s3:PutObject", ANSWERS)
        grant_invoke(self._role, model_id)
        self._allow(
            ["bedrock:CreateModelInvocationJob", "bedrock:GetModelInvocationJob"],
            [jobs, *model_arns(self._role, model_id)],
        )
        acknowledge_pattern(self._role, jobs, "Bedrock names its jobs itself.")
        self._allow(
            ["iam:PassRole"],
            [worker.role_arn],
            conditions={"StringEquals": {"iam:PassedToService": "bedrock.amazonaws.com"}},
        )
        self._mailbox.allow(self._role, "s3:GetObject", QUESTIONS, ANSWERS)
        self._mailbox.allow(self._role, "s3:PutObject", ANSWERS)
        return bedrock_jobs(
            self._mailbox.bucket_name,
            job_prefix=f"{name}-",
            model_id=model_id,
            role_arn=worker.role_arn,
        )

    def _allow_children(self) -> None:
        """Allow the state machine to start the child executions of its map state."""
        policy = iam.Policy(
            self,
            "Children",
            roles=[self._role],
            statements=[
                iam.PolicyStatement(
                    actions=["states:StartExecution"], resources=[self.machine.state_machine_arn]
                )
            ],
        )
        policy.node.add_dependency(self.machine)

    def _allow(
        self, actions: list[str], resources: list[str], conditions: dict[str, Any] | None = None
    ) -> None:
        self._role.add_to_policy(
            iam.PolicyStatement(actions=actions, resources=resources, conditions=conditions)
        )
