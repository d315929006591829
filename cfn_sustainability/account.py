"""An account as it runs: what is there in a Region, as one template that the rules can judge.

All calls read, with the caller's credentials. AWS Cloud Control gives most resources with the
properties that CloudFormation knows; Application Auto Scaling is asked itself. What a call does not
show is named with its reason, and rules that would need it do not judge.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from cfn_sustainability.errors import CallError
from cfn_sustainability.program import Alias, Place, Program
from cfn_sustainability.rules import ALL
from cfn_sustainability.rules._scaling import POLICY, TARGET
from cfn_sustainability.template import Template
from cfn_sustainability.values import Undecidable

_RELATED = (
    "AWS::ApplicationAutoScaling::ScalingPolicy",
    "AWS::CloudWatch::Alarm",
    "AWS::EC2::NatGateway",
    "AWS::EC2::NetworkInterface",
    "AWS::EC2::Subnet",
    "AWS::EC2::VPCEndpoint",
    "AWS::SageMaker::Endpoint",
    "AWS::Scheduler::Schedule",
)
"""Types that no rule judges alone, but that rules look for beside those that they judge."""
_NAMESPACES = ("dynamodb", "ecs", "lambda", "sagemaker")
"""Services whose scaling the rules know, as Application Auto Scaling names them."""
_AT_ONCE = 8
"""Listings that run side by side."""
_ACTION = re.compile(r"perform: ([\w-]+:\w+)")
_DENIED = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation")
_THROTTLED = (
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
    "RequestLimitExceeded",
)
_UNLISTED = ("UnsupportedActionException", "TypeNotFoundException", "InvalidRequestException")


@dataclass(frozen=True)
class Caller:
    """Read-only calls to one Region, tried again for a while when AWS throttles them."""

    session: Any
    region: str
    _clients: dict[str, Any] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        """Return the client of a service."""
        if service not in self._clients:
            config = Config(retries={"mode": "adaptive", "max_attempts": 8})
            self._clients[service] = self.session.client(
                service, region_name=self.region, config=config
            )
        return self._clients[service]

    def all(self, service: str, operation: str, key: str, **arguments: Any) -> Iterator[Any]:
        """Yield the entries of all pages of a listing."""
        client = self.client(service)
        if client.can_paginate(operation):
            for page in client.get_paginator(operation).paginate(**arguments):
                yield from page.get(key, [])
            return
        while True:
            page = getattr(client, operation)(**arguments)
            yield from page.get(key, [])
            token = page.get("NextToken")
            if not token:
                return
            arguments["NextToken"] = token


class AccountProgram(Program):
    """A program of which some types were not seen: what asks for one cannot be decided."""

    def __init__(self, template: Template, unseen: Iterable[str]) -> None:
        super().__init__((template,))
        self._unseen = frozenset(unseen)

    def of_type(self, kind: str) -> list[Place]:
        """Return the resources of a type; raise ``Undecidable`` where it was not seen."""
        if kind in self._unseen:
            raise Undecidable
        return super().of_type(kind)

    def referring(self, kind: str, names: Iterable[Alias], at: str) -> list[Place]:
        """Return who refers to a resource by its name, identifier or ARN."""
        if kind in self._unseen:
            raise Undecidable
        known = set(names)
        for owner, (form, logical_id) in tuple(known):
            if form == "ref" and owner is not None and logical_id in owner.resources:
                known |= {(None, ("text", word)) for word in _words(owner.resources[logical_id])}
        return super().referring(kind, known, at)


def _words(resource: dict[str, Any]) -> set[str]:
    """Return the last words of what identifies a resource: its id, name, ARN and allocation."""
    short = resource["Type"].rpartition("::")[2]
    keys = {"Arn", "Id", "Name", "AllocationId", f"{short}Arn", f"{short}Id", f"{short}Name"}
    values = [value for key, value in resource.get("Properties", {}).items() if key in keys]
    found = {re.split(r"[/:]", value)[-1] for value in values if isinstance(value, str)}
    return found - {""}


def regions_of(given: str | None) -> list[str]:
    """Return the Regions to read: those that ``--region`` names, or the session's own.

    Raises
    ------
    CallError
        If neither names one.
    """
    names = [name.strip() for name in given.split(",")] if given else [boto3.Session().region_name]
    if not all(names):
        raise CallError("name the Region, or several with commas, by --region")
    return [str(name) for name in names]


def why(error: Exception, what: str) -> str:
    """Return in one line why a call showed nothing."""
    if isinstance(error, NoCredentialsError):
        return f"{what}: no credentials were found"
    if not isinstance(error, ClientError):
        return f"{what}: {error}"
    code, text = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
    named = _ACTION.search(text)
    if code in _DENIED or named:
        return f"{named[1] if named else what} is denied"
    if code in _THROTTLED:
        return f"{what} is throttled; try again later"
    if code in _UNLISTED:
        return f"{what} is not listed by AWS Cloud Control"
    return f"{what}: {code}: {text}"


def read(caller: Caller, source: str, kinds: Iterable[str] | None = None) -> Template:
    """Return what a Region holds as a template, linked, with what was not seen and why."""
    wanted = {kind for rule in ALL for kind in rule.resources} | {*_RELATED}
    asked = sorted(kinds if kinds is not None else {k for k in wanted if k.startswith("AWS::")})
    resources: dict[str, dict[str, Any]] = {}
    unseen: dict[str, str] = {}
    for service in ("cloudcontrol", "application-autoscaling"):
        caller.client(service)  # a session makes its clients in one thread
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        for kind, seen in zip(asked, threads.map(partial(_seen, caller), asked), strict=True):
            if isinstance(seen, str):
                unseen[kind] = seen
                continue
            short = kind.rpartition("::")[2]
            for identifier, properties in seen:
                resources[f"{short} {identifier}"] = {"Type": kind, "Properties": properties}
    template = Template({"Resources": resources}, source=source, region=caller.region)
    template.program = AccountProgram(template, unseen)
    template.unseen.update({("Resources", kind): text for kind, text in unseen.items()})
    return template


def _seen(caller: Caller, kind: str) -> list[tuple[str, dict[str, Any]]] | str:
    """Return the resources of a type, or why they were not seen."""
    reading: Callable[[Caller, str], Iterator[tuple[str, dict[str, Any]]]] = _read_kind
    if kind in (TARGET, POLICY):
        reading = _read_scaling
    try:
        return list(reading(caller, kind))
    except (ClientError, BotoCoreError) as error:
        return why(error, kind)


def _read_kind(caller: Caller, kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the identifier and the properties of each resource; a listing may leave some out."""
    listed = caller.all("cloudcontrol", "list_resources", "ResourceDescriptions", TypeName=kind)
    for entry in listed:
        identifier = entry["Identifier"]
        try:
            found = caller.client("cloudcontrol").get_resource(TypeName=kind, Identifier=identifier)
        except ClientError as error:
            if error.response["Error"]["Code"] == "ResourceNotFoundException":
                continue  # it went between the two calls
            raise
        yield identifier, json.loads(found["ResourceDescription"]["Properties"])


def _read_scaling(caller: Caller, kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the scalable targets, or the policies, of the services that the rules know."""
    service = "application-autoscaling"
    for namespace in _NAMESPACES:
        if kind == POLICY:
            operation = ("describe_scaling_policies", "ScalingPolicies")
            for policy in caller.all(service, *operation, ServiceNamespace=namespace):
                keys = ("PolicyName", "PolicyType", "ResourceId", "ScalableDimension")
                properties = {key: policy[key] for key in keys}
                yield (
                    f"{policy['ResourceId']} {policy['PolicyName']}",
                    {
                        **properties,
                        "ServiceNamespace": namespace,
                    },
                )
            continue
        scheduled: dict[tuple[str, str], list[dict[str, Any]]] = {}
        operation = ("describe_scheduled_actions", "ScheduledActions")
        for action in caller.all(service, *operation, ServiceNamespace=namespace):
            place = (action["ResourceId"], action.get("ScalableDimension", ""))
            kept = {key: action[key] for key in ("ScheduledActionName", "ScalableTargetAction")}
            scheduled.setdefault(place, []).append(kept)
        operation = ("describe_scalable_targets", "ScalableTargets")
        for target in caller.all(service, *operation, ServiceNamespace=namespace):
            keys = ("ResourceId", "ScalableDimension", "MinCapacity", "MaxCapacity")
            place = (target["ResourceId"], target["ScalableDimension"])
            yield (
                f"{place[0]} {place[1]}",
                {
                    **{key: target[key] for key in keys},
                    "ServiceNamespace": namespace,
                    "ScheduledActions": scheduled.get(place, []),
                },
            )
