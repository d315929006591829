"""Dashboard widgets of the same height, so that a row has no gaps."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

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


@dataclass(frozen=True)
class Line:
    """A red line across a graph: the threshold of an alarm, or a limit."""

    value: float
    label: str = "objective"

    def per(self, scale: float) -> Self:
        """Return the line for a graph whose unit is ``scale`` units of the metric."""
        return replace(self, value=self.value / scale)

    def annotation(self) -> cloudwatch.HorizontalAnnotation:
        """Return what CloudWatch draws."""
        return cloudwatch.HorizontalAnnotation(
            value=round(self.value, 6), label=self.label, color=RED
        )


def graph(
    title: str,
    *metrics: cloudwatch.IMetric,
    unit: str,
    stacked: bool = False,
    width: float = WIDTH,
    period: cdk.Duration | None = None,
    limit: Line | None = None,
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
        left_annotations=None if limit is None else [limit.annotation()],
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
