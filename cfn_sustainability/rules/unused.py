"""What serves nothing: idle load balancers and addresses, scaling that cannot scale."""

from __future__ import annotations

from collections.abc import Iterator

from cfn_sustainability.properties import Fault
from cfn_sustainability.rule import Cases, Outcome, Severity, applies_if, rule
from cfn_sustainability.rules._scaling import POLICY, TARGET
from cfn_sustainability.settings import RuleSettings
from cfn_sustainability.template import Resource
from cfn_sustainability.values import MARK, Undecidable

_BALANCER = "AWS::ElasticLoadBalancingV2::LoadBalancer"
_CLASSIC = "AWS::ElasticLoadBalancing::LoadBalancer"
_GROUP = "AWS::ElasticLoadBalancingV2::TargetGroup"
_LISTENER = "AWS::ElasticLoadBalancingV2::Listener"
_FILLS_GROUPS = (
    "AWS::ECS::Service",
    "AWS::ECS::TaskSet",
    "AWS::AutoScaling::AutoScalingGroup",
    "AWS::CodeDeploy::DeploymentGroup",
)
_ADDRESS_HOLDERS = (
    "AWS::EC2::EIPAssociation",
    "AWS::EC2::NatGateway",
    "AWS::EC2::Instance",
    "AWS::EC2::NetworkInterface",
    "AWS::EC2::LaunchTemplate",
    "AWS::EC2::CustomerGateway",
    _BALANCER,
    "AWS::Transfer::Server",
    "AWS::AutoScaling::LaunchConfiguration",
    "AWS::NetworkFirewall::Firewall",
    "AWS::GlobalAccelerator::EndpointGroup",
)

_LISTENING = f"""
B: {{Type: {_BALANCER}, Properties: {{Subnets: [a, b]}}}}
L:
  Type: {_LISTENER}
  Properties:
    LoadBalancerArn: !Ref B
    DefaultActions: [{{Type: forward, TargetGroupArn: !Ref G}}]
"""
_SCALABLE = f"""
T:
  Type: {TARGET}
  Properties:
    ServiceNamespace: sagemaker
    ScalableDimension: sagemaker:variant:DesiredInstanceCount
    ResourceId: endpoint/e/variant/a
"""


def _target(capacity: str) -> str:
    return f"T: {{Type: {TARGET}, Properties: {{ResourceId: endpoint/e/variant/a, {capacity}}}}}"


@rule(
    "LoadBalancerServes",
    _BALANCER,
    _CLASSIC,
    severity=Severity.WARNING,
    practices=("SUS03-BP02", "SUS02-BP03"),
    what="A load balancer has something behind it.",
    why="It runs in each of its subnets around the clock, whether or not a request has anywhere to "
    "go.",
    fix="Add a listener that forwards to a target group with targets, or remove the load balancer.",
    evidence="Sustainability Pillar: Remove or refactor workload components with low or no use",
    note="Another stack may add listeners to a load balancer that is exported. A listener that "
    "redirects or answers by itself serves, too.",
    cases=Cases(
        compliant=_LISTENING + f"G: {{Type: {_GROUP}, Properties: {{Targets: [{{Id: i-1}}]}}}}",
        non_compliant=f"B: {{Type: {_BALANCER}, Properties: {{Subnets: [a, b]}}}}",
        not_applicable=f"G: {{Type: {_GROUP}}}",
        edges=(
            (Outcome.NON_COMPLIANT, _LISTENING + f"G: {{Type: {_GROUP}}}"),
            (
                Outcome.COMPLIANT,
                _LISTENING + f"G: {{Type: {_GROUP}, Properties: {{TargetType: ip}}}}",
            ),
            (
                Outcome.COMPLIANT,
                _LISTENING
                + f"""
G: {{Type: {_GROUP}}}
S:
  Type: AWS::AutoScaling::AutoScalingGroup
  Properties: {{TargetGroupARNs: [!Ref G]}}
""",
            ),
            (
                Outcome.COMPLIANT,
                f"""
                B: {{Type: {_BALANCER}}}
                L:
                  Type: {_LISTENER}
                  Properties: {{LoadBalancerArn: !Ref B, DefaultActions: [{{Type: redirect}}]}}
                """,
            ),
            (
                Outcome.UNKNOWN,
                f"""
                Resources: {{B: {{Type: {_BALANCER}}}}}
                Outputs: {{B: {{Value: !Ref B, Export: {{Name: balancer}}}}}}
                """,
            ),
            (Outcome.NON_COMPLIANT, f"C: {{Type: {_CLASSIC}, Properties: {{Listeners: []}}}}"),
            (Outcome.COMPLIANT, f"C: {{Type: {_CLASSIC}, Properties: {{Instances: [i-1]}}}}"),
            (
                Outcome.COMPLIANT,
                f"""
                C: {{Type: {_CLASSIC}}}
                S:
                  Type: AWS::AutoScaling::AutoScalingGroup
                  Properties: {{LoadBalancerNames: [!Ref C]}}
                """,
            ),
        ),
    ),
)
def _load_balancer_serves(balancer: Resource, _: RuleSettings) -> Iterator[Fault]:
    if balancer.type == _CLASSIC:
        if balancer.has("Instances") or any(balancer.referrers(*_FILLS_GROUPS)):
            return
        if balancer.is_shared:
            raise Undecidable
        yield balancer.fault("", "an instance or a group", found="has nothing behind it")
        return
    listeners = list(balancer.referrers(_LISTENER, at="LoadBalancerArn"))
    if not listeners:
        if balancer.is_shared:
            raise Undecidable
        yield balancer.fault("", "a listener", found="has no listener")
    elif not any(map(_serves, listeners)):
        yield balancer.fault("", "a target", found="forwards to target groups without targets")


def _serves(listener: Resource) -> bool:
    """Return whether a listener does anything but forward to groups that are known to be empty."""
    rules = listener.referrers("AWS::ElasticLoadBalancingV2::ListenerRule", at="ListenerArn")
    holders = [(listener, "DefaultActions"), *((entry, "Actions") for entry in rules)]
    for holder, path in holders:
        if any(action.text("Type") != "forward" for action in holder.each(path)):
            return True
        meant = holder.mentions(path)
        groups = [group for group in holder.others(_GROUP) if group.logical_id in meant]
        if not groups or not all(map(_is_empty, groups)):
            return True
    return False


def _is_empty(group: Resource) -> bool:
    """Return whether nothing is in a target group and nothing here puts anything into it."""
    if group.has("Targets") or group.text("TargetType", "instance") != "instance":
        return False
    return not group.is_shared and not any(group.referrers(*_FILLS_GROUPS))


@rule(
    "AddressUsed",
    "AWS::EC2::EIP",
    severity=Severity.WARNING,
    practices=("SUS03-BP02", "SUS02-BP03"),
    what="An Elastic IP address belongs to something.",
    why="An address that nothing uses is taken from a stock that is nearly empty, and is charged.",
    fix="Associate the address, or remove it.",
    evidence="Amazon EC2 User Guide, Elastic IP addresses",
    note="An address that is exported may be used elsewhere.",
    cases=Cases(
        compliant="A: {Type: AWS::EC2::EIP, Properties: {InstanceId: i-1}}",
        non_compliant="A: {Type: AWS::EC2::EIP, Properties: {Domain: vpc}}",
        not_applicable="A: {Type: AWS::EC2::EIPAssociation}",
        edges=(
            (
                Outcome.COMPLIANT,
                """
                A: {Type: AWS::EC2::EIP}
                N:
                  Type: AWS::EC2::NatGateway
                  Properties: {SubnetId: s, AllocationId: !GetAtt A.AllocationId}
                """,
            ),
            (
                Outcome.UNKNOWN,
                """
                Resources: {A: {Type: AWS::EC2::EIP}}
                Outputs: {Address: {Value: !GetAtt A.AllocationId, Export: {Name: address}}}
                """,
            ),
        ),
    ),
)
def _address_used(address: Resource, _: RuleSettings) -> Iterator[Fault]:
    if address.has("InstanceId") or any(address.referrers(*_ADDRESS_HOLDERS)):
        return
    if address.is_shared:
        raise Undecidable
    yield address.fault("InstanceId", "an association", found="belongs to nothing")


@rule(
    "ScalableTargetScales",
    TARGET,
    severity=Severity.WARNING,
    practices=("SUS02-BP01", "GENSUS01-BP01", "MLSUS03-BP01"),
    what="A scalable target has a policy or a schedule that scales it.",
    why="A target alone states bounds; nothing ever changes between them.",
    fix="Add an AWS::ApplicationAutoScaling::ScalingPolicy with this ScalingTargetId, or "
    "ScheduledActions.",
    evidence="Application Auto Scaling User Guide, scaling policies",
    note="A policy of another template that was not read may name the same resource.",
    cases=Cases(
        compliant=_SCALABLE
        + f"P: {{Type: {POLICY}, Properties: {{PolicyName: p, ScalingTargetId: !Ref T}}}}",
        non_compliant=_SCALABLE,
        not_applicable=f"P: {{Type: {POLICY}, Properties: {{ScalingTargetId: elsewhere}}}}",
        edges=(
            (Outcome.COMPLIANT, _SCALABLE + "    ScheduledActions: [{ScheduledActionName: night}]"),
            (Outcome.NON_COMPLIANT, _SCALABLE + "    ScheduledActions: []"),
            (
                Outcome.COMPLIANT,
                _SCALABLE
                + f"""
P:
  Type: {POLICY}
  Properties:
    ServiceNamespace: sagemaker
    ScalableDimension: sagemaker:variant:DesiredInstanceCount
    ResourceId: endpoint/e/variant/a
""",
            ),
            (
                Outcome.UNKNOWN,
                _SCALABLE
                + f"P: {{Type: {POLICY}, Properties: {{ScalingTargetId: !ImportValue target}}}}",
            ),
        ),
    ),
)
def _target_scales(target: Resource, _: RuleSettings) -> Iterator[Fault]:
    if target.each("ScheduledActions") or any(target.referrers(POLICY)):
        return
    meant = target.plain("ResourceId")
    for policy in target.others(POLICY):
        named = policy.fragment("ResourceId")
        if named and policy.plain("ResourceId") == meant:
            return
        owner = policy.mentions("ScalingTargetId") & policy.template.resources.keys()
        if not owner and MARK in named + policy.fragment("ScalingTargetId"):
            raise Undecidable
    if target.is_shared:
        raise Undecidable
    yield target.fault("", "a scaling policy or scheduled actions", found="has nothing that scales")


@rule(
    "ScalableTargetHasRange",
    TARGET,
    severity=Severity.WARNING,
    practices=("SUS02-BP01", "GENSUS01-BP01", "MLSUS03-BP01"),
    what="A scalable target's minimum is below its maximum.",
    why="With the same number for both the resource stays at its peak, whatever its policy says.",
    fix="Lower MinCapacity to what the quietest hour needs.",
    evidence="Application Auto Scaling User Guide, scalable targets",
    note="A capacity of one has nothing to give back; scheduled actions change the bounds.",
    cases=Cases(
        compliant=_target("MinCapacity: 1, MaxCapacity: 4"),
        non_compliant=_target("MinCapacity: 4, MaxCapacity: 4"),
        not_applicable=_target("MinCapacity: 1, MaxCapacity: 1"),
        edges=(
            (Outcome.NON_COMPLIANT, _target("MinCapacity: '2', MaxCapacity: 2")),
            (
                Outcome.NOT_APPLICABLE,
                _target(
                    "MinCapacity: 4, MaxCapacity: 4, ScheduledActions: "
                    "[{ScheduledActionName: a, ScalableTargetAction: {MinCapacity: 0}}]"
                ),
            ),
            (Outcome.UNKNOWN, _target("MinCapacity: !ImportValue least, MaxCapacity: 4")),
        ),
    ),
)
def _target_has_range(target: Resource, _: RuleSettings) -> Iterator[Fault]:
    least, most = target.number("MinCapacity", 0), target.number("MaxCapacity", 0)
    actions = target.each("ScheduledActions")
    applies_if(most > 1 and not any(action.has("ScalableTargetAction") for action in actions))
    if least >= most:
        yield target.fault("MinCapacity", f"less than {most:.0f}")
