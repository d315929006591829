"""An endpoint that sleeps, wakes, ails and heals, and its life in every mode."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml

from local import processes
from local.embedded import EmbeddedAws
from sustainability.__main__ import main
from sustainability.deployment.schema import Deployment
from sustainability.operate.account import Account
from sustainability.operate.cdk import Cdk
from sustainability.operate.compiling import Compiling
from sustainability.plan.serving import plan_serving
from sustainability.plan.serving_plan import DemandThreshold
from tests.e2e.conftest import (
    COLD_START_S,
    LOCAL,
    ROOT,
    Models,
    left_of,
    listening,
    put_compiled,
    quiet,
)
from tests.e2e.modes import MODES

NAP = ROOT / "deployments" / "examples" / "nap.yaml"
NEVER = {"inference": {"bedrock": "never"}}
MODEL = "qwen3-1.7b"
ENDPOINT = "nap-copies-inf2-xlarge"
_TRACKED_S = 1000
"""Beyond the quarter of an hour that target tracking looks at before it scales in."""
_BACKLOG_S = 180
"""Beyond the two minutes for which the backlog alarm wants it to last."""
numbers = itertools.count()


@pytest.fixture(autouse=True)
def _quick(models: Models) -> None:
    """Have the models answer at once: who answers is the question here, and not what."""
    models.answer("It freezes every February.")


class Cli:
    """The CDK CLI on one app, against the embedded AWS."""

    def __init__(self, embedded: EmbeddedAws, folder: Path, *options: str) -> None:
        self._embedded, self._folder, self._options = embedded, folder, options

    def deploy(self, *options: str, stacks: str = "--all") -> None:
        synth = ["--output", str(self._folder / "cdk.out"), *self._options, *options]
        self._run("deploy", stacks, "--require-approval", "never", *synth)

    def destroy(self) -> None:
        """Destroy what was deployed last."""
        self._run("destroy", "--all", "--force", "--app", str(self._folder / "cdk.out"))

    def _run(self, verb: str, *options: str) -> None:
        cdk = str(ROOT / "node_modules" / ".bin" / "cdk")
        processes.run(
            [cdk, verb, "--no-notices", "--concurrency", "4", *options],
            environment=self._embedded.environment(),
            log=self._embedded.state / "logs" / "endpoint.log",
            progress=quiet,
        )


class Clock:
    """The embedded AWS's clock, and what its endpoints look like by it."""

    def __init__(self, embedded: EmbeddedAws) -> None:
        self._embedded = embedded
        self._ahead_s = 0.0

    def forward(self, seconds: float) -> None:
        self._embedded.let_pass(seconds)
        self._ahead_s += seconds

    def reset(self) -> None:
        """Set it back, because other tests go by their own."""
        self._embedded.let_pass(-self._ahead_s)

    def copies(self, name: str) -> tuple[int, int]:
        """Return how many serve and how many there shall be."""
        (found,) = (each for each in self._embedded.endpoints() if each.name == name)
        return found.current, found.desired

    def names(self) -> set[str]:
        return {each.name for each in self._embedded.endpoints()}


def until(condition: Callable[[], object], seconds: float = 600) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it has not come about"
        time.sleep(0.2)


@pytest.fixture(scope="module")
def clock(embedded: EmbeddedAws) -> Iterator[Clock]:
    clock = Clock(embedded)
    yield clock
    clock.reset()


@pytest.fixture(scope="module")
def bootstrapped(embedded: EmbeddedAws) -> None:
    cdk = Cdk(LOCAL)
    if not cdk.is_bootstrapped():
        cdk.bootstrap()


class System:
    """One deployment, whose YAML the tests change and deploy again."""

    def __init__(self, cli: Cli, file: Path) -> None:
        self._cli, self.file = cli, file
        self.account: Account
        self.deployment: Deployment

    def deploy(self, **changes: Any) -> None:
        # JSON is YAML.
        self.file.write_text(json.dumps(yaml.safe_load(NAP.read_text()) | changes))
        self.deployment = Deployment.load(self.file)
        self.account = Account(self.deployment)
        if self.compiling.missing() is None:
            self._cli.deploy(stacks="nap-models")
        self.compiling.run(quiet)
        self._cli.deploy()

    @property
    def compiling(self) -> Compiling:
        """The compiled model of the deployment."""
        shape = plan_serving(self.deployment).model
        assert shape is not None
        return Compiling(self.deployment, shape, boto3.Session(region_name=self.deployment.region))

    def destroy(self) -> None:
        self._cli.destroy()

    def ask(self) -> dict[str, Any]:
        """Ask, and again if a busy machine does not answer within the API's deadline."""
        for _ in range(5):
            status, _, answer = self.account.call("POST", "/answers", {"question": _question()})
            if status != 504:
                break
        assert status in (200, 202), answer
        return answer

    def fetch(self, asked: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        status, _, answer = self.account.call("GET", f"/answers/{asked['id']}")
        return status, answer

    def crowd(self, questions: float, about: str) -> list[dict[str, Any]]:
        """Have so many others ask, each something else; return what they are told."""
        asked = [f"{about} Visitor {next(numbers)} asks." for _ in range(int(questions) + 1)]
        with ThreadPoolExecutor(4) as pool:
            return list(
                pool.map(lambda each: self.account.ask(each, patience_s=600, progress=quiet), asked)
            )


HARBOUR, CHESS = "When does the harbour of Brineport freeze?", "Who won the chess match?"


def _question() -> str:
    return f"{HARBOUR} Visitor {next(numbers)} asks."


@pytest.fixture(scope="module")
def system(
    embedded: EmbeddedAws, bootstrapped: None, tmp_path_factory: pytest.TempPathFactory
) -> System:
    """Return a deployment in mode bridged, with one document; a test destroys it."""
    folder = tmp_path_factory.mktemp("nap")
    file = folder / "nap.yaml"
    # The app takes a path, too, where it is given the name of a deployment.
    cli = Cli(embedded, folder, "--context", f"deployment={file.with_suffix('')}")
    system = System(cli, file)
    system.deploy()
    document = folder / "harbour.md"
    document.write_text("# Harbour\n\nThe harbour of Brineport freezes every February.\n")
    uploaded = system.account.add({"harbour.md": document})
    system.account.wait_until_settled(uploaded, seconds=600, progress=quiet)
    return system


def test_its_model_was_compiled_by_a_job_and_is_not_compiled_again(
    system: System, client: Callable[[str], Any]
) -> None:
    def jobs() -> list[Any]:
        listed = client("sagemaker").list_training_jobs(NameContains="nap")
        found: list[Any] = listed["TrainingJobSummaries"]
        return found

    (job,) = jobs()
    assert job["TrainingJobStatus"] == "Completed"
    assert "compiled already" in system.compiling.run(quiet)
    assert jobs() == [job]


def test_it_sleeps_until_demand_wakes_it(
    system: System, clock: Clock, client: Callable[[str], Any]
) -> None:
    wake = plan_serving(system.deployment).wake
    assert isinstance(wake, DemandThreshold)
    assert clock.copies(ENDPOINT) == (0, 0)
    asleep = system.ask()
    assert (asleep["served_by"], asleep["model"]) == (
        "bedrock",
        system.deployment.answers.generator,
    )

    def ask_often(about: str, *, documented: bool) -> None:
        for _ in range(wake.datapoints):
            clock.forward(wake.period_s)
            answers = system.crowd(wake.questions_per_period, about)
            assert all(bool(answer["citations"]) is documented for answer in answers)

    ask_often(CHESS, documented=False)  # so that no model is asked
    clock.forward(wake.period_s)
    assert clock.copies(ENDPOINT) == (0, 0)
    ask_often(HARBOUR, documented=True)
    until(lambda: clock.copies(ENDPOINT) == (0, 1))
    alarming = client("cloudwatch").describe_alarms(StateValue="ALARM")["MetricAlarms"]
    assert any("no instance runs" in alarm["AlarmDescription"] for alarm in alarming)

    clock.forward(COLD_START_S)
    assert clock.copies(ENDPOINT) == (1, 1)
    awake = system.ask()
    assert (awake["served_by"], awake["model"]) == ("endpoint", MODEL)


def test_an_ailing_endpoint_costs_one_probe_until_it_heals(
    system: System, clock: Clock, models: Models
) -> None:
    models.fail(match=ENDPOINT, error="ModelError", count=100)
    before = models.requests("InvokeEndpoint")
    clock.forward(1)
    assert [system.ask()["served_by"] for _ in range(3)] == ["bedrock"] * 3
    assert models.requests("InvokeEndpoint") == before + 1
    models.heal()
    models.answer("It freezes again.")
    clock.forward(60)
    assert system.ask()["served_by"] == "endpoint"


def test_a_candidate_is_asked_itself_where_an_endpoint_answers(
    system: System, models: Models, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    golden = [{"id": "ice", "question": HARBOUR, "answerable": True, "answer_contains": ["again"]}]
    questions = tmp_path / "golden.yaml"
    questions.write_text(json.dumps(golden))
    zero = [f"--bar={score}=0" for score in ("correctness", "groundedness", "abstention")]
    for candidate, operation in (
        (system.deployment.answers.generator, "Converse"),
        (MODEL, "InvokeEndpoint"),
    ):
        before = {name: models.requests(name) for name in ("Converse", "InvokeEndpoint")}
        arguments = ["--questions", str(questions), "--history", str(tmp_path / "history"), *zero]
        main(["choose-model", str(system.file), *arguments, "--models", candidate, "--json"])
        (result,) = json.loads(capsys.readouterr().out)["results"]
        assert result["candidate"]["model"] == candidate
        assert result["wh_per_1000"]["mid"] > 0
        asked = {name: models.requests(name) - count for name, count in before.items()}
        assert asked == {"Converse": 0, "InvokeEndpoint": 0} | {operation: 1}


def test_without_demand_it_sleeps(system: System, clock: Clock) -> None:
    sleep = plan_serving(system.deployment).sleep
    assert isinstance(sleep, DemandThreshold)
    clock.forward(sleep.period_s * sleep.datapoints)
    assert clock.copies(ENDPOINT) == (0, 0)
    assert system.ask()["served_by"] == "bedrock"


def test_a_call_that_finds_no_copy_is_refused_and_counted(
    system: System, clock: Clock, client: Callable[[str], Any]
) -> None:
    runtime, cloudwatch = client("sagemaker-runtime"), client("cloudwatch")
    with pytest.raises(runtime.exceptions.ValidationError, match="no capacity"):
        runtime.invoke_endpoint(EndpointName=ENDPOINT, InferenceComponentName=ENDPOINT, Body=b"{}")
    (counted,) = cloudwatch.list_metrics(MetricName="NoCapacityInvocationFailures")["Metrics"]
    assert counted["Dimensions"] == [{"Name": "InferenceComponentName", "Value": ENDPOINT}]


def test_what_must_not_leave_waits_for_a_copy(
    system: System, clock: Clock, client: Callable[[str], Any]
) -> None:
    system.deploy(**NEVER)
    least, _ = clock.copies(ENDPOINT)
    assert least == plan_serving(system.deployment).min_copies > 0
    assert system.ask()["served_by"] == "endpoint"

    sagemaker = client("sagemaker")
    sagemaker.update_inference_component_runtime_config(
        InferenceComponentName=ENDPOINT, DesiredRuntimeConfig={"CopyCount": 0}
    )
    clock.forward(1)
    status, headers, body = system.account.call("POST", "/answers", {"question": _question()})
    assert (status, body["error"]["code"]) == (503, "unavailable")
    assert int(headers["retry-after"]) > 0


def test_a_question_that_can_wait_wakes_the_queue(
    system: System, clock: Clock, client: Callable[[str], Any]
) -> None:
    system.deploy(service_level={"deadline": "30m"}, **NEVER)
    told = subscribed(client, stack="nap-inference", topic="QueueSucceeded")
    queue = "nap-queue-inf2-xlarge"
    assert ENDPOINT not in clock.names()
    clock.forward(_TRACKED_S)  # after which target tracking lets an idle instance go
    assert clock.copies(queue) == (0, 0)

    asked = system.ask()
    assert asked["status"] == "pending"
    clock.forward(_BACKLOG_S)
    assert clock.copies(queue) == (0, 1)
    assert system.fetch(asked)[0] == 202

    clock.forward(COLD_START_S)
    until(lambda: system.fetch(asked)[0] == 200)
    _, answer = system.fetch(asked)
    assert answer["model"] == MODEL
    assert answer["citations"][0]["document"] == "harbour.md"
    (message,) = client("sqs").receive_message(QueueUrl=told, WaitTimeSeconds=10)["Messages"]
    outcome = json.loads(json.loads(message["Body"])["Message"])
    assert outcome["invocationStatus"] == "Completed"
    assert outcome["responseParameters"]["outputLocation"].endswith(".out")


def subscribed(client: Callable[[str], Any], *, stack: str, topic: str) -> str:
    """Return the URL of a new queue that hears what a stack's topic is told."""
    resources = client("cloudformation").describe_stack_resources(StackName=stack)["StackResources"]
    (arn,) = (
        resource["PhysicalResourceId"]
        for resource in resources
        if resource["ResourceType"] == "AWS::SNS::Topic"
        and resource["LogicalResourceId"].startswith(topic)
    )
    return listening(client, "hearer", arn)


def test_a_question_that_can_wait_for_the_window_is_answered_in_it(
    system: System, clock: Clock, client: Callable[[str], Any]
) -> None:
    system.deploy(service_level={"deadline": "12h"}, **NEVER)
    queue = "nap-queue-inf2-xlarge"
    clock.forward(_TRACKED_S)
    asked = system.ask()
    assert (asked["status"], system.fetch(asked)[0]) == ("pending", 202)
    clock.forward(_BACKLOG_S)
    assert clock.copies(queue) == (0, 0), "between windows a question wakes nothing"

    states = client("stepfunctions")
    (machine,) = states.list_state_machines()["stateMachines"]
    window = states.start_execution(stateMachineArn=machine["stateMachineArn"])["executionArn"]

    def succeeded() -> bool:
        clock.forward(60)
        return bool(states.describe_execution(executionArn=window)["status"] == "SUCCEEDED")

    until(succeeded)
    assert clock.copies(queue) == (0, 0), "the window lets it go"
    status, answer = system.fetch(asked)
    assert (status, answer["model"]) == (200, MODEL)
    assert answer["citations"][0]["document"] == "harbour.md"


def test_destroy_leaves_nothing_but_the_compiled_models(
    system: System, embedded: EmbeddedAws
) -> None:
    system.destroy()
    assert left_of(embedded, "nap-") == {"AWS::S3::Bucket"}


def test_every_mode_is_deployed_changed_and_destroyed(
    embedded: EmbeddedAws,
    bootstrapped: None,
    clock: Clock,
    client: Callable[[str], Any],
    tmp_path: Path,
) -> None:
    cli = Cli(embedded, tmp_path, "--app", "python -m tests.e2e.modes")

    def models() -> set[str]:
        stacks = [
            client("cloudformation").describe_stack_resources(StackName=f"{mode}-inference")
            for mode in MODES
        ]
        return {
            resource["PhysicalResourceId"]
            for stack in stacks
            for resource in stack["StackResources"]
            if resource["ResourceType"] == "AWS::SageMaker::Model"
        }

    def shaped(slots: int, size: str) -> list[str]:
        return ["-c", f"slots={slots}", "-c", f"instance_type=ml.inf2.{size}"]

    def endpoints(size: str) -> set[str]:
        kinds = ("bridged-copies", "realtime-copies", "async-queue")
        return {f"{kind}-inf2-{size}" for kind in kinds}

    for mode in MODES:
        put_compiled(client, Deployment.load(NAP.with_name(f"{mode}.yaml")), 8, 12)
    cli.deploy(*shaped(8, "xlarge"))
    assert endpoints("xlarge") <= clock.names()
    before, serving = models(), clock.copies("realtime-copies-inf2-xlarge")
    assert len(before) == len(MODES)
    assert serving[0] > 0

    cli.deploy(*shaped(12, "xlarge"))
    assert models().isdisjoint(before)
    assert clock.copies("realtime-copies-inf2-xlarge") == serving

    cli.deploy(*shaped(12, "8xlarge"))
    assert endpoints("8xlarge") <= clock.names()
    assert endpoints("xlarge").isdisjoint(clock.names())

    cli.destroy()
    assert [left_of(embedded, f"{mode}-") for mode in MODES] == [{"AWS::S3::Bucket"}] * 4
