"""Dashboard widgets of the same height, so that a row has no gaps."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch

WIDTH, HEIGHT = 8, 6
"""In dashboard units: a dashboard has 24 columns, so three graphs fill a row."""
BLUE, ORANGE, GREEN, RED, PURPLE, GREY, TEAL = (
    "#1f77b4",
    "#ff7f0e",
    "#2ca02c",
    "#d62728",
    "#9467bd",
    "#7f7f7f",
    "#17becf",
)


def graph(
    title: str,
    *metrics: cloudwatch.IMetric,
    unit: str,
    stacked: bool = False,
    width: float = WIDTH,
    period: cdk.Duration | None = None,
    limit: float | None = None,
    limit_label: str = "objective",
    top: float | None = None,
    bottom: float = 0,
) -> cloudwatch.GraphWidget:
    """Return a graph with its unit at the axis; ``limit`` draws a red line."""
    return cloudwatch.GraphWidget(
        title=title,
        left=list(metrics),
        stacked=stacked,
        width=width,
        height=HEIGHT,
        period=period,
        left_y_axis=cloudwatch.YAxisProps(label=unit, show_units=False, min=bottom, max=top),
        left_annotations=[
            cloudwatch.HorizontalAnnotation(value=limit, label=limit_label, color=RED)
        ]
        if limit is not None
        else None,
        legend_position=cloudwatch.LegendPosition.BOTTOM,
    )


def numbers(
    title: str, *metrics: cloudwatch.IMetric, width: float, period: cdk.Duration, height: float = 4
) -> cloudwatch.SingleValueWidget:
    """Return a widget with numbers for the whole period that the dashboard shows."""
    return cloudwatch.SingleValueWidget(
        title=title,
        metrics=list(metrics),
        width=width,
        height=height,
        period=period,
        set_period_to_time_range=True,
    )


def heading(text: str) -> cloudwatch.TextWidget:
    """Return the heading of a section."""
    return cloudwatch.TextWidget(
        markdown=text,
        width=24,
        height=1,
        background=cloudwatch.TextWidgetBackground.TRANSPARENT,
    )
