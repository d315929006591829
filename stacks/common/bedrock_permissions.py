"""Who may call which Bedrock model: exact ARNs, for models and for cross-Region profiles."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_iam as iam

from stacks.common.patterns import acknowledge_pattern
from sustainability.offers.bedrock import ModelName


def grant_invoke(role: iam.IRole | None, model_id: str) -> None:
    """Let a role call one Bedrock model and nothing else.

    A cross-Region profile such as ``eu.amazon.nova-lite-v1:0`` needs the profile itself, and its
    model in whichever Region the profile routes to.
    """
    assert role is not None
    role.add_to_principal_policy(
        iam.PolicyStatement(actions=["bedrock:InvokeModel"], resources=model_arns(role, model_id))
    )


def model_arns(role: iam.IRole, model_id: str) -> list[str]:
    """Return the ARNs of what a role must be permitted for it to use a model or a profile."""
    stack, name = cdk.Stack.of(role), ModelName.parse(model_id)
    region = stack.region if name.scope is None else "*"
    model = f"arn:{stack.partition}:bedrock:{region}::foundation-model/{name.model}"
    if name.scope is None:
        return [model]
    acknowledge_pattern(
        role,
        model,
        "A cross-Region profile chooses the Region; the permission names the one model.",
    )
    profile = stack.format_arn(
        service="bedrock", resource="inference-profile", resource_name=model_id
    )
    return [model, profile]
