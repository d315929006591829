"""Auto scaling of copies or instances: bounds, schedule, target tracking, step scaling."""

from __future__ import annotations

import math
from typing import Any, Literal, cast

import aws_cdk as cdk
from aws_cdk import aws_applicationautoscaling as scaling
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from stacks.endpoints.demand import DEMAND, demand_metrics, own_questions
from stacks.endpoints.neuron_endpoint import VARIANT, CopiesEndpoint, InstancesEndpoint
from sustainability.deployment.schema import Deployment
from sustainability.facts.lookup import Facts
from sustainability.plan.serving_plan import DemandThreshold, ServingPlan

_POLICY = scaling.CfnScalingPolicy
_AT_LEAST = cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD
_MINUTE = cdk.Duration.minutes(1)


class EndpointScaling(Construct):
    """A scalable target with the plan's bounds and schedule. Its methods add policies."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        deployment: Deployment,
        plan: ServingPlan,
        endpoint: CopiesEndpoint | InstancesEndpoint,
    ) -> None:
        super().__init__(scope, id_)
        self._deployment, self._plan = deployment, plan
        if isinstance(endpoint, CopiesEndpoint):
            resource = f"inference-component/{endpoint.component_name}"
            dimension = "sagemaker:inference-component:DesiredCopyCount"
        else:
            resource = f"endpoint/{endpoint.name}/variant/{VARIANT}"
            dimension = "sagemaker:variant:DesiredInstanceCount"
        self._target = scaling.CfnScalableTarget(
            self,
            "Target",
            service_namespace="sagemaker",
            resource_id=resource,
            scalable_dimension=dimension,
            min_capacity=plan.min_copies,
            max_capacity=plan.max_copies,
            scheduled_actions=[
                scaling.CfnScalableTarget.ScheduledActionProperty(
                    scheduled_action_name=action.name,
                    schedule=action.schedule,
                    timezone=deployment.traffic.timezone,
                    scalable_target_action=scaling.CfnScalableTarget.ScalableTargetActionProperty(
                        min_capacity=action.min_copies, max_capacity=action.max_copies
                    ),
                )
                for action in plan.schedule
            ]
            or None,
        )
        self._target.node.add_dependency(endpoint.resource)
        self._endpoint = endpoint

    def track_load(self) -> None:
        """Track the plan's targets per copy: add copies when either target is exceeded."""
        copies = isinstance(self._endpoint, CopiesEndpoint)
        if self._plan.target_concurrency is not None:
            self._track_predefined(
                "Concurrency",
                "SageMakerInferenceComponentConcurrentRequestsPerCopyHighResolution"
                if copies
                else "SageMakerVariantConcurrentRequestsPerModelHighResolution",
                self._plan.target_concurrency,
            )
        if self._plan.target_invocations_per_minute is not None:
            self._track_predefined(
                "Invocations",
                "SageMakerInferenceComponentInvocationsPerCopy"
                if copies
                else "SageMakerVariantInvocationsPerInstance",
                self._plan.target_invocations_per_minute,
            )

    def track_backlog(self) -> None:
        """Track the plan's target of queued questions per instance."""
        assert self._plan.target_backlog is not None
        self._track(
            "Backlog",
            target_value=self._plan.target_backlog,
            customized_metric_specification=_POLICY.CustomizedMetricSpecificationProperty(
                namespace="AWS/SageMaker",
                metric_name="ApproximateBacklogSizePerInstance",
                dimensions=[
                    _POLICY.MetricDimensionProperty(name="EndpointName", value=self._endpoint.name)
                ],
                statistic="Average",
            ),
        )

    def wake_on_backlog(self) -> None:
        """Start the first instance when a request waits and no instance runs."""
        alarm = cloudwatch.Alarm(
            self,
            "Backlog",
            alarm_description="Requests wait, and no instance runs.",
            metric=cloudwatch.Metric(
                namespace="AWS/SageMaker",
                metric_name="HasBacklogWithoutCapacity",
                dimensions_map={"EndpointName": self._endpoint.name},
                statistic="Average",
                period=_MINUTE,
            ),
            threshold=1,
            comparison_operator=_AT_LEAST,
            evaluation_periods=self._plan.backlog_minutes,
            treat_missing_data=cloudwatch.TreatMissingData.MISSING,
        )
        _run(alarm, self._wake())

    def wake_on_demand(self, threshold: DemandThreshold) -> None:
        """Start the first copy when the demand on us or on the endpoint lasts long enough."""
        assert isinstance(self._endpoint, CopiesEndpoint)
        component = {"InferenceComponentName": self._endpoint.component_name}
        period = cdk.Duration.seconds(threshold.period_s)
        # Step scaling repeats while its alarm lasts, so the alarm must end with the first copy.
        # The instances report their load every minute, with or without questions.
        awake = cloudwatch.Metric(
            namespace="/aws/sagemaker/InferenceComponents",
            metric_name="CPUUtilizationNormalized",
            dimensions_map=component,
            statistic="SampleCount",
            period=period,
        )
        wake = self._wake()
        demand = cloudwatch.Alarm(
            self,
            "DemandHigh",
            alarm_description="Demand is above the break-even with Bedrock, and no instance runs.",
            metric=cloudwatch.MathExpression(
                expression="IF(FILL(awake, 0) > 0, 0, questions)",
                using_metrics={
                    "awake": awake,
                    "questions": own_questions(self._deployment, period),
                },
                period=period,
                label="questions while no copy runs",
            ),
            threshold=threshold.questions_per_period,
            comparison_operator=_AT_LEAST,
            evaluation_periods=threshold.datapoints,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )
        _run(demand, wake)
        # Others than the answer function may call. Bedrock answers meanwhile, so the first copy
        # starts only when the refused calls reach the same break-even.
        refused = cloudwatch.Alarm(
            self,
            "NoCapacity",
            alarm_description="Calls reach the endpoint, and no copy runs.",
            metric=cloudwatch.Metric(
                namespace="AWS/SageMaker",
                metric_name="NoCapacityInvocationFailures",
                dimensions_map=component,
                statistic="Sum",
                period=period,
            ),
            threshold=threshold.questions_per_period,
            comparison_operator=_AT_LEAST,
            evaluation_periods=threshold.datapoints,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )
        _run(refused, wake)

    def sleep_on_low_demand(self, threshold: DemandThreshold) -> None:
        """Stop all copies when the demand of all callers stays too low for long enough."""
        assert isinstance(self._endpoint, CopiesEndpoint)
        period = cdk.Duration.seconds(threshold.period_s)
        alarm = cloudwatch.Alarm(
            self,
            "DemandLow",
            alarm_description="Demand is below the break-even with Bedrock.",
            metric=cloudwatch.MathExpression(
                expression=DEMAND,
                using_metrics=demand_metrics(
                    self._deployment, self._endpoint.component_name, period
                ),
                period=period,
                label="questions and calls",
            ),
            threshold=threshold.questions_per_period,
            comparison_operator=cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
            evaluation_periods=threshold.datapoints,
            # FILL cannot fill a metric that has never had data. No data means no demand.
            treat_missing_data=cloudwatch.TreatMissingData.BREACHING,
        )
        _run(alarm, self._step("Sleep", "ExactCapacity", 0))

    def _track_predefined(self, id_: str, metric: str, target: float) -> None:
        self._track(
            id_,
            target_value=target,
            predefined_metric_specification=_POLICY.PredefinedMetricSpecificationProperty(
                predefined_metric_type=metric
            ),
        )

    def _track(self, id_: str, **configuration: Any) -> None:
        self._policy(
            f"Track{id_}",
            "TargetTrackingScaling",
            target_tracking_scaling_policy_configuration=(
                _POLICY.TargetTrackingScalingPolicyConfigurationProperty(
                    scale_out_cooldown=self._plan.scale_out_cooldown_s,
                    scale_in_cooldown=self._plan.scale_in_cooldown_s,
                    **configuration,
                )
            ),
        )

    def _wake(self) -> scaling.CfnScalingPolicy:
        # The cooldown is longer than a cold start, so that a lasting alarm adds only one copy.
        cold_start = Facts()("serving/cold_start", "s").high
        return self._step(
            "Wake", "ChangeInCapacity", self._plan.wake_copies, cooldown_s=math.ceil(cold_start)
        )

    def _step(
        self,
        id_: str,
        adjustment_type: Literal["ChangeInCapacity", "ExactCapacity"],
        adjustment: int,
        *,
        cooldown_s: int | None = None,
    ) -> scaling.CfnScalingPolicy:
        above = adjustment > 0
        return self._policy(
            id_,
            "StepScaling",
            step_scaling_policy_configuration=_POLICY.StepScalingPolicyConfigurationProperty(
                adjustment_type=adjustment_type,
                cooldown=cooldown_s,
                metric_aggregation_type="Maximum" if above else "Minimum",
                step_adjustments=[
                    _POLICY.StepAdjustmentProperty(
                        scaling_adjustment=adjustment,
                        metric_interval_lower_bound=0 if above else None,
                        metric_interval_upper_bound=None if above else 0,
                    )
                ],
            ),
        )

    def _policy(self, id_: str, policy_type: str, **configuration: Any) -> _POLICY:
        return _POLICY(
            self,
            id_,
            policy_name=f"{self._endpoint.name}-{id_}",
            policy_type=policy_type,
            scaling_target_id=self._target.ref,
            **configuration,
        )


def _run(alarm: cloudwatch.Alarm, policy: scaling.CfnScalingPolicy) -> None:
    # The L1 property: L2 actions need an L2 target, which creates a role of its own, although
    # Auto Scaling has a service-linked role.
    cast("cloudwatch.CfnAlarm", alarm.node.default_child).alarm_actions = [policy.ref]
