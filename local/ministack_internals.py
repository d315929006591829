"""Every private name of MiniStack 1.5.33 that the embedded AWS uses. No other file may use one.

To use a new version of MiniStack: change the pin, run ``pytest tests/unit/local``, and repair the
names here that the tests report. Each group says which feature of MiniStack would make the group
unnecessary. MiniStack collects differences between its CloudFormation and AWS in
https://github.com/ministackorg/ministack/issues/1601
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from html import escape
from http import HTTPStatus
from importlib import import_module
from types import ModuleType, SimpleNamespace
from typing import Any

from ministack import app
from ministack.core import iam_actions, iam_evaluator, lambda_runtime, responses, router
from ministack.services import (
    apigateway,
    bedrock,
    cloudformation,
    cloudwatch,
    cloudwatch_logs,
    dynamodb,
    eventbridge,
    iam,
    lambda_svc,
    s3,
    sqs,
    stepfunctions,
)
from ministack.services.cloudformation import changesets, custom_resource, engine, provisioners
from ministack.services.cloudformation import handlers as stack_handlers
from ministack.services.cloudformation import stacks as stack_engine


@dataclass(frozen=True)
class Replaceable:
    """A private function that MiniStack looks up at each call, so it can be replaced."""

    module: ModuleType
    name: str

    def wrap(self, make: Callable[[Any], Any]) -> None:
        """Replace the function by the result of ``make`` for the present function."""
        setattr(self.module, self.name, make(getattr(self.module, self.name)))


# Unnecessary with a registry of resource types that plugins can extend.
RESOURCE_HANDLERS: dict[str, Any] = provisioners._RESOURCE_HANDLERS
"""Maps a resource type to the functions that create, update and delete it."""
physical_name: Callable[..., str] = provisioners._physical_name
seeded_create: Callable[..., Any] = provisioners._seeded_create
PENDING_CUSTOM_RESOURCES: Mapping[str, Any] = custom_resource._pending
"""Maps a token to the custom resource that waits for its function's response."""
NAMED_REPLACEMENT_ERRORS = [
    Replaceable(module, "_custom_named_replacement_error")
    for module in (provisioners, stack_engine)
]
"""Decides whether an update would replace a named resource."""
ALARM_RECORD = Replaceable(provisioners, "_cw_metric_alarm_record")
DOMAIN_ATTRIBUTES = Replaceable(provisioners, "_opensearch_attributes")

# Unnecessary with hooks before and after a function runs, and with functions that see only
# their bundle.
DETECT_RUNTIME = Replaceable(lambda_runtime, "_detect_runtime_binary")
EXECUTE_FUNCTION = Replaceable(lambda_svc, "_execute_function_dispatch")
EXECUTE_CONFIGURED_FUNCTION = Replaceable(lambda_svc, "_execute_function_with_config_scope")
EMIT_LAMBDA_METRICS = Replaceable(lambda_svc, "_emit_lambda_metrics")


# Unnecessary when MiniStack knows the names of AWS's services without reading their models.
def name_services(names: Collection[str]) -> None:
    """Tell the router which names a request can be signed for."""
    router._KNOWN_AWS_SERVICE_NAMES = frozenset(names)


# Unnecessary when the processes of a function that changed end beside MiniStack's other work.
END_PROCESSES = Replaceable(lambda_runtime, "kill_workers")
"""Ends processes of functions that no call can reach any more, and deletes their folders."""


def set_leased_workers_aside(function: str) -> None:
    """Let the processes of ``function`` that answer a call finish it, out of reach of later calls.

    MiniStack ends them when they were idle for its usual time, or when it stops.
    """
    with lambda_runtime._lock:
        for key, workers in list(lambda_runtime._workers.items()):
            if function in key.split(":"):
                leased = [worker for worker in workers if worker.in_use]
                workers[:] = [worker for worker in workers if not worker.in_use]
                lambda_runtime._workers.setdefault("aside", []).extend(leased)


# Unnecessary with alarms on metric math, evaluated by a clock that can be set.
EVALUATE_ALARM = Replaceable(cloudwatch, "_evaluate_alarm")
percentile_samples: Callable[[list[Any]], list[tuple[float, float]]] = (
    cloudwatch._percentile_samples
)

# Unnecessary with metrics from log lines in the embedded metric format.
APPEND_LOG_EVENTS = Replaceable(cloudwatch_logs, "_append_log_events")
store_datum: Callable[..., None] = cloudwatch._store_datum


def keep_hourly_metrics(seconds: float) -> None:
    """Keep metrics so long: MiniStack forgets after two weeks, AWS keeps hours for 15 months."""
    cloudwatch.TWO_WEEKS_SECONDS = seconds


# Unnecessary with SageMaker and AWS SDK integrations as tasks of Step Functions.
ExecutionError: type[Exception] = stepfunctions._ExecutionError
TASKS: dict[str, Any] = stepfunctions._SERVICE_DISPATCH
"""Maps the beginning of a task's ARN to the function that runs it."""

# Unnecessary with a clock that can be set.
WAIT = Replaceable(stepfunctions, "_scaled_sleep")
"""How a state machine waits for a number of seconds."""


# Unnecessary when an HTTP API tells an unauthorized caller what AWS tells.
AUTHORIZE_API_CALL = Replaceable(app, "_enforce_execute_api")


def act_as(account: str, region: str) -> None:
    """Set account and Region for what follows. Unnecessary with a public function."""
    responses._request_account_id.set(account)
    responses._request_region.set(region)


def keep(
    name: str, state: Callable[[], dict[str, Any]], restore: Callable[[dict[str, Any]], None]
) -> None:
    """Save the result of ``state`` with the emulator's state. Unnecessary with a registration."""
    app._state_map[name] = name
    app._loaded_modules[name] = SimpleNamespace(get_state=state, load_persisted_state=restore)


def trust_every_connection() -> None:
    """Accept plain HTTP in place of TLS. An upstream setting would replace this."""
    iam_evaluator._request_origin = ContextVar("origin", default=("127.0.0.1", True))
    app.pin_request_origin = lambda source_ip, secure_transport: None


def verify_root_signatures() -> None:
    """Check the signature and the date of root's requests, too. Unnecessary with a setting."""
    pinning = ContextVar("pinning", default=False)
    is_root, pin = iam_evaluator._is_root_key, app.pin_signed_request

    def pin_as_of_others(*request: Any, **options: Any) -> None:
        token = pinning.set(True)
        try:
            pin(*request, **options)
        finally:
            pinning.reset(token)

    iam_evaluator._is_root_key = lambda key: not pinning.get() and is_root(key)
    app.pin_signed_request = pin_as_of_others


def authorize_service(service: str, client: str) -> None:
    """Register a service and its boto3 client in IAM. Unnecessary with SageMaker in MiniStack."""
    iam_actions.SERVICE_TO_IAM_NAMESPACE[service] = service
    iam_actions._BOTOCORE_SERVICE_MAP[service] = [client]


def denied(
    service: str,
    action: str,
    headers: Mapping[str, str],
    query: Any,
    resource: str,
    conditions: Mapping[str, str] | None = None,
) -> Response | None:
    """Return IAM's refusal of a request's second action, with its condition keys.

    Unnecessary with S3 Vectors, and with jobs of SageMaker that are passed roles, in MiniStack.
    """
    refusal: Response | None = app._enforce_data_plane(
        service, action, headers, query, "", resource, dict(conditions or {})
    )
    return refusal


def trust_of(role: str) -> str | None:
    """Return the trust policy of an IAM role, in JSON; None if there is no such role."""
    found = iam._roles.get(role)
    return str(found["AssumeRolePolicyDocument"]) if found else None


# Unnecessary with SageMaker and the events of CloudFormation in MiniStack.
def put_event(source: str, kind: str, resources: list[str], detail: str) -> None:
    """Put an event of an AWS service on the default bus of EventBridge."""
    entry = {"Source": source, "DetailType": kind, "Resources": resources, "Detail": detail}
    eventbridge._put_events({"Entries": [entry]}, allow_aws_source=True)


ADD_STACK_EVENT = [
    Replaceable(module, "_add_event") for module in (changesets, stack_handlers, stack_engine)
]
"""Notes an event of a stack or of a resource in it: stack id and name, logical id, type, status."""


def named_by_parameters(stack: str) -> dict[str, tuple[str, str]]:
    """Return the parameters of a stack that name one of Systems Manager: its name, its value."""
    known = cloudformation._stacks[stack].get("_resolved_params", {})
    return {
        key: (each["SsmName"], each["Value"]) for key, each in known.items() if "SsmName" in each
    }


def stacks() -> list[dict[str, Any]]:
    """Return every CloudFormation stack. Unnecessary, like the next ones, with a listing."""
    return list(cloudformation._stacks._data.values())


EXECUTE_CHANGE_SET = Replaceable(changesets, "_deploy_stack_async")
"""Deploys a change set: stack name, more, and by ``imports`` the resources that it imports."""


def skip_validation(stack: str) -> None:
    """Have a stack's next deployment not compare the names in its template with what exists."""
    cloudformation._stacks[stack]["_disable_validation"] = True


def template_of(stack: str) -> dict[str, Any]:
    """Return the template that a stack has or is being updated to."""
    template: dict[str, Any] = engine._parse_template(
        cloudformation._stacks[stack]["_template_body"]
    )
    return template


def names_of(module: str, store: str) -> list[str]:
    """Return the names of the resources that a service's module keeps in ``store``."""
    kept = getattr(import_module(f"ministack.services.{module}"), store)
    return [str(scoped_key[-1]) for scoped_key in list(kept._data)]


def queues() -> list[tuple[tuple[str, str, str], dict[str, Any]]]:
    """Return each SQS queue with its account, Region and URL."""
    return list(sqs._queues._data.items())


# Unnecessary with a catalogue of Bedrock models that differs by Region and has lifecycles.
BEDROCK_MODEL = Replaceable(bedrock, "_model_summary")
"""Returns a model of `ListFoundationModels` and `GetFoundationModel`."""
BEDROCK_ACCESS = Replaceable(bedrock, "_get_foundation_model_availability")


def offer_models(models: list[tuple[Any, ...]]) -> None:
    """Set Bedrock's models: id, name, provider, input and output modalities, streaming."""
    bedrock._CATALOG = models


def accept_terms(model: str) -> None:
    """Let the account have accepted the terms of a Bedrock model."""
    bedrock._model_agreements[model] = True


# Unnecessary with message move tasks of SQS.
SQS_ACTIONS: dict[str, Callable[[dict[str, Any], str], dict[str, Any]]] = sqs._HANDLERS
"""Maps the name of an operation of SQS to the function that does it."""
SQS_LOCK = sqs._queues_lock
SqsError: type[Exception] = sqs._Err
"""An answer of SQS with code and message."""


def queue_of(arn: str) -> dict[str, Any] | None:
    """Return the SQS queue with this ARN, with its attributes and messages."""
    queue: dict[str, Any] | None = sqs._queue_by_arn(arn)
    return queue


# Unnecessary when MiniStack stops as a service does that nobody stops: by working off what it took.
QUEUES_TO_SAVE = Replaceable(sqs, "get_state")
"""Returns what is saved of the queues when the emulator stops."""
FIRE_S3_EVENT_LATER = Replaceable(s3, "_fire_s3_event_async")
"""Delivers an event of a bucket in a thread, of which nobody knows when it has ended."""
_S3_EVENT_PARTS = ("size", "etag", "deletion_type")


def fire_s3_event(bucket: str, key: str, event: str, *parts: Any, **more: Any) -> None:
    """Deliver an event of a bucket to those who want to know of it."""
    more |= zip(_S3_EVENT_PARTS, parts, strict=False)
    s3._fire_s3_event(bucket, key, event, **more, sequencer=s3._next_event_sequencer(event))


def let_go(saved: Mapping[str, Any]) -> None:
    """Have functions see again at once what they had not done of the queues that are saved."""
    read = {mapping["EventSourceArn"] for *_, mapping in lambda_svc._iter_all_esms()}
    for queue in saved["queues"]._data.values():
        if queue["attributes"].get("QueueArn") in read:
            for message in queue["messages"]:
                if message["receive_count"]:
                    message["visible_at"] = min(message["visible_at"], time.time())


def wake_event_sources() -> None:
    """Let the functions that read queues look at them now."""
    sqs.esm_wake.set()


def reserve_concurrency(function: str, reserved: int | None) -> None:
    """Set the reserved concurrency of a Lambda function."""
    lambda_svc._functions[function]["concurrency"] = reserved


def bound(role: str, boundary: str | None) -> None:
    """Set or remove the permissions boundary of an IAM role."""
    iam._roles[role]["PermissionsBoundary"] = boundary


def set_network(function: str, network: Mapping[str, Any]) -> None:
    """Put a Lambda function into the subnets of a VPC, with what AWS tells of it."""
    config = lambda_svc._functions[function]["config"]
    config["VpcConfig"] = lambda_svc._vpc_config_with_id(dict(network))


def reserved_concurrency(function: str | None = None) -> int:
    """Return the reserved concurrency of one Lambda function, if it exists, or of all."""
    functions = lambda_svc._functions
    names = list(functions) if function is None else [function]
    return sum((functions.get(name) or {}).get("concurrency") or 0 for name in names)


def throttle_of(api: str, stage: str) -> tuple[float, float]:
    """Return requests a second and burst of a stage of an HTTP API; infinite if not set."""
    account, region = apigateway.find_api_scope(api)
    found = apigateway._stages.get_scoped(account, region, api, {}).get(stage, {})
    limits = {name.lower(): value for name, value in found.get("defaultRouteSettings", {}).items()}
    rate, burst = (limits.get(f"throttling{kind}limit", math.inf) for kind in ("rate", "burst"))
    return float(rate), float(burst)


def set_expiry(table: str, specification: Mapping[str, Any] | None) -> None:
    """Set or remove the time to live of a DynamoDB table's rows."""
    dynamodb._ttl_settings.pop(table, None)
    if specification:
        dynamodb._update_ttl({"TableName": table, "TimeToLiveSpecification": specification})


def tag_bucket(name: str, tags: dict[str, str]) -> None:
    """Set all tags of an S3 bucket."""
    s3._bucket_tags[name] = tags


def encrypt_bucket(name: str, default: Mapping[str, str]) -> None:
    """Set how a bucket encrypts what comes, in CloudFormation's words."""
    named = "".join(f"<{key}>{escape(value)}</{key}>" for key, value in default.items())
    status: int = s3._put_bucket_encryption(
        name,
        f"<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault>{named}"
        "</ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>".encode(),
    )[0]
    assert status == HTTPStatus.OK


def delete_bucket(name: str) -> int:
    """Delete an S3 bucket as its API does and return the HTTP status."""
    status: int = s3._delete_bucket(name)[0]
    return status


def has_objects(bucket: str, prefix: str) -> bool:
    """Return whether an S3 bucket has an object whose key begins so."""
    found = s3._buckets.get(bucket) or {"objects": {}}
    return any(key.startswith(prefix) for key in found["objects"])


def alarms() -> list[tuple[str, str, dict[str, Any]]]:
    """Return account, Region and record of each alarm."""
    kept = list(cloudwatch._alarms._data.items())
    return [(account, region, alarm) for (account, region, _), alarm in kept]


def alarms_here() -> Iterator[dict[str, Any]]:
    """Return the alarms of the present account and Region."""
    found: Iterator[dict[str, Any]] = cloudwatch._alarms.values()
    return found


Response = tuple[int, Any, bytes]


def set_alarm_state(change: Mapping[str, Any]) -> Response:
    """Call SetAlarmState."""
    response: Response = cloudwatch._set_alarm_state({}, change, False, True)
    return response


def put_composite_alarm(request: Mapping[str, Any]) -> Response:
    """Call PutCompositeAlarm."""
    response: Response = cloudwatch._put_composite_alarm({}, request, False, True)
    return response


def delete_alarms(names: list[str]) -> Response:
    """Call DeleteAlarms."""
    response: Response = cloudwatch._delete_alarms({}, {"AlarmNames": names}, False, True)
    return response


def points(metric: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the datapoints of a template's metric with exactly its dimensions."""
    dimensions = cloudwatch._dims_from_list(metric.get("Dimensions") or [])
    key = (metric["Namespace"], metric["MetricName"], cloudwatch._dims_key(dimensions))
    return cloudwatch._metrics.get(key) or []


def statistic_of(points: list[Any], statistic: str) -> float:
    """Return a statistic, such as ``Sum`` or ``p95``, of datapoints."""
    value: float = cloudwatch._stat_value(cloudwatch._calc_stats(points), statistic, points)
    return value


def next_cron_time(expression: str, after: datetime) -> datetime | None:
    """Return when a ``cron(…)`` schedule is due after a moment.

    Raises
    ------
    ValueError
        If the schedule is no cron schedule.
    """
    fields = eventbridge._parse_cron_fields(expression)
    if fields is None:
        raise ValueError(f"The embedded AWS supports only cron schedules, not {expression}")
    due: datetime | None = eventbridge._cron_next_fire(fields, after)
    return due
