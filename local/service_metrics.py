"""Metrics of AWS services that our alarms use.

The emulator publishes Lambda's metrics only for the Invoke call, and no others.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from ministack.services import apigateway, cloudwatch

from local import clock
from local import ministack_internals as internals

_SECONDS_BETWEEN_QUEUE_DEPTHS = 60.0
_last_depths: dict[tuple[str, ...], tuple[int, float]] = {}


def publish_lambda_metrics() -> None:
    """Publish to AWS/Lambda, however the function was invoked.

    https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
    """

    def publishing(execute: Callable[..., Any]) -> Callable[..., Any]:
        def execute_and_publish(
            func: Any, config: Mapping[str, Any], event: Any, request_id: str, started: float
        ) -> Any:
            result = execute(func, config, event, request_id, started)
            _publish_invocation(config["FunctionName"], result, time.time() - started)
            return result

        return execute_and_publish

    def publish_throttle(name: str, duration_ms: float, error: bool, throttle: bool) -> None:
        # Upstream also reports each throttled Invoke call, with its duration: the same event.
        if throttle and not duration_ms:
            dimensions = {"FunctionName": name}
            cloudwatch.record_metric("AWS/Lambda", "Throttles", 1, "Count", dimensions)

    internals.EXECUTE_FUNCTION.wrap(publishing)
    internals.EMIT_LAMBDA_METRICS.wrap(lambda emit: publish_throttle)


def _publish_invocation(function: str, result: Mapping[str, Any], seconds: float) -> None:
    for name, value, unit in (
        ("Invocations", 1, "Count"),
        ("Errors", int(bool(result.get("error"))), "Count"),
        ("Throttles", 0, "Count"),
        ("Duration", seconds * 1000, "Milliseconds"),
    ):
        cloudwatch.record_metric("AWS/Lambda", name, value, unit, {"FunctionName": function})


def publish_api_metrics() -> None:
    """Publish to AWS/ApiGateway, for HTTP APIs.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-metrics.html
    """
    execute = apigateway.handle_execute

    async def execute_and_publish(api_id: str, stage: str, *request: Any, **options: Any) -> Any:
        started = time.time()
        response = await execute(api_id, stage, *request, **options)
        internals.act_as(*apigateway.find_api_scope(api_id))
        status = response[0]
        for dimensions in ({"ApiId": api_id}, {"ApiId": api_id, "Stage": stage}):
            for name, value, unit in (
                ("Count", 1, "Count"),
                ("4xx", int(400 <= status < 500), "Count"),
                ("5xx", int(status >= 500), "Count"),
                ("Latency", (time.time() - started) * 1000, "Milliseconds"),
            ):
                cloudwatch.record_metric("AWS/ApiGateway", name, value, unit, dimensions)
        return response

    apigateway.handle_execute = execute_and_publish


def publish_queue_depths() -> None:
    """Publish each queue's visible messages to AWS/SQS: at every change, and once a minute.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
    """
    now = clock.now()
    for scope, queue in internals.queues():
        depth = sum(message["visible_at"] <= time.time() for message in queue["messages"])
        last_depth, last_time = _last_depths.get(scope, (-1, 0.0))
        if depth == last_depth and now - last_time < _SECONDS_BETWEEN_QUEUE_DEPTHS:
            continue
        _last_depths[scope] = (depth, now)
        account, region, url = scope
        internals.act_as(account, region)
        cloudwatch.record_metric(
            "AWS/SQS",
            "ApproximateNumberOfMessagesVisible",
            depth,
            "Count",
            {"QueueName": url.rsplit("/", 1)[-1]},
        )
