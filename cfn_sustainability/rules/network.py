"""Amazon VPC."""

from __future__ import annotations

from collections.abc import Iterator

from cfn_sustainability.properties import Fault
from cfn_sustainability.rule import Cases, Outcome, Severity, applies_if, rule
from cfn_sustainability.settings import Profile, RuleSettings
from cfn_sustainability.template import Resource
from cfn_sustainability.values import Undecidable

_GATEWAY = "AWS::EC2::NatGateway"
_VPC = "AWS::EC2::VPC"


def _vpc(endpoints: str = "", gateways: int = 1) -> str:
    nat = "".join(
        f"N{number}: {{Type: {_GATEWAY}, Properties: {{SubnetId: !Ref S}}}}\n"
        for number in range(gateways)
    )
    return f"""
V: {{Type: AWS::EC2::VPC}}
S: {{Type: AWS::EC2::Subnet, Properties: {{VpcId: !Ref V}}}}
{nat}{endpoints}
"""


def _endpoint(service: str) -> str:
    return f"""
E{service}:
  Type: AWS::EC2::VPCEndpoint
  Properties: {{VpcId: !Ref V, ServiceName: !Sub "com.amazonaws.${{AWS::Region}}.{service}"}}
"""


def _gateways(vpc: Resource) -> list[Resource]:
    """Return the NAT gateways in the subnets of a VPC."""
    subnets = vpc.referrers("AWS::EC2::Subnet")
    return [gateway for subnet in subnets for gateway in subnet.referrers(_GATEWAY)]


@rule(
    "NatSparesGatewayServices",
    _VPC,
    severity=Severity.WARNING,
    practices=("SUS04-BP07", "SUS02-BP04", "AGENTSUS02-BP03"),
    what="Traffic to S3 and DynamoDB does not pass a NAT gateway.",
    why="A gateway endpoint routes it directly, at no charge; the NAT gateway carries every "
    "byte twice.",
    fix="Add AWS::EC2::VPCEndpoint of type Gateway for s3, and for dynamodb where tables are used.",
    evidence="Amazon VPC User Guide, gateway endpoints",
    note="Interface endpoints are machines of their own and are not demanded.",
    cases=Cases(
        compliant=_vpc(_endpoint("s3")),
        non_compliant=_vpc(),
        not_applicable=_vpc(gateways=0),
        edges=(
            (
                Outcome.NON_COMPLIANT,
                _vpc(_endpoint("s3") + "T: {Type: AWS::DynamoDB::Table}"),
            ),
            (
                Outcome.COMPLIANT,
                _vpc(_endpoint("s3") + _endpoint("dynamodb") + "T: {Type: AWS::DynamoDB::Table}"),
            ),
        ),
    ),
)
def _nat_spares_gateway_services(vpc: Resource, _: RuleSettings) -> Iterator[Fault]:
    applies_if(bool(_gateways(vpc)))
    services = ["s3"]
    if vpc.template.of_type("AWS::DynamoDB::Table"):
        services.append("dynamodb")
    present = [
        endpoint.fragment("ServiceName") for endpoint in vpc.referrers("AWS::EC2::VPCEndpoint")
    ]
    missing = [name for name in services if not any(p.endswith(f".{name}") for p in present)]
    if missing and vpc.is_shared:
        raise Undecidable
    for service in missing:
        found = f"sends traffic to {service} through NAT gateways"
        yield vpc.fault("", f"a gateway endpoint for {service}", found=found)


@rule(
    "NatGatewaySingle",
    _VPC,
    severity=Severity.WARNING,
    practices=("SUS02-BP02",),
    profiles=(Profile.DEVELOPMENT,),
    what="A development network has one NAT gateway at the most.",
    why="A NAT gateway in each zone only keeps the network up when a zone fails.",
    fix="Set nat_gateways=1, or 0 where nothing inside needs the internet.",
    evidence="Sustainability Pillar: Align SLAs with sustainability goals",
    note="Gateways in all subnets of the VPC are counted.",
    cases=Cases(
        compliant=_vpc(gateways=1),
        non_compliant=_vpc(gateways=2),
        not_applicable="S: {Type: AWS::EC2::Subnet}",
        edges=((Outcome.COMPLIANT, _vpc(gateways=0)),),
    ),
)
def _nat_gateway_single(vpc: Resource, _: RuleSettings) -> Iterator[Fault]:
    gateways = _gateways(vpc)
    if len(gateways) > 1:
        yield vpc.fault("", "one", found=f"has {len(gateways)} NAT gateways")
