"""Who calls the embedded AWS is checked as by AWS: signature, date, and the role's permissions."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
import urllib3
from botocore import auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from local.embedded import free_ports
from local.surroundings import aws_variables

REGION, MODEL = "eu-north-1", "amazon.nova-lite-v1:0"


class _Models(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        message = {"role": "assistant", "content": [{"text": "So."}]}
        usage = {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2}
        answer = {"output": {"message": message}, "stopReason": "end_turn", "usage": usage}
        body = json.dumps(answer | {"metrics": {"latencyMs": 1}}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Yield the URL of an emulator alone, which this process's boto3 talks to."""
    models = ThreadingHTTPServer(("127.0.0.1", 0), _Models)
    threading.Thread(target=models.serve_forever, daemon=True).start()
    folder, port = tmp_path_factory.mktemp("emulator"), free_ports()["emulator"]
    address = f"http://127.0.0.1:{port}"
    log = (folder / "log").open("w")
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "local.emulator", "--port", str(port)),
            *("--state", str(folder / "state"), "--opensearch", "http://127.0.0.1:9"),
            *("--models", f"http://127.0.0.1:{models.server_port}"),
        ],
        stdout=log,
        stderr=log,
    )
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.upper().startswith("AWS_")]:
            patch.delenv(name)
        for name, value in aws_variables(address).items():
            patch.setenv(name, value)
        deadline = time.monotonic() + 120
        while not _answers(address):
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.2)
        yield address
    process.terminate()
    process.wait(60)
    models.shutdown()


def _answers(address: str) -> bool:
    try:
        health = f"{address}/_ministack/health"
        return urllib3.request("GET", health, retries=False, timeout=5).status == 200
    except urllib3.exceptions.HTTPError:
        return False


def converse(client: Any, model: str = MODEL) -> Any:
    message = {"role": "user", "content": [{"text": "Why?"}]}
    return client.converse(modelId=model, messages=[message])


@pytest.mark.parametrize(
    ("service", "call", "code"),
    [
        ("dynamodb", lambda client: client.list_tables(), "InvalidSignatureException"),
        ("sqs", lambda client: client.list_queues(), "SignatureDoesNotMatch"),
        ("s3", lambda client: client.list_buckets(), "SignatureDoesNotMatch"),
        ("bedrock-runtime", converse, "InvalidSignatureException"),
        (
            "s3vectors",
            lambda client: client.get_vectors(
                vectorBucketName="bucket", indexName="index", keys=["a"]
            ),
            "InvalidSignatureException",
        ),
    ],
)
def test_a_wrong_signature_and_an_old_date_are_refused_as_by_aws(
    url: str, monkeypatch: pytest.MonkeyPatch, service: str, call: Any, code: str
) -> None:
    wrong = boto3.client(service, REGION, aws_secret_access_key="wrong", aws_access_key_id="test")
    with pytest.raises(ClientError) as refused:
        call(wrong)
    assert refused.value.response["Error"]["Code"] == code
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] in (400, 403)
    now = auth.get_current_datetime()
    monkeypatch.setattr(auth, "get_current_datetime", lambda *_, **__: now - timedelta(minutes=20))
    with pytest.raises(ClientError) as refused:
        call(boto3.client(service, REGION))
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] in (400, 403)
    told = str(refused.value)
    assert "expired" in told or "TooSkewed" in told


@pytest.fixture
def api(url: str) -> str:
    """Return the host name of an HTTP API with one route for callers that IAM knows."""
    client = boto3.client("apigatewayv2", REGION)
    created = client.create_api(Name="api", ProtocolType="HTTP")
    id_ = created["ApiId"]
    client.create_stage(ApiId=id_, StageName="$default", AutoDeploy=True)
    client.create_route(ApiId=id_, RouteKey="GET /answers", AuthorizationType="AWS_IAM")
    return urlsplit(created["ApiEndpoint"]).netloc


@pytest.mark.parametrize("fault", ["unsigned", "another's secret", "old"])
def test_an_http_api_tells_nobody_why_it_refuses(
    url: str, api: str, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    request = AWSRequest("GET", f"https://{api}/answers")
    now = auth.get_current_datetime()
    if fault == "old":
        monkeypatch.setattr(
            auth, "get_current_datetime", lambda *_, **__: now - timedelta(minutes=6)
        )
    if fault != "unsigned":
        credentials = Credentials("test", "test" if fault == "old" else "wrong")
        auth.SigV4Auth(credentials, "execute-api", REGION).add_auth(request)
    headers = {**request.headers, "Host": api}
    answer = urllib3.request("GET", f"{url}/answers", headers=headers)
    assert (answer.status, answer.json()) == (403, {"message": "Forbidden"})


def test_a_role_asks_only_the_models_that_it_was_granted_and_it_is_on_record(url: str) -> None:
    iam = boto3.client("iam", REGION)
    trust = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    profile = f"eu.{MODEL}"
    granted = {
        "Effect": "Allow",
        "Action": "bedrock:InvokeModel",
        "Resource": [
            f"arn:aws:bedrock:*::foundation-model/{MODEL}",
            f"arn:aws:bedrock:{REGION}:000000000000:inference-profile/{profile}",
        ],
    }
    role = iam.create_role(
        RoleName="asker", AssumeRolePolicyDocument=json.dumps({"Statement": [trust]})
    )["Role"]
    iam.put_role_policy(
        RoleName="asker", PolicyName="ask", PolicyDocument=json.dumps({"Statement": [granted]})
    )
    assumed = boto3.client("sts", REGION).assume_role(
        RoleArn=role["Arn"], RoleSessionName="session"
    )["Credentials"]
    bedrock = boto3.Session(
        assumed["AccessKeyId"], assumed["SecretAccessKey"], assumed["SessionToken"], REGION
    ).client("bedrock-runtime")
    for model in (MODEL, profile):
        assert converse(bedrock, model)["stopReason"] == "end_turn"
    with pytest.raises(ClientError, match="AccessDenied"):
        converse(bedrock, "amazon.nova-pro-v1:0")
    recorded = urllib3.request("GET", f"{url}/_local/grants").json()
    (asker,) = (each for each in recorded if each["role"] == "asker")
    assert {resource for _, resource in asker["granted"]} == set(granted["Resource"])
    assert {resource.rpartition("/")[2] for _, resource in asker["used"]} == {MODEL, profile}
    assert [resource.rpartition("/")[2] for _, resource in asker["refused"]] == [
        "amazon.nova-pro-v1:0"
    ]
