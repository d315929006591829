"""An index in each kind of store of the embedded AWS, for whoever holds them against each other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import boto3
import urllib3

from local.embedded import EmbeddedAws
from local.opensearch import local_mapping
from rag.settings import KnowledgeSettings
from stacks.stores.domain import domain_index
from sustainability.deployment.schema import Deployment

KINDS = {"OpenSearch": "es", "S3 Vectors": "s3vectors"}
"""By the name that requests are signed for. A collection and a domain are both OpenSearch."""

_TEMPLATE = """
Resources:
  Bucket:
    Type: AWS::S3Vectors::VectorBucket
  Index:
    Type: AWS::S3Vectors::Index
    Properties:
      VectorBucketArn: !GetAtt Bucket.VectorBucketArn
      IndexName: {name}
      DataType: float32
      Dimension: {dimensions}
      DistanceMetric: cosine
      MetadataConfiguration:
        NonFilterableMetadataKeys: [title, section, text, position]
Outputs:
  Index:
    Value: !GetAtt Index.IndexArn
"""


@contextmanager
def empty_index(
    embedded: EmbeddedAws, service: str, name: str, deployment: Deployment
) -> Iterator[KnowledgeSettings]:
    """Yield an empty index, made as the deployment would make it; delete it afterwards."""
    make = _in_opensearch if service == "es" else _in_s3_vectors
    embedding = deployment.knowledge.embedding
    with make(embedded, name, deployment) as (endpoint, index):
        yield KnowledgeSettings(
            generation=name,
            endpoint=endpoint,
            service=service,
            index=index,
            table=name,
            model=embedding.model,
            dimensions=embedding.dimensions,
        )


@contextmanager
def _in_opensearch(
    embedded: EmbeddedAws, name: str, deployment: Deployment
) -> Iterator[tuple[str, str]]:
    url = embedded.running()["opensearch"].url
    body = local_mapping(domain_index(deployment, replicas=0))
    made = urllib3.request("PUT", f"{url}/{name}", json=body, timeout=60, retries=False)
    assert made.status == 200, made.data
    yield url, name
    urllib3.request("DELETE", f"{url}/{name}", timeout=60)


@contextmanager
def _in_s3_vectors(
    embedded: EmbeddedAws, name: str, deployment: Deployment
) -> Iterator[tuple[str, str]]:
    cloudformation = boto3.Session(region_name=deployment.region).client("cloudformation")
    dimensions = deployment.knowledge.embedding.dimensions
    template = _TEMPLATE.format(name=name, dimensions=dimensions)
    cloudformation.create_stack(StackName=name, TemplateBody=template)
    cloudformation.get_waiter("stack_create_complete").wait(StackName=name)
    (stack,) = cloudformation.describe_stacks(StackName=name)["Stacks"]
    (output,) = stack["Outputs"]
    yield f"https://s3vectors.{deployment.region}.api.aws", output["OutputValue"]
    cloudformation.delete_stack(StackName=name)
    cloudformation.get_waiter("stack_delete_complete").wait(StackName=name)
