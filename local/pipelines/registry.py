"""SageMaker's model registry: versions of a model, and the approval of each.

https://docs.aws.amazon.com/sagemaker/latest/dg/model-registry-approve.html
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from ministack.core.responses import get_account_id, get_region

from local import clock
from local import ministack_internals as internals
from local.cloudformation import RECORDS
from local.models.aws import check_request
from local.pipelines.executions import paged

Request = dict[str, Any]

GROUP = "AWS::SageMaker::ModelPackageGroup"
PACKAGES: dict[str, Request] = {}
"""What DescribeModelPackage answers, by ARN."""
_PENDING = "PendingManualApproval"
_SUMMARY = (
    "ModelPackageGroupName",
    "ModelPackageVersion",
    "ModelPackageArn",
    "CreationTime",
    "ModelPackageStatus",
    "ModelApprovalStatus",
)
_CHANGEABLE = ("ModelApprovalStatus", "ApprovalDescription")


def operations() -> dict[str, Callable[[Request], Request]]:
    """Return a function from request to response for each operation."""
    internals.keep("local_model_packages", lambda: PACKAGES, PACKAGES.update)
    return {
        "CreateModelPackage": _create,
        "DeleteModelPackage": _delete,
        "DeleteModelPackageGroup": _delete_group,
        "DescribeModelPackage": lambda request: _package(request["ModelPackageName"]),
        "DescribeModelPackageGroup": _describe_group,
        "ListModelPackages": _list,
        "UpdateModelPackage": _update,
    }


def package_arn(name: str) -> str:
    """Return the ARN of a version, from the ARN or from ``group/version``."""
    return name if name.startswith("arn:") else _arn("model-package", name)


def _create(request: Request) -> Request:
    check_request("sagemaker", "CreateModelPackage", request)
    if "ModelPackageGroupName" not in request:
        raise ValueError("The embedded AWS registers versions of a group: ModelPackageGroupName.")
    name = request["ModelPackageGroupName"].rsplit("/", 1)[-1]
    _group(name)
    versions = [each["ModelPackageVersion"] for each in _versions(name)]
    version = max(versions, default=0) + 1
    arn = _arn("model-package", f"{name}/{version}")
    PACKAGES[arn] = {
        "ModelApprovalStatus": _PENDING,
        **{key: value for key, value in request.items() if key not in ("Tags", "ClientToken")},
        "ModelPackageName": name,
        "ModelPackageGroupName": name,
        "ModelPackageVersion": version,
        "ModelPackageArn": arn,
        "CreationTime": clock.now(),
        "ModelPackageStatus": "Completed",
        "ModelPackageStatusDetails": {"ValidationStatuses": []},
    }
    _tell(PACKAGES[arn])
    return {"ModelPackageArn": arn}


def _update(request: Request) -> Request:
    check_request("sagemaker", "UpdateModelPackage", request)
    package = _package(request["ModelPackageArn"])
    before = package["ModelApprovalStatus"]
    package |= {key: request[key] for key in _CHANGEABLE if key in request}
    known = package.get("CustomerMetadataProperties", {}) | request.get(
        "CustomerMetadataProperties", {}
    )
    for key in request.get("CustomerMetadataPropertiesToRemove", ()):
        known.pop(key, None)
    package |= {"CustomerMetadataProperties": known, "LastModifiedTime": clock.now()}
    if package["ModelApprovalStatus"] != before:
        _tell(package)
    return {"ModelPackageArn": package["ModelPackageArn"]}


def _tell(package: Request) -> None:
    """Put the event on the default bus that SageMaker puts there when the approval changes.

    https://docs.aws.amazon.com/sagemaker/latest/dg/automating-sagemaker-with-eventbridge.html
    """
    shown = (*_SUMMARY, "ApprovalDescription", "CustomerMetadataProperties")
    detail = {key: package[key] for key in shown if key in package}
    detail["CreationTime"] = int(package["CreationTime"] * 1000)
    internals.put_event(
        "aws.sagemaker",
        "SageMaker Model Package State Change",
        [package["ModelPackageArn"]],
        json.dumps(detail),
    )


def _list(request: Request) -> Request:
    check_request("sagemaker", "ListModelPackages", request)
    name = request.get("ModelPackageGroupName", "").rsplit("/", 1)[-1]
    if not name:
        return {"ModelPackageSummaryList": []}  # those of no group: there are none here
    _group(name)
    wanted = request.get("ModelApprovalStatus")
    found = [each for each in _versions(name) if wanted in (None, each["ModelApprovalStatus"])]
    found.sort(
        key=lambda each: int(each["ModelPackageVersion"]),
        reverse=request.get("SortOrder", "Descending") == "Descending",
    )
    summaries = [{key: each[key] for key in _SUMMARY} for each in found]
    return paged(request, "ModelPackageSummaryList", summaries)


def _delete(request: Request) -> Request:
    del PACKAGES[_package(request["ModelPackageName"])["ModelPackageArn"]]
    return {}


def _describe_group(request: Request) -> Request:
    name = request["ModelPackageGroupName"].rsplit("/", 1)[-1]
    _group(name)
    return {
        "ModelPackageGroupName": name,
        "ModelPackageGroupArn": _arn("model-package-group", name),
        "ModelPackageGroupStatus": "Completed",
        "CreationTime": 0.0,
        "CreatedBy": {},
    }


def _delete_group(request: Request) -> Request:
    name = request["ModelPackageGroupName"].rsplit("/", 1)[-1]
    key = _group(name)
    if _versions(name):
        raise ValueError(f"Model package group {name} still has versions: delete them first.")
    del RECORDS[key]
    return {}


def _package(name: str) -> Request:
    arn = package_arn(name)
    if arn not in PACKAGES:
        raise ValueError(f"ModelPackage {arn} does not exist.")
    return PACKAGES[arn]


def _group(name: str) -> str:
    """Return the key of a group's record. Raises ValueError if there is none."""
    for key, record in list(RECORDS.items()):
        is_group = (record["type"], record["region"]) == (GROUP, get_region())
        if is_group and record["properties"]["ModelPackageGroupName"] == name:
            return key
    raise ValueError(f"Model Package Group {_arn('model-package-group', name)} does not exist.")


def _versions(group: str) -> list[Request]:
    prefix = _arn("model-package", f"{group}/")
    return [each for arn, each in PACKAGES.items() if arn.startswith(prefix)]


def _arn(resource: str, name: str) -> str:
    return f"arn:aws:sagemaker:{get_region()}:{get_account_id()}:{resource}/{name}"
