"""A managed OpenSearch domain on Graviton, for load that never pauses."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_opensearchservice as opensearch
from constructs import Construct

from stacks.common.acknowledgements import acknowledge
from stacks.functions.python_function import PythonFunction
from stacks.instruments.alarms import Alarms
from stacks.instruments.graphs import BLUE, GREEN, ORANGE, PURPLE, Line, graph
from stacks.instruments.metrics import DAY, HOUR, maths, metric, own
from stacks.stores.opensearch_index import text_fields
from stacks.stores.store import FunctionMaker, StoredIndex
from sustainability.deployment.schema import Deployment, DeploymentError
from sustainability.facts.lookup import Facts
from sustainability.stores.domain import SMALLEST, size
from sustainability.stores.generation import Generation

OPENSEARCH_VERSION = "OpenSearch_3.7"
"""From 3.6 on, Lucene compresses vectors 32 times. The laptop's server has no other engine."""
_DAY_H = 24
_WEEK_DAYS = 7
_HALF_USED = 40
"""A node of half the size would then work at up to 80 %."""


class DomainStore(Construct):
    """A managed OpenSearch domain on Graviton, for load that never pauses."""

    service = "es"

    def __init__(
        self, scope: Construct, id_: str, *, deployment: Deployment, function: FunctionMaker
    ) -> None:
        super().__init__(scope, id_)
        self._deployment = deployment
        self._size = domain = size(deployment, Facts())
        if not domain.is_enough:
            raise DeploymentError(
                f"knowledge.domain: {domain.nodes} x {domain.instance_type} is not enough: "
                f"{domain.reason} State a larger instance_type or more nodes"
            )
        self._domain = opensearch.CfnDomain(
            self,
            "Domain",
            engine_version=OPENSEARCH_VERSION,
            cluster_config=opensearch.CfnDomain.ClusterConfigProperty(
                instance_type=domain.instance_type,
                instance_count=domain.nodes,
                dedicated_master_enabled=False,
                zone_awareness_enabled=domain.zones > 1,
                zone_awareness_config=opensearch.CfnDomain.ZoneAwarenessConfigProperty(
                    availability_zone_count=domain.zones
                )
                if domain.zones > 1
                else None,
            ),
            ebs_options=opensearch.CfnDomain.EBSOptionsProperty(
                ebs_enabled=True, volume_type="gp3", volume_size=domain.volume_gb
            ),
            encryption_at_rest_options=opensearch.CfnDomain.EncryptionAtRestOptionsProperty(
                enabled=True, kms_key_id=deployment.company.key
            ),
            node_to_node_encryption_options={"enabled": True},
            domain_endpoint_options=opensearch.CfnDomain.DomainEndpointOptionsProperty(
                enforce_https=True, tls_security_policy="Policy-Min-TLS-1-2-PFS-2023-10"
            ),
            off_peak_window_options=opensearch.CfnDomain.OffPeakWindowOptionsProperty(enabled=True),
            software_update_options=opensearch.CfnDomain.SoftwareUpdateOptionsProperty(
                auto_software_update_enabled=True
            ),
        )
        # Without this, a new version would replace the domain and lose the index.
        self._domain.cfn_options.update_policy = cdk.CfnUpdatePolicy(enable_version_upgrade=True)
        # The index can be rebuilt from the bucket, so no idle nodes are retained.
        self._domain.apply_removal_policy(cdk.RemovalPolicy.DESTROY)
        self.endpoint = self._domain.attr_domain_endpoint
        self._statements: list[Mapping[str, Any]] = []
        self._indexes = f"{deployment.name}-documents-*"
        self._maker = self._make_maker(function)
        self._acknowledge(high_availability=domain.zones > 1)

    @staticmethod
    def shape(deployment: Deployment) -> dict[str, Any]:
        """Return what makes an index, as OpenSearch takes it."""
        return domain_index(deployment, replicas=size(deployment, Facts()).nodes - 1)

    def _make_maker(self, function: FunctionMaker) -> PythonFunction:
        """Return the function that makes and deletes indexes: CloudFormation has no type for it."""
        maker = function(
            "Index",
            handler="rag.index_handler.handler",
            description="Makes and deletes the domain's indexes for CloudFormation",
            timeout=cdk.Duration.minutes(2),
            memory_mib=256,
            environment={},
        )
        self._allow(maker, ["Head", "Put", "Delete"], self._indexes)
        acknowledge(
            maker.role,
            f"AwsSolutions-IAM5[Resource::<{self._logical_id}.Arn>/{self._indexes}]",
            "The name of an index carries what made it, so the one to delete is not known before.",
        )
        return maker

    def add_index(self, generation: Generation) -> StoredIndex:
        """Have the function make the index of a generation."""
        name = generation.name(self._deployment)
        index = cdk.CustomResource(
            self,
            f"Index{generation.id}",
            service_token=self._maker.function_arn,
            resource_type="Custom::KnowledgeIndex",
            properties={
                "Endpoint": self.endpoint,
                "IndexName": name,
                "Index": json.dumps(generation.shape, sort_keys=True),
            },
        )
        index.node.add_dependency(self._domain, self._maker)
        return StoredIndex(name, index)

    def grant(self, grantee: lambda_.Function, index: StoredIndex, *, write: bool) -> None:
        """Let the function search, or with ``write`` keep, the documents of an index."""
        for action in ("_bulk", "_refresh", "_msearch", "_count") if write else ("_msearch",):
            self._allow(grantee, ["Post"], f"{index.name}/{action}")

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
                # The domain's own ARN would be a circular reference here.
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
            "here they would be idle.",
            "AwsSolutions-OS9[LogExport::SEARCH_SLOW_LOGS]": "The answer function measures every "
            "search; a slow log would store the same numbers again.",
            "AwsSolutions-OS9[LogExport::INDEX_SLOW_LOGS]": "The ingest function measures every "
            "write; a slow log would store the same numbers again.",
        }
        if not high_availability:
            reasons["AwsSolutions-OS7"] = (
                "The service level needs no spare node: the index can be rebuilt from the bucket."
            )
        for rule, reason in reasons.items():
            acknowledge(self._domain, rule, reason)

    @property
    def sources(self) -> dict[str, Any]:
        """What the hourly record reads from CloudWatch about the store, by names in ``SOURCES``."""
        return {"domain": self._domain.ref, "nodes": self._size.nodes}

    @property
    def _dimensions(self) -> dict[str, str]:
        return {"ClientId": cdk.Aws.ACCOUNT_ID, "DomainName": self._domain.ref}

    def watch(self, waste: Alarms) -> None:
        """Add the alarms for nodes without questions, and for nodes that are too large."""
        idle = maths(
            "IF(nodes > 0, FILL(questions, 0) + FILL(embedded, 0))",
            HOUR,
            label="questions and chunks while nodes run",
            nodes=metric("AWS/ES", "CPUUtilization", self._dimensions, "SampleCount"),
            questions=own(self._deployment, "answer", "Questions"),
            embedded=own(self._deployment, "ingest", "ChunksEmbedded"),
        )
        waste.add(
            "StoreAwake",
            idle,
            "<",
            1,
            periods=_DAY_H,
            practice="GENSUS01-BP01",
            says="OpenSearch nodes ran for a day without a question or a new document. Choose "
            "knowledge.store: serverless, which scales to zero.",
        )

        if self._size.instance_type == SMALLEST:
            return
        waste.add(
            "StoreOversized",
            maths(
                "IF(processor >= 0 AND heap >= 0, MAX([processor, heap]))",
                DAY,
                label="the fuller of processor and heap, at its fullest, %",
                processor=metric("AWS/ES", "CPUUtilization", self._dimensions, "Maximum"),
                heap=metric("AWS/ES", "JVMMemoryPressure", self._dimensions, "Maximum"),
            ),
            "<",
            _HALF_USED,
            periods=_WEEK_DAYS,
            practice="SUS05-BP01",
            says="For a week OpenSearch nodes used less than half of what the next smaller size "
            "has. Leave out knowledge.domain.instance_type, so that the plan chooses it.",
        )

    def graphs(self) -> list[cloudwatch.GraphWidget]:
        """Return the graphs for the engineers' dashboard."""

        def of_domain(name: str, statistic: str, label: str, color: str) -> cloudwatch.Metric:
            return metric("AWS/ES", name, self._dimensions, statistic, label=label, color=color)

        return [
            graph(
                "OpenSearch nodes",
                of_domain("CPUUtilization", "Average", "processor, mean", BLUE),
                of_domain("JVMMemoryPressure", "Maximum", "heap, fullest node", ORANGE),
                unit="%",
                top=100,
            ),
            graph(
                "OpenSearch searches",
                of_domain("SearchRate", "Sum", "shard searches per minute", GREEN),
                unit="searches",
            ),
            graph(
                "OpenSearch disk",
                of_domain("FreeStorageSpace", "Minimum", "free, fullest node", PURPLE),
                unit="MB",
                limit=Line(self._size.volume_gb * 1000, "provisioned"),
            ),
        ]


def domain_index(deployment: Deployment, *, replicas: int) -> dict[str, Any]:
    """Return the request body with which OpenSearch creates the index on a managed domain."""
    mapping = {
        **text_fields(deployment.knowledge.analyzer),
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
