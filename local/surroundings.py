"""The environment of whatever talks to the embedded AWS: it knows of no other."""

from __future__ import annotations

import os
from collections.abc import Mapping

_OF_AWS = ("AWS_", "AMAZON_", "BOTO")
"""What AWS's SDKs, boto3 and the CDK CLI read begins so."""
_HERE = "127.0.0.1,localhost"


def aws_variables(url: str, models_url: str) -> dict[str, str]:
    """Return what leads every AWS client to the embedded AWS, with credentials of its own."""
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": models_url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        # A profile of the user's must never send this to a real account.
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def surroundings(caller: Mapping[str, str], url: str, models_url: str) -> dict[str, str]:
    """Return the caller's environment, with AWS being the embedded one.

    A proxy of the caller's stays, since packages may come through it; nothing of AWS does.
    """
    kept = {name: value for name, value in caller.items() if not name.upper().startswith(_OF_AWS)}
    # Where both spellings are set, some read the one and some the other.
    return kept | {"NO_PROXY": _HERE, "no_proxy": _HERE} | aws_variables(url, models_url)
