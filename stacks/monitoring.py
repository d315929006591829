"""The monitoring stack: alarms, the hourly footprint record, and dashboards where they are read."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from stacks.inference import InferenceStack
from stacks.instruments.alarms import Alarms
from stacks.monitors.accelerator import AcceleratorMonitor
from stacks.monitors.alarm_topic import AlarmTopic
from stacks.monitors.answers import AnswerMonitor
from stacks.monitors.dashboards import engineer_dashboard, owner_dashboard
from stacks.monitors.endpoint import EndpointMonitor
from stacks.monitors.footprint import HourlyFootprintMonitor
from stacks.monitors.hourly_footprint import Operations
from stacks.monitors.ingest import IngestMonitor
from stacks.monitors.queue import QueueMonitor
from stacks.monitors.service_level import ServiceLevelMonitor
from stacks.monitors.window import WindowMonitor
from stacks.rag import RagStack
from sustainability.deployment.schema import Deployment
from sustainability.plan.serving_plan import ServingPlan
from sustainability.plan.watching import Watching


class MonitoringStack(cdk.Stack):
    """Alarms, their SNS topic, the hourly footprint record, and two dashboards.

    All of it follows from the deployment and its plan. With ``best_effort`` there are the vital
    alarms and no dashboards. ``inference`` is None in the mode ``bedrock``.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        deployment: Deployment,
        plan: ServingPlan,
        rag: RagStack,
        inference: InferenceStack | None,
        env: cdk.Environment,
    ) -> None:
        super().__init__(
            scope,
            id_,
            env=env,
            description=f"Monitors service level, waste and accelerators ({deployment.name})",
        )
        self._deployment, self._plan = deployment, plan
        watching = self._watching = Watching.of(deployment, plan)
        self.topic = AlarmTopic(self, "Topic", deployment=deployment)
        cdk.CfnOutput(self, "AlarmsTopic", value=self.topic.topic_arn)
        self._read_anew()
        self._groups: list[Alarms] = []
        sla = self._group("SlaAtRisk", "Answers fail, are late, or do not come.")
        waste = self._group("Wasting", "Capacity runs without use, or work has no result.")

        operations = Operations(
            self,
            "Operations",
            deployment=deployment,
            plan=plan,
            rag=rag,
            inference=inference,
            watching=watching,
        )
        record = HourlyFootprintMonitor(
            deployment=deployment, plan=plan, operations=operations, course=watching.course
        )
        level = ServiceLevelMonitor(deployment=deployment, plan=plan, rag=rag)
        answers = AnswerMonitor(deployment=deployment, plan=plan, rag=rag)
        ingest = IngestMonitor(deployment=deployment, rag=rag)
        level.watch(sla)
        answers.watch(waste)
        ingest.watch(sla, waste)
        rag.store.watch(waste)
        record.watch(waste)
        if watching.course:
            record.watch_course(self._group("OffTarget", "A target is missed.", each_tells=True))
        sections = {
            "Answers": [*level.graphs(), *answers.graphs()],
            "Documents and search": [*ingest.graphs(), *rag.store.graphs()],
        }
        if inference is not None:
            sections["Inference"] = self._watch_inference(inference, sla, waste)

        composites = [group.compose() for group in self._groups]
        if watching.is_least:
            return
        owner_dashboard(
            self,
            deployment=deployment,
            level=level,
            answers=answers,
            record=record,
            composites=[composite for composite in composites if composite is not None],
        )
        engineer_dashboard(
            self,
            deployment=deployment,
            alarms=[alarm for group in self._groups for alarm in group.members],
            sections=sections,
        )

    def _read_anew(self) -> None:
        """Change this template when a stack that it reads from was made again.

        CloudFormation reads ``Fn::GetStackOutput`` only in an update, and makes none of the same
        template. The name of an output has the logical id of its resource, so a resource in
        place of another changes this template. A stack of the same name does not: ``deploy``
        tells which ones there are, in the context ``stacks``.
        """
        stacks = self.node.try_get_context("stacks")
        topic = self.topic.node.default_child
        if stacks and isinstance(topic, cdk.CfnResource):
            topic.add_metadata("reads", stacks)

    def _group(self, id_: str, says: str, *, each_tells: bool = False) -> Alarms:
        group = Alarms(
            self,
            id_,
            deployment=self._deployment,
            topic=self.topic,
            says=says,
            only_vital=self._watching.is_least,
            each_tells=each_tells,
        )
        self._groups.append(group)
        return group

    def _watch_inference(
        self, inference: InferenceStack, sla: Alarms, waste: Alarms
    ) -> list[cloudwatch.GraphWidget]:
        """Add the alarms of the endpoint or batch window, and return its graphs."""
        deployment, plan = self._deployment, self._plan
        graphs: list[cloudwatch.GraphWidget] = []
        if inference.endpoint is not None:
            endpoint = EndpointMonitor(
                deployment=deployment, plan=plan, endpoint=inference.endpoint
            )
            endpoint.watch(sla, waste)
            graphs += endpoint.graphs()
            if plan.alarms.backlog_age_s is not None:
                queue = QueueMonitor(
                    endpoint=inference.endpoint, longest_wait_s=plan.alarms.backlog_age_s
                )
                queue.watch(sla, waste)
                graphs += queue.graphs()
        if inference.window is not None:
            window = WindowMonitor(plan=plan, machine=inference.window.machine)
            window.watch(sla)
            graphs += window.graphs()
        if plan.model is not None:
            health = self._group(
                "AcceleratorUnwell", "The accelerator, its host or its monitor has a problem."
            )
            accelerator = AcceleratorMonitor(deployment=deployment, plan=plan, inference=inference)
            accelerator.watch(health, waste)
            graphs += accelerator.graphs()
        return graphs
