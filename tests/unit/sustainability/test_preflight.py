"""The pre-flight: what it finds in an account, in the words and shapes of the real APIs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any, cast

import boto3
import pytest
from botocore.stub import Stubber

from sustainability.deployment.accepted import EMBEDDING_DIMENSIONS
from sustainability.errors import UserError
from sustainability.facts.lookup import Facts
from sustainability.offers.endpoint_models import InferenceModel
from sustainability.offers.names import generators
from sustainability.operate.preflight import (
    COMPILE_QUOTA,
    Finding,
    Status,
    _bootstrap,
    _concurrency,
    preflight,
)
from sustainability.plan.compiled_models import artifacts_prefix
from sustainability.plan.serving_plan import Mode
from tests.unit.sustainability.deployments import a_deployment, a_plan

MODEL = InferenceModel.named("qwen3-1.7b", Facts())
PREFIX = artifacts_prefix(MODEL)
REALTIME = {
    "mode": Mode.REALTIME,
    "instance_type": "ml.inf2.xlarge",
    "model": MODEL,
    "max_copies": 3,
    "copies_per_instance": 1,
    "batch": None,
    "bedrock_share": 0.0,
}
IMAGE = "123456789012.dkr.ecr.eu-north-1.amazonaws.com/qwen:7"
EMBEDDING = "Bedrock model amazon.titan-embed-text-v2:0"
QUOTA = "quota ml.inf2.xlarge for endpoint usage"
COMPILED = "compiled qwen3-1.7b"
COMPILE = f"quota {COMPILE_QUOTA}"
CONCURRENCY = {"ConcurrentExecutions": 1000}
OF_ANY_ACCOUNT = {
    "Lambda concurrency",
    "CDK bootstrap",
    "service-linked role of observability.aoss.amazonaws.com",
    "service-linked role of sagemaker.application-autoscaling.amazonaws.com",
}


class StubbedAccount:
    """A session whose clients answer what is expected of them, and nothing else."""

    def __init__(self) -> None:
        self._session = boto3.Session("id", "secret", region_name="eu-north-1")
        self._stack = ExitStack()
        self._clients: dict[str, Any] = {}
        self.stubs: dict[str, Stubber] = {}

    def client(self, name: str) -> Any:
        if name not in self._clients:
            self._clients[name] = self._session.client(name)
            self.stubs[name] = self._stack.enter_context(Stubber(self._clients[name]))
        return self._clients[name]

    def expect(self, service: str, operation: str, response: dict[str, Any]) -> None:
        self.client(service)
        self.stubs[service].add_response(operation, response)

    def refuse(self, service: str, operation: str, code: str) -> None:
        self.client(service)
        self.stubs[service].add_client_error(operation, code)

    def close(self) -> None:
        self._stack.close()


@pytest.fixture
def account() -> Iterator[StubbedAccount]:
    account = StubbedAccount()
    yield account
    account.close()


def look(account: StubbedAccount, plan: dict[str, Any], **sections: Any) -> dict[str, Finding]:
    account.expect("lambda", "get_account_settings", {"AccountLimit": CONCURRENCY})
    account.expect("ssm", "get_parameter", {"Parameter": {"Value": "27"}})
    for _ in range(plan.get("instance_type") is not None):
        account.expect("iam", "list_roles", {"Roles": []})
    session = cast("boto3.Session", account)
    findings = preflight(a_deployment(**sections), a_plan(**plan), session)
    for stub in account.stubs.values():
        stub.assert_no_pending_responses()
    return {f.need: f for f in findings if f.need not in OF_ANY_ACCOUNT}


def access(account: StubbedAccount, *, of_profile: bool = False, **refused: str) -> None:
    granted = {
        "modelId": "any",
        "agreementAvailability": {"status": refused.pop("agreement", "AVAILABLE")},
        "authorizationStatus": "AUTHORIZED",
        "entitlementAvailability": "AVAILABLE",
        "regionAvailability": "AVAILABLE",
    }
    granted_fully = not refused and granted["agreementAvailability"] == {"status": "AVAILABLE"}
    account.expect("bedrock", "get_foundation_model_availability", {**granted, **refused})
    if granted_fully and not of_profile:
        lifecycle(account)


def lifecycle(account: StubbedAccount, status: str = "ACTIVE", **days: datetime) -> None:
    details = {"modelArn": "arn:aws:bedrock:eu-north-1::foundation-model/any", "modelId": "any"}
    stated = {"modelLifecycle": {"status": status, **days}}
    account.expect("bedrock", "get_foundation_model", {"modelDetails": details | stated})


def quotas(account: StubbedAccount, operation: str, **values: float) -> None:
    found = [
        {"QuotaName": f"{name.replace('_', '.')} for endpoint usage", "QuotaCode": "L-1"}
        | {"Value": value}
        for name, value in values.items()
    ]
    account.expect("service-quotas", operation, {"Quotas": found})


def compile_quota(account: StubbedAccount, value: float) -> None:
    found = {"QuotaName": COMPILE_QUOTA, "QuotaCode": "L-2", "Value": value}
    account.expect("service-quotas", "list_service_quotas", {"Quotas": [found]})


def stored(account: StubbedAccount, *names: str) -> None:
    account.expect("sts", "get_caller_identity", {"Account": "123456789012"})
    contents = [{"Key": PREFIX + name} for name in names]
    for _ in range(2):  # by its own check, and by that of the quota to compile it
        account.expect("s3", "list_objects_v2", {"Contents": contents})


def test_an_account_with_everything_is_ready(account: StubbedAccount) -> None:
    access(account)
    quotas(account, "list_service_quotas", ml_inf2_8xlarge=0, ml_inf2_xlarge=3)
    stored(account, "neuron_config.json", "model.pt", "checkpoint/weights/tp0.safetensors")
    findings = look(account, REALTIME)
    assert {need: finding.status for need, finding in findings.items()} == {
        EMBEDDING: Status.READY,
        QUOTA: Status.READY,
        COMPILED: Status.READY,
        COMPILE: Status.READY,
    }


def test_bedrock_alone_needs_its_models_alone(account: StubbedAccount) -> None:
    access(account)
    access(account, of_profile=True)
    account.expect(
        "bedrock",
        "get_inference_profile",
        {
            "inferenceProfileName": "Nova Lite",
            "inferenceProfileArn": "arn:aws:bedrock:eu-north-1:123456789012:inference-profile/a",
            "models": [{}],
            "inferenceProfileId": "eu.amazon.nova-lite-v1:0",
            "status": "ACTIVE",
            "type": "SYSTEM_DEFINED",
        },
    )
    lifecycle(account)
    generator = "eu.amazon.nova-lite-v1:0"
    findings = look(account, {}, answers={"generator": generator})
    assert set(findings) == {EMBEDDING, f"Bedrock model {generator}"}
    assert all(finding.status is Status.READY for finding in findings.values())


@pytest.mark.parametrize(
    ("refused", "named"),
    [
        ({"authorizationStatus": "NOT_AUTHORIZED"}, "authorizationStatus"),
        ({"agreement": "PENDING"}, "agreementAvailability"),
    ],
)
def test_a_model_without_access_says_how_to_get_it(
    account: StubbedAccount, refused: dict[str, str], named: str
) -> None:
    access(account, **refused)
    finding = look(account, {"bedrock_share": 0.0})[EMBEDDING]
    assert finding.status is Status.MISSING
    assert named in finding.text
    assert "Model access" in finding.text


def summaries(account: StubbedAccount, legacy: str) -> None:
    found = [
        {
            "modelArn": f"arn:aws:bedrock:eu-north-1::foundation-model/{name}",
            "modelId": name,
            "modelLifecycle": {"status": "LEGACY" if name == legacy else "ACTIVE"},
        }
        for name in (*generators(), *EMBEDDING_DIMENSIONS)
    ]
    account.expect("bedrock", "list_foundation_models", {"modelSummaries": found})


def test_a_legacy_generator_fails_with_its_day_and_the_smallest_replacement(
    account: StubbedAccount,
) -> None:
    small = "mistral.ministral-3-3b-instruct"
    access(account)
    access(account, of_profile=True)
    lifecycle(
        account,
        "LEGACY",
        legacyTime=datetime(2026, 9, 1, tzinfo=UTC),
        publicExtendedAccessTime=datetime(2026, 12, 1, tzinfo=UTC),
        endOfLifeTime=datetime(2027, 3, 1, tzinfo=UTC),
    )
    summaries(account, small)
    found = look(account, {}, answers={"generator": small})[f"Bedrock model {small}"]
    assert found.status is Status.MISSING
    assert found.text.startswith(
        "legacy since 2026-09-01, dearer from 2026-12-01, ends on 2027-03-01; "
    )
    assert "answers.generator: openai.gpt-oss-20b-1:0;" in found.text
    assert "review-models" in found.text


def test_a_legacy_embedding_model_names_the_active_ones(account: StubbedAccount) -> None:
    access(account, of_profile=True)
    lifecycle(account, "LEGACY")
    summaries(account, "amazon.titan-embed-text-v2:0")
    found = look(account, {"bedrock_share": 0.0})[EMBEDDING]
    assert found.status is Status.MISSING
    assert "legacy, AWS states no day of its end; " in found.text
    assert "(cohere.embed-english-v3, cohere.embed-multilingual-v3, " in found.text
    assert "titan" not in found.text


def test_a_quota_that_was_never_raised_is_the_default(account: StubbedAccount) -> None:
    access(account)
    quotas(account, "list_service_quotas")
    quotas(account, "list_aws_default_service_quotas", ml_inf2_xlarge=0)
    stored(account)
    compile_quota(account, 1)
    finding = look(account, REALTIME)[QUOTA]
    assert finding.status is Status.MISSING
    assert "0 granted, 3 needed" in finding.text
    assert "--quota-code L-1 --desired-value 3" in finding.text


def test_a_server_that_would_compile_is_foreseen(account: StubbedAccount) -> None:
    access(account)
    quotas(account, "list_service_quotas", ml_inf2_xlarge=9)
    stored(account, "neuron_config.json")
    compile_quota(account, 0)
    findings = look(account, REALTIME)
    assert findings[COMPILED].status is Status.MISSING
    assert (
        f"model.pt, *.safetensors missing in s3://test-models-123456789012-eu-north-1/{PREFIX}"
        in findings[COMPILED].text
    )
    assert "python -m sustainability compile" in findings[COMPILED].text
    assert findings[COMPILE].status is Status.MISSING
    assert "--quota-code L-2 --desired-value 1" in findings[COMPILE].text
    assert "compile --commands" in findings[COMPILE].text


def test_before_the_first_deployment_there_is_no_bucket(account: StubbedAccount) -> None:
    access(account)
    quotas(account, "list_service_quotas", ml_inf2_xlarge=9)
    account.expect("sts", "get_caller_identity", {"Account": "123456789012"})
    account.refuse("s3", "list_objects_v2", "NoSuchBucket")
    account.refuse("s3", "list_objects_v2", "NoSuchBucket")
    compile_quota(account, 1)
    findings = look(account, REALTIME)
    assert findings[COMPILED].status is Status.MISSING
    assert "`make deploy` does it" in findings[COMPILED].text
    assert findings[COMPILE].status is Status.READY


@pytest.mark.parametrize(
    ("code", "status"),
    [(None, Status.READY), ("ImageNotFoundException", Status.MISSING)],
)
def test_an_image_of_ones_own_is_looked_for(
    account: StubbedAccount, code: str | None, status: Status
) -> None:
    access(account)
    quotas(account, "list_service_quotas", ml_inf2_xlarge=9)
    stored(account, "neuron_config.json", "model.pt", "a.safetensors")
    if code is None:
        expected = {
            "registryId": "123456789012",
            "repositoryName": "qwen",
            "imageIds": [{"imageTag": "7"}],
        }
        account.client("ecr")
        account.stubs["ecr"].add_response("describe_images", {"imageDetails": []}, expected)
    else:
        account.refuse("ecr", "describe_images", code)
    finding = look(account, REALTIME, inference={"image": IMAGE})[f"image {IMAGE}"]
    assert finding.status is status


def test_what_may_not_be_looked_up_is_unknown_and_neither_ready_nor_missing(
    account: StubbedAccount,
) -> None:
    account.refuse("bedrock", "get_foundation_model_availability", "AccessDeniedException")
    finding = look(account, {"bedrock_share": 0.0})[EMBEDDING]
    assert finding.status is Status.UNKNOWN
    assert "AccessDeniedException" in finding.text


def test_without_credentials_there_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, "/nonexistent")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(UserError, match="aws sso login"):
        preflight(a_deployment(), a_plan(), boto3.Session(region_name="eu-north-1"))


@pytest.mark.parametrize(
    ("granted", "reserved", "ready"),
    [(1000, 10, True), (1000, 900, True), (1000, 901, False), (10, 1, False)],
)
def test_a_hundred_executions_must_stay_unreserved(
    account: StubbedAccount, granted: int, reserved: int, ready: bool
) -> None:
    limits = {"AccountLimit": {"ConcurrentExecutions": granted}}
    account.expect("lambda", "get_account_settings", limits)
    found, text = _concurrency(cast("boto3.Session", account), reserved)
    assert found is ready
    assert ready or "request-service-quota-increase --service-code lambda" in text


def test_an_old_bootstrap_is_missing_and_none_is_made_by_deploy(account: StubbedAccount) -> None:
    session = cast("boto3.Session", account)
    account.expect("ssm", "get_parameter", {"Parameter": {"Value": "5"}})
    assert _bootstrap(session, "hnb659fds") == (
        False,
        "version 5, 6 needed; run `npx cdk bootstrap`",
    )
    account.refuse("ssm", "get_parameter", "ParameterNotFound")
    assert _bootstrap(session, "hnb659fds")[0]
