"""Corrects MiniStack 1.5.33 where it differs from AWS in a way that matters to our stacks.

Each function corrects one difference, in the running process.
"""

from __future__ import annotations

import asyncio
import contextvars
import gzip
import importlib.util
import json
import math
import os
import re
import shlex
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import boto3
import botocore
import pypdfium2_raw
from cfnlint.helpers import load_resource
from ministack.core import iam_actions
from ministack.core.responses import get_region
from ministack.services import apigateway, cloudformation, lambda_svc
from ministack.services.cloudformation import custom_resource

from local import ministack_internals as internals
from local.cloudformation import custom_named_replacement_error

ACCOUNT_CONCURRENCY, UNRESERVED_CONCURRENCY = 1000, 100
"""Concurrent Lambda executions of an account, and how many of them must stay unreserved."""

_NAME_OF_SERVICE = re.compile(r'"(?:endpointPrefix|signingName)"\s*:\s*"([^"]+)"')

_STACK = re.compile(r"<member>\s*<StackName>([^<]+)</StackName>.*?</Parameters>", re.DOTALL)

_ENDS = ThreadPoolExecutor(1, "ends")
_EVENTS = ThreadPoolExecutor(8, "events")
_EVENTS_S = 10
"""How long an end waits for events of buckets: one can wait for a function that it calls."""

# Packages in Lambda's Python runtimes, besides the standard library.
_LAMBDA_RUNTIME = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "six", "urllib3")


def apply(*, runtime: Path, opensearch_url: str) -> None:
    """Correct all differences; `runtime` is a folder for what the functions' Python needs."""
    _run_functions_with_the_runtime_alone(runtime)
    _read_names_of_services_without_their_models()
    # Upstream: plain HTTP, and deliveries between services, break policies that require TLS.
    internals.trust_every_connection()
    # Upstream: the signatures of functions and users are checked, root's are not.
    internals.verify_root_signatures()
    _ask_for_the_permissions_of_aws()
    _hide_function_errors_behind_the_api()
    _tell_the_unauthorized_nothing()
    _throttle_apis()
    _apply_properties_that_templates_set()
    _ask_issuers_for_their_keys()
    _refuse_what_an_account_lacks()
    _let_functions_finish_their_calls()
    _answer_while_functions_end()
    lose_nothing_that_was_under_way()
    _refuse_to_replace_what_has_a_name()
    _replace_domains_whose_engine_changes()
    import_what_exists()
    _delete_buckets_as_the_service_does()
    _empty_buckets_without_node()
    _fail_custom_resources_at_once()
    _answer_when_stacks_have_settled()
    _tell_of_stacks()
    _name_what_parameters_name()
    _lead_domains_to(opensearch_url)


def _read_names_of_services_without_their_models() -> None:
    """Upstream: the first request for a service that MiniStack lacks reads all models of botocore.

    It takes 6 s of processor time, in which no service answers. The names stand in the first lines.
    """
    names = set()
    for model in (Path(botocore.__file__).parent / "data").glob("*/*/service-2.json.gz"):
        with gzip.open(model) as content:
            names |= {model.parts[-3], *_NAME_OF_SERVICE.findall(content.read(4096).decode())}
    internals.name_services(names)


def _ask_for_the_permissions_of_aws() -> None:
    """Upstream: each operation of SQS needs the permission of its name.

    AWS: a batch of calls needs the permission of the single call.
    https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsqs.html
    """
    upstream = iam_actions.extract_iam_action

    def action_of(*request: Any) -> str | None:
        action: str | None = upstream(*request)
        is_batch = action is not None and action.startswith("sqs:") and action.endswith("Batch")
        return action.removesuffix("Batch") if action and is_batch else action

    iam_actions.extract_iam_action = action_of


def _run_functions_with_the_runtime_alone(directory: Path) -> None:
    """Upstream: a function can import every package that is installed beside the emulator.

    AWS: it can import only its bundle and the runtime's packages. So a bundle without one of its
    dependencies must fail here, too.
    """
    packages = directory / "packages"
    packages.mkdir(parents=True, exist_ok=True)
    for name in _LAMBDA_RUNTIME:
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            raise ModuleNotFoundError(f"{name} must be installed beside the emulator")
        origin = Path(spec.origin)
        source = origin.parent if origin.stem == "__init__" else origin
        link = packages / source.name
        link.unlink(missing_ok=True)
        link.symlink_to(source)
    # A bundle's native code is for Lambda's arm64; the worker starts in the bundle's folder.
    native = Path(pypdfium2_raw.__file__).parent
    # -S: no site-packages.
    python = directory / "python"
    python.write_text(
        "#!/bin/sh\n"
        f"[ ! -d {native.name} ] || cp {shlex.quote(str(native))}/libpdfium.* {native.name}/\n"
        f'exec {shlex.quote(sys.executable)} -S "$@"\n'
    )
    python.chmod(0o755)

    def isolated(detect: Callable[[str], tuple[str, str]]) -> Callable[[str], tuple[str, str]]:
        def detect_isolated(runtime: str) -> tuple[str, str]:
            binary, script = detect(runtime)
            return str(python) if runtime.startswith("python") else binary, script

        return detect_isolated

    internals.DETECT_RUNTIME.wrap(isolated)
    os.environ["PYTHONPATH"] = str(packages)  # functions inherit it


def _hide_function_errors_behind_the_api() -> None:
    """Upstream: the API answers 502 with the exception's message, 429 to a throttled function.

    AWS: an HTTP API answers 500 or 503 without details.
    https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-troubleshooting-lambda.html
    """
    convert = lambda_svc.lambda_execute_result_to_api_proxy_response

    def convert_quietly(result: Mapping[str, Any]) -> Any:
        if result.get("throttle"):
            return _message(503, "Service Unavailable"), None
        if result.get("error"):
            return _message(500, "Internal Server Error"), None
        return convert(result)

    lambda_svc.lambda_execute_result_to_api_proxy_response = convert_quietly


def _message(status: int, text: str) -> dict[str, Any]:
    return {
        "statusCode": status,
        "headers": {"Content-Type": "application/json"},
        "body": json.dumps({"message": text}),
    }


def _tell_the_unauthorized_nothing() -> None:
    """Upstream: an HTTP API tells what is wrong with a signature or missing in a policy.

    AWS: it answers 403 with the same message to every call that IAM refuses.
    https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-access-control-iam.html
    """

    def quietly(authorize: Callable[..., Any]) -> Callable[..., Any]:
        def authorize_quietly(api: str, *request: Any, **options: Any) -> Any:
            refusal = authorize(api, *request, **options)
            if refusal is None or apigateway.find_api_scope(api) is None:
                return refusal
            forbidden = _message(403, "Forbidden")
            return forbidden["statusCode"], forbidden["headers"], forbidden["body"].encode()

        return authorize_quietly

    internals.AUTHORIZE_API_CALL.wrap(quietly)


def _throttle_apis() -> None:
    """Upstream: an HTTP API has no throttle.

    AWS: each stage has a bucket of tokens, and the API itself answers 429 when it is empty, without
    a time to come back.
    https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-throttling.html
    """
    execute = apigateway.handle_execute
    buckets: dict[tuple[str, str], tuple[float, float]] = {}

    async def execute_or_refuse(api: str, stage: str, *request: Any, **options: Any) -> Any:
        rate, burst = internals.throttle_of(api, stage)
        now = time.monotonic()
        tokens, last = buckets.get((api, stage), (burst, now))
        tokens = min(burst, tokens + (now - last) * rate) if burst < math.inf else burst
        buckets[api, stage] = (tokens - 1 if tokens >= 1 else tokens, now)
        if tokens < 1:
            refusal = _message(429, "Too Many Requests")
            return refusal["statusCode"], refusal["headers"], refusal["body"].encode()
        return await execute(api, stage, *request, **options)

    apigateway.handle_execute = execute_or_refuse


def _apply_properties_that_templates_set() -> None:
    """Upstream: some template properties have no effect.

    These are a function's reserved concurrency and network, a table's time to live, a bucket's tags
    and encryption, and a role's permissions boundary.
    """

    def reserve(name: str, props: Mapping[str, Any]) -> None:
        reserved = props.get("ReservedConcurrentExecutions")
        internals.reserve_concurrency(name, None if reserved is None else int(reserved))
        internals.set_network(name, props.get("VpcConfig", {}))

    def expire(name: str, props: Mapping[str, Any]) -> None:
        internals.set_expiry(name, props.get("TimeToLiveSpecification"))

    def tag(name: str, props: Mapping[str, Any]) -> None:
        internals.tag_bucket(name, {tag["Key"]: tag["Value"] for tag in props.get("Tags", ())})

    def encrypt(name: str, props: Mapping[str, Any]) -> None:
        for rule in props.get("BucketEncryption", {}).get("ServerSideEncryptionConfiguration", ()):
            default = rule["ServerSideEncryptionByDefault"]
            if (
                "KMSMasterKeyID" in default
            ):  # MiniStack has no key of S3's own, which AWS takes else
                internals.encrypt_bucket(name, default)

    def bound(name: str, props: Mapping[str, Any]) -> None:
        internals.bound(name, props.get("PermissionsBoundary"))

    _after_provisioning("AWS::IAM::Role", bound)
    _after_provisioning("AWS::Lambda::Function", reserve)
    _after_provisioning("AWS::DynamoDB::Table", expire)
    _after_provisioning("AWS::S3::Bucket", tag)
    _after_provisioning("AWS::S3::Bucket", encrypt)


def _after_provisioning(type_name: str, apply: Callable[[str, Mapping[str, Any]], None]) -> None:
    handler = internals.RESOURCE_HANDLERS[type_name]
    create, update = handler["create"], handler["update"]

    def create_and_apply(logical_id: str, props: Mapping[str, Any], stack_name: str) -> Any:
        physical_id, attributes = create(logical_id, props, stack_name)
        apply(physical_id, props)
        return physical_id, attributes

    def update_and_apply(physical_id: str, old: Any, new: Mapping[str, Any], *place: str) -> Any:
        physical_id, attributes = update(physical_id, old, new, *place)
        apply(physical_id, new)
        return physical_id, attributes

    handler |= {"create": create_and_apply, "update": update_and_apply}


def _ask_issuers_for_their_keys() -> None:
    """Upstream: an authorizer accepts any issuer, and finds out at the first token.

    AWS: an issuer without a discovery endpoint makes no authorizer.
    https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-jwt-authorizer.html
    """

    def discovered(name: str | None, props: Mapping[str, Any]) -> None:
        issuer = props.get("JwtConfiguration", {}).get("Issuer")
        if issuer is None:
            return
        place = f"{issuer.rstrip('/')}/.well-known/openid-configuration"
        try:
            with urllib.request.urlopen(place, timeout=5) as response:
                json.load(response)["jwks_uri"]
        except (OSError, ValueError, KeyError) as error:
            raise ValueError(
                f"Caught exception when connecting to {place} for issuer {issuer}. Please try "
                f"again later. Error: Invalid issuer: {issuer}. Issuer must have a valid "
                "discovery endpoint ended with '/.well-known/openid-configuration'"
            ) from error

    _before_provisioning("AWS::ApiGatewayV2::Authorizer", discovered)


def _refuse_what_an_account_lacks() -> None:
    """Upstream: any instance type and any reserved concurrency is accepted.

    AWS: only the instance types of the Region; and 100 executions must stay unreserved.
    https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html
    """
    types = load_resource(
        "cfnlint.data.schemas.extensions.aws_opensearchservice_domain",
        "clusterconfig_instancetype_enum.json",
    )

    def hosted(name: str | None, props: Mapping[str, Any]) -> None:
        instance_type = props.get("ClusterConfig", {}).get("InstanceType")
        offered = types.get(get_region(), {}).get("enum", [])
        if instance_type is not None and instance_type not in offered:
            raise ValueError(f"Invalid instance type: {instance_type} ({get_region()})")

    def reserved(name: str | None, props: Mapping[str, Any]) -> None:
        others = internals.reserved_concurrency()
        if name is not None:
            others -= internals.reserved_concurrency(name)
        wanted = int(props.get("ReservedConcurrentExecutions", 0))
        if wanted and ACCOUNT_CONCURRENCY - others - wanted < UNRESERVED_CONCURRENCY:
            raise ValueError(
                "Specified ReservedConcurrentExecutions for function decreases account's "
                "UnreservedConcurrentExecution below its minimum value of "
                f"[{UNRESERVED_CONCURRENCY}]."
            )

    _before_provisioning("AWS::OpenSearchService::Domain", hosted)
    _before_provisioning("AWS::Lambda::Function", reserved)


def _before_provisioning(
    type_name: str, check: Callable[[str | None, Mapping[str, Any]], None]
) -> None:
    handler = internals.RESOURCE_HANDLERS[type_name]
    create, update = handler["create"], handler["update"]

    def check_and_create(logical_id: str, props: Mapping[str, Any], stack_name: str) -> Any:
        check(None, props)
        return create(logical_id, props, stack_name)

    def check_and_update(physical_id: str, old: Any, new: Mapping[str, Any], *place: str) -> Any:
        check(physical_id, new)
        return update(physical_id, old, new, *place)

    handler |= {"create": check_and_create, "update": check_and_update}


def _let_functions_finish_their_calls() -> None:
    """Upstream: an update of a function ends its calls, and their callers get an error.

    AWS: calls that have begun finish with the code and the settings that they began with.
    """
    handler = internals.RESOURCE_HANDLERS["AWS::Lambda::Function"]
    update = handler["update"]

    def update_beside_calls(physical_id: str, *change: Any, **place: Any) -> Any:
        internals.set_leased_workers_aside(physical_id)
        return update(physical_id, *change, **place)

    handler["update"] = update_beside_calls


def _answer_while_functions_end() -> None:
    """Upstream: all services stand still while the folders of a changed function are deleted.

    On a busy machine that took 13 s. AWS: other calls do not notice that environments end.
    """

    def beside(end: Callable[[Any], None]) -> Callable[[Any], None]:
        def begin(workers: Any) -> None:
            _ENDS.submit(end, workers)

        return begin

    internals.END_PROCESSES.wrap(beside)


def wait_until_functions_have_ended() -> None:
    """Wait for what `_answer_while_functions_end` began; nothing can begin after it."""
    _ENDS.shutdown()


def lose_nothing_that_was_under_way() -> None:
    """Upstream: what is under way when the emulator stops comes half an hour later, or never.

    A message that a function had stays hidden after the next start, for as long as its queue says.
    An event of a bucket is gone if its thread has not come to the queue. AWS does not stop.
    """
    under_way = set[Future[None]]()

    def later(fire: Callable[..., None]) -> Callable[..., None]:
        def submit(*event: Any, **more: Any) -> None:
            context = contextvars.copy_context()
            firing = _EVENTS.submit(context.run, internals.fire_s3_event, *event, **more)
            under_way.add(firing)
            firing.add_done_callback(under_way.discard)

        return submit

    def settled(state: Callable[[], dict[str, Any]]) -> Callable[[], dict[str, Any]]:
        def settle() -> dict[str, Any]:
            wait(tuple(under_way), _EVENTS_S)
            saved = state()
            internals.let_go(saved)
            return saved

        return settle

    internals.FIRE_S3_EVENT_LATER.wrap(later)
    internals.QUEUES_TO_SAVE.wrap(settled)


def _refuse_to_replace_what_has_a_name() -> None:
    """Upstream: only some types have create-only properties.

    AWS: the resource schemas decide, for every type.
    """

    def by_schema(known: Callable[..., str | None]) -> Callable[..., str | None]:
        def refuse(*change: Any) -> str | None:
            return known(*change) or custom_named_replacement_error(*change)

        return refuse

    for place in internals.NAMED_REPLACEMENT_ERRORS:
        place.wrap(by_schema)


def _replace_domains_whose_engine_changes() -> None:
    """Upstream: a domain accepts any engine version in place.

    AWS: a new version creates a new, empty domain, unless the template sets EnableVersionUpgrade.
    """
    handler = internals.RESOURCE_HANDLERS["AWS::OpenSearchService::Domain"]
    update = handler["update"]

    def update_or_replace(
        physical_id: str,
        old: Mapping[str, Any],
        new: Mapping[str, Any],
        stack_name: str,
        logical_id: str,
    ) -> Any:
        template = internals.template_of(stack_name)
        policy = template["Resources"][logical_id].get("UpdatePolicy", {})
        if old.get("EngineVersion") == new.get("EngineVersion") or policy.get(
            "EnableVersionUpgrade"
        ):
            return update(physical_id, old, new, stack_name, logical_id)
        return internals.seeded_create(handler["create"], logical_id, new, stack_name)

    handler["update"] = update_or_replace


def import_what_exists() -> None:
    """Upstream: a change set that imports a bucket fails, because a bucket of this name exists.

    AWS: the stack takes the bucket as it is.
    """

    def importing(deploy: Callable[..., Any]) -> Callable[..., Any]:
        def deploy_and_import(stack: str, *change: Any, imports: Any = None, **options: Any) -> Any:
            if imports:
                internals.skip_validation(stack)
            return deploy(stack, *change, imports=imports, **options)

        return deploy_and_import

    internals.EXECUTE_CHANGE_SET.wrap(importing)


def _delete_buckets_as_the_service_does() -> None:
    """Upstream: a stack deletes a bucket with its objects, but leaves their files on disk.

    AWS: the deletion fails unless the bucket is empty.
    """

    def delete(physical_id: str, props: Mapping[str, Any]) -> None:
        if internals.delete_bucket(physical_id) == 409:
            raise ValueError(
                f"The bucket {physical_id} is not empty: you must delete all versions in it."
            )

    internals.RESOURCE_HANDLERS["AWS::S3::Bucket"]["delete"] = delete


def _empty_buckets_without_node() -> None:
    """Upstream: the Node function behind CDK's `auto_delete_objects` finds no AWS SDK.

    Here the emulator empties the bucket itself when the stack is deleted.
    """

    def create(
        logical_id: str, props: Mapping[str, Any], stack_name: str
    ) -> tuple[str, dict[str, Any]]:
        return f"{stack_name}-{logical_id}", {}

    def delete(physical_id: str, props: Mapping[str, Any]) -> None:
        # CloudFormation calls custom types outside of the event loop, so this may call back.
        bucket = boto3.resource("s3", region_name=get_region()).Bucket(props["BucketName"])
        bucket.object_versions.delete()

    def update(physical_id: str, *_: Any) -> tuple[str, dict[str, Any]]:
        return physical_id, {}

    handler = {"create": create, "update": update, "delete": delete}
    internals.RESOURCE_HANDLERS["Custom::S3AutoDeleteObjects"] = handler


def _fail_custom_resources_at_once() -> None:
    """Upstream and AWS: if a custom resource's function fails, CloudFormation waits up to an hour.

    Here the deployment fails at once, with the function's error.
    """

    def reporting(execute: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        def execute_and_report(func: Any, event: Any) -> Any:
            result = execute(func, event)
            if result.get("error") and isinstance(event, dict) and "ResponseURL" in event:
                token = event["ResponseURL"].rsplit("/", 1)[-1]
                pending = internals.PENDING_CUSTOM_RESOURCES.get(token)
                if pending and not pending["event"].is_set():
                    failure = {"Status": "FAILED", "Reason": json.dumps(result["body"])}
                    custom_resource.deliver_response(token, failure)
            return result

        return execute_and_report

    internals.EXECUTE_CONFIGURED_FUNCTION.wrap(reporting)


def _answer_when_stacks_have_settled() -> None:
    """Upstream and AWS: a call that starts a deployment is answered before the deployment ends.

    Here it is answered when the deployment is complete, or after 30 seconds: the CDK CLI polls only
    every 5 seconds, and most stacks are complete sooner.
    """
    handle = cloudformation.handle_request

    async def handle_and_wait(*request: Any) -> Any:
        before = asyncio.all_tasks()
        response = await handle(*request)
        if begun := asyncio.all_tasks() - before:
            await asyncio.wait(begun, timeout=30)
        return response

    cloudformation.handle_request = handle_and_wait


def _tell_of_stacks() -> None:
    """Upstream: nothing tells that the status of a stack has changed.

    AWS: an event on the default bus of EventBridge does.
    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/event-detail-stack-status-change.html
    """

    def telling(add: Callable[..., None]) -> Callable[..., None]:
        def add_and_tell(
            stack: str, name: str, logical_id: str, kind: str, status: str, *rest: Any, **more: Any
        ) -> None:
            add(stack, name, logical_id, kind, status, *rest, **more)
            if (logical_id, kind) == (name, "AWS::CloudFormation::Stack"):
                reason = more.get("reason") or (rest[0] if rest else "")
                details = {"status": status, "status-reason": reason}
                internals.put_event(
                    "aws.cloudformation",
                    "CloudFormation Stack Status Change",
                    [stack],
                    json.dumps({"stack-id": stack, "status-details": details}),
                )

        return add_and_tell

    for place in internals.ADD_STACK_EVENT:
        place.wrap(telling)


def _name_what_parameters_name() -> None:
    """Upstream: DescribeStacks shows the value of a parameter that names one of Systems Manager.

    AWS: it shows the name, and the value as ResolvedValue.
    """
    handle = cloudformation.handle_request

    async def handle_and_name(*request: Any) -> Any:
        status, headers, body = await handle(*request)
        text = body.decode() if isinstance(body, bytes) else body
        if "<DescribeStacksResult>" in text:
            text = _STACK.sub(_named, text)
        return status, headers, text.encode()

    cloudformation.handle_request = handle_and_name


def _named(described: re.Match[str]) -> str:
    text = described[0]
    for key, (name, value) in internals.named_by_parameters(described[1]).items():
        of = f"<ParameterKey>{key}</ParameterKey><ParameterValue>"
        resolved = f"<ResolvedValue>{escape(value)}</ResolvedValue>"
        text = text.replace(
            f"{of}{escape(value)}</ParameterValue>",
            f"{of}{escape(name)}</ParameterValue>{resolved}",
        )
    return text


def _lead_domains_to(opensearch_url: str) -> None:
    """Upstream: a domain's endpoint is a host name without a server.

    Here it is the local server's URL with its scheme: our functions add https to a bare host name.
    """

    def locally(attributes: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
        return lambda record: {**attributes(record), "DomainEndpoint": opensearch_url}

    internals.DOMAIN_ATTRIBUTES.wrap(locally)
