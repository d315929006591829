"""The two ends of the mailbox: what the function asks is what a window's states answer."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import jsonata  # type: ignore[import-untyped]
import pytest

from rag.deferral import Deferral, Place, Record, Window, ticket
from rag.endpoint_generator import ChatCompletions
from rag.generation import Converse, Shape
from stacks.windows.window_states import bedrock_jobs, endpoint_queue

BUCKET = "mail"
INFERENCE: dict[str, Any] = {"temperature": 0.1, "top_p": 0.9, "top_k": None}
CHAT = {
    "choices": [{"message": {"content": "By wind."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 300, "completion_tokens": 12},
}
Answer = Callable[[Any], Any]


class TaskFailed(Exception):
    """A service refused."""


class Cloud:
    """A mailbox, and the services that a window's states call; each bad prompt says `bad`."""

    class exceptions:
        class NoSuchKey(Exception):
            pass

    def __init__(self, *, refuses_jobs: bool = False) -> None:
        self.objects: dict[str, str] = {}
        self.refuses_jobs = refuses_jobs
        self.calls: list[str] = []
        self.in_job: list[str] = []
        self.looks = 0
        self.now_ms = 0.0
        self.queue: dict[tuple[str, str], Any] = {}
        self.speed = 500
        self.refuses_requests = False
        self.capacities: list[Any] = []

    def put_object(self, *, Bucket: str, Key: str, Body: bytes, ContentType: str) -> None:
        self.objects[Key] = Body.decode()

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:
        if Key not in self.objects:
            raise self.exceptions.NoSuchKey
        body = io.BytesIO(self.objects[Key].encode())
        return {"Body": body, "LastModified": datetime.now(UTC)}

    def below(self, prefix: str) -> list[str]:
        return sorted(key for key in self.objects if key.startswith(prefix))

    def serve(self, integration: str, call: Any) -> Any:
        self.calls.append(integration)
        handler: Callable[[Any], Any] = getattr(self, integration.replace(":", "_").split(".")[0])
        return handler(call)

    def s3_listObjectsV2(self, call: Any) -> Any:
        keys = self.below(call["Prefix"])[: call.get("MaxKeys", 1000)]
        # As long as S3 writes about an object whose key is a digest.
        found = [{"Key": key, "Rest": "-" * 230} for key in keys]
        if len(json.dumps(found)) > 262_144:
            raise TaskFailed("States.DataLimitExceeded")
        return {"Contents": found} if found else {"KeyCount": 0}

    def s3_getObject(self, call: Any) -> Any:
        return {"Body": self.objects[call["Key"]]}

    def s3_headObject(self, call: Any) -> Any:
        if call["Key"] not in self.objects:
            raise TaskFailed("S3.NoSuchKeyException")
        return {"ContentLength": 1}

    def s3_putObject(self, call: Any) -> Any:
        self.objects[call["Key"]] = json.dumps(call["Body"])
        return {}

    def s3_copyObject(self, call: Any) -> Any:
        self.objects[call["Key"]] = self.objects[call["CopySource"].removeprefix(f"{BUCKET}/")]
        return {}

    def s3_deleteObject(self, call: Any) -> Any:
        del self.objects[call["Key"]]
        return {}

    def s3_deleteObjects(self, call: Any) -> Any:
        for item in call["Delete"]["Objects"]:
            del self.objects[item["Key"]]
        return {}

    def sagemakerruntime_invokeEndpointAsync(self, call: Any) -> Any:
        """As SageMaker: an answer will lie under a name of its own, a failure under another."""
        if self.refuses_requests:
            raise TaskFailed("SageMakerRuntime.ThrottlingException")
        asked = json.loads(self.objects[call["InputLocation"].removeprefix(f"s3://{BUCKET}/")])
        number = len(self.queue)
        self.queue[f"answers/{number}.out", f"failures/{number}-error.out"] = asked
        assert 60 <= call["RequestTTLSeconds"] <= 21_600
        return {
            "OutputLocation": f"s3://{BUCKET}/answers/{number}.out",
            "FailureLocation": f"s3://{BUCKET}/failures/{number}-error.out",
        }

    def sagemaker_updateEndpointWeightsAndCapacities(self, call: Any) -> Any:
        self.capacities.append(call["DesiredWeightsAndCapacities"])
        return {}

    def wait(self, seconds: float) -> None:
        """Let the endpoint work off some of its queue."""
        self.now_ms += 1000 * seconds
        for places in list(self.queue)[: self.speed]:
            asked = self.queue.pop(places)
            bad = "bad" in asked["messages"][-1]["content"]
            self.objects[places[bad]] = json.dumps({"ErrorCode": 400} if bad else CHAT)

    def bedrockruntime_converse(self, call: Any) -> Any:
        assert call["ModelId"] == "model"
        assert call["InferenceConfig"] == {"MaxTokens": 9, "Temperature": 0.1, "TopP": 0.9}
        assert call["System"] == [{"Text": "Be brief."}]
        (message,) = call["Messages"]
        assert (message["Role"], list(message["Content"][0])) == ("user", ["Text"])
        if "bad" in message["Content"][0]["Text"]:
            raise TaskFailed("BedrockRuntime.ValidationException")
        if "busy" in message["Content"][0]["Text"]:
            raise TaskFailed("BedrockRuntime.ThrottlingException")
        return {
            "Output": {"Message": {"Role": "assistant", "Content": [{"Text": "By wind."}]}},
            "StopReason": "end_turn",
            "Usage": {"InputTokens": 300, "OutputTokens": 12},
        }

    def bedrock_createModelInvocationJob(self, call: Any) -> Any:
        self.in_job = self.below("questions/")
        if self.refuses_jobs or len(self.in_job) < 100:
            raise TaskFailed
        assert call == {
            "JobName": "dev-0f1e",
            "ModelId": "model",
            "ModelInvocationType": "Converse",
            "RoleArn": "arn",
            "InputDataConfig": {
                "S3InputDataConfig": {"S3InputFormat": "JSONL", "S3Uri": "s3://mail/questions/"}
            },
            "OutputDataConfig": {"S3OutputDataConfig": {"S3Uri": "s3://mail/answers/"}},
        }
        return {"JobArn": "arn:aws:bedrock:eu-north-1:1:model-invocation-job/abc123"}

    def bedrock_getModelInvocationJob(self, call: Any) -> Any:
        """As Bedrock: a file for each file, an error in place of an answer, and a manifest."""
        self.looks += 1
        if self.looks < 3:
            return {"Status": "InProgress"}
        for key in self.in_job:
            record = json.loads(self.objects[key])
            bad = "bad" in json.dumps(record)
            said = {
                "output": {"message": {"content": [{"text": "By wind."}]}},
                "stopReason": "end_turn",
                "usage": {"inputTokens": 300, "outputTokens": 12},
            }
            record |= {"error": {"errorCode": 400}} if bad else {"modelOutput": said}
            name = key.removeprefix("questions/")
            self.objects[f"answers/abc123/{name}.out"] = json.dumps(record)
        self.objects["answers/abc123/manifest.json.out"] = "{}"
        return {"Status": "Completed"}


class Machine:
    """Steps through states as Step Functions does, as far as ours go."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud

    def run(self, states: Mapping[str, Any], given: Any, variables: dict[str, Any]) -> None:
        name = states["StartAt"]
        for _ in range(1000):
            state = states["States"][name]
            match state["Type"]:
                case "Succeed":
                    return
                case "Fail":
                    raise TaskFailed(state["Error"])
                case "Wait":
                    self.cloud.wait(state["Seconds"])
                    self.assign(state, {"input": given}, variables)
                    following = state["Next"]
                case "Pass":
                    self.assign(state, {"input": given}, variables)
                    following = state["Next"]
                case "Choice":
                    following = next(
                        (
                            choice["Next"]
                            for choice in state["Choices"]
                            if self.value(choice["Condition"], {"input": given}, variables)
                        ),
                        state["Default"],
                    )
                case "Map":
                    following = self.each(state, given, variables)
                case _:
                    following = self.task(state, given, variables)
            if following is None:
                return
            name = following
        raise AssertionError("the machine does not come to an end")

    def task(self, state: Mapping[str, Any], given: Any, variables: dict[str, Any]) -> Any:
        call = self.value(state["Arguments"], {"input": given}, variables)
        integration = state["Resource"].removeprefix("arn:aws:states:::").removeprefix("aws-sdk:")
        try:
            result = self.cloud.serve(integration, call)
        except TaskFailed as error:
            for caught in state.get("Catch", []):
                if caught["ErrorEquals"] == ["States.ALL"] or str(error) in caught["ErrorEquals"]:
                    return caught["Next"]
            raise
        self.assign(state, {"input": given, "result": result}, variables)
        return state.get("Next")

    def assign(
        self, state: Mapping[str, Any], seen: Mapping[str, Any], variables: dict[str, Any]
    ) -> None:
        variables |= {
            name: self.value(expression, seen, variables)
            for name, expression in state.get("Assign", {}).items()
        }

    def each(self, state: Mapping[str, Any], given: Any, variables: dict[str, Any]) -> Any:
        processor, reader = state["ItemProcessor"], state.get("ItemReader")
        if reader:
            where = self.value(reader["Arguments"], {"input": given}, variables)
            items: list[Any] = [{"Key": key} for key in self.cloud.below(where["Prefix"])]
            seen: dict[str, Any] = {}  # executions of their own do not see the parent's variables
        else:
            items, seen = self.value(state["Items"], {"input": given}, variables), variables
        failed = 0
        for item in items:
            try:
                self.run(processor, item, dict(seen))
            except TaskFailed:
                failed += 1
        if 100 * failed > state.get("ToleratedFailurePercentage", 0) * len(items):
            raise TaskFailed
        return state.get("Next")

    def value(self, template: Any, states: Any, variables: Mapping[str, Any]) -> Any:
        if isinstance(template, Mapping):
            return {name: self.value(part, states, variables) for name, part in template.items()}
        if not (isinstance(template, str) and template.startswith("{%")):
            return template
        expression = jsonata.Jsonata(template[2:-2].strip())
        for name, value in {**variables, "states": states}.items():
            expression.assign(name, value)
        expression.register_lambda("uuid", lambda: "0f1e")
        expression.register_lambda("millis", lambda: self.cloud.now_ms)
        expression.register_lambda("parse", json.loads)
        found = expression.evaluate(None)
        assert found is not None, f"Step Functions refuses what is undefined: {template}"
        return found


ENDPOINT = endpoint_queue(BUCKET, endpoint="batch-queue", variant="all", queued_s=6 * 3600)
BEDROCK = bedrock_jobs(BUCKET, job_prefix="dev-", model_id="model", role_arn="arn")


def deferral(cloud: Cloud, *, bedrock: bool) -> Deferral:
    shape: Shape = (
        Record(Converse(model="model", **INFERENCE))
        if bedrock
        else ChatCompletions(model="qwen3-1.7b", thinks=True, **INFERENCE)
    )
    return Deferral(client=cloud, bucket=BUCKET, shape=shape, carrier=Window(), deadline_s=3600)


def ask(deferral: Deferral, prompts: list[str]) -> Iterator[Place]:
    for number, prompt in enumerate(prompts):
        request = deferral.shape.request("Be brief.", prompt, max_tokens=9)
        yield deferral.hand_over(ticket(str(number), request), request)


@pytest.mark.parametrize(
    ("states", "bedrock", "questions", "refuses", "way"),
    [
        (ENDPOINT, False, 1, False, "sagemakerruntime:invokeEndpointAsync"),
        (ENDPOINT, False, 1200, False, "sagemakerruntime:invokeEndpointAsync"),
        (BEDROCK, True, 1, False, "bedrockruntime:converse"),
        (BEDROCK, True, 99, False, "bedrockruntime:converse"),
        (BEDROCK, True, 100, False, "bedrock:getModelInvocationJob"),
        (BEDROCK, True, 100, True, "bedrockruntime:converse"),
        (BEDROCK, True, 1200, False, "bedrock:getModelInvocationJob"),
    ],
)
def test_every_question_of_a_window_is_answered_and_cleared(
    states: Any, bedrock: bool, questions: int, refuses: bool, way: str
) -> None:
    cloud = Cloud(refuses_jobs=refuses)
    office = deferral(cloud, bedrock=bedrock)
    places = list(ask(office, [f"Why {number}?" for number in range(questions)]))
    assert office.fetch(places[0], since=0) is None
    Machine(cloud).run(states, {}, {})
    assert way in cloud.calls
    assert cloud.below("questions/") == []
    for place in places:
        generation = office.fetch(place, since=0)
        assert generation is not None
        assert (generation.text, generation.output_tokens) == ("By wind.", 12)


@pytest.mark.parametrize("states", [ENDPOINT, BEDROCK], ids=["inferentia2", "bedrock"])
def test_a_window_without_questions_starts_nothing(states: Any) -> None:
    cloud = Cloud()
    Machine(cloud).run(states, {}, {})
    assert set(cloud.calls) == {"s3:listObjectsV2"}


def test_an_endpoint_tells_of_a_bad_question_and_answers_the_others() -> None:
    cloud = Cloud()
    office = deferral(cloud, bedrock=False)
    bad, *good = ask(office, ["bad", *(f"Why {number}?" for number in range(20))])
    Machine(cloud).run(ENDPOINT, {}, {})
    assert all(office.fetch(place, since=0) for place in good)
    with pytest.raises(Exception, match="ask it again"):
        office.fetch(bad, since=0)
    assert cloud.below("questions/") == []


def test_instances_stop_when_all_is_answered_and_only_if_they_were_needed() -> None:
    cloud = Cloud()
    Machine(cloud).run(ENDPOINT, {}, {})
    assert cloud.capacities == []

    list(ask(deferral(cloud, bedrock=False), [f"Why {number}?" for number in range(700)]))
    Machine(cloud).run(ENDPOINT, {}, {})
    assert cloud.capacities == [[{"VariantName": "all", "DesiredInstanceCount": 0}]]
    assert cloud.queue == {}


def test_a_failed_window_never_blocks_the_next() -> None:
    cloud = Cloud()
    office = deferral(cloud, bedrock=False)
    places = list(ask(office, [f"Why {number}?" for number in range(9)]))

    cloud.refuses_requests = True  # it fails while it hands over
    with pytest.raises(TaskFailed):
        Machine(cloud).run(ENDPOINT, {}, {})
    cloud.refuses_requests = False

    cloud.speed = 0  # it runs out of time
    with pytest.raises(TaskFailed, match="Unanswered"):
        Machine(cloud).run(ENDPOINT, {}, {})
    assert len(cloud.below("questions/")) == 9
    cloud.speed = 500
    cloud.wait(3600)  # what was asked before is answered after the window

    late = list(ask(office, ["Why late?"]))
    cloud.calls.clear()
    Machine(cloud).run(ENDPOINT, {}, {})
    assert cloud.calls.count("sagemakerruntime:invokeEndpointAsync") == 1, "nothing is done twice"
    assert all(office.fetch(place, since=0) for place in places + late)
    assert cloud.below("questions/") == cloud.below("handed/") == []


@pytest.mark.parametrize("others", [0, 3, 100])
def test_bedrock_tells_of_a_bad_question_and_answers_the_others(others: int) -> None:
    cloud = Cloud()
    office = deferral(cloud, bedrock=True)
    bad, *good = ask(office, ["bad", *(f"Why {number}?" for number in range(others))])
    Machine(cloud).run(BEDROCK, {}, {})
    assert cloud.below("questions/") == [], "it does not come back in every window"
    with pytest.raises(Exception, match="ask it again"):
        office.fetch(bad, since=0)
    assert all(office.fetch(place, since=0) for place in good)


def test_what_bedrock_has_no_time_for_waits_for_the_next_window() -> None:
    cloud = Cloud()
    office = deferral(cloud, bedrock=True)
    busy, *good = ask(office, ["busy", *(f"Why {number}?" for number in range(20))])
    Machine(cloud).run(BEDROCK, {}, {})
    assert (len(cloud.below("questions/")), office.fetch(busy, since=0)) == (1, None)
    assert all(office.fetch(place, since=0) for place in good)
