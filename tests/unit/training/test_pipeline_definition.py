"""The committed definition, as the service would read it: no SDK, no network."""

from __future__ import annotations

import re

import pytest

from local.models.aws import ServiceError
from tests.pipeline_definition import CREATES, TEXT, check, filled, steps

NAMED = {step["Name"]: step for step in steps(filled())}


@pytest.mark.parametrize("name", [n for n, step in NAMED.items() if step["Type"] in CREATES])
def test_each_step_is_a_request_that_the_service_takes(name: str) -> None:
    check(NAMED[name])


def test_an_instance_type_that_no_list_has_is_found() -> None:
    wrong = {step["Name"]: step for step in steps(filled(CpuInstanceType="ml.trn1.2xlarge"))}
    with pytest.raises(ServiceError, match="InstanceType: must be one of"):
        check(wrong["Prepare"])


def test_what_a_step_reads_another_step_writes() -> None:
    references = set(re.findall(r'"Steps\.(\w+)\.', TEXT))
    assert references < NAMED.keys()
    declared = {parameter["Name"] for parameter in filled()["Parameters"]}
    assert set(re.findall(r'"Parameters\.(\w+)"', TEXT)) == declared


def test_each_job_has_a_role_of_its_own_no_network_and_an_end() -> None:
    jobs = [step for step in NAMED.values() if step["Type"] in ("Training", "Processing")]
    roles = re.findall(r'"RoleArn": "\$\{(\w+)\}"', TEXT)
    assert len(set(roles)) == len(roles) == len(jobs)
    for job in jobs:
        arguments = job["Arguments"]
        network = arguments.get("NetworkConfig", arguments)
        assert network["EnableNetworkIsolation"] is True
        limits = arguments["StoppingCondition"]
        if arguments.get("EnableManagedSpotTraining"):
            assert limits["MaxWaitTimeInSeconds"] >= limits["MaxRuntimeInSeconds"]
            assert arguments["CheckpointConfig"]["LocalPath"] == "/opt/ml/checkpoints"
        else:
            assert limits["MaxRuntimeInSeconds"] > 0
            assert "MaxWaitTimeInSeconds" not in limits


def test_no_artifact_is_an_archive() -> None:
    for step in NAMED.values():
        if step["Type"] == "Training":
            assert step["Arguments"]["OutputDataConfig"]["CompressionType"] == "NONE"


def test_nothing_in_the_file_is_of_one_account_or_machine() -> None:
    assert not re.search(r"\d{12}|null|/home/|/tmp/", TEXT)
