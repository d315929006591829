"""Who may call which Bedrock model: exact ARNs, for models and for cross-Region profiles."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_

from stacks.components.acknowledgements import acknowledge
from sustainability.bedrock import PROFILE_SCOPES


def grant_invoke(function: lambda_.Function, model_id: str) -> None:
    """Let a function call one Bedrock model and nothing else.

    A cross-Region profile such as ``eu.amazon.nova-lite-v1:0`` needs the profile itself, and its
    model in whichever Region the profile routes to.
    """
    stack = cdk.Stack.of(function)
    scope, _, name = model_id.partition(".")
    if scope not in PROFILE_SCOPES:
        resources = [f"arn:{stack.partition}:bedrock:{stack.region}::foundation-model/{model_id}"]
    else:
        model = f"arn:{stack.partition}:bedrock:*::foundation-model/{name}"
        profile = stack.format_arn(
            service="bedrock", resource="inference-profile", resource_name=model_id
        )
        resources = [model, profile]
        acknowledge(
            function.role,
            f"AwsSolutions-IAM5[Resource::{model.replace(stack.partition, 'aws')}]",
            "A cross-Region profile chooses the Region; the permission names the one model.",
        )
    function.add_to_role_policy(
        iam.PolicyStatement(actions=["bedrock:InvokeModel"], resources=resources)
    )
