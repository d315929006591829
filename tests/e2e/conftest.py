"""One embedded AWS for all end-to-end tests, on ports of its own, gone afterwards."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import pytest
import urllib3

from local.embedded import EmbeddedAws, free_ports
from sustainability.deployment.schema import Deployment
from sustainability.operate import account as account_module
from sustainability.operate.account import Account
from sustainability.operate.cdk import EMBEDDED_ACCOUNT
from sustainability.plan.compiled_models import artifacts_bucket, artifacts_prefix
from sustainability.plan.serving import plan_serving
from tests import api_document
from tests.identity_provider import Provider

ROOT = Path(__file__).resolve().parents[2]
LOCAL = ROOT / "deployments" / "local.yaml"
COLD_START_S = 300
"""By the clock of the embedded AWS, which tests move."""


def quiet(_: str) -> None:
    """Show no progress."""


@pytest.fixture(scope="session", autouse=True)
def _responses_keep_to_the_document() -> Iterator[None]:
    """Check each response of the API, also of API Gateway itself, by docs/openapi.yaml."""
    read = account_module.in_one_form

    def check_and_read(status: int, answer: Any) -> dict[str, Any]:
        api_document.check(status, answer)
        return read(status, answer)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(account_module, "in_one_form", check_and_read)
        yield


@pytest.fixture(scope="session")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    """Yield an identity provider that what starts meanwhile trusts."""
    provider = Provider()
    with (
        provider.serving(tmp_path_factory.mktemp("provider")) as trusted,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("SSL_CERT_FILE", str(trusted))
        yield provider


@pytest.fixture(scope="session")
def embedded(tmp_path_factory: pytest.TempPathFactory, provider: Provider) -> Iterator[EmbeddedAws]:
    """Yield a running embedded AWS that this process's boto3 talks to."""
    embedded = EmbeddedAws(
        tmp_path_factory.mktemp("embedded"), free_ports(), cold_start_s=COLD_START_S
    )
    embedded.start(quiet)
    try:
        with embedded.alone(AWS_DEFAULT_REGION=Deployment.load(LOCAL).region):
            yield embedded
    finally:
        embedded.forget()


@pytest.fixture(scope="module")
def account(embedded: EmbeddedAws) -> Account:
    """Return ``local.yaml``, deployed; a test may destroy it."""
    embedded.deploy(LOCAL, quiet)
    return Account(Deployment.load(LOCAL))


def left_of(embedded: EmbeddedAws, stack: str) -> set[str]:
    """Return the types of the resources that still stand and once belonged to a stack."""
    listed = urllib3.request("GET", f"{embedded.running()['emulator'].url}/_local/resources").json()
    return {
        resource["type"]
        for resource in listed
        if resource["stack"] == stack or stack in resource["id"]
    }


@pytest.fixture(scope="session")
def client(embedded: EmbeddedAws) -> Callable[[str], Any]:
    """Return a function from a service's name to its client in the embedded AWS."""
    # A session of its own: boto3's default one keeps the credentials of whoever used it first.
    return boto3.Session(region_name=Deployment.load(LOCAL).region).client


def listening(client: Callable[[str], Any], queue: str, *topics: str) -> str:
    """Return the URL of a new queue that hears what these topics, named by their ARNs, are told."""
    sqs = client("sqs")
    url: str = sqs.create_queue(QueueName=queue)["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": attributes["QueueArn"],
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    for topic in topics:
        client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=attributes["QueueArn"])
    return url


def put_compiled(client: Callable[[str], Any], deployment: Deployment, *slots: int) -> None:
    """Make the bucket of compiled models, and put into it the plan's model, for so many slots."""
    shape = plan_serving(deployment).model
    assert shape is not None
    s3, bucket = client("s3"), artifacts_bucket(deployment, EMBEDDED_ACCOUNT)
    place = {"LocationConstraint": deployment.region}
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration=place)
    for number in slots or (shape.slots,):
        prefix = artifacts_prefix(replace(shape, slots=number))
        s3.put_object(Bucket=bucket, Key=f"{prefix}model.pt")


class Models:
    """What the local models were asked, and how to make them fail."""

    def __init__(self, url: str) -> None:
        self._url = url

    def counts(self) -> dict[str, int]:
        """Return how many texts were embedded and how many answers generated so far."""
        response = urllib3.request("GET", f"{self._url}/_local/requests")
        counters = response.json()["counters"]
        return {
            "texts_embedded": sum(counter.get("texts", 0) for counter in counters),
            "answers_generated": sum("output_tokens" in counter for counter in counters)
            and sum(counter["requests"] for counter in counters if "output_tokens" in counter),
        }

    def requests(self, operation: str) -> int:
        """Return how many calls of an operation there were so far."""
        counters = urllib3.request("GET", f"{self._url}/_local/requests").json()["counters"]
        return sum(each["requests"] for each in counters if each["operation"] == operation)

    def fail(self, **fault: Any) -> None:
        """Have the next calls fail."""
        urllib3.request("POST", f"{self._url}/_local/faults", json=fault)

    def answer(self, text: str) -> None:
        """Have every model write this, at once."""
        url = f"{self._url}/_local/answers"
        urllib3.request("POST", url, json={"match": "", "text": text})

    def heal(self) -> None:
        """Forget all faults and answers."""
        urllib3.request("DELETE", f"{self._url}/_local/faults")


@pytest.fixture
def models(embedded: EmbeddedAws) -> Iterator[Models]:
    """Yield the local models; faults end with the test."""
    models = Models(f"http://127.0.0.1:{embedded.ports['models']}")
    yield models
    models.heal()
