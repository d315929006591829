"""Whatever the caller has set, what talks to the embedded AWS talks to nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from botocore.configprovider import BOTOCORE_DEFAUT_SESSION_VARIABLES as VARIABLES

from local.surroundings import surroundings

ROOT = Path(__file__).resolve().parents[3]
URL = "http://127.0.0.1:4566"
REAL = "https://real.example.com"
SERVICES = ("bedrock", "bedrock-runtime", "cloudformation", "s3", "sagemaker-runtime", "sts")
OF_BOTOCORE = {
    name
    for _, names, *_ in VARIABLES.values()
    for name in ([names] if isinstance(names, str) else names or [])
}
OTHERS = {
    "AMAZON_REGION",
    "AWS_ACCESS_KEY_ID",
    "AWS_ACCOUNT_ID",
    "AWS_BEARER_TOKEN_BEDROCK",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CREDENTIAL_EXPIRATION",
    "AWS_ENDPOINT_URL",
    "AWS_REGION",
    "AWS_ROLE_ARN",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SECURITY_TOKEN",
    "AWS_SESSION_TOKEN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "BOTOCORE_EXPERIMENTAL__PLUGINS",
    "BOTO_CONFIG",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "NO_PROXY",
    *(f"AWS_ENDPOINT_URL_{name.upper().replace('-', '_')}" for name in SERVICES),
}
HOSTILE = {
    spelt: "true" if "IGNORE" in name or "USE_" in name else REAL
    for name in OF_BOTOCORE | OTHERS
    for spelt in (name, name.lower())
}
_LOOK = """
import json, sys
import boto3
from botocore.utils import get_environ_proxies

session, seen = boto3.Session(region_name="eu-north-1"), {}
for name in sys.argv[1:]:
    client = session.client(name)
    signer = client._request_signer._credentials
    seen[name] = [
        client.meta.endpoint_url,
        [signer.access_key, signer.secret_key, signer.token],
        get_environ_proxies(client.meta.endpoint_url),
    ]
print(json.dumps(seen))
"""


def test_nothing_of_the_callers_leads_to_a_real_host() -> None:
    environment = surroundings(HOSTILE, URL)
    looked = subprocess.run(
        [sys.executable, "-c", _LOOK, *SERVICES],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    for url, credentials, proxies in json.loads(looked.stdout).values():
        assert url == URL
        assert credentials == ["test", "test", None]
        assert proxies == {}
        assert urlsplit(url).hostname == "127.0.0.1"


@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_no_variable_of_aws_is_passed_on(name: str) -> None:
    passed = surroundings({name: REAL}, URL).get(name)
    assert passed != REAL or name.upper() in ("HTTPS_PROXY", "HTTP_PROXY")


def test_the_rest_of_the_callers_environment_stays() -> None:
    assert surroundings({"HOME": "/home/me", "LANG": "C"}, URL)["HOME"] == "/home/me"


@pytest.mark.parametrize("target", ["ask", "add", "documents", "deploy", "verify", "destroy"])
@pytest.mark.parametrize(
    ("chosen", "here"),
    [
        ([], True),
        (["DEPLOYMENT=local"], True),
        (["DEPLOYMENT=examples/realtime"], True),
        (["DEPLOYMENT=examples/realtime", "WHERE=account"], False),
        (["DEPLOYMENT=dev"], False),
        (["DEPLOYMENT=prod"], False),
        (["DEPLOYMENT=prod", "WHERE=here"], True),
    ],
)
def test_one_rule_says_for_every_target_which_aws_it_is(
    target: str, chosen: list[str], here: bool
) -> None:
    command = ["make", "--dry-run", "--old-file", "setup", target, *chosen, "Q=why", "FILE=a.md"]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    (line,) = (line for line in said.splitlines() if "-m sustainability" in line)
    assert ("-m local exec --" in line) == here
