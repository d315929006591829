"""The services of each Region, from the data of cfn-lint.

If CloudFormation in a Region has a resource type, this does not prove that the service works there.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sustainability.errors import UserError

INFERENCE_COMPONENT = "AWS::SageMaker::InferenceComponent"
SEARCH_COLLECTION = "AWS::OpenSearchServerless::Collection"


class AvailabilityError(UserError):
    """The data of cfn-lint is not where it is expected."""


@cache
def _read(path: str) -> dict[str, Any] | None:
    found = find_spec("cfnlint")  # the package itself is not imported, because that needs a second
    if found is None or found.origin is None:
        raise AvailabilityError("cfn-lint is not installed: run `make setup`")
    file = Path(found.origin).parent / "data" / "schemas" / path
    if not file.parent.is_dir():
        raise AvailabilityError(
            f"cfn-lint has no {file.parent.name}: run `make setup` for the pinned version"
        )
    if not file.is_file():
        return None
    data: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return data


def hosting_types(region: str) -> frozenset[str]:
    """Return the instance types for SageMaker endpoints in ``region``."""
    regions = _read("extensions/aws_sagemaker_hosting/instancetype_enum.json") or {}
    return frozenset(regions.get(region, {"enum": ()})["enum"])


def has_inferentia2(region: str) -> bool:
    """Return whether SageMaker endpoints in ``region`` can use Inferentia2."""
    return any(name.startswith("ml.inf2.") for name in hosting_types(region))


def has_resource(region: str, resource_type: str) -> bool | None:
    """Return whether CloudFormation has ``resource_type`` in ``region``; ``None`` if unknown."""
    known = _read(f"providers/{region}.json")
    return None if known is None else resource_type in known


def instance_regions(instance_type: str) -> tuple[str, ...]:
    """Return the Regions in which Amazon EC2 has ``instance_type``, such as ``trn1.2xlarge``."""
    regions = _read("extensions/aws_ec2_instance/instancetype_enum.json") or {}
    return tuple(
        sorted(
            region
            for region, offered in regions.items()
            if isinstance(offered, dict) and instance_type in offered.get("enum", ())
        )
    )
