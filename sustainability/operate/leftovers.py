"""What a destroyed deployment leaves in the account, what it costs, and how to delete it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import botocore.exceptions

from sustainability.deployment.schema import Deployment
from sustainability.energy.impact import Impact
from sustainability.energy.site import Site
from sustainability.facts.lookup import Facts
from sustainability.footprint.services import stored
from sustainability.plan.tuning import pipeline_name

_STACKS = ("inference", "models", "monitoring", "rag")
"""What follows the deployment's name in those of its stacks with functions."""
_GONE = {"404", "NoSuchBucket", "ResourceNotFoundException"}


@dataclass(frozen=True)
class Leftover:
    """A bucket that remains after its stack."""

    bucket: str
    gigabytes: float
    """Size of all object versions."""
    per_month: Impact

    def __str__(self) -> str:
        """Name the bucket, and what it costs to keep it."""
        usd, kwh = self.per_month.usd.mid, self.per_month.kwh.mid
        return (
            f"bucket {self.bucket}: {self.gigabytes:,.3f} GB, about ${usd:,.2f} and "
            f"{kwh:,.3f} kWh a month"
        )


class Leftovers:
    """The resources that still have a deployment's tag after its stacks are deleted."""

    def __init__(self, deployment: Deployment, session: boto3.Session) -> None:
        self._deployment, self._session = deployment, session

    def delete_log_groups(self) -> list[str]:
        """Delete the deployment's log groups, also those that a service recreated; name them."""
        logs, deleted = self._session.client("logs"), []
        tagged = (arn.split(":log-group:")[-1].removesuffix(":*") for arn in self._tagged("logs"))
        for name in [*tagged, *self._of_the_cdk()]:
            try:
                logs.delete_log_group(logGroupName=name)
            except botocore.exceptions.ClientError as error:
                if error.response["Error"]["Code"] not in _GONE:
                    raise
            else:
                deleted.append(name)
        return deleted

    def _of_the_cdk(self) -> Iterator[str]:
        """Yield the log groups that Lambda made, without tags, for the CDK's own functions."""
        pages = self._session.client("logs").get_paginator("describe_log_groups")
        for part in _STACKS:
            prefix = f"/aws/lambda/{self._deployment.name}-{part}-Custom"
            for page in pages.paginate(logGroupNamePrefix=prefix):
                for group in page["logGroups"]:
                    yield group["logGroupName"]

    def buckets(self) -> list[Leftover]:
        """Return the buckets that were kept, with their cost per month."""
        site = Site.of_region(
            self._deployment.region, self._deployment.footprint.accounting, Facts()
        )
        found = []
        for arn in self._tagged("s3"):
            bucket = arn.rsplit(":", 1)[-1]
            try:
                size = sum(version.get("Size", 0) for version in self._versions(bucket))
            except botocore.exceptions.ClientError as error:
                if error.response["Error"]["Code"] in _GONE:
                    continue  # AWS lists the tags of deleted resources for a while
                raise
            found.append(Leftover(bucket, size / 1e9, stored(size / 1e9, site)))
        return found

    def delete(self, leftover: Leftover) -> None:
        """Delete all object versions of a bucket, and the bucket."""
        s3 = self._session.client("s3")
        for version in list(self._versions(leftover.bucket)):
            s3.delete_object(
                Bucket=leftover.bucket, Key=version["Key"], VersionId=version["VersionId"]
            )
        s3.delete_bucket(Bucket=leftover.bucket)

    def delete_models(self) -> None:
        """Delete the kept versions of a tuned model, and their group, where there is one."""
        if self._deployment.training is None:
            return
        sagemaker = self._session.client("sagemaker")
        group = {"ModelPackageGroupName": pipeline_name(self._deployment)}
        try:
            sagemaker.describe_model_package_group(**group)
        except botocore.exceptions.ClientError as error:
            if error.response["Error"]["Code"] != "ValidationException":  # SageMaker's "not found"
                raise
            return
        for page in sagemaker.get_paginator("list_model_packages").paginate(**group):
            for version in page["ModelPackageSummaryList"]:
                sagemaker.delete_model_package(ModelPackageName=version["ModelPackageArn"])
        sagemaker.delete_model_package_group(**group)

    def _tagged(self, service: str) -> Iterator[str]:
        pages = self._session.client("resourcegroupstaggingapi").get_paginator("get_resources")
        wanted = [{"Key": "deployment", "Values": [self._deployment.name]}]
        for page in pages.paginate(TagFilters=wanted, ResourceTypeFilters=[service]):
            for resource in page["ResourceTagMappingList"]:
                yield resource["ResourceARN"]

    def _versions(self, bucket: str) -> Iterator[dict[str, Any]]:
        pages = self._session.client("s3").get_paginator("list_object_versions")
        for page in pages.paginate(Bucket=bucket):
            yield from page.get("Versions", ())
            yield from page.get("DeleteMarkers", ())
