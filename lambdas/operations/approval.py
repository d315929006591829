"""Deploy a tuned model that was approved, and let those expire that nobody needs.

A parameter of Systems Manager says which model the endpoint serves, and the endpoint's stack reads
it. So a model changes as everything else in that stack does: as a rolling update, with the alarm
that rolls it back; and the next deployment keeps it. After such a rollback, the parameter names
again what the endpoint serves, so that the next deployment does not try the same model once more.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any
from urllib.parse import urlsplit

_ROLLED_BACK = "UPDATE_ROLLBACK_COMPLETE"
_NOTHING_TO_DO = "No updates are to be performed"


def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    """Act on a changed approval, or on an update that was rolled back; return what was done."""
    if event["source"] == "aws.cloudformation":
        return _put_back()
    # Events may come late: the version counts as it is now.
    changed = _client("sagemaker").describe_model_package(
        ModelPackageName=event["detail"]["ModelPackageArn"]
    )
    place = artifacts(changed)
    if changed["ModelApprovalStatus"] == "Rejected":
        mark(place, expires=True)
        return {"expires": [place]}
    if changed["ModelApprovalStatus"] != "Approved":
        return {}
    stack = _stack()
    served = _served(stack)
    if served == place:
        return {}  # the event came twice
    mark(place, expires=False)  # it may have been replaced before, and comes back
    _write(place)
    _update(stack)
    # The model that served until now stays: the update may roll back to it.
    replaced = [other for other in _approved(changed) if other not in (place, served)]
    for other in replaced:
        mark(other, expires=True)
    return {"deployed": place, "expires": replaced}


def artifacts(package: Mapping[str, Any]) -> str:
    """Return the S3 prefix of the files of a version of the model."""
    (container,) = package["InferenceSpecification"]["Containers"]
    return str(container["ModelDataSource"]["S3DataSource"]["S3Uri"]).rstrip("/") + "/"


def mark(place: str, *, expires: bool) -> None:
    """Tag the files below a prefix of ours, so that the bucket's lifecycle deletes or keeps them.

    The lifecycle looks at the age of a file: one that is old enough goes within a day or two.
    """
    s3, address = _client("s3"), urlsplit(place)
    if address.netloc != os.environ["BUCKET"]:
        return
    tags = [{"Key": "expires", "Value": "yes"}] if expires else []
    pages = s3.get_paginator("list_objects_v2").paginate(
        Bucket=address.netloc, Prefix=address.path.lstrip("/")
    )
    for page in pages:
        for item in page.get("Contents", ()):
            s3.put_object_tagging(Bucket=address.netloc, Key=item["Key"], Tagging={"TagSet": tags})


def _put_back() -> dict[str, Any]:
    """Let the parameter name what the endpoint serves after a rollback."""
    stack = _stack()
    served = _served(stack)
    # Events may come late: another update may have begun, with another model.
    if stack["StackStatus"] != _ROLLED_BACK or served is None:
        return {}
    _write(served)
    return {"served": served}


def _write(place: str) -> None:
    _client("ssm").put_parameter(
        Name=os.environ["PARAMETER"], Value=place, Type="String", Overwrite=True
    )


def _stack() -> Any:
    """Return the stack of the endpoint, as it is now."""
    return _client("cloudformation").describe_stacks(StackName=os.environ["STACK"])["Stacks"][0]


def _served(stack: Mapping[str, Any]) -> str | None:
    """Return what the endpoint serves now, as CloudFormation last read the parameter."""
    return next(
        (
            each.get("ResolvedValue")
            for each in stack["Parameters"]
            if each["ParameterValue"] == os.environ["PARAMETER"]
        ),
        None,
    )


def _update(stack: Mapping[str, Any]) -> None:
    """Update the stack as it is, with the parameter read anew."""
    cloudformation = _client("cloudformation")
    kept = [
        {"ParameterKey": each["ParameterKey"], "UsePreviousValue": True}
        for each in stack["Parameters"]
    ]
    try:
        cloudformation.update_stack(
            StackName=stack["StackName"],
            UsePreviousTemplate=True,
            Parameters=kept,
            Capabilities=["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"],
        )
    except cloudformation.exceptions.ClientError as error:
        if _NOTHING_TO_DO not in str(error):
            raise


def _approved(package: Mapping[str, Any]) -> Iterator[str]:
    """Yield the places of all approved versions of the same model."""
    sagemaker = _client("sagemaker")
    pages = sagemaker.get_paginator("list_model_packages").paginate(
        ModelPackageGroupName=package["ModelPackageGroupName"], ModelApprovalStatus="Approved"
    )
    for page in pages:
        for summary in page["ModelPackageSummaryList"]:
            found = sagemaker.describe_model_package(ModelPackageName=summary["ModelPackageArn"])
            yield artifacts(found)


@cache
def _client(service: str) -> Any:
    import boto3

    return boto3.client(service)
