"""The environment variables of programs that use the embedded AWS, and no other AWS."""

from __future__ import annotations

import os
from collections.abc import Mapping

_OF_AWS = ("AWS_", "AMAZON_", "BOTO")
"""The prefixes of the variables that AWS SDKs, boto3 and the CDK CLI read."""
_HERE = "127.0.0.1,localhost"


def aws_variables(url: str) -> dict[str, str]:
    """Return the variables that lead every AWS client to the embedded AWS, with credentials."""
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        # A profile of the user's must never send this to a real account.
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def surroundings(caller: Mapping[str, str], url: str) -> dict[str, str]:
    """Return the caller's environment, with the embedded AWS as AWS.

    The caller's proxy settings stay, because packages may need them. All AWS settings are removed.
    """
    kept = {name: value for name, value in caller.items() if not name.upper().startswith(_OF_AWS)}
    # If both spellings are set, programs differ in which one they read.
    return kept | {"NO_PROXY": _HERE, "no_proxy": _HERE} | aws_variables(url)
