"""SageMaker as it is played: what endpoints publish, take on and refuse."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import botocore.session
import pytest
from botocore.validate import ParamValidator
from ministack.services import cloudwatch

from local import endpoints, invocations, sagemaker
from local.cloudformation import RECORDS, handlers
from local.endpoints import COMPONENT, CONFIG, ENDPOINT, MODEL, Fleet, config_of
from tests.unit.local.conftest import COLD_START_S, REGION, World

SLOTS = 4
ROLE = "arn:aws:iam::000000000000:role/model"
QUEUE = {
    "OutputConfig": {"S3OutputPath": "s3://mailbox/answers/"},
    "ClientConfig": {"MaxConcurrentInvocationsPerInstance": SLOTS},
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


def test_a_model_without_its_artifacts_is_refused(world: World) -> None:
    source = {"S3Uri": "s3://models/compiled/", "S3DataType": "S3Prefix", "CompressionType": "None"}
    container = {"Image": "image", "ModelDataSource": {"S3DataSource": source}}
    create = handlers(MODEL, endpoints.install(cold_start_s=COLD_START_S)[MODEL])["create"]
    with pytest.raises(ValueError, match="Could not find model data at s3://models/compiled/"):
        create("Model", {"ExecutionRoleArn": ROLE, "PrimaryContainer": container}, "stack")


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
    answer = sagemaker.operations()[operation](request_)
    service = botocore.session.get_session().get_service_model("sagemaker")
    shape = service.operation_model(operation).output_shape
    assert ParamValidator().validate(answer, shape).generate_report() == ""


def test_a_component_is_updating_until_its_copies_serve(world: World) -> None:
    fleet = world.deploy(copies=1)
    fleet.resize(3)

    def described() -> tuple[str, int, int]:
        request = {"InferenceComponentName": "answers"}
        answer = sagemaker.operations()["DescribeInferenceComponent"](request)
        copies = answer["RuntimeConfig"]
        status = answer["InferenceComponentStatus"]
        return status, copies["CurrentCopyCount"], copies["DesiredCopyCount"]

    assert described() == ("Updating", 1, 3)
    world.now += COLD_START_S
    assert described() == ("InService", 3, 3)


@pytest.mark.parametrize(
    ("copies", "size", "taken"),
    [
        (0, {"Type": "COPY_COUNT", "Value": 1}, False),
        (1, {"Type": "COPY_COUNT", "Value": 1}, False),
        (2, {"Type": "COPY_COUNT", "Value": 1}, True),
        (3, {"Type": "COPY_COUNT", "Value": 2}, False),
        (2, {"Type": "CAPACITY_PERCENT", "Value": 60}, False),
    ],
)
def test_a_rolling_update_takes_half_of_the_copies_at_most(
    world: World, copies: int, size: dict[str, Any], taken: bool
) -> None:
    world.deploy(copies=copies)
    record = next(record for record in RECORDS.values() if record["type"] == COMPONENT)
    policy = {"RollingUpdatePolicy": {"MaximumBatchSize": size, "WaitIntervalInSeconds": 0}}
    update = endpoints.install(cold_start_s=0)[COMPONENT].update
    changed = record["properties"] | {"DeploymentConfig": policy}
    with nullcontext() if taken else pytest.raises(ValueError, match="5% and 50%"):
        update(record["id"], changed)


def test_an_update_sets_the_copies_of_the_template(world: World) -> None:
    fleet = world.deploy(copies=1)
    fleet.resize(3)
    update = endpoints.install(cold_start_s=0)[COMPONENT].update
    update(fleet.record["id"], fleet.record["properties"])
    assert fleet.desired == 1


def test_no_queue_takes_a_routing_strategy(world: World) -> None:
    routed = {"RoutingConfig": {"RoutingStrategy": "RANDOM"}, "ModelName": "model"}
    create = endpoints.install(cold_start_s=0)[CONFIG].create
    with pytest.raises(ValueError, match="asynchronous"):
        create("config", {"AsyncInferenceConfig": QUEUE, "ProductionVariants": [routed]})


def test_an_endpoint_outlives_what_it_hosts(world: World) -> None:
    world.deploy(copies=1)
    endpoint = next(record for record in RECORDS.values() if record["type"] == ENDPOINT)
    delete = handlers(ENDPOINT, endpoints.install(cold_start_s=0)[ENDPOINT])["delete"]
    with pytest.raises(ValueError, match="delete them first"):
        delete(endpoint["id"], endpoint["properties"])


def test_a_queue_is_let_go_by_its_window_and_a_real_time_endpoint_keeps_one(world: World) -> None:
    queue = world.deploy_queue(QUEUE)
    update = sagemaker.operations()["UpdateEndpointWeightsAndCapacities"]

    def instances(count: int) -> dict[str, Any]:
        change = {"VariantName": queue.variant, "DesiredInstanceCount": count}
        return {"EndpointName": queue.endpoint, "DesiredWeightsAndCapacities": [change]}

    update(instances(0))
    assert (queue.current, queue.desired) == (0, 0)
    update(instances(2))
    with pytest.raises(ValueError, match="in-progress"):
        update(instances(0))
    del config_of(queue.endpoint, REGION)["AsyncInferenceConfig"]
    world.now += COLD_START_S
    with pytest.raises(ValueError, match="not asynchronous"):
        update(instances(0))


def test_no_transform_job_takes_a_model_that_is_read_where_it_lies(world: World) -> None:
    world.deploy(copies=1)
    create = sagemaker.operations()["CreateTransformJob"]
    with pytest.raises(ValueError, match="Model other in " + REGION):
        create({"ModelName": "other"})
    (model,) = (record for record in RECORDS.values() if record["type"] == MODEL)
    model["properties"]["PrimaryContainer"] = {"ModelDataSource": {"S3DataSource": {}}}
    with pytest.raises(ValueError, match="ModelDataSource"):
        create({"ModelName": model["id"].rsplit("/", 1)[-1]})
