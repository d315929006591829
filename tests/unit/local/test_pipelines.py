"""The committed pipeline, run by the embedded AWS: its steps, ends, refusals and approvals."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from local import job_runs, processing_jobs, roles, sagemaker, training_jobs, weights
from local import ministack_internals as internals
from local.cloudformation import handlers
from local.models.application import WEIGHTS_HEADER, Application
from local.models.aws import ServiceError
from local.models.quoting import Quoting
from local.pipelines import executions, registry
from local.pipelines.definition import Definition, DefinitionError, Values
from tests.pipeline_definition import TEXT, filled
from tests.pipeline_programs import ENDLESS, inputs, programs
from tests.unit.local.conftest import REGION, emptied

NAME = "tuned-customization"
STEPS = ["Prepare", "Tune", "Evaluate", "Gate", "Better", "Compile", "Register"]
ARN = f"arn:aws:sagemaker:{REGION}:000000000000:pipeline/{NAME}"
ROLE = "arn:aws:iam::000000000000:role/pipeline"
TRUST = {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}}
IMAGE = f"123456789012.dkr.ecr.{REGION}.amazonaws.com/image:1"


class Aws:
    """S3 and SageMaker as a role's session reaches them, and the events that were put."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {f"data/{key}": body for key, body in inputs().items()}
        self.objects["code/programs.zip"] = programs()
        self.events: list[dict[str, Any]] = []
        self.log: list[str] = []
        self.exceptions = SimpleNamespace(ResourceAlreadyExistsException=KeyError)

    def client(self, service: str) -> Any:
        return Caller() if service == "sagemaker" else self

    def get_paginator(self, _: str) -> Any:
        return SimpleNamespace(paginate=self._pages)

    def _pages(self, *, Bucket: str, Prefix: str) -> Iterator[dict[str, Any]]:
        names = (key.partition("/") for key in self.objects)
        keys = [key for bucket, _, key in names if bucket == Bucket and key.startswith(Prefix)]
        yield {"Contents": [{"Key": key} for key in keys]}

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:
        return {"Body": io.BytesIO(self.objects[f"{Bucket}/{Key}"])}

    def put_object(self, *, Bucket: str, Key: str, Body: Any) -> None:
        self.objects[f"{Bucket}/{Key}"] = Body.read()

    def put_log_events(self, *, logEvents: list[dict[str, Any]], **_: Any) -> None:
        self.log += [event["message"] for event in logEvents]

    def create_log_group(self, **_: Any) -> None:
        """Accept it."""

    create_log_stream = create_log_group

    def put_event(self, source: str, kind: str, resources: list[str], detail: str) -> None:
        self.events.append({"source": source, "kind": kind, **json.loads(detail)})


class Caller:
    """SageMaker's client: it raises ClientError where the service refuses."""

    def __getattr__(self, method: str) -> Any:
        operation = "".join(word.capitalize() for word in method.split("_"))
        return lambda **request: call(operation, **request)


def call(operation: str, **request: Any) -> dict[str, Any]:
    try:
        return sagemaker.operations()[operation](request)
    except ServiceError as error:
        failure = {"Code": error.code, "Message": error.message}
    except ValueError as error:
        failure = {"Code": "ValidationException", "Message": str(error)}
    raise ClientError({"Error": failure}, operation)


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Aws]:
    aws = Aws()
    for module in (executions, processing_jobs, training_jobs):
        monkeypatch.setattr(module, "session_as", lambda role, region: aws)
    for module, store in (
        (executions, "EXECUTIONS"),
        (processing_jobs, "JOBS"),
        (registry, "PACKAGES"),
        (training_jobs, "JOBS"),
    ):
        monkeypatch.setattr(module, store, {})
    trust = json.dumps({"Statement": [TRUST]})
    monkeypatch.setattr(internals, "trust_of", lambda role: trust if role == "pipeline" else None)
    monkeypatch.setattr(internals, "put_event", aws.put_event)
    job_runs.install(tmp_path / "jobs")
    values = {
        "Bucket": "data",
        "CodeBucket": "code",
        "CodeKey": "programs.zip",
        "ModelPackageGroup": NAME,
        "BatchSize": "4",
        "SequenceLength": "2048",
        "TensorParallel": "2",
        "GramsPerKwh": "35",
        **dict.fromkeys(("CpuImage", "TuneImage", "ServingImage"), IMAGE),
    }
    with emptied():
        deploy(filled(**values))
        group = {"ModelPackageGroupName": NAME}
        handlers(registry.GROUP)["create"]("Models", group, "stack")
        yield aws


def deploy(definition: dict[str, Any], name: str = NAME) -> None:
    properties = {
        "PipelineName": name,
        "RoleArn": ROLE,
        "PipelineDefinition": {"PipelineDefinitionBody": json.dumps(definition)},
    }
    behaviour = executions.behaviours()[executions.PIPELINE]
    handlers(executions.PIPELINE, behaviour)["create"]("Pipeline", properties, "stack")


def start(token: str = "t" * 32, **parameters: str) -> str:
    given = [{"Name": name, "Value": value} for name, value in parameters.items()]
    answer = call(
        "StartPipelineExecution",
        PipelineName=NAME,
        ClientRequestToken=token,
        PipelineParameters=given,
    )
    return str(answer["PipelineExecutionArn"])


def ended(arn: str) -> dict[str, Any]:
    """Wait for the end of an execution, and return its description."""
    while True:
        described = call("DescribePipelineExecution", PipelineExecutionArn=arn)
        if described["PipelineExecutionStatus"] not in ("Executing", "Stopping"):
            return described
        time.sleep(0.02)


def steps(arn: str) -> dict[str, dict[str, Any]]:
    listed = call("ListPipelineExecutionSteps", PipelineExecutionArn=arn, SortOrder="Ascending")
    return {step["StepName"]: step for step in listed["PipelineExecutionSteps"]}


def refused(operation: str, **request: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as refusal:
        call(operation, **request)
    error = refusal.value.response["Error"]
    return error["Code"], error["Message"]


def test_a_run_ends_with_a_model_that_waits_for_approval(aws: Aws) -> None:
    arn = start(DataHash="d1", Parent="none", Reads="question")
    assert ended(arn)["PipelineExecutionStatus"] == "Succeeded", (steps(arn), aws.log)
    assert list(steps(arn)) == STEPS
    assert "told lora question" in aws.log
    (package,) = call("ListModelPackages", ModelPackageGroupName=NAME)["ModelPackageSummaryList"]
    assert package["ModelPackageArn"] == steps(arn)["Register"]["Metadata"]["RegisterModel"]["Arn"]
    found = call("DescribeModelPackage", ModelPackageName=package["ModelPackageArn"])
    assert found["ModelApprovalStatus"] == "PendingManualApproval"
    told = found["CustomerMetadataProperties"]
    assert (told["score"], told["score_below"], told["energy_wh"]) == ("0.900", "0.500", "0.75")
    assert (told["data_hash"], told["method"], told["parent"]) == ("d1", "lora", "none")
    # What it names is where the files are, as they are: no archive.
    (container,) = found["InferenceSpecification"]["Containers"]
    place = container["ModelDataSource"]["S3DataSource"]["S3Uri"].removeprefix("s3://")
    described = json.loads(aws.objects[f"{place}/neuron_config.json"])
    assert described == {"batch_size": 4, "sequence_length": 2048, "tp_degree": 2}
    quality = found["ModelMetrics"]["ModelQuality"]["Statistics"]["S3Uri"]
    assert json.loads(aws.objects[quality.removeprefix("s3://")])["passed"] is True
    assert aws.objects["data/checkpoints/d1/tune/step"] == b"1"


def test_the_same_data_takes_the_results_of_the_first_run(aws: Aws) -> None:
    first = start(DataHash="d1")
    ended(first)
    again = start("u" * 32, DataHash="d1", Margin="0.9")
    assert ended(again)["PipelineExecutionStatus"] == "Failed"
    hits = {name for name, step in steps(again).items() if "CacheHitResult" in step}
    assert hits == {"Prepare", "Tune", "Evaluate"}
    assert steps(again)["Tune"]["CacheHitResult"] == {"SourcePipelineExecutionArn": first}
    # A model that is not better is not registered, and the run says what was found.
    assert steps(again)["Better"]["Metadata"]["Condition"]["Outcome"] == "False"
    assert "not better by 90 points" in steps(again)["NotBetter"]["FailureReason"]
    assert not {"Compile", "Register"} & steps(again).keys()


def test_a_failed_run_says_why_and_goes_on_where_it_failed(aws: Aws) -> None:
    arn = start(DataHash="d1", Epochs="0")
    assert ended(arn)["PipelineExecutionStatus"] == "Failed"
    assert steps(arn)["Tune"]["StepStatus"] == "Failed"
    assert "nothing to learn in 0 epochs" in steps(arn)["Tune"]["FailureReason"]
    prepared = steps(arn)["Prepare"]["StartTime"]
    aws.objects["code/programs.zip"] = programs().replace(b'== "0"', b'== "x"')
    call("RetryPipelineExecution", PipelineExecutionArn=arn, ClientRequestToken="r" * 32)
    assert ended(arn)["PipelineExecutionStatus"] == "Succeeded", steps(arn)
    assert "FailureReason" not in ended(arn)
    assert steps(arn)["Prepare"]["StartTime"] == prepared
    code, message = refused(
        "RetryPipelineExecution", PipelineExecutionArn=arn, ClientRequestToken="s" * 32
    )
    assert (code, "is Succeeded" in message) == ("ValidationException", True)


def test_a_run_that_is_stopped_ends_its_program(aws: Aws) -> None:
    arn = start(DataHash="d1", Epochs=ENDLESS)
    while "Tune" not in steps(arn) or "Metadata" not in steps(arn)["Tune"]:
        time.sleep(0.02)
    call("StopPipelineExecution", PipelineExecutionArn=arn, ClientRequestToken="s" * 32)
    assert ended(arn)["PipelineExecutionStatus"] == "Stopped"
    assert steps(arn)["Tune"]["StepStatus"] == "Stopped"
    (job,) = training_jobs.JOBS.values()
    assert job["TrainingJobStatus"] == "Stopped"
    code, _ = refused(
        "StopPipelineExecution", PipelineExecutionArn=arn, ClientRequestToken="s" * 32
    )
    assert code == "ValidationException"


def test_what_sagemaker_refuses_is_refused(aws: Aws) -> None:
    token = {"ClientRequestToken": "x" * 32}
    unknown = refused("StartPipelineExecution", PipelineName="other", **token)
    assert unknown[0] == "ResourceNotFound"
    assert "pipeline/other' does not exist" in unknown[1]
    run = {"PipelineExecutionArn": f"{ARN}/execution/none"}
    for operation in ("DescribePipelineExecution", "ListPipelineExecutionSteps"):
        assert refused(operation, **run)[0] == "ResourceNotFound"
    for parameters, says in (
        ([], r"\['DataHash'\] do not have default values"),
        ([{"Name": "Epoch", "Value": "1"}], "Unknown parameters: Epoch. Known: DataHash"),
        ([{"Name": "DataHash", "Value": 1}], "PipelineParameters"),
    ):
        code, message = refused(
            "StartPipelineExecution", PipelineName=NAME, PipelineParameters=parameters, **token
        )
        assert code == "ValidationException"
        assert says.replace("\\", "") in message
    short = refused("StartPipelineExecution", PipelineName=NAME, ClientRequestToken="short")
    assert "ClientRequestToken" in short[1]
    assert not executions.EXECUTIONS


def test_two_starts_with_one_token_are_one_run(aws: Aws) -> None:
    arn = start("k" * 32, DataHash="d1", Epochs="0")
    assert start("k" * 32, DataHash="d1", Epochs="0") == arn
    given = [{"Name": "DataHash", "Value": "d2"}]
    code, _ = refused(
        "StartPipelineExecution",
        PipelineName=NAME,
        ClientRequestToken="k" * 32,
        PipelineParameters=given,
    )
    assert code == "ConflictException"
    ended(arn)
    listed = call("ListPipelineExecutions", PipelineName=NAME)["PipelineExecutionSummaries"]
    assert [each["PipelineExecutionArn"] for each in listed] == [arn]


def test_a_role_that_sagemaker_may_not_take_is_refused(aws: Aws) -> None:
    for record in list(executions.RECORDS.values()):
        if record["type"] == executions.PIPELINE:
            record["properties"]["RoleArn"] = ROLE.replace("pipeline", "other")
    code, message = refused(
        "StartPipelineExecution",
        PipelineName=NAME,
        ClientRequestToken="k" * 32,
        PipelineParameters=[{"Name": "DataHash", "Value": "d"}],
    )
    assert (code, "allows principal 'sagemaker" in message) == ("ValidationException", True)


@pytest.mark.parametrize(
    ("trust", "is_trusted"),
    [
        (TRUST, True),
        (TRUST | {"Principal": {"Service": ["a", "sagemaker.amazonaws.com"]}}, True),
        (TRUST | {"Principal": {"Service": "lambda.amazonaws.com"}}, False),
        (TRUST | {"Effect": "Deny"}, False),
    ],
)
def test_who_may_take_a_role_is_what_its_trust_policy_says(
    trust: dict[str, Any], is_trusted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = json.dumps({"Statement": trust})
    monkeypatch.setattr(internals, "trust_of", lambda role: policy)
    if is_trusted:
        roles.require_trust(ROLE)
    else:
        with pytest.raises(ValueError, match="Could not assume role"):
            roles.require_trust(ROLE)


def test_an_approval_is_told_once_and_versions_count_on(aws: Aws) -> None:
    request = {"ModelPackageGroupName": NAME, "ModelApprovalStatus": "PendingManualApproval"}
    one, two = (call("CreateModelPackage", **request)["ModelPackageArn"] for _ in range(2))
    assert [arn.rsplit("/", 1)[1] for arn in (one, two)] == ["1", "2"]
    aws.events.clear()
    for _ in range(2):
        call("UpdateModelPackage", ModelPackageArn=one, ModelApprovalStatus="Approved")
    (event,) = aws.events
    assert event["kind"] == "SageMaker Model Package State Change"
    assert (event["ModelPackageGroupName"], event["ModelApprovalStatus"]) == (NAME, "Approved")
    listed = call("ListModelPackages", ModelPackageGroupName=NAME, ModelApprovalStatus="Approved")
    assert [each["ModelPackageArn"] for each in listed["ModelPackageSummaryList"]] == [one]
    wrong = refused("UpdateModelPackage", ModelPackageArn=one, ModelApprovalStatus="Yes")
    assert "must be one of Approved" in wrong[1]
    assert refused("UpdateModelPackage", ModelPackageArn=f"{one}9")[0] == "ValidationException"
    assert "still has versions" in refused("DeleteModelPackageGroup", ModelPackageGroupName=NAME)[1]
    for arn in (one, two):
        call("DeleteModelPackage", ModelPackageName=arn)
    call("DeleteModelPackageGroup", ModelPackageGroupName=NAME)
    assert "does not exist" in refused("CreateModelPackage", **request)[1]


def test_an_endpoint_answers_with_the_weights_that_it_loaded(
    aws: Aws, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(weights, "session_as", lambda role, region: aws)
    monkeypatch.setattr(internals, "has_objects", lambda b, key: f"{b}/{key}" in aws.objects)
    weights.install(tmp_path / "weights")
    model = {
        "ExecutionRoleArn": ROLE,
        "PrimaryContainer": {
            "ModelDataSource": {"S3DataSource": {"S3Uri": "s3://data/compile/1/model/"}}
        },
    }
    assert weights.of(model, REGION) is None
    aws.objects["data/compile/1/model/model.gguf"] = b"tuned"
    loaded = weights.of(model, REGION)
    assert loaded is not None
    assert Path(loaded).read_bytes() == b"tuned"
    asked: list[Path] = []

    def load(path: Path) -> Quoting:
        asked.append(path)
        return Quoting()

    application = Application(Quoting(), SimpleNamespace(name="none"), load)  # type: ignore[arg-type]
    body = json.dumps({"messages": [{"role": "user", "content": "Why?"}]}).encode()
    for headers in ({}, {WEIGHTS_HEADER: loaded}, {WEIGHTS_HEADER: loaded}):
        path = "/endpoints/answers/invocations"
        assert application.respond("POST", path, headers, body).status == 200
    assert asked == [Path(loaded)]  # once, and only for the endpoint that has them


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ('"Name": "Gate"', "unique"),
        ('"Get": "Steps.Nothing.ModelArtifacts"', "unknown steps: Nothing"),
        ('"Get": "Parameters.Nothing"', "unknown parameter Nothing"),
        ('"Get": "Steps.Gate.X"', "Cycle"),
        ('"Get": "Nowhere.X"', "Unknown reference"),
    ],
)
def test_a_definition_that_nothing_could_run_is_refused(change: str, says: str) -> None:
    known = {
        "unique": '"Name": "Tune"',
        "Cycle": '"Get": "Parameters.Epochs"',
    }.get(says, '"Get": "Parameters.Method"')
    with pytest.raises(DefinitionError, match=says):
        Definition.read(TEXT.replace(known, change))


def test_what_is_no_definition_is_not_deployed(aws: Aws) -> None:
    with pytest.raises(DefinitionError, match="Version must be 2020-12-01"):
        deploy({"Version": "1", "Steps": []}, "other")
    for wrong in ("no JSON", "{}", "[]", '{"Version": "2020-12-01", "Steps": [{}]}'):
        with pytest.raises(DefinitionError, match="Unable to parse"):
            Definition.read(wrong)
    with pytest.raises(DefinitionError, match="is of type Lambda; the embedded AWS runs Training"):
        Definition.read(TEXT.replace('"Type": "Fail"', '"Type": "Lambda"'))


@given(left=st.integers(), right=st.integers())
def test_conditions_compare_as_numbers_do(left: int, right: int) -> None:
    values = Values({"Left": left}, {}, lambda step: {}, lambda *_: None)

    def holds(kind: str) -> bool:
        sides = {"LeftValue": {"Get": "Parameters.Left"}, "RightValue": right}
        return values.holds({"Type": kind, **sides})

    assert holds("Equals") == (left == right)
    assert holds("GreaterThan") == (left > right)
    assert holds("LessThanOrEqualTo") != holds("GreaterThan")
    assert holds("GreaterThanOrEqualTo") != holds("LessThan")
    query = {"Type": "In", "QueryValue": {"Get": "Parameters.Left"}, "Values": [right]}
    assert values.holds(query) == (left == right)
    assert values.holds({"Type": "Not", "Expression": query}) != values.holds(query)
    assert values.holds({"Type": "Or", "Conditions": [query, query]}) == values.holds(query)
