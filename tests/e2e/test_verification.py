"""Every example, from an empty account to what `make verify` says of it, and once more after it.

Each is deployed as `make deploy` does it: bucket and image, a compiled model, and the rest.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import WaiterError

from local.embedded import EmbeddedAws
from sustainability.deployment.schema import Deployment
from sustainability.operate.checks import Check, Row, Verdict
from sustainability.operate.verification import verify
from sustainability.plan.serving import plan_serving
from sustainability.plan.serving_plan import Mode
from tests.e2e.conftest import COLD_START_S, ROOT, Models, left_of, quiet

EXAMPLES = sorted((ROOT / "deployments" / "examples").glob("*.yaml"))
ALWAYS = {Row.INDEXED, Row.SIGNED, Row.DELETED, Row.REDRIVEN, Row.ROLES, Row.QUEUE}


class Waited:
    """Progress that lets time pass in the embedded AWS while an instance starts."""

    def __init__(self, embedded: EmbeddedAws) -> None:
        self._embedded, self._ahead_s = embedded, 0.0

    def __call__(self, text: str) -> None:
        if text.startswith("a copy starts"):
            self._embedded.let_pass(COLD_START_S)
            self._ahead_s += COLD_START_S

    def reset(self) -> None:
        self._embedded.let_pass(-self._ahead_s)


def rows(checks: list[Check], verdict: Verdict) -> set[Row]:
    return {check.name for check in checks if check.verdict is verdict}


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: str(file.stem))
def test_an_example_proves_itself(embedded: EmbeddedAws, models: Models, file: Path) -> None:
    models.answer("It is cobalt blue. [1]")
    embedded.deploy(file, quiet)
    deployment, waited = Deployment.load(file), Waited(embedded)
    plan = plan_serving(deployment)
    try:
        checks = verify(deployment, waited, wake=plan.inference_components)
    finally:
        waited.reset()
    told = {check.name: check.evidence for check in checks}
    expected, failed = set(ALWAYS), rows(checks, Verdict.FAILED)
    if plan.model is not None:
        expected.add(Row.COMPILED)
        if plan.inference_components:
            slots = plan.model.slots
            assert told[Row.ENDPOINT_ANSWERS].startswith(f"{slots} of {slots} questions"), told
            # How fast the models of this machine are says nothing.
            failed -= {Row.ENDPOINT_ANSWERS}
    if plan.mode is Mode.BRIDGED:
        expected |= {Row.ENDPOINT_WAKES, Row.ENDPOINT_SLEEPS}
    if deployment.service_level.deadline is None:
        expected |= {Row.FOUND, Row.CACHED, Row.COST}
    assert failed == set(), told
    assert expected <= rows(checks, Verdict.PASSED), told


def test_what_was_destroyed_is_deployed_again_with_the_models_that_were_kept(
    embedded: EmbeddedAws, client: Callable[[str], Any]
) -> None:
    (file,) = (file for file in EXAMPLES if file.stem == "realtime")
    embedded.deploy(file, quiet)
    jobs = client("sagemaker").list_training_jobs(MaxResults=100)["TrainingJobSummaries"]
    embedded.destroy(file, quiet)
    assert left_of(embedded, "realtime-") == {"AWS::S3::Bucket"}
    (bucket,) = (
        each["Name"]
        for each in client("s3").list_buckets()["Buckets"]
        if each["Name"].startswith("realtime-models")
    )
    made = {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": bucket}}
    cloudformation = client("cloudformation")
    template = json.dumps({"Resources": {"Bucket": made}})
    cloudformation.create_stack(StackName="again", TemplateBody=template, OnFailure="DO_NOTHING")
    with pytest.raises(WaiterError, match="CREATE_FAILED"):  # a bucket of this name exists
        cloudformation.get_waiter("stack_create_complete").wait(StackName="again")
    cloudformation.delete_stack(StackName="again")
    embedded.deploy(file, quiet)
    again = client("sagemaker").list_training_jobs(MaxResults=100)["TrainingJobSummaries"]
    assert again == jobs, "what is compiled is not compiled again"
    checks = verify(Deployment.load(file), quiet, quick=True)
    assert Row.COMPILED in rows(checks, Verdict.PASSED)
    assert rows(checks, Verdict.FAILED) == set()
