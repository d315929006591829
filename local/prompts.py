"""Amazon Bedrock's prompt management: prompts and their versions, as CloudFormation makes them.

A version is what its prompt was when the version was made, and never changes.
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_agent_GetPrompt.html
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from ministack import app
from ministack.core import iam_actions
from ministack.core.responses import get_account_id, get_region

from local.cloudformation import RECORDS, Behaviour, Properties
from local.invocations import Answer
from local.models.application import error_response
from local.models.aws import ServiceError

_SERVICE = "bedrock-agent"
_PROMPT, _VERSION = "AWS::Bedrock::Prompt", "AWS::Bedrock::PromptVersion"
_PATH = re.compile(r"/prompts/(?P<id>[0-9a-zA-Z]{10})/?")


def behaviours() -> dict[str, Behaviour]:
    """Behaviour by resource type."""
    return {_VERSION: Behaviour(attributes=_numbered)}


def install() -> None:
    """Serve GetPrompt, which needs a permission for the version that is read."""

    async def serve(
        method: str, path: str, headers: Mapping[str, str], body: bytes, query: Any
    ) -> Answer:
        try:
            return 200, {"Content-Type": "application/json"}, _get(method, path, query).encode()
        except ServiceError as error:
            refusal = error_response(error)
            return refusal.status, dict(refusal.headers), json.dumps(refusal.body).encode()

    others = iam_actions.extract_resource_arn

    def resource_arn(service: str, method: str, path: str, *rest: Any) -> Any:
        if service != _SERVICE:
            return others(service, method, path, *rest)
        return _arn(path, rest[2])  # after headers and body comes the query

    app.SERVICE_HANDLERS[_SERVICE] = serve
    iam_actions.extract_resource_arn = resource_arn


def _numbered(_: str, props: Properties) -> dict[str, Any]:
    prompt = RECORDS.get(f"{get_region()} {_PROMPT} {props['PromptArn']}")
    if prompt is None:
        raise ValueError(f"Could not find resource with identifier {props['PromptArn']}.")
    prompt["versions"] = number = prompt.get("versions", 0) + 1
    variants = copy.deepcopy(prompt["properties"].get("Variants", []))
    return {
        "Arn": f"{props['PromptArn']}:{number}",
        "Version": str(number),
        "Name": prompt["properties"]["Name"],
        "Variants": variants,
    }


def _get(method: str, path: str, query: Any) -> str:
    arn = _arn(path, query)
    if method != "GET" or arn is None:
        raise ServiceError("UnknownOperationException", f"no operation at {method} {path}")
    kind = _VERSION if arn.rpartition("/")[2].count(":") else _PROMPT
    record = RECORDS.get(f"{get_region()} {kind} {arn}")
    if record is None:
        raise ServiceError("ResourceNotFoundException", f"Could not find prompt {arn}.")
    return json.dumps(_as_api(record["properties"] | record["attributes"]))


def _arn(path: str, query: Any) -> str | None:
    found = _PATH.fullmatch(unquote(path))
    if not found:
        return None
    version = (query or {}).get("promptVersion")
    number = version[0] if isinstance(version, list) else version
    prompt = f"arn:aws:bedrock:{get_region()}:{get_account_id()}:prompt/{found['id']}"
    return f"{prompt}:{number}" if number else prompt


def _as_api(value: Any) -> Any:
    """Write the names of a resource's properties as the API writes them."""
    if isinstance(value, dict):
        return {name[:1].lower() + name[1:]: _as_api(part) for name, part in value.items()}
    return [_as_api(part) for part in value] if isinstance(value, list) else value
