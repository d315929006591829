"""``scan --account`` against an emulator of AWS: what runs, what did nothing, what is denied."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse

from cfn_sustainability.__main__ import main
from cfn_sustainability.account import Caller, read
from cfn_sustainability.engine import judge
from cfn_sustainability.settings import RuleSettings
from cfn_sustainability.usage import Usage, examine

REGION = "eu-north-1"
CONFIG = "AWS::SageMaker::EndpointConfig"
ENDPOINT = "AWS::SageMaker::Endpoint"
TARGET = "AWS::ApplicationAutoScaling::ScalableTarget"
KINDS = (
    CONFIG,
    ENDPOINT,
    TARGET,
    "AWS::ApplicationAutoScaling::ScalingPolicy",
    "AWS::Bedrock::KnowledgeBase",
    "AWS::EC2::EIP",
    "AWS::EC2::NatGateway",
    "AWS::EC2::Volume",
    "AWS::Lambda::Function",
    "AWS::Logs::LogGroup",
    "AWS::OpenSearchServerless::Collection",
    "AWS::SageMaker::Model",
)


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**os.environ, "GATEWAY_PORT": str(port), "PERSIST_STATE": "0"}
    folder = tmp_path_factory.mktemp("emulator")
    command = [str(Path(sys.executable).with_name("ministack"))]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=folder)
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(f"{url}/_ministack/health", timeout=1).close()
                break
            except OSError:
                assert process.poll() is None, (folder / "log").read_text()
                time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait()


@pytest.fixture(autouse=True)
def credentials(emulator: str, monkeypatch: pytest.MonkeyPatch, request: Any) -> None:
    """Use an account of its own for each test: MiniStack takes the key's digits as the account."""
    number = f"{abs(hash(request.node.name)) % 10**12:012d}"
    for name, value in {
        "AWS_ENDPOINT_URL": emulator,
        "AWS_ACCESS_KEY_ID": number,
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def caller() -> Caller:
    """Return a caller in an account without scaling, which MiniStack does not serve by itself."""
    caller = Caller(boto3.Session(), REGION)
    answer(caller, "application-autoscaling", {})
    return caller


def answer(caller: Caller, service: str, answers: dict[str, dict[str, Any]]) -> None:
    """Answer calls that MiniStack lacks: by operation, in the wire's form; others with nothing."""

    def send(request: Any, **_: Any) -> AWSResponse:
        operation = request.headers["X-Amz-Target"].decode().rpartition(".")[2]
        return response(request, 200, answers.get(operation, {}))

    caller.session.events.register(f"before-send.{service}", send)


def create(caller: Caller, kind: str, **properties: Any) -> None:
    state = json.dumps(properties)
    caller.client("cloudcontrol").create_resource(TypeName=kind, DesiredState=state)


def deploy_endpoint(caller: Caller) -> None:
    variant = {"VariantName": "a", "InstanceType": "ml.inf2.xlarge", "InitialInstanceCount": 1}
    create(caller, CONFIG, EndpointConfigName="c", Name="c", ProductionVariants=[variant])
    create(caller, ENDPOINT, EndpointName="bot", Name="bot", EndpointConfigName="c")


def found(caller: Caller) -> set[str]:
    template = read(caller, "account", KINDS)
    judgement = judge((template,), settings=RuleSettings())
    return {finding.demand.name for finding in judgement.findings}


def test_what_runs_is_judged_like_a_template(caller: Caller) -> None:
    create(caller, "AWS::Logs::LogGroup", LogGroupName="forever", Name="forever")
    create(caller, "AWS::EC2::Volume", Id="vol-1", VolumeType="gp2", Size=10)
    deploy_endpoint(caller)
    assert {"LogGroupExpires", "EbsGp3", "SageMakerEndpointScales"} <= found(caller)


def test_an_address_is_known_by_its_allocation(caller: Caller) -> None:
    create(caller, "AWS::EC2::EIP", Id="1.2.3.4|eipalloc-1", AllocationId="eipalloc-1")
    assert "AddressUsed" in found(caller)
    create(caller, "AWS::EC2::NatGateway", Id="nat-1", AllocationId="eipalloc-1", SubnetId="s")
    assert "AddressUsed" not in found(caller)


def test_what_is_denied_is_named_and_decides_nothing(caller: Caller) -> None:
    deploy_endpoint(caller)

    def deny(request: Any, **_: Any) -> AWSResponse | None:
        return refusal(request, "AccessDeniedException", "is not authorized to perform: a:Describe")

    caller.session.events.register_first("before-send.application-autoscaling", deny)
    template = read(caller, "account", KINDS)
    assert template.unseen["Resources", TARGET] == "a:Describe is denied"
    judgement = judge((template,), settings=RuleSettings())
    assert "SageMakerEndpointScales" not in {f.demand.name for f in judgement.findings}
    assert "SageMakerEndpointScales" in {u.demand.name for u in judgement.unjudged}


def test_throttling_is_waited_out_and_then_named(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: None)
    attempts = []

    def throttle(request: Any, **_: Any) -> AWSResponse | None:
        attempts.append(request)
        return (
            refusal(request, "ThrottlingException", "Rate exceeded") if ending(attempts) else None
        )

    caller.session.events.register("before-send.cloudcontrol", throttle)
    ending = lambda tries: len(tries) < 3  # noqa: E731
    assert not read(caller, "account", [ENDPOINT]).unseen
    assert len(attempts) == 3
    ending = bool
    unseen = read(caller, "account", [ENDPOINT]).unseen
    assert unseen["Resources", ENDPOINT] == f"{ENDPOINT} is throttled; try again later"


def refusal(request: Any, code: str, message: str) -> AWSResponse:
    """Return the answer of AWS that refuses a request."""
    return response(request, 400, {"__type": code, "message": message})


def response(request: Any, status: int, answered: dict[str, Any]) -> AWSResponse:
    body = json.dumps(answered).encode()

    class Raw:
        def stream(self, **_: Any) -> Iterator[bytes]:
            yield body

    return AWSResponse(request.url, status, {}, Raw())


def idle(caller: Caller) -> dict[str, list[str]]:
    findings, _ = examine(Usage(caller, read(caller, "account", KINDS)))
    named: dict[str, list[str]] = {}
    for finding in findings:
        named.setdefault(finding.demand.name, []).append(finding.message)
    return named


def test_an_endpoint_without_invocations_says_what_it_takes(caller: Caller) -> None:
    deploy_endpoint(caller)
    (message,) = idle(caller)["EndpointAsked"]
    assert "had no invocation in 14 days; it takes about 722.70 to 11,373.40 USD a month" in message
    put(caller, "AWS/SageMaker", "Invocations", {"EndpointName": "bot", "VariantName": "a"}, 1)
    assert "EndpointAsked" not in idle(caller)


def put(
    caller: Caller, namespace: str, name: str, dimensions: dict[str, str], value: float
) -> None:
    caller.client("cloudwatch").put_metric_data(
        Namespace=namespace,
        MetricData=[
            {
                "MetricName": name,
                "Dimensions": [{"Name": key, "Value": text} for key, text in dimensions.items()],
                "Timestamp": datetime.now(UTC) - timedelta(days=1),
                "Value": value,
            }
        ],
    )


def test_stores_and_their_bases_sleep_unsearched(caller: Caller) -> None:
    arn = "arn:aws:aoss:eu-north-1:1:collection/x"
    create(caller, "AWS::OpenSearchServerless::Collection", Name="vectors", Arn=arn)
    storage = {"OpensearchServerlessConfiguration": {"CollectionArn": arn}}
    create(caller, "AWS::Bedrock::KnowledgeBase", Name="base", StorageConfiguration=storage)
    assert {"StoreSearched", "KnowledgeBaseAsked"} <= idle(caller).keys()
    dimensions = {"CollectionName": "vectors", "CollectionId": "x", "ClientId": "1"}
    put(caller, "AWS/AOSS", "SearchRequestRate", dimensions, 3)
    assert not {"StoreSearched", "KnowledgeBaseAsked"} & idle(caller).keys()


def test_models_without_an_endpoint_and_spare_memory_are_told(caller: Caller) -> None:
    create(caller, "AWS::SageMaker::Model", ModelName="old", Name="old")
    create(caller, "AWS::Lambda::Function", FunctionName="ask", Name="ask", MemorySize=2048)
    put(caller, "LambdaInsights", "memory_utilization", {"function_name": "ask"}, 12)
    assert idle(caller)["MemoryUsed"][0].startswith("used 12 % of 2048 MB")
    assert "is served by no endpoint" in idle(caller)["ArtifactServed"][0]


def test_logs_that_nothing_reads_are_told(caller: Caller) -> None:
    answer(caller, "logs.DescribeQueries", {"DescribeQueries": {"queries": []}})
    caller.client("logs").create_log_group(logGroupName="chatter")
    create(caller, "AWS::Logs::LogGroup", LogGroupName="chatter", Name="chatter")
    assert "LogsRead" not in idle(caller)  # nothing was written
    put(caller, "AWS/Logs", "IncomingBytes", {"LogGroupName": "chatter"}, 14 * 2**30)
    (message,) = idle(caller)["LogsRead"]
    assert "it takes about 7.50 to 15.00 USD a month" in message


def test_scaling_that_never_scaled_is_told(caller: Caller) -> None:
    target = {
        "ResourceId": "service/a/b",
        "ScalableDimension": "ecs:service:DesiredCount",
        "MinCapacity": 1,
        "MaxCapacity": 4,
    }
    activity = {"StartTime": datetime.now(UTC).timestamp() - 86_400 * 15}
    answers = {
        "DescribeScalableTargets": {"ScalableTargets": [target]},
        "DescribeScalingActivities": {"ScalingActivities": [activity]},
    }
    caller = Caller(boto3.Session(), REGION)
    answer(caller, "application-autoscaling", answers)
    assert idle(caller)["ScalingScales"]
    activity["StartTime"] = datetime.now(UTC).timestamp() - 86_400
    assert "ScalingScales" not in idle(caller)


def test_desks_and_failed_jobs_are_told(caller: Caller) -> None:
    old = datetime.now(UTC).timestamp() - 86_400 * 20
    notebook = {
        "NotebookInstanceName": "n",
        "InstanceType": "ml.p3.2xlarge",
        "LastModifiedTime": old,
    }
    app = {"DomainId": "d", "AppType": "JupyterLab", "AppName": "lab", "Status": "InService"}
    answer(
        caller,
        "sagemaker",
        {
            "ListNotebookInstances": {"NotebookInstances": [notebook]},
            "ListApps": {"Apps": [{**app, "SpaceName": "s"}]},
            "DescribeApp": {"LastUserActivityTimestamp": old, "CreationTime": old},
            "ListTransformJobs": {"TransformJobSummaries": [{"TransformJobName": "night"}]},
            "DescribeTransformJob": {"TransformOutput": {"S3OutputPath": "s3://kept/out/"}},
        },
    )
    s3 = caller.client("s3")
    place = {"LocationConstraint": REGION}
    s3.create_bucket(Bucket="kept", CreateBucketConfiguration=place)
    assert "FailedOutputDeleted" not in idle(caller)
    s3.put_object(Bucket="kept", Key="out/part", Body=b"x" * 2**20)
    named = idle(caller)
    assert "job night failed and kept 0.001 GiB" in named["FailedOutputDeleted"][0]
    assert [text.partition(":")[0] for text in named["DeskUsed"]] == ["notebook n", "app lab"]


def test_the_command_reads_the_account(caller: Caller, capsys: pytest.CaptureFixture[str]) -> None:
    create(caller, "AWS::Logs::LogGroup", LogGroupName="forever", Name="forever")
    code = main(["scan", "--account", "--region", REGION, "--rule", "LogGroupExpires"])
    output = capsys.readouterr()
    assert code == 1
    assert f"in {REGION}:1:1: error Sustainability-LogGroupExpires" in output.out
