"""Batch windows: questions wait in the mailbox and are answered in the hours of the plan.

Nothing runs between windows. Questions that a window does not answer wait for the next window.
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
from stacks.endpoints.mailbox import ANSWERS, FAILURES, HANDED, QUESTIONS, Mailbox
from stacks.endpoints.neuron_endpoint import VARIANT, CopiesEndpoint, InstancesEndpoint
from stacks.windows.window_states import bedrock_jobs, endpoint_queue
from sustainability.deployment.schema import Deployment
from sustainability.plan.serving_plan import Batch


class BatchWindow(Construct):
    """A state machine that answers the questions in the mailbox, with its schedule."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        deployment: Deployment,
        batch: Batch,
        mailbox: Mailbox,
        endpoint: CopiesEndpoint | InstancesEndpoint | None,
    ) -> None:
        super().__init__(scope, id_)
        self._deployment, self._mailbox = deployment, mailbox
        self._role = iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("states.amazonaws.com"))
        self._allow(
            ["s3:ListBucket"],
            [self._mailbox.bucket_arn],
            conditions={
                "StringLike": {
                    "s3:prefix": [f"{part}*" for part in (QUESTIONS, HANDED, ANSWERS, FAILURES)]
                }
            },
        )
        self._mailbox.allow(self._role, "s3:DeleteObject", QUESTIONS)
        states = (
            self._on_endpoint(endpoint, batch)
            if isinstance(endpoint, InstancesEndpoint)
            else self._on_bedrock()
        )
        definition = {
            "Comment": f"Answers the questions that wait ({deployment.name})",
            "QueryLanguage": "JSONata",
            # A window ends before the next one opens.
            "TimeoutSeconds": batch.window_s,
            **states,
        }
        self.machine = sfn.StateMachine(
            self,
            "Machine",
            definition_body=sfn.DefinitionBody.from_string(json.dumps(definition)),
            role=self._role.without_policy_updates(),
        )
        self._allow_children()
        acknowledge(
            self.machine,
            "AwsSolutions-SF1",
            "It runs a few times a day, and its execution history shows what it did.",
        )
        acknowledge(
            self.machine,
            "AwsSolutions-SF2",
            "It waits for one service; a trace would show only that wait.",
        )
        acknowledge(
            self.machine,
            "Serverless-StepFunctionStateMachineXray",
            "It waits for one service; a trace would show only that wait.",
        )
        self._start_daily(batch.hours)

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

    def _on_endpoint(self, endpoint: InstancesEndpoint, batch: Batch) -> dict[str, Any]:
        self._mailbox.allow(self._role, "s3:GetObject", HANDED, ANSWERS, FAILURES)
        self._mailbox.allow(self._role, "s3:PutObject", HANDED, ANSWERS)
        self._mailbox.allow(self._role, "s3:DeleteObject", HANDED)
        arn = cdk.Stack.of(self).format_arn(
            service="sagemaker", resource="endpoint", resource_name=endpoint.name
        )
        self._allow(
            ["sagemaker:InvokeEndpointAsync", "sagemaker:UpdateEndpointWeightsAndCapacities"], [arn]
        )
        return endpoint_queue(
            self._mailbox.bucket_name,
            endpoint=endpoint.name,
            variant=VARIANT,
            queued_s=batch.queued_s,
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
        acknowledge_pattern(self._role, jobs, "Bedrock chooses the names of its jobs.")
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
