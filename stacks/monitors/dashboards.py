"""Two dashboards: footprint and service level for the owner, resources for the engineer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from stacks.instruments.graphs import WIDTH, heading, numbers
from stacks.instruments.metrics import DAY
from stacks.monitors.answers import AnswerMonitor
from stacks.monitors.footprint import HourlyFootprintMonitor
from stacks.monitors.service_level import ServiceLevelMonitor
from sustainability.deployment.schema import Deployment

_COLUMNS = 24
_IN_A_ROW = _COLUMNS // WIDTH
_ALARMS_IN_A_ROW = 6


def owner_dashboard(
    scope: Construct,
    *,
    deployment: Deployment,
    level: ServiceLevelMonitor,
    answers: AnswerMonitor,
    record: HourlyFootprintMonitor,
    composites: Sequence[cloudwatch.IAlarm],
) -> cloudwatch.Dashboard:
    """Return the dashboard of the owner, which shows a month."""
    dashboard = cloudwatch.Dashboard(
        scope,
        "Owner",
        dashboard_name=f"{deployment.name}-owner",
        default_interval=cdk.Duration.days(30),
    )
    dashboard.add_widgets(
        cloudwatch.AlarmStatusWidget(title="Now", alarms=list(composites), width=WIDTH, height=4),
        numbers(
            "Questions and their footprint (estimates)",
            *record.totals(),
            width=_COLUMNS - WIDTH,
            period=DAY,
        ),
    )
    dashboard.add_widgets(answers.who_answered(), level.attainment(), answers.cache_share())
    dashboard.add_widgets(*record.by_day())
    dashboard.add_widgets(*record.per_1000())
    dashboard.add_widgets(record.used(), answers.energy_range())
    return dashboard


def engineer_dashboard(
    scope: Construct,
    *,
    deployment: Deployment,
    alarms: Sequence[cloudwatch.IAlarm],
    sections: Mapping[str, Sequence[cloudwatch.GraphWidget]],
) -> cloudwatch.Dashboard:
    """Return the dashboard of the engineer: provisioned and used capacity of each resource."""
    dashboard = cloudwatch.Dashboard(
        scope,
        "Engineer",
        dashboard_name=f"{deployment.name}-engineer",
        default_interval=cdk.Duration.days(1),
    )
    dashboard.add_widgets(
        cloudwatch.AlarmStatusWidget(
            title="Alarms",
            alarms=list(alarms),
            width=_COLUMNS,
            height=2 + len(alarms) // _ALARMS_IN_A_ROW,
        )
    )
    for title, graphs in sections.items():
        dashboard.add_widgets(heading(f"## {title}"))
        for start in range(0, len(graphs), _IN_A_ROW):
            dashboard.add_widgets(*graphs[start : start + _IN_A_ROW])
    return dashboard
