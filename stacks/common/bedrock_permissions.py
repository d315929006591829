"""Permissions to call Bedrock models, with exact ARNs of models and inference profiles."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_iam as iam

from stacks.common.patterns import acknowledge_pattern
from sustainability.offers.bedrock import ModelName


def grant_invoke(role: iam.IRole | None, model_id: str) -> None:
    """Allow a role to call one Bedrock model and no other.

    A cross-Region inference profile such as ``eu.amazon.nova-lite-v1:0`` needs two permissions: the
    profile, and its model in every Region of the profile.
    """
    assert role is not None
    role.add_to_principal_policy(
        iam.PolicyStatement(actions=["bedrock:InvokeModel"], resources=model_arns(role, model_id))
    )


def model_arns(role: iam.IRole, model_id: str) -> list[str]:
    """Return the ARNs that a role needs to use a model or an inference profile."""
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
