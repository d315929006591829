"""Deploying and destroying: in which order, for which account, and what is said."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import boto3
import pytest
from botocore.stub import Stubber

from sustainability.commands import deploy as commands
from sustainability.deployment.schema import Deployment
from sustainability.errors import UserError
from sustainability.facts.lookup import Facts, load_facts
from sustainability.offers.endpoint_models import InferenceModel
from sustainability.operate import cdk, compiling, filling, leftovers, preflight
from sustainability.operate.preflight import Finding, Status
from sustainability.plan.compiled_models import HUB, compile_commands

FILE = Path("deployments/examples/realtime.yaml")
ACCOUNT = "111122223333"


class Cli:
    """Stands in for the CDK CLI, and notes what it is asked."""

    account = ACCOUNT

    def __init__(self, path: Path) -> None:
        self.deployment = Deployment.load(path)
        self.session = None
        self.calls: list[Any] = []
        self.former: list[str] = []

    def is_bootstrapped(self) -> bool:
        return True

    def keep(self, generation: Any) -> None:
        self.calls.append(f"keep {generation}")

    def deploy(self, stack: str | None = None) -> None:
        self.calls.append(stack or "all")

    def diff(self, *, reads_only: bool = False) -> None:
        self.calls.append("show, reading only" if reads_only else "show")

    def left(self) -> list[str]:
        return self.former

    def delete_left(self, stacks: list[str]) -> None:
        self.calls.append(f"delete {' '.join(stacks)}")


class Index:
    """Stands in for the index in the account: which one answers, and whether it gives way."""

    def __init__(self, serving: str | UserError | None = None, former: bool = False) -> None:
        self._serving, self.former = serving, former

    def serving(self) -> str | None:
        if isinstance(self._serving, UserError):
            raise self._serving
        return self._serving

    def wait(self, progress: Any) -> None:
        pass

    def filled(self) -> str:
        return "filled"


class Compiled:
    """A model in the bucket, or not."""

    def __init__(self, *, done: bool = True) -> None:
        self.done, self.runs = done, 0

    def run(self, progress: Any) -> str:
        self.runs += 1
        return "compiled"


def run(
    monkeypatch: pytest.MonkeyPatch,
    *missing: str,
    index: Index | None = None,
    compiled: Compiled | None = None,
    left: tuple[str, ...] = (),
    dry_run: bool = False,
) -> tuple[list[Any], str]:
    """Deploy where some needs are missing; return what was deployed and what was refused."""
    monkeypatch.setattr(compiling, "Compiling", lambda *place: compiled or Compiled())
    monkeypatch.setattr(filling, "Filling", lambda deployment: index or Index())
    cli = Cli(FILE)
    cli.former += left
    monkeypatch.setattr(cdk, "Cdk", lambda path: cli)
    findings = [Finding(need, Status.MISSING, "cure") for need in missing]
    monkeypatch.setattr(preflight, "preflight", lambda *needs: findings)
    try:
        commands.deploy(argparse.Namespace(deployment=FILE, yes=not dry_run, dry_run=dry_run))
    except UserError as error:
        return cli.calls, str(error)
    return cli.calls, ""


def test_an_empty_account_gets_the_bucket_then_the_compiled_model_then_the_rest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    account = Compiled(done=False)
    deployed, said = run(monkeypatch, "compiled qwen3-1.7b", compiled=account)
    assert (deployed, said) == (["realtime-models", "all"], "")
    assert account.runs == 1
    assert run(monkeypatch) == (["all"], ""), "what is compiled is not compiled again"


def test_the_index_that_answers_is_kept_until_the_next_is_complete(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    same = run(monkeypatch, index=Index("one"))
    assert same == (["keep one", "all"], "")
    moved = run(monkeypatch, index=Index("one", former=True))
    assert moved == (["keep one", "all", "realtime-rag"], "")


def test_a_dry_run_shows_what_an_update_would_change_and_makes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    account = Compiled(done=False)
    shown = run(
        monkeypatch,
        "compiled qwen3-1.7b",  # which a deployment makes itself
        index=Index("one", former=True),
        compiled=account,
        dry_run=True,
    )
    assert shown == (["keep one", "show, reading only"], "")
    assert account.runs == 0
    nothing, said = run(monkeypatch, "quota ml.inf2.xlarge for endpoint usage", dry_run=True)
    assert nothing == []
    assert "mend what is missing" in said


def test_a_difference_that_only_reads_makes_no_change_set(monkeypatch: pytest.MonkeyPatch) -> None:
    found = cdk.Cdk(FILE)
    calls: list[tuple[str, ...]] = []
    monkeypatch.setattr(found, "_run", lambda *arguments: calls.append(arguments))
    found.diff(reads_only=True)
    assert calls == [("diff", "--method", "template")]


def test_an_endpoint_that_the_deployment_has_no_more_goes_after_all_that_called_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    left = ("realtime-inference", "realtime-models")
    deployed = run(monkeypatch, index=Index("one", former=True), left=left)
    calls = ["keep one", "all", "realtime-rag", "delete realtime-inference realtime-models"]
    assert deployed == (calls, "")
    assert "No longer part of realtime: realtime-inference" in capsys.readouterr().out


def test_stacks_that_exist_and_that_the_assembly_lacks_are_left(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    found = cdk.Cdk(FILE)
    monkeypatch.setattr(found, "_assembly", str(tmp_path))
    monkeypatch.setattr(found, "_stack", lambda name: {"StackId": name})
    artifacts = {"realtime-rag": {}, "realtime-inference": {}}
    (tmp_path / "manifest.json").write_text(json.dumps({"artifacts": artifacts}))
    assert found.left() == ["realtime-customization", "realtime-models", "realtime-budget"]
    monkeypatch.setattr(found, "_stack", lambda name: None)
    assert found.left() == []


def test_who_is_not_asked_loses_an_index_that_cannot_be_kept_and_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    deployed = run(monkeypatch, index=Index(UserError("made by another version")))
    assert deployed == (["all"], "")
    assert "made by another version" in capsys.readouterr().out


def test_what_no_step_can_make_ends_the_deployment_before_it_begins(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    deployed, said = run(monkeypatch, "quota ml.inf2.xlarge for endpoint usage", "compiled x")
    assert deployed == []
    assert "nothing was done" in said


def test_every_model_of_the_catalogue_can_be_compiled() -> None:
    names = {key.split("/")[0] for key in load_facts("inference_models")}
    assert names == HUB.keys()
    for name in names:
        commands_ = compile_commands(
            Deployment.load(FILE), InferenceModel.named(name, Facts()), ACCOUNT
        )
        assert f"hf download {HUB[name]} --local-dir model" in commands_


@pytest.mark.parametrize(
    ("stated", "held", "refused"),
    [
        (None, ACCOUNT, False),
        (ACCOUNT, ACCOUNT, False),
        (ACCOUNT, "444455556666", True),
        (ACCOUNT, cdk.EMBEDDED_ACCOUNT, False),
    ],
)
def test_credentials_for_another_account_are_refused(
    stated: str | None, held: str, refused: bool
) -> None:
    found = cdk.Cdk(FILE)
    found.deployment = found.deployment.model_copy(update={"account": stated})
    sts = SimpleNamespace(get_caller_identity=lambda: {"Account": held})
    found.session = cast("boto3.Session", SimpleNamespace(client=lambda name: sts))
    if refused:
        with pytest.raises(UserError, match=f"belongs to account {ACCOUNT}"):
            _ = found.account
    else:
        assert found.account == held


def test_an_update_knows_how_many_copies_are_awake() -> None:
    real = boto3.Session("id", "secret", region_name="eu-north-1")
    clients = {name: real.client(name) for name in ("cloudformation", "sagemaker")}
    found = cdk.Cdk(FILE)
    found.session = cast("boto3.Session", SimpleNamespace(client=lambda name: clients[name]))
    output = {"OutputKey": "EndpointName", "OutputValue": "copies"}
    stack = {"StackName": "s", "CreationTime": 0, "StackStatus": "CREATE_COMPLETE"}
    described = {
        "InferenceComponentName": "copies",
        "InferenceComponentArn": "arn:aws:sagemaker:eu-north-1:1:inference-component/copies",
        "EndpointName": "copies",
        "EndpointArn": "arn:aws:sagemaker:eu-north-1:1:endpoint/copies",
        "CreationTime": 0,
        "LastModifiedTime": 0,
        "RuntimeConfig": {"DesiredCopyCount": 3, "CurrentCopyCount": 1},
    }
    with Stubber(clients["cloudformation"]) as stacks, Stubber(clients["sagemaker"]) as sagemaker:
        stacks.add_response("describe_stacks", {"Stacks": [stack | {"Outputs": [output]}]})
        sagemaker.add_response("describe_inference_component", described)
        assert found.copies == 3
        stacks.add_client_error("describe_stacks", "ValidationError")
        assert found.copies == 0


def test_a_stack_made_again_is_told_from_the_one_before() -> None:
    client = boto3.Session("id", "secret", region_name="eu-north-1").client("cloudformation")
    found = cdk.Cdk(FILE)
    found.session = cast("boto3.Session", SimpleNamespace(client=lambda name: client))
    with Stubber(client) as stacks:

        def digest(*ids: str) -> str:
            for id_ in ids:
                stack = {"StackName": "s", "CreationTime": 0, "StackStatus": "CREATE_COMPLETE"}
                stacks.add_response("describe_stacks", {"Stacks": [stack | {"StackId": id_}]})
            for _ in range(2 - len(ids)):
                stacks.add_client_error("describe_stacks", "ValidationError")
            return found.stacks

        assert digest() == ""
        assert digest("rag/1", "inference/1") == digest("rag/1", "inference/1")
        assert len({digest("rag/1"), digest("rag/2"), digest("rag/1", "inference/1")}) == 3


def test_the_log_groups_of_the_cdks_own_functions_go_too() -> None:
    real = boto3.Session("id", "secret", region_name="eu-north-1")
    clients = {name: real.client(name) for name in ("logs", "resourcegroupstaggingapi")}
    session = SimpleNamespace(client=lambda name: clients[name])
    tagged = [{"ResourceARN": "arn:aws:logs:eu-north-1:1:log-group:/answers:*"}]
    made = "/aws/lambda/realtime-rag-CustomS3AutoDeleteObjects-1a2b"
    with Stubber(clients["logs"]) as logs, Stubber(clients["resourcegroupstaggingapi"]) as tags:
        tags.add_response("get_resources", {"ResourceTagMappingList": tagged})
        for part in ("inference", "models", "monitoring", "rag"):
            asked = {"logGroupNamePrefix": f"/aws/lambda/realtime-{part}-Custom"}
            found = [{"logGroupName": made}] if part == "rag" else []
            logs.add_response("describe_log_groups", {"logGroups": found}, asked)
        for name in ("/answers", made):
            logs.add_response("delete_log_group", {}, {"logGroupName": name})
        left = leftovers.Leftovers(Deployment.load(FILE), cast("boto3.Session", session))
        assert left.delete_log_groups() == ["/answers", made]
        logs.assert_no_pending_responses()


def test_a_kept_bucket_is_told_with_its_price_and_energy_and_can_go() -> None:
    real = boto3.Session("id", "secret", region_name="eu-north-1")
    clients = {name: real.client(name) for name in ("s3", "resourcegroupstaggingapi")}
    session = SimpleNamespace(client=lambda name: clients[name])
    version = {"Key": "a", "VersionId": "1", "Size": 2_000_000_000}
    marker = {"Key": "b", "VersionId": "2"}
    with Stubber(clients["s3"]) as s3, Stubber(clients["resourcegroupstaggingapi"]) as tags:
        arns = [{"ResourceARN": f"arn:aws:s3:::{name}"} for name in ("kept", "gone")]
        tags.add_response("get_resources", {"ResourceTagMappingList": arns})
        listed = {"Versions": [version], "DeleteMarkers": [marker]}
        s3.add_response("list_object_versions", listed, {"Bucket": "kept"})
        s3.add_client_error("list_object_versions", "NoSuchBucket")
        left = leftovers.Leftovers(Deployment.load(FILE), cast("boto3.Session", session))
        (kept,) = left.buckets()
        assert str(kept).startswith("bucket kept: 2.000 GB, about $0.05 and 0.")
        assert kept.per_month.usd.mid == pytest.approx(2 * 0.023, rel=0.1)  # and Stockholm's prices
        s3.add_response("list_object_versions", listed, {"Bucket": "kept"})
        for one in (version, marker):
            where = {"Bucket": "kept", "Key": one["Key"], "VersionId": one["VersionId"]}
            s3.add_response("delete_object", {}, where)
        s3.add_response("delete_bucket", {}, {"Bucket": "kept"})
        left.delete(kept)
        s3.assert_no_pending_responses()


def test_the_versions_of_a_tuned_model_go_before_their_group() -> None:
    deployment = Deployment.load(Path("deployments/examples/tuned.yaml"))
    client = boto3.Session("1", "1", region_name=deployment.region).client("sagemaker")
    session = cast("boto3.Session", SimpleNamespace(client=lambda _: client))
    named = {"ModelPackageGroupName": "tuned-customization"}
    arn = f"arn:aws:sagemaker:eu-north-1:{ACCOUNT}:model-package/tuned-customization/1"
    group = {
        **named,
        "ModelPackageGroupArn": f"arn:aws:sagemaker:eu-north-1:{ACCOUNT}:model-package-group/x",
        "CreationTime": 1,
        "CreatedBy": {},
        "ModelPackageGroupStatus": "Completed",
    }
    version = {"ModelPackageArn": arn, "CreationTime": 1, "ModelPackageStatus": "Completed"}
    with Stubber(client) as stub:
        stub.add_response("describe_model_package_group", group, named)
        stub.add_response("list_model_packages", {"ModelPackageSummaryList": [version]}, named)
        stub.add_response("delete_model_package", {}, {"ModelPackageName": arn})
        stub.add_response("delete_model_package_group", {}, named)
        leftovers.Leftovers(deployment, session).delete_models()
        stub.assert_no_pending_responses()
        # Once more, where there is nothing; and of a deployment that tunes nothing.
        stub.add_client_error("describe_model_package_group", "ValidationException")
        leftovers.Leftovers(deployment, session).delete_models()
        plain = Deployment.load(Path("deployments/examples/realtime.yaml"))
        leftovers.Leftovers(plain, session).delete_models()
        stub.assert_no_pending_responses()
