"""OpenSearch Serverless, next generation: it scales to zero between questions."""

from __future__ import annotations

import json
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_opensearchserverless as aoss
from constructs import Construct

from stacks.instruments.alarms import Alarms
from stacks.instruments.graphs import BLUE, ORANGE, PURPLE, Line, graph
from stacks.instruments.metrics import FIVE_MINUTES, HOUR, maths, metric, own, where_seen
from stacks.stores.opensearch_index import text_fields
from stacks.stores.store import FunctionMaker, StoredIndex
from sustainability.deployment.schema import Deployment
from sustainability.facts.lookup import Facts
from sustainability.stores.generation import Generation
from sustainability.stores.serverless import max_ocu


class ServerlessStore(Construct):
    """An OpenSearch Serverless collection, next generation, which scales to zero."""

    service = "aoss"

    def __init__(
        self, scope: Construct, id_: str, *, deployment: Deployment, function: FunctionMaker
    ) -> None:
        super().__init__(scope, id_)
        self._name = f"{deployment.name}-documents"
        self._deployment = deployment
        resource, key = f"collection/{self._name}", deployment.company.key
        encryption = aoss.CfnSecurityPolicy(
            self,
            "Encryption",
            name=f"{deployment.name}-encryption",
            type="encryption",
            policy=json.dumps(
                {
                    "Rules": [{"ResourceType": "collection", "Resource": [resource]}],
                    **({"KmsARN": key} if key else {"AWSOwnedKey": True}),
                }
            ),
        )
        # Reachable from outside a VPC, but not public: every request is signed, and the data access
        # policies name the roles. Interface endpoints would run day and night.
        network = aoss.CfnSecurityPolicy(
            self,
            "Network",
            name=f"{deployment.name}-network",
            type="network",
            policy=json.dumps(
                [
                    {
                        "Rules": [{"ResourceType": "collection", "Resource": [resource]}],
                        "AllowFromPublic": True,
                    }
                ]
            ),
        )
        ceiling = max_ocu(deployment, Facts())
        group = aoss.CfnCollectionGroup(
            self,
            "Group",
            name=f"{deployment.name}-knowledge",
            generation="NEXTGEN",
            standby_replicas="ENABLED",
            capacity_limits=aoss.CfnCollectionGroup.CapacityLimitsProperty(
                min_indexing_capacity_in_ocu=0,
                min_search_capacity_in_ocu=0,
                max_indexing_capacity_in_ocu=ceiling,
                max_search_capacity_in_ocu=ceiling,
            ),
        )
        if ceiling == 1:
            cdk.Annotations.of(group).add_warning_v2(
                "knowledge.serverless.max_ocu",
                "only an older AWS page allows max_ocu: 1; the newest page begins at 2",
            )
        self._collection = aoss.CfnCollection(
            self,
            "Collection",
            name=self._name,
            type="VECTORSEARCH",
            collection_group_name=group.name,
        )
        self._group_id, self._group_name = group.attr_id, group.name
        for needed in (encryption, network, group):
            self._collection.add_resource_dependency(needed)
        self.endpoint = self._collection.attr_collection_endpoint

        # CloudFormation makes an index through the collection's own API, as its execution role.
        self._deployer = self._allow(
            "Deploy",
            principals=[_execution_role_arn(self)],
            permissions=["CreateIndex", "DescribeIndex", "UpdateIndex", "DeleteIndex"],
        )
        if readers := deployment.knowledge.serverless.readers:
            self._allow("Readers", principals=list(readers), permissions=["ReadDocument"])

    @staticmethod
    def shape(deployment: Deployment) -> dict[str, Any]:
        """Return what makes an index: its mapping."""
        return {
            **text_fields(deployment.knowledge.analyzer),
            "embedding": {
                "type": "knn_vector",
                "dimension": deployment.knowledge.embedding.dimensions,
                "spaceType": "innerproduct",
                "compressionLevel": "32x",
            },
        }

    def add_index(self, generation: Generation) -> StoredIndex:
        """Make the index of a generation."""
        name = generation.name(self._deployment)
        index = aoss.CfnIndex(
            self,
            f"Index{generation.id}",
            collection_endpoint=self.endpoint,
            index_name=name,
            mappings={"properties": generation.shape},
            settings={"index": {"knn": True}},
        )
        index.add_resource_dependency(self._deployer)
        return StoredIndex(name, index)

    def grant(self, grantee: lambda_.Function, index: StoredIndex, *, write: bool) -> None:
        """Let the function search, or with ``write`` keep, the documents of an index."""
        if self.node.try_find_child(_policy_id(grantee.node.id)):
            return  # for one index is for all of the collection
        grantee.add_to_role_policy(
            iam.PolicyStatement(
                actions=["aoss:APIAccessAll"], resources=[self._collection.attr_arn]
            )
        )
        assert grantee.role is not None
        permissions = ["ReadDocument", *(["WriteDocument"] if write else [])]
        self._allow(grantee.node.id, principals=[grantee.role.role_arn], permissions=permissions)

    def _allow(
        self, id_: str, *, principals: list[str], permissions: list[str]
    ) -> aoss.CfnAccessPolicy:
        policy = [
            {
                "Rules": [
                    {
                        "ResourceType": "index",
                        "Resource": [f"index/{self._name}/*"],
                        "Permission": [f"aoss:{permission}" for permission in permissions],
                    }
                ],
                "Principal": principals,
            }
        ]
        return aoss.CfnAccessPolicy(
            self,
            _policy_id(id_),
            name=f"{self._deployment.name}-{id_.lower()}",
            type="data",
            policy=cdk.Stack.of(self).to_json_string(policy),
        )

    @property
    def sources(self) -> dict[str, Any]:
        """What the hourly record reads from CloudWatch about the store, by names in ``SOURCES``."""
        return {"group": self._group_name, "group_id": self._group_id}

    def watch(self, waste: Alarms) -> None:
        """Add the alarm for capacity that runs without questions."""
        awake = maths(
            where_seen(
                "IF(FILL(questions, 0) + FILL(embedded, 0) > 0, 0, SUM([searching, indexing, "
                "building]))",
                "searching",
                "indexing",
                "building",
            ),
            label="OCUs that run without questions",
            questions=own(self._deployment, "answer", "Questions"),
            embedded=own(self._deployment, "ingest", "ChunksEmbedded"),
            searching=self._ocu("SearchOCU"),
            indexing=self._ocu("IndexingOCU"),
            building=self._ocu("VectorIndexBuildAccelerationOCU"),
        )
        waste.add(
            "StoreAwake",
            awake,
            ">",
            0,
            periods=int(HOUR.to_minutes() / FIVE_MINUTES.to_minutes()),
            practice="GENSUS01-BP01",
            says="OpenSearch capacity has run for an hour without a question or a new document. "
            "Find what keeps it running: a minimum above 0 OCU, a health check, or another "
            "collection of the same group.",
        )

    def graphs(self) -> list[cloudwatch.GraphWidget]:
        """Return the graphs for the engineers' dashboard."""
        minute = cdk.Duration.minutes(1)
        ceiling = max_ocu(self._deployment, Facts())
        return [
            graph(
                "OpenSearch capacity that runs",
                self._ocu("SearchOCU", minute, label="search", color=BLUE),
                self._ocu("IndexingOCU", minute, label="indexing", color=ORANGE),
                self._ocu(
                    "VectorIndexBuildAccelerationOCU",
                    minute,
                    label="building vector indexes",
                    color=PURPLE,
                ),
                unit="OCU",
                limit=Line(ceiling, "maximum of each"),
            )
        ]

    def _ocu(
        self,
        name: str,
        period: cdk.Duration = FIVE_MINUTES,
        *,
        label: str | None = None,
        color: str | None = None,
    ) -> cloudwatch.Metric:
        # With the dimension ClientId alone, AWS counts only collections that are in no group.
        group = {
            "ClientId": cdk.Aws.ACCOUNT_ID,
            "CollectionGroupId": self._group_id,
            "CollectionGroupName": self._group_name,
        }
        return metric("AWS/AOSS", name, group, "Sum", period=period, label=label, color=color)


def _policy_id(grantee: str) -> str:
    return f"{grantee}Access"


def _execution_role_arn(scope: Construct) -> str:
    synthesizer = cdk.Stack.of(scope).synthesizer
    assert isinstance(synthesizer, cdk.DefaultStackSynthesizer)
    return cdk.Fn.sub(synthesizer.cloud_formation_execution_role_arn)
