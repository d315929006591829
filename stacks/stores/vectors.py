"""Amazon S3 Vectors: an index that costs storage and requests; no capacity is provisioned."""

from __future__ import annotations

from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3vectors as s3vectors
from constructs import Construct

from stacks.instruments.alarms import Alarms
from stacks.stores.store import FunctionMaker, StoredIndex
from sustainability.deployment.schema import Deployment
from sustainability.stores.generation import Generation

_SHOWN = ("title", "section", "text", "position")
"""Metadata that a search returns but no filter uses. Queries do not pay to process it."""


class VectorStore(Construct):
    """A vector bucket with its indexes. Deleting the stack deletes all: the documents remain."""

    service = "s3vectors"

    def __init__(
        self, scope: Construct, id_: str, *, deployment: Deployment, function: FunctionMaker
    ) -> None:
        super().__init__(scope, id_)
        self.endpoint = f"https://s3vectors.{cdk.Aws.REGION}.api.aws"
        self._deployment = deployment
        self._bucket = s3vectors.CfnVectorBucket(self, "Bucket")

    @staticmethod
    def shape(deployment: Deployment) -> dict[str, Any]:
        """Return what makes an index."""
        return {
            "dimension": deployment.knowledge.embedding.dimensions,
            "distance": "cosine",
            "shown": list(_SHOWN),
            # The index, not its bucket: another key is then another index beside this one.
            **({"key": deployment.company.key} if deployment.company.key else {}),
        }

    def add_index(self, generation: Generation) -> StoredIndex:
        """Make the index of a generation."""
        shape = generation.shape
        index = s3vectors.CfnIndex(
            self,
            f"Index{generation.id}",
            vector_bucket_arn=self._bucket.attr_vector_bucket_arn,
            index_name=generation.name(self._deployment),
            data_type="float32",
            dimension=shape["dimension"],
            distance_metric=shape["distance"],
            encryption_configuration=s3vectors.CfnIndex.EncryptionConfigurationProperty(
                sse_type="aws:kms", kms_key_arn=shape["key"]
            )
            if "key" in shape
            else None,
            metadata_configuration=s3vectors.CfnIndex.MetadataConfigurationProperty(
                non_filterable_metadata_keys=shape["shown"]
            ),
        )
        return StoredIndex(index.attr_index_arn, index)

    def grant(self, grantee: lambda_.Function, index: StoredIndex, *, write: bool) -> None:
        """Let the function search, or with ``write`` keep, the documents of an index."""
        # A query that returns metadata needs GetVectors beside its own permission.
        actions = (
            ["PutVectors", "DeleteVectors", "GetVectors", "ListVectors"]
            if write
            else ["QueryVectors", "GetVectors"]
        )
        grantee.add_to_role_policy(
            iam.PolicyStatement(
                actions=[f"s3vectors:{action}" for action in actions], resources=[index.name]
            )
        )

    @property
    def sources(self) -> dict[str, Any]:
        """What the hourly record reads from CloudWatch about the store, by names in ``SOURCES``."""
        return {"vectors": True}

    def watch(self, waste: Alarms) -> None:
        """Add no alarm: nothing is provisioned, so nothing can be idle."""

    def graphs(self) -> list[cloudwatch.GraphWidget]:
        """Return no graph: the metrics of the functions already show searches and writes."""
        return []
