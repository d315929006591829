"""SageMaker as it is played: what endpoints publish, take on and refuse."""

from __future__ import annotations

from typing import Any

import botocore.session
import pytest
from botocore.validate import ParamValidator
from ministack.services import cloudwatch

from local import endpoints, invocations, sagemaker, transform
from local.cloudformation import RECORDS, handlers
from local.endpoints import ENDPOINT, Fleet
from tests.unit.local.conftest import COLD_START_S, REGION, World

SLOTS = 4
QUEUE = {
    "OutputConfig": {"S3OutputPath": "s3://mailbox/answers/"},
    "ClientConfig": {"MaxConcurrentInvocationsPerInstance": SLOTS},
}
JOB = {
    "TransformJobName": "job",
    "ModelName": "model",
    "TransformInput": {"DataSource": {"S3DataSource": {"S3DataType": "ManifestFile"}}},
    "TransformOutput": {"S3OutputPath": "s3://mailbox/answers/"},
    "TransformResources": {"InstanceType": "ml.inf2.xlarge", "InstanceCount": 1},
}


def published(name: str) -> list[float]:
    """Return all values of a metric, in its only set of dimensions."""
    (points,) = (p for key, p in cloudwatch._metrics.items() if key[1] == name)
    return [point["Value"] for point in points]


def let_pass(world: World, fleet: Fleet, seconds: int) -> None:
    for _ in range(seconds):
        world.now += 1
        fleet.publish_regularly()


def test_copies_report_their_load_in_its_period_and_themselves_each_minute(world: World) -> None:
    fleet = world.deploy(copies=2)
    fleet.begin()
    let_pass(world, fleet, 59)
    fleet.end()
    assert published("ConcurrentRequestsPerCopy") == [0.5] * 6
    assert len(published("CPUUtilizationNormalized")) == 2
    assert len(published("CPUUtilization")) == 1  # both are on one instance


def test_what_sleeps_reports_nothing(world: World) -> None:
    let_pass(world, world.deploy(copies=0), 59)
    assert not list(cloudwatch._metrics.items())


def test_a_queue_without_an_instance_says_so(world: World) -> None:
    fleet = world.deploy_queue(QUEUE)
    fleet.resize(0)
    fleet.state["queue"] = [{"received_at": world.now}] * 3
    let_pass(world, fleet, 59)
    assert published("HasBacklogWithoutCapacity") == [1]
    assert published("ApproximateBacklogSize") == [3]
    assert published("ApproximateAgeOfOldestRequest") == [1]


def test_a_queue_gives_out_no_more_than_its_instances_take(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[Any] = []
    monkeypatch.setattr(invocations, "_answer", lambda fleet, request, url: begun.append(request))
    fleet = world.deploy_queue(QUEUE)
    fleet.state["queue"] = [{"received_at": world.now, "id": number} for number in range(9)]
    invocations.work_off_queues("http://127.0.0.1:1")
    assert len(fleet.state["queue"]) == 9 - SLOTS
    for _ in range(SLOTS):
        fleet.end()


@pytest.mark.parametrize(
    ("operation", "request_"),
    [
        ("DescribeEndpoint", {"EndpointName": "answers"}),
        ("DescribeInferenceComponent", {"InferenceComponentName": "answers"}),
        (
            "UpdateInferenceComponentRuntimeConfig",
            {"InferenceComponentName": "answers", "DesiredRuntimeConfig": {"CopyCount": 3}},
        ),
    ],
)
def test_what_sagemaker_answers_is_what_botocore_knows(
    world: World, operation: str, request_: dict[str, Any]
) -> None:
    world.deploy(copies=1)
    answer = sagemaker.operations("")[operation](request_)
    service = botocore.session.get_session().get_service_model("sagemaker")
    shape = service.operation_model(operation).output_shape
    assert ParamValidator().validate(answer, shape).generate_report() == ""


def test_a_component_is_updating_until_its_copies_serve(world: World) -> None:
    fleet = world.deploy(copies=1)
    fleet.resize(3)

    def described() -> tuple[str, int, int]:
        request = {"InferenceComponentName": "answers"}
        answer = sagemaker.operations("")["DescribeInferenceComponent"](request)
        copies = answer["RuntimeConfig"]
        status = answer["InferenceComponentStatus"]
        return status, copies["CurrentCopyCount"], copies["DesiredCopyCount"]

    assert described() == ("Updating", 1, 3)
    world.now += COLD_START_S
    assert described() == ("InService", 3, 3)


def test_an_endpoint_outlives_what_it_hosts(world: World) -> None:
    world.deploy(copies=1)
    endpoint = next(record for record in RECORDS.values() if record["type"] == ENDPOINT)
    delete = handlers(ENDPOINT, endpoints.install(cold_start_s=0)[ENDPOINT])["delete"]
    with pytest.raises(ValueError, match="delete them first"):
        delete(endpoint["id"], endpoint["properties"])


def test_what_is_missing_is_named_with_its_region(world: World) -> None:
    with pytest.raises(ValueError, match=f"Model model in {REGION}"):
        transform.create(JOB | {"TransformInput": _from("s3://mailbox/list")}, "")
    with pytest.raises(ValueError, match="S3Uri"):
        transform.create(JOB, "")


def _from(uri: str) -> dict[str, Any]:
    return {"DataSource": {"S3DataSource": {"S3DataType": "ManifestFile", "S3Uri": uri}}}
