"""SAM templates as the CloudFormation resources that they become.

AWS's own library, ``aws-sam-translator``, expands them: the extra ``sam`` of this package. Without
it, functions alone are judged, and the scan says so.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from cfn_sustainability.values import intrinsic, section

_SAM = "AWS::Serverless::"
_FUNCTION = "AWS::Serverless::Function"
_PACKAGES = {
    _FUNCTION: "CodeUri",
    "AWS::Serverless::LayerVersion": "ContentUri",
    "AWS::Serverless::Api": "DefinitionUri",
    "AWS::Serverless::HttpApi": "DefinitionUri",
    "AWS::Serverless::StateMachine": "DefinitionUri",
}
"""Properties that name local files, which ``sam package`` uploads before AWS expands anything."""
_UPLOADED = "s3://bucket/key"
_APPLICATION = "AWS::Serverless::Application"
_PUBLISHED = "https://serverlessrepo.amazonaws.com/application"
"""Stands for a published application, which the library would fetch from its repository."""
_IMAGE = "111111111111.dkr.ecr.us-east-1.amazonaws.com/image:tag"


@dataclass(frozen=True)
class Serverless:
    """What the SAM resources of a template become."""

    resources: Mapping[str, Any]
    sources: Mapping[str, str]
    """The resource that each was written as, by logical id, where it is another."""
    unseen: str | None = None
    """What was not expanded, and why."""


def uses_sam(body: Mapping[str, Any]) -> bool:
    """Return whether a template has SAM resources."""
    return any(
        isinstance(resource, dict) and str(resource.get("Type")).startswith(_SAM)
        for resource in section(body, "Resources").values()
    )


def expand_sam(body: Mapping[str, Any]) -> Serverless:
    """Return the resources of a SAM template as AWS expands them."""
    try:
        from samtranslator.parser.parser import Parser
        from samtranslator.translator.translator import Translator
    except ImportError:
        return _functions_alone(body, "pip install aws-sam-translator to expand them")
    logging.getLogger("samtranslator").setLevel(logging.CRITICAL)
    written = section(body, "Resources")
    try:
        translator = Translator({}, Parser(), boto_session=SimpleNamespace(region_name="us-east-1"))
        made = translator.translate(_packaged(body), {})["Resources"]
    except Exception as error:  # the library lets several errors of its own through
        causes = getattr(error, "causes", None) or [error]
        return _functions_alone(body, " ".join(str(getattr(c, "message", c)) for c in causes))
    sources = {}
    for logical_id in made.keys() - written.keys():
        begins = [name for name in written if logical_id.startswith(name)]
        if begins:
            sources[logical_id] = source = max(begins, key=len)
            metadata = section(written[source], "Metadata")
            made[logical_id] = {**made[logical_id], "Metadata": metadata}
    return Serverless(made, sources)


def _packaged(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of the template as ``sam package`` would leave it."""
    packaged: dict[str, Any] = copy.deepcopy(dict(body))
    shared = section(section(packaged, "Globals"), "Function")
    for resource in section(packaged, "Resources").values():
        if not isinstance(resource, dict):
            continue
        kind, properties = resource.get("Type"), resource.setdefault("Properties", {})
        if kind == _APPLICATION and isinstance(
            section(resource, "Properties").get("Location"), dict
        ):
            properties["Location"] = _PUBLISHED
        key = _PACKAGES.get(str(kind))
        if key is None or not isinstance(properties, dict):
            continue
        if kind == _FUNCTION and "Image" in (
            properties.get("PackageType"),
            shared.get("PackageType"),
        ):
            properties.setdefault("ImageUri", _IMAGE)
        elif kind == _FUNCTION and "InlineCode" in properties:
            continue
        elif not str(properties.get(key)).startswith("s3://") and (
            kind == _FUNCTION or isinstance(properties.get(key), str)
        ):
            properties[key] = _UPLOADED
    return packaged


def _functions_alone(body: Mapping[str, Any], why: str) -> Serverless:
    """Return the template with its functions as the Lambda functions that they become."""
    shared = section(section(body, "Globals"), "Function")
    found = {}
    for logical_id, resource in section(body, "Resources").items():
        found[logical_id] = resource
        if isinstance(resource, dict) and resource.get("Type") == _FUNCTION:
            properties = _merged(shared, section(resource, "Properties"))
            found[logical_id] = {
                **resource,
                "Type": "AWS::Lambda::Function",
                "Properties": properties,
            }
    return Serverless(found, {}, f"of SAM resources functions alone were judged: {why}")


def _merged(shared: Any, own: Any) -> Any:
    """Return what ``Globals`` and a resource come to: mappings merge, lists add up."""
    if isinstance(shared, dict) and isinstance(own, dict) and not intrinsic(own):
        keys = {**shared, **own}
        return {
            key: _merged(shared[key], own[key]) if key in shared and key in own else keys[key]
            for key in keys
        }
    if isinstance(shared, list) and isinstance(own, list):
        return [*shared, *own]
    return own
