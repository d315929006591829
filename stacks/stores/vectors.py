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
from stacks.stores.opensearch_index import versioned_name
from stacks.stores.store import FunctionMaker
from sustainability.deployment.schema import Deployment

_SHOWN = ("title", "section", "text", "position")
"""Metadata that a search returns but no filter uses. Queries do not pay to process it."""


class VectorStore(Construct):
    """A vector bucket with one index. Deleting the stack deletes both; the documents remain."""

    service = "s3vectors"

    def __init__(
        self, scope: Construct, id_: str, *, deployment: Deployment, function: FunctionMaker
    ) -> None:
        super().__init__(scope, id_)
        self.endpoint = f"https://s3vectors.{cdk.Aws.REGION}.api.aws"
        bucket = s3vectors.CfnVectorBucket(self, "Bucket")
        dimension = deployment.knowledge.embedding.dimensions
        shape = {"dimension": dimension, "distance": "cosine", "shown": _SHOWN}
        self.index = s3vectors.CfnIndex(
            self,
            "Index",
            vector_bucket_arn=bucket.attr_vector_bucket_arn,
            # All properties are create-only: a change creates a new index, then deletes this one.
            index_name=versioned_name(deployment, shape),
            data_type="float32",
            dimension=dimension,
            distance_metric="cosine",
            metadata_configuration=s3vectors.CfnIndex.MetadataConfigurationProperty(
                non_filterable_metadata_keys=list(_SHOWN)
            ),
        )
        self.index_name = self.index.attr_index_arn

    def grant(self, grantee: lambda_.Function, *, write: bool) -> None:
        """Allow the function to search the index or, with ``write``, to change its documents."""
        # A query that returns metadata also needs the permission GetVectors.
        actions = ["PutVectors", "DeleteVectors"] if write else ["QueryVectors", "GetVectors"]
        grantee.add_to_role_policy(
            iam.PolicyStatement(
                actions=[f"s3vectors:{action}" for action in actions],
                resources=[self.index.attr_index_arn],
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
