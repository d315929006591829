"""The knowledge store: OpenSearch with the index that ingest writes and answers read.

Both kinds are used alike: an endpoint, the service name that requests are signed for, an index
name, and ``grant``. The index belongs to the deployment, not to the first write, and its name
carries a digest of its mapping, so that a changed mapping is a new index and never a failed update.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Protocol

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_opensearchserverless as aoss
from aws_cdk import aws_opensearchservice as opensearch
from constructs import Construct, IConstruct

from cfn_sustainability.settings import Profile
from stacks.common.acknowledgements import acknowledge
from sustainability.deployment.schema import Availability, Deployment

OPENSEARCH_VERSION = "OpenSearch_3.7"
"""From 3.6 the Lucene engine, the only one that the laptop's server has, compresses 32 times."""


class KnowledgeStore(Protocol):
    """What ingest and answers need to know of a store."""

    endpoint: str
    """URL, or host name without a scheme."""
    service: str
    """Service name of request signatures: ``aoss`` or ``es``."""
    index_name: str

    @property
    def index(self) -> IConstruct:
        """What makes the index; whoever writes waits for it, lest a write makes another."""

    def grant(self, grantee: lambda_.Function, *, write: bool) -> None:
        """Let the function search, or with ``write`` change, the documents of the index."""


class ServerlessStore(Construct):
    """An OpenSearch Serverless collection of the next generation: no capacity while nobody asks."""

    service = "aoss"

    def __init__(self, scope: Construct, id_: str, *, deployment: Deployment) -> None:
        super().__init__(scope, id_)
        self._name = f"{deployment.name}-documents"
        self._deployment = deployment.name
        resource = f"collection/{self._name}"
        encryption = aoss.CfnSecurityPolicy(
            self,
            "Encryption",
            name=f"{deployment.name}-encryption",
            type="encryption",
            policy=json.dumps(
                {
                    "Rules": [{"ResourceType": "collection", "Resource": [resource]}],
                    "AWSOwnedKey": True,
                }
            ),
        )
        # Reachable from outside a VPC, open to nobody: every request is signed, and the data access
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
        ceiling = deployment.knowledge.serverless.max_ocu
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
                "max_ocu: 1 stands on an older page of AWS's only; the newest begins at 2",
            )
        self._collection = aoss.CfnCollection(
            self,
            "Collection",
            name=self._name,
            type="VECTORSEARCH",
            collection_group_name=group.name,
        )
        for needed in (encryption, network, group):
            self._collection.add_resource_dependency(needed)
        self.endpoint = self._collection.attr_collection_endpoint

        dimensions = deployment.knowledge.embedding.dimensions
        mapping = {
            **_text_fields(deployment.knowledge.analyzer),
            "embedding": {
                "type": "knn_vector",
                "dimension": dimensions,
                "spaceType": "innerproduct",
                "compressionLevel": "32x",
            },
        }
        self.index_name = _versioned_name(deployment, mapping)
        self.index = aoss.CfnIndex(
            self,
            "Index",
            collection_endpoint=self.endpoint,
            index_name=self.index_name,
            mappings={"properties": mapping},
            settings={"index": {"knn": True}},
        )
        # CloudFormation makes the index through the collection's own API, as its execution role.
        deployer = self._allow(
            "Deploy",
            principals=[_execution_role_arn(self)],
            permissions=["CreateIndex", "DescribeIndex", "UpdateIndex", "DeleteIndex"],
        )
        self.index.add_resource_dependency(deployer)
        if readers := deployment.knowledge.serverless.readers:
            self._allow("Readers", principals=list(readers), permissions=["ReadDocument"])

    def grant(self, grantee: lambda_.Function, *, write: bool) -> None:
        """Let the function search, or with ``write`` change, the documents of the index."""
        grantee.add_to_role_policy(
            iam.PolicyStatement(
                actions=["aoss:APIAccessAll"], resources=[self._collection.attr_arn]
            )
        )
        assert grantee.role is not None
        permissions = ["WriteDocument"] if write else ["ReadDocument"]
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
            f"{id_}Access",
            name=f"{self._deployment}-{id_.lower()}",
            type="data",
            policy=cdk.Stack.of(self).to_json_string(policy),
        )


class DomainStore(Construct):
    """A managed OpenSearch domain on Graviton, for load that never pauses."""

    service = "es"

    def __init__(self, scope: Construct, id_: str, *, deployment: Deployment) -> None:
        super().__init__(scope, id_)
        domain = deployment.knowledge.domain
        zones = 3 if deployment.service_level.availability is Availability.HIGH else 1
        self._domain = opensearch.CfnDomain(
            self,
            "Domain",
            engine_version=OPENSEARCH_VERSION,
            cluster_config=opensearch.CfnDomain.ClusterConfigProperty(
                instance_type=domain.instance_type,
                instance_count=zones,
                dedicated_master_enabled=False,
                zone_awareness_enabled=zones > 1,
                zone_awareness_config=opensearch.CfnDomain.ZoneAwarenessConfigProperty(
                    availability_zone_count=zones
                )
                if zones > 1
                else None,
            ),
            ebs_options=opensearch.CfnDomain.EBSOptionsProperty(
                ebs_enabled=True, volume_type="gp3", volume_size=domain.volume_gb
            ),
            encryption_at_rest_options={"enabled": True},
            node_to_node_encryption_options={"enabled": True},
            domain_endpoint_options=opensearch.CfnDomain.DomainEndpointOptionsProperty(
                enforce_https=True, tls_security_policy="Policy-Min-TLS-1-2-PFS-2023-10"
            ),
            off_peak_window_options=opensearch.CfnDomain.OffPeakWindowOptionsProperty(enabled=True),
            software_update_options=opensearch.CfnDomain.SoftwareUpdateOptionsProperty(
                auto_software_update_enabled=True
            ),
        )
        if deployment.profile is Profile.PRODUCTION:
            self._domain.apply_removal_policy(cdk.RemovalPolicy.RETAIN)
        self.endpoint = self._domain.attr_domain_endpoint
        self.domain_name = self._domain.ref
        self._statements: list[Mapping[str, Any]] = []
        self._body = domain_index(deployment, replicas=zones - 1)
        self._indexes = f"{deployment.name}-documents-*"
        self.index_name = _versioned_name(deployment, self._body)
        self._acknowledge(high_availability=zones > 1)

    def make_index(self, maker: lambda_.Function) -> None:
        """Have the function create and delete the index: CloudFormation has no type for that."""
        # An update creates the index of the new name before it deletes the one of the old name.
        self._allow(maker, ["Head", "Put", "Delete"], self._indexes)
        acknowledge(
            maker.role,
            f"AwsSolutions-IAM5[Resource::<{self._logical_id}.Arn>/{self._indexes}]",
            "The name of an index carries a digest of its mapping, so the one to delete is not "
            "known before.",
        )
        self.index = cdk.CustomResource(
            self,
            "Index",
            service_token=maker.function_arn,
            resource_type="Custom::KnowledgeIndex",
            properties={
                "Endpoint": self.endpoint,
                "IndexName": self.index_name,
                "Index": json.dumps(self._body, sort_keys=True),
            },
        )
        self.index.node.add_dependency(self._domain, maker)

    def grant(self, grantee: lambda_.Function, *, write: bool) -> None:
        """Let the function search, or with ``write`` change, the documents of the index."""
        for action in ("_bulk", "_refresh") if write else ("_msearch",):
            self._allow(grantee, ["Post"], f"{self.index_name}/{action}")

    def _allow(self, grantee: lambda_.Function, methods: list[str], path: str) -> None:
        actions = [f"es:ESHttp{method}" for method in methods]
        grantee.add_to_role_policy(
            iam.PolicyStatement(actions=actions, resources=[f"{self._domain.attr_arn}/{path}"])
        )
        assert grantee.role is not None
        self._statements.append(
            {
                "Effect": "Allow",
                "Principal": {"AWS": grantee.role.role_arn},
                "Action": actions,
                # The domain's own ARN would refer to itself here.
                "Resource": cdk.Stack.of(self).format_arn(
                    service="es", resource="domain", resource_name=f"*/{path}"
                ),
            }
        )
        self._domain.access_policies = {"Version": "2012-10-17", "Statement": self._statements}

    @property
    def _logical_id(self) -> str:
        return cdk.Stack.of(self).get_logical_id(self._domain)

    def _acknowledge(self, high_availability: bool) -> None:
        reasons = {
            "AwsSolutions-OS1": "Every request is signed, and the access policy names the roles of "
            "our functions. A VPC would add interface endpoints that run day and night.",
            "AwsSolutions-OS3": "Functions have no fixed address; the access policy names their "
            "roles instead.",
            "AwsSolutions-OS4": "Dedicated master nodes are for clusters of ten nodes and more; "
            "here they would idle.",
            "AwsSolutions-OS9[LogExport::SEARCH_SLOW_LOGS]": "The answer function measures every "
            "search; a second record of the slow ones would be stored for nothing.",
            "AwsSolutions-OS9[LogExport::INDEX_SLOW_LOGS]": "The ingest function measures every "
            "write; a second record of the slow ones would be stored for nothing.",
        }
        if not high_availability:
            reasons["AwsSolutions-OS7"] = (
                "The service level asks for no spare: the index is rebuilt from the bucket."
            )
        for rule, reason in reasons.items():
            acknowledge(self._domain, rule, reason)


def domain_index(deployment: Deployment, *, replicas: int) -> dict[str, Any]:
    """Return the body that makes the index on a managed domain, as OpenSearch takes it."""
    mapping = {
        **_text_fields(deployment.knowledge.analyzer),
        "embedding": {
            "type": "knn_vector",
            "dimension": deployment.knowledge.embedding.dimensions,
            "space_type": "innerproduct",
            "engine": "lucene",
            "mode": "on_disk",
            "compression_level": "32x",
        },
    }
    return {
        "settings": {"index": {"knn": True, "number_of_shards": 1, "number_of_replicas": replicas}},
        "mappings": {"dynamic": "strict", "properties": mapping},
    }


def _text_fields(analyzer: str) -> dict[str, Any]:
    return {
        "document": {"type": "keyword"},
        "collection": {"type": "keyword"},
        "format": {"type": "keyword"},
        "title": {"type": "keyword", "index": False},
        "section": {"type": "text", "analyzer": analyzer},
        "text": {"type": "text", "analyzer": analyzer},
        "position": {"type": "integer"},
    }


def _versioned_name(deployment: Deployment, mapping: Mapping[str, Any]) -> str:
    # With the deployment, for there can be one server for several, as in the embedded AWS.
    digest = hashlib.sha256(json.dumps(mapping, sort_keys=True).encode()).hexdigest()
    return f"{deployment.name}-documents-{digest[:8]}"


def _execution_role_arn(scope: Construct) -> str:
    synthesizer = cdk.Stack.of(scope).synthesizer
    assert isinstance(synthesizer, cdk.DefaultStackSynthesizer)
    return cdk.Fn.sub(synthesizer.cloud_formation_execution_role_arn)
