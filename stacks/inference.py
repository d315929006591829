"""The inference stack: an endpoint on Inferentia2, exactly as in the serving plan."""

from __future__ import annotations

import json

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from stacks.endpoints.async_queue import AsyncQueue
from stacks.endpoints.mailbox import Mailbox
from stacks.endpoints.neuron_endpoint import CopiesEndpoint, InstancesEndpoint
from stacks.endpoints.scaling import EndpointScaling
from stacks.endpoints.serving_image import ServingImage
from stacks.windows.batch_window import BatchWindow
from sustainability.deployment.function_sizes import ENDPOINT_LOOK_S
from sustainability.deployment.schema import BedrockUse, Deployment
from sustainability.plan.serving_plan import Mode, ServingPlan


class InferenceStack(cdk.Stack):
    """The resources of the plan's mode: a real-time or asynchronous endpoint, or a batch window.

    Plans with the mode ``bedrock`` need no such stack.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        deployment: Deployment,
        plan: ServingPlan,
        env: cdk.Environment,
    ) -> None:
        super().__init__(
            scope,
            id_,
            env=env,
            description=f"Generates answers on Inferentia2, {plan.mode} ({deployment.name})",
        )
        self._deployment, self._plan = deployment, plan
        self.endpoint: CopiesEndpoint | InstancesEndpoint | None = None
        self.mailbox: Mailbox | None = None
        self.queue: AsyncQueue | None = None
        self.window: BatchWindow | None = None
        if plan.mode in (Mode.ASYNC, Mode.BATCH):
            self.mailbox = Mailbox(self, "Mailbox", deployment=deployment)
            if plan.model is not None:
                self._build_queue(self.mailbox, plan.model.slots)
            if plan.batch is not None:
                self.window = BatchWindow(
                    self,
                    "Batch",
                    deployment=deployment,
                    batch=plan.batch,
                    mailbox=self.mailbox,
                    endpoint=self.endpoint,
                )
        else:
            self._build_endpoint()
        if self.endpoint is not None:
            cdk.CfnOutput(self, "EndpointName", value=self.endpoint.name)

    def _build_endpoint(self) -> None:
        kind = CopiesEndpoint if self._plan.inference_components else InstancesEndpoint
        self.endpoint = kind(
            self,
            self._id(kind.KIND),
            deployment=self._deployment,
            plan=self._plan,
            image=ServingImage.of(self, self._deployment),
        )
        scaling = self._scaling(self.endpoint)
        scaling.track_load()
        if self._plan.wake is not None:
            scaling.wake_on_demand(self._plan.wake)
        if self._plan.sleep is not None:
            scaling.sleep_on_low_demand(self._plan.sleep)

    def _build_queue(self, mailbox: Mailbox, slots: int) -> None:
        self.queue = AsyncQueue(self, "Queue", mailbox=mailbox, slots=slots)
        self.endpoint = InstancesEndpoint(
            self,
            self._id(AsyncQueue.KIND),
            deployment=self._deployment,
            plan=self._plan,
            image=ServingImage.of(self, self._deployment),
            queue=self.queue,
        )
        scaling = self._scaling(self.endpoint)
        scaling.track_backlog()
        scaling.wake_on_backlog()

    def _scaling(self, endpoint: CopiesEndpoint | InstancesEndpoint) -> EndpointScaling:
        return EndpointScaling(
            endpoint, "Scaling", deployment=self._deployment, plan=self._plan, endpoint=endpoint
        )

    def _id(self, kind: str) -> str:
        # In the logical ids, so that another kind or type is made beside the old one, then swapped.
        return f"{kind}-{self._plan.instance_type}".title()

    def grant_invoke(self, function: lambda_.Function) -> None:
        """Allow a function to call the endpoint or mailbox of this stack, and configure it.

        Sets ``GENERATOR_DEFERRED`` if answers come later, otherwise ``GENERATOR_ENDPOINT``.
        """
        if self._deployment.inference.bedrock is BedrockUse.NEVER:
            function.add_environment("GENERATOR_FALLBACK", "never")
        if self.mailbox is not None:
            self._defer(function, self.mailbox)
        elif self.endpoint is not None:
            self._invoke(function, self.endpoint)

    def _defer(self, function: lambda_.Function, mailbox: Mailbox) -> None:
        deadline, model = self._deployment.service_level.deadline, self._plan.model
        assert deadline is not None
        # Only the window hands questions to its endpoint, so that no single question starts it.
        endpoint = None if self.window else self.endpoint
        function.add_environment(
            "GENERATOR_DEFERRED",
            json.dumps(
                {
                    "mailbox": mailbox.name,
                    "endpoint": endpoint.name if endpoint else None,
                    "model": model.name if model else None,
                    "thinks": model is not None and model.thinks,
                    "deadline_s": deadline.total_seconds(),
                }
            ),
        )
        mailbox.grant_ask(function)
        if endpoint is not None:
            function.add_to_role_policy(
                iam.PolicyStatement(
                    actions=["sagemaker:InvokeEndpointAsync"],
                    resources=[self._arn("endpoint", endpoint.name)],
                )
            )

    def _invoke(
        self, function: lambda_.Function, endpoint: CopiesEndpoint | InstancesEndpoint
    ) -> None:
        assert self._plan.model is not None
        function.add_environment(
            "GENERATOR_ENDPOINT",
            json.dumps(
                {
                    "endpoint": endpoint.name,
                    "component": endpoint.component_name,
                    "model": self._plan.model.name,
                    "thinks": self._plan.model.thinks,
                    "look_s": ENDPOINT_LOOK_S,
                    "timeout_s": self._plan.patience_s,
                }
            ),
        )
        resources = [self._arn("endpoint", endpoint.name)]
        if endpoint.component_name is not None:
            component = self._arn("inference-component", endpoint.component_name)
            resources.append(component)
            # The function may check for a running copy. A call would count as demand for a copy.
            function.add_to_role_policy(
                iam.PolicyStatement(
                    actions=["sagemaker:DescribeInferenceComponent"], resources=[component]
                )
            )
        function.add_to_role_policy(
            iam.PolicyStatement(
                actions=[
                    "sagemaker:InvokeEndpoint",
                    "sagemaker:InvokeEndpointWithResponseStream",
                ],
                resources=resources,
            )
        )

    def _arn(self, resource: str, name: str) -> str:
        return self.format_arn(service="sagemaker", resource=resource, resource_name=name)
