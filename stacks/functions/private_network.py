"""Functions in the VPC of the deployment's owner, and the endpoints that they need there."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from stacks.common.acknowledgements import acknowledge
from sustainability.deployment.company import Network

_HTTPS = 443


class PrivateNetwork(Construct):
    """Security groups in a VPC that is there already, and endpoints if asked for.

    Parameters
    ----------
    services
        Names of the services that need an interface endpoint, such as ``bedrock-runtime``.
    """

    def __init__(
        self, scope: Construct, id_: str, *, network: Network, services: Iterable[str]
    ) -> None:
        super().__init__(scope, id_)
        self._network = network
        self._functions = ec2.CfnSecurityGroup(
            self,
            "Functions",
            group_description="Functions that see documents and questions: they call AWS only",
            vpc_id=network.vpc,
            security_group_egress=[
                ec2.CfnSecurityGroup.EgressProperty(
                    ip_protocol="tcp",
                    from_port=_HTTPS,
                    to_port=_HTTPS,
                    cidr_ip="0.0.0.0/0",
                    description="To AWS",
                )
            ],
        )
        if network.endpoints:
            self._build_endpoints(services)

    def _build_endpoints(self, services: Iterable[str]) -> None:
        region = cdk.Aws.REGION
        group = ec2.CfnSecurityGroup(
            self,
            "Endpoints",
            group_description="Endpoints of AWS services, for the functions alone",
            vpc_id=self._network.vpc,
            security_group_egress=[],
        )
        ec2.CfnSecurityGroupIngress(
            self,
            "FromFunctions",
            group_id=group.attr_group_id,
            source_security_group_id=self._functions.attr_group_id,
            ip_protocol="tcp",
            from_port=_HTTPS,
            to_port=_HTTPS,
            description="From the functions",
        )
        for name in ("s3", "dynamodb"):
            ec2.CfnVPCEndpoint(
                self,
                f"Gateway{name}",
                vpc_id=self._network.vpc,
                vpc_endpoint_type="Gateway",
                service_name=f"com.amazonaws.{region}.{name}",
                route_table_ids=list(self._network.route_tables),
            )
        for name in services:
            ec2.CfnVPCEndpoint(
                self,
                f"Interface{name}",
                vpc_id=self._network.vpc,
                vpc_endpoint_type="Interface",
                service_name=f"com.amazonaws.{region}.{name}",
                subnet_ids=list(self._network.subnets),
                security_group_ids=[group.attr_group_id],
                private_dns_enabled=True,
            )

    def hold(self, function: lambda_.Function) -> None:
        """Run a function in the subnets."""
        assert function.role is not None
        function.add_to_role_policy(
            iam.PolicyStatement(
                actions=[
                    f"ec2:{action}"
                    for action in (
                        "CreateNetworkInterface",
                        "DeleteNetworkInterface",
                        "DescribeNetworkInterfaces",
                        "DescribeSubnets",
                    )
                ],
                resources=["*"],
            )
        )
        acknowledge(
            function.role,
            "AwsSolutions-IAM5[Resource::*]",
            "Lambda makes the network interfaces with this role. IAM knows no resource for the "
            "calls that describe, and an interface has no name before it is made.",
        )
        cfn = cast("lambda_.CfnFunction", function.node.default_child)
        cfn.vpc_config = lambda_.CfnFunction.VpcConfigProperty(
            subnet_ids=list(self._network.subnets),
            security_group_ids=[self._functions.attr_group_id],
        )
