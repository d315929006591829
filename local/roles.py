"""Sessions of the roles that AWS services assume, so that their permissions are enforced."""

from __future__ import annotations

import boto3
from ministack.core.lambda_runtime import execution_credentials
from ministack.core.responses import get_account_id


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
