"""Answers that come later: asked once however often, answered once, and never lost in silence."""

from __future__ import annotations

import io
import json
import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag import answer_handler, trial, wiring
from rag.answering import HAND_OVER_S, Answering, Trace
from rag.answers import Pending
from rag.deferral import Carrier, Deferral, Queue, Record, Window
from rag.endpoint_generator import ChatCompletions
from rag.errors import NotFound, SettingsError, Throttled, Unanswered
from rag.generation import Converse, Shape
from rag.question import Question
from rag.settings import AnswerSettings
from tests.unit.rag.fakes import PROMPT, S3, Crash, Services, service_error
from tests.unit.rag.test_answer_handler import ENVIRONMENT, emf, get, post

KESTREL = "How is the Kestrel station powered?"
DEADLINE_S = 6 * 3600
INFERENCE: dict[str, Any] = {"temperature": 0.1, "top_p": 0.9, "top_k": None}
CHAT = {
    "choices": [{"message": {"content": "By wind [1], see [9]."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 300, "completion_tokens": 12},
}
CONVERSE = {
    "output": {"message": {"content": [{"text": "By wind [1]."}]}},
    "usage": {"inputTokens": 300, "outputTokens": 12},
    "stopReason": "end_turn",
}


class Office(Services):
    """A deployment with a mailbox, and whoever works it off: a window's job or an endpoint."""

    def __init__(self, *, queue: bool = False, bedrock: bool = False) -> None:
        super().__init__()
        self.mailbox = S3(self.world)
        self.is_queue, self.answer_of_model = queue, {"modelOutput": CONVERSE} if bedrock else CHAT
        self.queued: list[dict[str, Any]] = []
        self.error: Exception | None = None
        self.worked_off = 0
        carrier: Carrier = (
            Queue(client=self, endpoint="e", deadline_s=DEADLINE_S) if queue else Window()
        )
        shape: Shape = (
            Record(Converse(model="model", **INFERENCE))
            if bedrock
            else ChatCompletions(model="qwen3-1.7b", thinks=True, **INFERENCE)
        )
        self.deferral = Deferral(
            client=self.mailbox,
            bucket="mail",
            shape=shape,
            carrier=carrier,
            deadline_s=DEADLINE_S,
        )
        self.add(stations="# Stations\n\nThe Kestrel station is powered by two wind turbines.")
        self.bedrock.embedded.clear()

    def answering(self, **limits: Any) -> Answering:
        return replace(super().answering(**limits), generator=self.deferral)

    def invoke_endpoint_async(self, **call: Any) -> dict[str, Any]:
        self.world.called("queue")
        if self.error:
            raise self.error
        self.queued.append(call)
        place = f"s3://mail/{{}}/{len(self.queued)}.out"
        return {"OutputLocation": place.format("answers"), "FailureLocation": place.format("fails")}

    @property
    def waiting(self) -> list[str]:
        return [key for key in self.mailbox.objects if key.startswith("questions/")]

    def work_off(self, *, folder: str = "answers", content: bytes | None = None) -> None:
        """Answer what waits, as the window's job or the endpoint would."""
        self.world.now += 60
        written = json.dumps(self.answer_of_model).encode() if content is None else content
        if self.is_queue:
            for number, call in enumerate(self.queued, start=1):
                key = call["InputLocation"].removeprefix("s3://mail/")
                json.loads(self.mailbox.objects[key])
                place = f"{folder}/{number}.out"
                if place not in self.mailbox.objects:
                    self.worked_off += 1
                    self.mailbox.put_object(Key=place, Body=written)
        else:
            for key in self.waiting:
                (line,) = self.mailbox.objects.pop(key).decode().splitlines()
                json.loads(line)
                self.worked_off += 1
                place = key.replace("questions/", f"{folder}/") + ".out"
                self.mailbox.put_object(Key=place, Body=written)

    def ask(self, text: str = KESTREL, trace: Trace | None = None) -> Any:
        return self.answering().answer(Question(text, {}, 300), trace or Trace())

    def fetch(self, id_: str, trace: Trace | None = None) -> Any:
        return self.answering().stored(id_, trace or Trace())


@pytest.fixture(params=["window", "bedrock window", "queue"])
def office(request: pytest.FixtureRequest) -> Office:
    return Office(queue=request.param == "queue", bedrock=request.param == "bedrock window")


def test_a_question_is_taken_now_and_answered_later(
    office: Office, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(answer_handler, "_settings", lambda: AnswerSettings.load(ENVIRONMENT))
    monkeypatch.setattr(answer_handler, "_answering", office.answering)
    status, headers, told = post({"question": KESTREL})
    asked = emf(capsys)
    assert status == 202
    assert told == {"id": told["id"], "status": "pending", "expected_by": "1970-01-12T19:46:40Z"}
    assert (headers["Location"], headers["Retry-After"]) == (f"/answers/{told['id']}", "5")
    office.world.now += 600
    status, headers, again = get(told["id"])
    assert (status, again, headers["Retry-After"]) == (202, told, "60")
    assert "_aws" not in capsys.readouterr().out, "a look that finds nothing is no line in the log"

    office.work_off()
    status, _, answer = get(told["id"])
    fetched = emf(capsys)
    immediate = Services()
    immediate.add(stations="# Stations\n\nThe Kestrel station is powered by two wind turbines.")
    at_once = immediate.answering().answer(Question(KESTREL, {}, 300), Trace())
    assert isinstance(at_once, dict)
    assert (status, list(answer)) == (200, list(at_once))
    assert (answer["answered"], answer["cached"]) == (True, False)
    assert answer["answer"].startswith("By wind [1]")
    assert "[9]" not in answer["answer"]
    assert answer["citations"] == at_once["citations"]
    assert answer["usage"] == {"input_tokens": 300, "output_tokens": 12, "embedding_tokens": 6}
    served = ("bedrock", "model") if "modelOutput" in str(office.answer_of_model) else None
    assert (answer["served_by"], answer["model"]) == (served or ("endpoint", "qwen3-1.7b"))
    taken = asked["EnergyWhMid"][0] + fetched["EnergyWhMid"][0]
    assert math.isclose(taken, answer["added"]["energy_wh"]["mid"], rel_tol=1e-5)
    assert (asked["Questions"], "Questions" in fetched) == ([1.0], False)
    assert (asked.get("OutputTokens"), fetched["OutputTokens"]) == (None, [12.0])

    assert get(told["id"])[2]["cached"]
    assert post({"question": KESTREL.upper()})[0] == 200
    assert (office.worked_off, office.waiting) == (1, office.waiting if office.is_queue else [])


def test_what_needs_no_generator_is_answered_at_once(office: Office) -> None:
    answer = office.ask("asparagus sauce")
    assert (answer["answered"], answer["served_by"], office.waiting) == (False, None, [])


def test_asking_again_queues_nothing_and_embeds_nothing(office: Office) -> None:
    first = office.ask()
    for spelled in (KESTREL, f" {KESTREL.upper()}"):
        assert office.ask(spelled).ticket == first.ticket
    assert len(office.waiting) == 1
    assert len(office.queued) == int(office.is_queue)
    assert office.bedrock.embedded == [KESTREL]
    office.work_off()
    assert office.ask()["answered"], "asking finds the answer as fetching does"


def test_only_other_passages_make_it_another_question(office: Office) -> None:
    first = office.ask()
    office.add(birds="# Birds\n\nSeagulls everywhere.")
    office.opensearch.documents = {
        id_: chunk
        for id_, chunk in office.opensearch.documents.items()
        if "Kestrel" in chunk["text"]
    }
    assert office.ask().ticket == first.ticket
    assert office.bedrock.embedded.count(KESTREL) == 2, "it was looked, as the documents changed"
    office.add(kestrel="# Kestrel\n\nThe Kestrel station is powered by the sun now.")
    other = office.ask()
    assert (other.draft.id, other.ticket == first.ticket) == (first.draft.id, False)
    office.work_off()
    assert len(office.fetch(first.draft.id)["citations"]) == 2


def test_the_answer_may_be_used_again_while_the_documents_stay(office: Office) -> None:
    id_ = office.ask().draft.id
    office.work_off()
    office.fetch(id_)
    assert office.ask()["cached"]
    office.add(new="# New\n\nSomething else about Kestrel station power.")
    assert isinstance(office.ask(), Pending)


@pytest.mark.parametrize("queue", [False, True])
def test_a_crash_at_any_moment_is_mended_by_asking_again(queue: bool) -> None:
    office = Office(queue=queue)
    before = office.world.calls
    office.ask()
    steps = office.world.calls - before
    assert steps > 4

    def crash() -> None:
        raise Crash

    for step in range(1, steps + 1):
        office = Office(queue=queue)
        office.world.before[office.world.calls + step] = crash
        with pytest.raises(Crash):
            office.ask()
        office.world.now += HAND_OVER_S + 1
        pending = office.ask()
        assert isinstance(pending, Pending)
        assert len(office.waiting) == 1, "the mailbox holds it once, whatever was lost"
        office.work_off()
        assert office.fetch(pending.draft.id)["answered"]


@given(st.integers(1, 9), st.booleans())
@settings(max_examples=40)
def test_of_two_who_ask_at_once_one_hands_over(step: int, queue: bool) -> None:
    office = Office(queue=queue)
    seen: list[Any] = []
    office.world.before[office.world.calls + step] = lambda: seen.append(office.ask())
    seen.append(office.ask())
    assert len({pending.draft.id for pending in seen}) == 1
    assert len(office.waiting) == 1
    assert len(office.queued) == int(queue)


def test_of_two_who_fetch_at_once_both_get_it_and_it_counts_once(office: Office) -> None:
    id_ = office.ask().draft.id
    office.work_off()
    traces = [Trace(), Trace()]
    both: list[Any] = []
    office.world.before[office.world.calls + 3] = lambda: both.append(office.fetch(id_, traces[0]))
    both.append(office.fetch(id_, traces[1]))
    assert both[0] == both[1]
    assert sum(trace.metrics.get("OutputTokens", 0) for trace in traces) == 12


def test_a_hand_over_that_never_ended_is_told(office: Office) -> None:
    def crash() -> None:
        raise Crash

    office.world.before[office.world.calls + 5] = crash
    with pytest.raises(Crash):
        office.ask()
    (id_,) = office.dynamodb.tables["answers"]
    assert isinstance(office.fetch(id_), Pending)
    office.world.now += HAND_OVER_S + 1
    with pytest.raises(Unanswered, match="did not reach the model; ask the question again"):
        office.fetch(id_)


@pytest.mark.parametrize("content", [b"", b"no json", b"[]", b'{"error": {"code": 400}}', b"\xff"])
def test_an_answer_that_cannot_be_read_is_a_failure(office: Office, content: bytes) -> None:
    id_ = office.ask().draft.id
    office.work_off(content=content)
    with pytest.raises(Unanswered, match="ask it again"):
        office.fetch(id_)
    office.ask()
    office.mailbox.objects = {
        key: value for key, value in office.mailbox.objects.items() if "answers/" not in key
    }
    office.work_off()
    assert office.fetch(id_)["answered"]


def test_a_failure_is_told_without_its_reason_and_asked_again_it_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    office = Office(queue=True)
    monkeypatch.setattr(answer_handler, "_settings", lambda: AnswerSettings.load(ENVIRONMENT))
    monkeypatch.setattr(answer_handler, "_answering", office.answering)
    id_ = post({"question": KESTREL})[2]["id"]
    office.work_off(folder="fails", content=b"secret-path/model.py: out of memory")
    capsys.readouterr()
    status, _, body = get(id_)
    assert (status, body["error"]["code"]) == (502, "unanswered")
    assert "ask it again" in body["error"]["message"]
    assert "secret" not in json.dumps(body)
    assert emf(capsys)["Errors"] == [1.0]
    assert post({"question": KESTREL})[0] == 202
    assert len(office.queued) == 2
    office.work_off()
    assert get(id_)[0] == 200


def test_an_answer_that_is_overdue_is_told_and_taken_all_the_same(office: Office) -> None:
    id_ = office.ask().draft.id
    office.world.now += DEADLINE_S
    assert isinstance(office.fetch(id_), Pending)
    office.world.now += 1
    with pytest.raises(Unanswered, match="not answered in time; ask the question again"):
        office.fetch(id_)
    office.work_off()
    assert office.fetch(id_)["answered"]


def test_what_was_asked_again_is_in_the_window_but_once() -> None:
    office = Office()
    office.ask()
    office.world.now += DEADLINE_S + 1
    assert isinstance(office.ask(), Pending)
    assert len(office.waiting) == 1


def test_an_answer_to_an_earlier_asking_is_not_taken_for_this_one() -> None:
    office = Office()
    id_ = office.ask().draft.id
    office.work_off()
    office.fetch(id_)
    office.world.now += 25 * 3600  # the cache has forgotten it, the mailbox has not
    assert isinstance(office.ask(), Pending)
    assert isinstance(office.fetch(id_), Pending)
    office.work_off()
    assert office.fetch(id_)["usage"]["output_tokens"] == 12


def test_the_endpoints_queue_is_told_where_and_for_how_long() -> None:
    office = Office(queue=True)
    pending = office.ask()
    (call,) = office.queued
    assert call == {
        "EndpointName": "e",
        "ContentType": "application/json",
        "InputLocation": f"s3://mail/questions/{pending.ticket}.jsonl",
        "InferenceId": pending.ticket,
        "RequestTTLSeconds": 21600,
    }
    asked = json.loads(office.mailbox.objects[f"questions/{pending.ticket}.jsonl"])
    assert asked["chat_template_kwargs"] == {"enable_thinking": False}
    assert asked["max_tokens"] == 300


def test_bedrocks_job_is_given_a_record() -> None:
    office = Office(bedrock=True)
    pending = office.ask()
    asked = json.loads(office.mailbox.objects[f"questions/{pending.ticket}.jsonl"])
    assert list(asked) == ["modelInput"]
    assert asked["modelInput"]["inferenceConfig"]["maxTokens"] == 300
    assert KESTREL in asked["modelInput"]["messages"][0]["content"][0]["text"]


def test_a_queue_in_trouble_takes_the_question_at_the_next_asking() -> None:
    office = Office(queue=True)
    office.error = service_error("ThrottlingException", 400)
    with pytest.raises(Throttled):
        office.ask()
    (id_,) = office.dynamodb.tables["answers"]
    with pytest.raises(NotFound):
        office.fetch(id_)
    office.error = None
    assert isinstance(office.ask(), Pending)
    assert len(office.queued) == 1


def test_a_deployment_that_answers_at_once_again_says_so(office: Office) -> None:
    id_ = office.ask().draft.id
    with pytest.raises(Unanswered, match="ask the question again"):
        Services.answering(office).stored(id_, Trace())


@given(st.floats(0, 30 * 86_400))
@settings(max_examples=25)
def test_whoever_waits_looks_seldom_but_finds_the_answer_soon(waited: float) -> None:
    office = Office()
    asked_at = int(office.world.now - waited)
    pause = office.answering().retry_after_s(replace(office.ask(), asked_at=asked_at))
    assert 5 <= pause <= max(5, waited / 10 + 1)
    assert pause <= 600


LATER = {
    "mailbox": "mail",
    "endpoint": "e",
    "model": "qwen3-1.7b",
    "thinks": True,
    "deadline_s": 1800.0,
}


def load(later: object = LATER, **variables: str) -> AnswerSettings:
    return AnswerSettings.load(
        {**ENVIRONMENT, "GENERATOR_DEFERRED": json.dumps(later), **variables}
    )


@pytest.mark.parametrize(
    ("change", "carrier", "shape", "name"),
    [
        ({}, Queue, ChatCompletions, "qwen3-1.7b"),
        ({"endpoint": None}, Window, ChatCompletions, "qwen3-1.7b"),
        ({"endpoint": None, "model": None}, Window, Record, "model"),
    ],
)
def test_who_answers_later_follows_from_the_settings(
    change: dict[str, Any], carrier: type, shape: type, name: str
) -> None:
    configured = load({**LATER, **change})
    assert configured.deferral is not None
    deferral = wiring._deferral(configured, configured.deferral)
    assert (type(deferral.carrier), type(deferral.shape)) == (carrier, shape)
    assert wiring._name(configured) == name


@pytest.mark.parametrize(
    ("later", "fault"),
    [
        ([], "must be a JSON object"),
        ({**LATER, "model": None}, "an endpoint needs a model"),
        ({**LATER, "thinks": "no"}, "thinks: must be"),
        ({**LATER, "thinks": 1}, "thinks: must be"),
        ({**LATER, "deadline_s": 0}, "deadline_s: must be above 0"),
        ({**LATER, "extra": 1}, "extra: unknown"),
    ],
)
def test_broken_settings_are_named(later: object, fault: str) -> None:
    with pytest.raises(SettingsError, match=f"^GENERATOR_DEFERRED: {fault}"):
        load(later)


def test_without_bedrock_a_model_of_ones_own_answers_later() -> None:
    assert not load(GENERATOR_FALLBACK="never").bedrock_may_answer
    on_bedrock = {**LATER, "endpoint": None, "model": None}
    with pytest.raises(SettingsError, match=r"^GENERATOR_FALLBACK: never needs"):
        load(on_bedrock, GENERATOR_FALLBACK="never")


def test_a_model_is_tried_at_once_also_where_answers_come_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    composed: list[AnswerSettings] = []
    monkeypatch.setattr(trial, "wire", lambda settings, prompt: composed.append(settings))
    environ = {
        **ENVIRONMENT,
        "GENERATOR_DEFERRED": json.dumps(LATER),
        "PROMPT": json.dumps(PROMPT),
    }
    trial.main(environ, io.StringIO(""), io.StringIO())
    assert composed[0].deferral is None
