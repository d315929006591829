"""Alarms and graphs of the accelerator: errors and utilization."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch

from stacks.endpoints.neuron_endpoint import VARIANT
from stacks.inference import InferenceStack
from stacks.instruments.alarms import Alarms
from stacks.instruments.graphs import BLUE, GREEN, GREY, ORANGE, PURPLE, RED, TEAL, Line, graph
from stacks.instruments.metrics import ACCELERATOR, FIVE_MINUTES, maths, metric, scaled
from stacks.monitors.endpoint import cold_start_periods
from sustainability.deployment.schema import Deployment
from sustainability.facts.lookup import Facts, load_facts
from sustainability.plan.serving_plan import ServingPlan

_KINDS = ("Model", "Numerical", "Runtime", "Transient", "Generic")
"""Kinds of execution errors, besides those of the hardware."""
_FULL = 90
"""Percent of the memory or disk of a host; above it, containers are stopped."""
_BYTES_PER_GIB = 2**30
_HOSTS = "/aws/sagemaker/Endpoints"


class AcceleratorMonitor:
    """Alarms and graphs of the NeuronCores of an endpoint."""

    def __init__(
        self, *, deployment: Deployment, plan: ServingPlan, inference: InferenceStack
    ) -> None:
        assert plan.model is not None
        self._deployment, self._plan, self._model = deployment, plan, plan.model
        assert inference.endpoint is not None
        served_as = inference.endpoint.name
        self._host = {"EndpointName": served_as, "VariantName": VARIANT}
        self._dimensions = {"Deployment": deployment.name, "Endpoint": served_as}
        self._slowest: Line | None = None

    def watch(self, health: Alarms, waste: Alarms) -> None:
        """Add the alarms."""
        self._watch_health(health)
        self._watch_host(health)
        self._watch_waste(waste)

    def _watch_health(self, health: Alarms) -> None:
        health.add(
            "HardwareErrors",
            maths(
                "SUM([executions, memory])",
                label="hardware errors and uncorrected memory errors",
                executions=self._own("ExecutionErrorsHardware", "Sum"),
                memory=self._own("EccEventsUncorrected", "Maximum"),
            ),
            ">",
            0,
            periods=1,
            vital=True,
            says="The accelerator reports hardware errors. Have SageMaker replace the instance: "
            "update the endpoint, or set its copies to zero and back.",
        )
        errors = " + ".join(f"FILL({kind.lower()}, 0)" for kind in _KINDS)
        health.add(
            "ExecutionErrors",
            maths(
                f"100 * ({errors}) / ({errors} + FILL(completed, 0))",
                label="executions that failed, %",
                color=RED,
                completed=self._own("ExecutionsCompleted", "Sum"),
                **{kind.lower(): self._own(f"ExecutionErrors{kind}", "Sum") for kind in _KINDS},
            ),
            ">",
            100 * (1 - self._deployment.service_level.attainment),
            says="The share of failed executions on the NeuronCores is higher than the share of "
            "answers that may fail.",
        )
        slowest = self._model.prefill.high * self._model.sequence_length
        self._slowest = health.add(
            "ExecutionLatency",
            self._own("ExecutionLatencyP99", "Maximum"),
            ">",
            round(1000 * slowest),
            says="The 99th percentile of an execution on the NeuronCores is longer than the time "
            "to read the longest prompt that the model was compiled for.",
        )

    def _watch_host(self, health: Alarms) -> None:
        health.add(
            "MonitorSilent",
            maths(
                "IF(awake > 0, IF(FILL(reports, 0) > 0, silent, 1))",
                label="silent",
                awake=metric(_HOSTS, "CPUUtilization", self._host, "SampleCount"),
                reports=self._own("MonitorSilent", "SampleCount"),
                silent=self._own("MonitorSilent", "Maximum"),
            ),
            ">",
            0,
            # A host has metrics before its container starts.
            periods=1 + cold_start_periods(FIVE_MINUTES.to_seconds()),
            says="An instance runs, but its accelerator monitor sends no data, so its utilization "
            "is unknown. Read the lines of the monitor in the log of the endpoint.",
        )
        health.add(
            "HostFull",
            maths(
                "MAX([memory, disk])",
                label="memory or disk in use, %",
                memory=metric(_HOSTS, "MemoryUtilization", self._host, "Maximum"),
                disk=metric(_HOSTS, "DiskUtilization", self._host, "Maximum"),
            ),
            ">",
            _FULL,
            says=f"Memory or disk of the host is more than {_FULL} % full. When it is full, "
            "containers are stopped.",
        )

    def _watch_waste(self, waste: Alarms) -> None:
        limit = 100 * self._deployment.monitoring.waste.used_share
        waste.add(
            "DeviceMemoryUnused",
            self._while_working(
                "100 * used / provisioned",
                label="device memory in use, %",
                used=self._own("NeuronDeviceMemoryUsed", "Maximum"),
                provisioned=self._own("NeuronDeviceMemoryProvisioned", "Maximum"),
            ),
            "<",
            limit,
            practice="SUS05-BP04",
            says=f"Less than {limit:g} % of the accelerator memory is used. Compile the model for "
            "more slots, put another model on the same instance, or choose a smaller size.",
        )
        if self._has_smaller_host():
            waste.add(
                "ProcessorsIdle",
                self._while_working(
                    "used",
                    label="processors in use, %",
                    used=self._own("SystemVcpuUtilization", "Maximum"),
                ),
                "<",
                limit,
                practice="SUS05-BP01",
                says=f"Less than {limit:g} % of the host processors is used. A size with as many "
                "chips and fewer processors can serve the same traffic: remove the larger one from "
                "inference.instance_types.",
            )

    def _while_working(
        self, expression: str, *, label: str, **metrics: cloudwatch.IMetric
    ) -> cloudwatch.MathExpression:
        """Return an expression without a value while nothing is executed, as at a start."""
        working = " AND ".join(("executed > 0", *(f"{name} >= 0" for name in metrics)))
        return maths(
            f"IF({working}, {expression})",
            label=label,
            color=None,
            executed=self._own("ExecutionsCompleted", "Sum"),
            **metrics,
        )

    def _has_smaller_host(self) -> bool:
        """Return whether another type has as many chips and less memory, so fewer processors."""
        facts = Facts()

        def size(instance_type: str) -> tuple[float, float]:
            chips = facts(f"power/accelerators/{instance_type.removeprefix('ml.')}", "devices").mid
            return chips, facts(f"instances/{instance_type}/memory", "GiB").mid

        assert self._plan.instance_type is not None
        chips, memory = size(self._plan.instance_type)
        others = {key.removesuffix("/memory") for key in load_facts("instances") if "inf2" in key}
        return any(size(other)[0] == chips and size(other)[1] < memory for other in others)

    def _own(
        self,
        name: str,
        statistic: str,
        *,
        period: cdk.Duration = FIVE_MINUTES,
        label: str | None = None,
        color: str | None = None,
    ) -> cloudwatch.Metric:
        return metric(
            ACCELERATOR,
            name,
            self._dimensions,
            statistic,
            period=period,
            label=label,
            color=color,
        )

    def graphs(self) -> list[cloudwatch.GraphWidget]:
        """Return the graphs for the engineer dashboard."""
        floor = self._plan.alarms.utilization_floor
        return [
            graph(
                "NeuronCores busy",
                self._own("NeuronCoreUtilization", "Average", label="mean", color=BLUE),
                self._own("NeuronCoreUtilization", "Maximum", label="busiest", color=TEAL),
                unit="%",
                limit=None if floor is None else Line(100 * floor, "alarm UtilizationLow"),
                top=100,
            ),
            graph(
                "Device memory",
                *(
                    scaled(
                        self._own(f"NeuronDeviceMemory{what}", "Maximum"),
                        _BYTES_PER_GIB,
                        label=what.lower(),
                        color=color,
                    )
                    for what, color in (("Used", PURPLE), ("Provisioned", GREY))
                ),
                unit="GiB",
            ),
            graph(
                "Host: processors and memory",
                self._own(
                    "RuntimeVcpuUtilization", "Average", label="processors, server", color=BLUE
                ),
                self._own("SystemVcpuUtilization", "Average", label="processors, all", color=TEAL),
                self._own("SystemMemoryUtilization", "Average", label="memory", color=ORANGE),
                unit="%",
                top=100,
            ),
            graph(
                "Executions on the NeuronCores",
                self._own("ExecutionsCompleted", "Sum", label="completed", color=GREEN),
                unit="executions",
            ),
            graph(
                "Execution latency",
                *(
                    self._own(f"ExecutionLatency{rank}", "Maximum", label=label, color=color)
                    for rank, label, color in (
                        ("P50", "median", BLUE),
                        ("P99", "99th percentile", ORANGE),
                        ("P100", "slowest", RED),
                    )
                ),
                unit="ms",
                limit=self._slowest,
            ),
            graph(
                "Execution errors, by kind",
                *(
                    self._own(f"ExecutionErrors{kind}", "Sum", label=kind.lower(), color=color)
                    for kind, color in zip(
                        ("Hardware", *_KINDS),
                        (RED, ORANGE, PURPLE, BLUE, GREY, TEAL),
                        strict=True,
                    )
                ),
                unit="errors",
                stacked=True,
            ),
            graph(
                "Memory errors and monitor",
                self._own("EccEventsUncorrected", "Maximum", label="uncorrected", color=RED),
                self._own("EccEventsCorrected", "Maximum", label="corrected", color=ORANGE),
                self._own("MonitorRestarts", "Sum", label="monitor restarts", color=GREY),
                unit="events",
            ),
        ]
