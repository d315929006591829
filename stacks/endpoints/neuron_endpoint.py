"""Endpoints on Inferentia2: with copies, which can scale to zero, or with one copy per instance."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from stacks.endpoints.async_queue import AsyncQueue
from stacks.endpoints.neuron_model import NeuronModel
from stacks.endpoints.serving_image import ServingImage
from sustainability.deployment.schema import Deployment
from sustainability.plan.serving_plan import ServingPlan
from sustainability.plan.watching import Watching

VARIANT = "all"
_AMI = "al2-ami-sagemaker-inference-neuron-2"
"""SageMaker's only AMI with a Neuron driver: 2.19, which SDK 2.26 runs on."""
_HEALTH_CHECK_SECONDS = 1800
"""Loading weights and graphs takes minutes. This limit is twice the slowest known start."""
_VOLUME_GB = 256
"""The value in the base image's own deployment script."""
_MEMORY_MB = 1024
"""Accelerators decide what fits an instance. SageMaker reserves most of a small instance's memory:
of 16 GiB, it was seen to grant 1 GiB to a copy and to refuse 4 GiB."""
_OBSERVED = sagemaker.CfnEndpointConfig.MetricsConfigProperty(
    # On by default since 2026. Not used here: it measures GPUs, but no NeuronCores.
    enable_detailed_observability=False
)
_ROUTING = sagemaker.CfnEndpointConfig.RoutingConfigProperty(
    routing_strategy="LEAST_OUTSTANDING_REQUESTS"
)
_BAKE_SECONDS = 300
"""Wait after each updated batch: three datapoints of the error alarm."""


def endpoint_name(deployment: Deployment, kind: str, instance_type: str) -> str:
    """Return a name that is known at synth; metric dimensions and the server need it.

    SageMaker cannot change the kind of an endpoint, nor the instance type of a variant that scales.
    The name contains both, so that such a change creates a new endpoint beside the old one.
    """
    size = instance_type.removeprefix("ml.").replace(".", "-")
    return f"{deployment.name}-{kind}-{size}"


class CopiesEndpoint(Construct):
    """An endpoint whose instances follow the copies of its one inference component."""

    KIND = "copies"

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        deployment: Deployment,
        plan: ServingPlan,
        image: ServingImage,
    ) -> None:
        super().__init__(scope, id_)
        assert plan.instance_type is not None
        assert plan.model is not None
        self.name = self.component_name = endpoint_name(deployment, self.KIND, plan.instance_type)
        log_group = f"/aws/sagemaker/InferenceComponents/{self.component_name}"
        model = NeuronModel(
            self,
            "Generator",
            deployment=deployment,
            shape=plan.model,
            image=image,
            served_as=self.name,
            metrics=Watching.of(deployment, plan).accelerator,
            log_group_name=log_group,
        )
        least = plan.min_instances
        config = sagemaker.CfnEndpointConfig(
            self,
            "Config",
            execution_role_arn=model.role.role_arn,
            enable_network_isolation=True,
            kms_key_id=deployment.inference.volume_key,
            metrics_config=_OBSERVED,
            production_variants=[
                sagemaker.CfnEndpointConfig.ProductionVariantProperty(
                    variant_name=VARIANT,
                    instance_type=plan.instance_type,
                    # SageMaker starts one instance, and releases it when no copy needs it.
                    initial_instance_count=max(least, 1),
                    managed_instance_scaling=(
                        sagemaker.CfnEndpointConfig.ManagedInstanceScalingProperty(
                            status="ENABLED",
                            min_instance_count=least,
                            max_instance_count=plan.max_instances,
                            scale_in_policy=sagemaker.CfnEndpointConfig.ScaleInPolicyProperty(
                                strategy="CONSOLIDATION"
                            ),
                        )
                    ),
                    inference_ami_version=_AMI,
                    routing_config=_ROUTING,
                    volume_size_in_gb=_VOLUME_GB,
                )
            ],
        )
        config.node.add_dependency(model.permissions, _log_group(self, deployment, log_group))
        endpoint = sagemaker.CfnEndpoint(
            self,
            "Endpoint",
            endpoint_name=self.name,
            endpoint_config_name=config.attr_endpoint_config_name,
        )
        self.errors = _error_alarm(
            self, deployment, {"InferenceComponentName": self.component_name}
        )
        self.resource = sagemaker.CfnInferenceComponent(
            self,
            "Component",
            inference_component_name=self.component_name,
            endpoint_name=endpoint.attr_endpoint_name,
            variant_name=VARIANT,
            specification=sagemaker.CfnInferenceComponent.InferenceComponentSpecificationProperty(
                model_name=model.name,
                compute_resource_requirements=(
                    sagemaker.CfnInferenceComponent.InferenceComponentComputeResourceRequirementsProperty(
                        number_of_accelerator_devices_required=plan.model.chips,
                        min_memory_required_in_mb=_MEMORY_MB,
                    )
                ),
                startup_parameters=(
                    sagemaker.CfnInferenceComponent.InferenceComponentStartupParametersProperty(
                        container_startup_health_check_timeout_in_seconds=_HEALTH_CHECK_SECONDS,
                        model_data_download_timeout_in_seconds=_HEALTH_CHECK_SECONDS,
                    )
                ),
            ),
            runtime_config=(
                sagemaker.CfnInferenceComponent.InferenceComponentRuntimeConfigProperty(
                    copy_count=_copies(self, plan)
                )
            ),
            # A batch is at most half of the copies: a single copy allows no rolling update.
            deployment_config=_one_by_one(self.errors) if plan.min_copies > 1 else None,
        )


def _copies(scope: Construct, plan: ServingPlan) -> int:
    """Return how many copies the endpoint has after an update.

    Every update sets this number, whatever else it changes. The command ``deploy`` passes the
    current number in the context ``copies``; without it, an update at noon would stop all copies.
    """
    awake = int(scope.node.try_get_context("copies") or 0)
    return min(max(awake, plan.min_copies), plan.max_copies)


def _one_by_one(
    errors: cloudwatch.Alarm,
) -> sagemaker.CfnInferenceComponent.InferenceComponentDeploymentConfigProperty:
    """Return a rolling update, one copy at a time, with rollback on errors."""
    component = sagemaker.CfnInferenceComponent
    return component.InferenceComponentDeploymentConfigProperty(
        rolling_update_policy=component.InferenceComponentRollingUpdatePolicyProperty(
            maximum_batch_size=component.InferenceComponentCapacitySizeProperty(
                type="COPY_COUNT", value=1
            ),
            wait_interval_in_seconds=_BAKE_SECONDS,
        ),
        auto_rollback_configuration=component.AutoRollbackConfigurationProperty(
            alarms=[component.AlarmProperty(alarm_name=errors.alarm_name)]
        ),
    )


class InstancesEndpoint(Construct):
    """An endpoint with one variant; each instance runs one copy."""

    KIND = "instances"
    component_name: None = None

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        deployment: Deployment,
        plan: ServingPlan,
        image: ServingImage,
        queue: AsyncQueue | None = None,
    ) -> None:
        super().__init__(scope, id_)
        assert plan.instance_type is not None
        assert plan.model is not None
        kind = self.KIND if queue is None else queue.KIND
        self.name = endpoint_name(deployment, kind, plan.instance_type)
        log_group = f"/aws/sagemaker/Endpoints/{self.name}"
        model = NeuronModel(
            self,
            "Generator",
            deployment=deployment,
            shape=plan.model,
            image=image,
            served_as=self.name,
            metrics=Watching.of(deployment, plan).accelerator,
            log_group_name=log_group,
        )
        if queue is not None:
            queue.grant_serve(model.role)
        least = max(plan.min_copies, 1)
        config = sagemaker.CfnEndpointConfig(
            self,
            "Config",
            kms_key_id=deployment.inference.volume_key,
            metrics_config=_OBSERVED,
            async_inference_config=queue.config if queue else None,
            production_variants=[
                sagemaker.CfnEndpointConfig.ProductionVariantProperty(
                    variant_name=VARIANT,
                    model_name=model.name,
                    instance_type=plan.instance_type,
                    initial_instance_count=least,
                    initial_variant_weight=1,
                    container_startup_health_check_timeout_in_seconds=_HEALTH_CHECK_SECONDS,
                    model_data_download_timeout_in_seconds=_HEALTH_CHECK_SECONDS,
                    inference_ami_version=_AMI,
                    # An asynchronous endpoint distributes its requests itself.
                    routing_config=None if queue else _ROUTING,
                    volume_size_in_gb=_VOLUME_GB,
                )
            ],
        )
        config.node.add_dependency(_log_group(self, deployment, log_group))
        self.errors = _error_alarm(
            self, deployment, {"EndpointName": self.name, "VariantName": VARIANT}
        )
        self.resource = sagemaker.CfnEndpoint(
            self,
            "Endpoint",
            endpoint_name=self.name,
            endpoint_config_name=config.attr_endpoint_config_name,
            # An update keeps the current number of instances.
            retain_all_variant_properties=True,
            deployment_config=sagemaker.CfnEndpoint.DeploymentConfigProperty(
                # A batch is at most half of the instances: a single one allows no rolling update.
                rolling_update_policy=sagemaker.CfnEndpoint.RollingUpdatePolicyProperty(
                    maximum_batch_size=sagemaker.CfnEndpoint.CapacitySizeProperty(
                        type="INSTANCE_COUNT", value=1
                    ),
                    maximum_execution_timeout_in_seconds=8 * 3600,
                    wait_interval_in_seconds=_BAKE_SECONDS,
                )
                if least > 1
                else None,
                auto_rollback_configuration=sagemaker.CfnEndpoint.AutoRollbackConfigProperty(
                    alarms=[sagemaker.CfnEndpoint.AlarmProperty(alarm_name=self.errors.alarm_name)]
                ),
            ),
        )


def _log_group(scope: Construct, deployment: Deployment, name: str) -> logs.CfnLogGroup:
    """Return the log group for SageMaker. Otherwise SageMaker creates one that never expires."""
    group = logs.CfnLogGroup(
        scope,
        "Logs",
        log_group_name=name,
        retention_in_days=deployment.monitoring.log_retention_days,
    )
    group.apply_removal_policy(cdk.RemovalPolicy.DESTROY)
    return group


def _error_alarm(
    scope: Construct, deployment: Deployment, dimensions: dict[str, str]
) -> cloudwatch.Alarm:
    """Return the alarm that rolls back an update."""
    return cloudwatch.Alarm(
        scope,
        "Errors",
        alarm_description="More answers fail than the service level allows. "
        + deployment.monitoring.runbook_entry("Errors"),
        metric=cloudwatch.Metric(
            namespace="AWS/SageMaker",
            metric_name="Invocation5XXErrors",
            dimensions_map=dimensions,
            statistic="Average",  # of 1 and 0: the share of failures
            period=cdk.Duration.minutes(1),
        ),
        threshold=round(1 - deployment.service_level.attainment, 6),
        comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
        evaluation_periods=3,
        datapoints_to_alarm=2,
        treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
    )
