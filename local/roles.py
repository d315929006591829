"""Sessions of the roles that AWS services assume, so that their permissions are enforced."""

from __future__ import annotations

import json

import boto3
from ministack.core.lambda_runtime import execution_credentials
from ministack.core.responses import get_account_id

from local import ministack_internals as internals

_SAGEMAKER = "sagemaker.amazonaws.com"


def session_as(role_arn: str, region: str) -> boto3.Session:
    """Return a session with a role's permissions. Its calls must not be made on the event loop."""
    name = role_arn.rsplit("/", 1)[-1]
    # The emulator creates such sessions only for functions, so this one looks like one of those.
    function = f"arn:aws:lambda:{region}:{get_account_id()}:function:{name}"
    credentials = execution_credentials(
        {"FunctionArn": function, "FunctionName": name, "Role": role_arn}
    )
    return boto3.Session(
        aws_access_key_id=credentials["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=credentials["AWS_SECRET_ACCESS_KEY"],
        aws_session_token=credentials["AWS_SESSION_TOKEN"],
        region_name=region,
    )


def require_trust(role_arn: str) -> None:
    """Raise ValueError, as SageMaker would, unless the role exists and trusts SageMaker."""
    trust = internals.trust_of(role_arn.rsplit("/", 1)[-1])
    statements = json.loads(trust)["Statement"] if trust else []
    for statement in statements if isinstance(statements, list) else [statements]:
        principal = statement.get("Principal", {})
        named = principal.get("Service", ()) if isinstance(principal, dict) else ()
        services = [named] if isinstance(named, str) else named
        if statement["Effect"] == "Allow" and _SAGEMAKER in services:
            return
    raise ValueError(
        f"Could not assume role {role_arn}. Please ensure that the role exists and allows "
        f"principal '{_SAGEMAKER}' to assume the role."
    )
