"""The endpoint and the bridge: who is asked, how often, and who answers."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError, ReadTimeoutError
from hypothesis import given
from hypothesis import strategies as st

from rag import trial, wiring
from rag.answering import Trace
from rag.endpoint_generator import Breaker, BridgedGenerator, Copies, EndpointGenerator, Fallback
from rag.errors import DeadlineExceeded, SettingsError, Throttled, Unavailable
from rag.footprint import Footprint, Usage
from rag.generation import BedrockGenerator, Generation
from rag.prompt import Prompt
from rag.question import Question
from rag.settings import AnswerSettings
from tests.unit.rag.fakes import FOOTPRINT, PROMPT, Bedrock, Services, World, service_error
from tests.unit.rag.test_answer_handler import ENVIRONMENT

CHAT = {
    "choices": [{"message": {"content": " By wind [1]. "}, "finish_reason": "length"}],
    "usage": {"prompt_tokens": 300, "completion_tokens": 12},
}
NO_CAPACITY = service_error("ValidationError", 400)
ENDPOINT = {
    "endpoint": "e",
    "component": "c",
    "model": "qwen3-1.7b",
    "thinks": True,
    "look_s": 1,
    "timeout_s": 3.0,
}


class SageMaker:
    """Both of SageMaker's clients for one component of one endpoint."""

    def __init__(self) -> None:
        self.copies: Any = 1
        self.answer: Any = CHAT
        self.error: Exception | None = None
        self.look_error: Exception | None = None
        self.invoked: list[dict[str, Any]] = []
        self.looks = 0

    def invoke_endpoint(self, **call: Any) -> dict[str, Any]:
        self.invoked.append(call)
        if self.error or not self.copies:
            raise self.error or NO_CAPACITY
        return {"Body": io.BytesIO(json.dumps(self.answer).encode())}

    def describe_inference_component(self, **call: Any) -> dict[str, Any]:
        assert call == {"InferenceComponentName": "c"}
        self.looks += 1
        if self.look_error:
            raise self.look_error
        return {"RuntimeConfig": {"CurrentCopyCount": self.copies}}


class Bridge:
    """A bridge, the services on both sides of it, and the time."""

    def __init__(self, *, may_fall_back: bool = True) -> None:
        self.world = World()
        self.sagemaker = SageMaker()
        self.bedrock = Bedrock(self.world)
        parameters: dict[str, Any] = {"temperature": 0.1, "top_p": None, "top_k": None}
        self.endpoint = EndpointGenerator(
            client=self.sagemaker,
            endpoint="e",
            component="c",
            seconds=9,
            model="qwen3-1.7b",
            thinks=True,
            **parameters,
        )
        fallback = BedrockGenerator(client=self.bedrock, seconds=9, model="model", **parameters)
        self.generator = BridgedGenerator(
            endpoint=self.endpoint,
            fallback=Fallback(fallback, fallback) if may_fall_back else None,
            is_awake=Copies(self.sagemaker, "c", self.clock).awake,
            breaker=Breaker(self.clock),
        )

    def clock(self) -> float:
        return self.world.now

    def ask(self, *, after_s: float = 0) -> Generation:
        self.world.now += after_s
        return self.generator.generate("Be brief.", "Why?", max_tokens=9)


@pytest.fixture
def bridge() -> Bridge:
    return Bridge()


def test_an_endpoint_that_is_awake_answers(bridge: Bridge) -> None:
    assert bridge.ask() == Generation(
        text="By wind [1].",
        model="qwen3-1.7b",
        served_by="endpoint",
        input_tokens=300,
        output_tokens=12,
        truncated=True,
    )
    (call,) = bridge.sagemaker.invoked
    assert json.loads(call.pop("Body")) == {
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Why?"},
        ],
        "max_tokens": 9,
        "temperature": 0.1,
        "chat_template_kwargs": {"enable_thinking": False},
    }
    assert call == {
        "EndpointName": "e",
        "InferenceComponentName": "c",
        "ContentType": "application/json",
    }
    assert bridge.world.calls == 0, "Bedrock has nothing to do"


def test_an_endpoint_without_components_is_asked_for_none(bridge: Bridge) -> None:
    replace(bridge.endpoint, component=None).generate("s", "u", max_tokens=9)
    assert "InferenceComponentName" not in bridge.sagemaker.invoked[0]


def test_a_model_that_does_not_think_is_not_told_not_to(bridge: Bridge) -> None:
    replace(bridge.endpoint, thinks=False).generate("s", "u", max_tokens=9)
    assert "chat_template_kwargs" not in json.loads(bridge.sagemaker.invoked[0]["Body"])


def test_an_endpoint_that_sleeps_is_left_asleep_until_it_wakes(bridge: Bridge) -> None:
    bridge.sagemaker.copies = 0
    for _ in range(60):
        answer = bridge.ask(after_s=1)
        assert (answer.served_by, answer.model) == ("bedrock", "model")
    assert bridge.sagemaker.invoked == []
    assert bridge.sagemaker.looks == 2
    bridge.sagemaker.copies = 1
    assert bridge.ask(after_s=30).served_by == "endpoint"


def test_a_look_that_fails_changes_nothing(bridge: Bridge) -> None:
    bridge.sagemaker.look_error = service_error("ValidationException")
    assert bridge.ask().served_by == "bedrock"
    bridge.sagemaker.look_error = None
    assert bridge.ask(after_s=30).served_by == "endpoint"
    bridge.sagemaker.look_error = service_error("ThrottlingException")
    assert bridge.ask(after_s=30).served_by == "endpoint"


def test_a_sick_endpoint_costs_one_call_in_each_window(bridge: Bridge) -> None:
    bridge.sagemaker.error = service_error("ModelError", 424)
    began, tried = bridge.world.now, []
    for second in range(1300):
        calls = len(bridge.sagemaker.invoked)
        bridge.world.now = began + second
        assert {bridge.ask().served_by for _ in range(3)} == {"bedrock"}
        tried += [second] * (len(bridge.sagemaker.invoked) - calls)
    assert tried == [0, 30, 90, 210, 450, 750, 1050]


def test_an_endpoint_that_recovers_is_first_again(bridge: Bridge) -> None:
    bridge.sagemaker.error = service_error("ModelError", 424)
    for after_s in (0, 30, 60):
        bridge.ask(after_s=after_s)
    bridge.sagemaker.error = None
    assert bridge.ask(after_s=119).served_by == "bedrock"
    assert {bridge.ask(after_s=1).served_by for _ in range(3)} == {"endpoint"}
    bridge.sagemaker.error = service_error("ModelError", 424)
    bridge.ask()
    bridge.sagemaker.error = None
    assert bridge.ask(after_s=30).served_by == "endpoint", "the window begins anew"


TROUBLE: list[tuple[Exception, type[Exception]]] = [
    (NO_CAPACITY, Unavailable),
    (service_error("ModelError", 424), Unavailable),
    (service_error("ModelNotReadyException", 429), Unavailable),
    (service_error("AccessDeniedException", 403), Unavailable),
    (service_error("ThrottlingException", 400), Throttled),
    (ReadTimeoutError(endpoint_url="u"), DeadlineExceeded),
    (EndpointConnectionError(endpoint_url="u"), Unavailable),
]


@pytest.mark.parametrize(("error", "expected"), TROUBLE)
def test_whatever_ails_the_endpoint_bedrock_answers(
    bridge: Bridge, error: Exception, expected: type[Exception]
) -> None:
    bridge.sagemaker.error = error
    assert bridge.ask().served_by == "bedrock"
    with pytest.raises(expected) as raised:
        bridge.endpoint.generate("s", "u", max_tokens=9)
    assert type(raised.value) is expected


@pytest.mark.parametrize(
    "answer",
    [
        [],
        {},
        "text",
        {**CHAT, "choices": []},
        {**CHAT, "choices": [{"message": {"content": 7}, "finish_reason": "stop"}]},
        {**CHAT, "usage": None},
        {**CHAT, "usage": {"prompt_tokens": "many", "completion_tokens": 1}},
    ],
)
def test_an_answer_in_another_form_is_trouble(bridge: Bridge, answer: object) -> None:
    bridge.sagemaker.answer = answer
    with pytest.raises(Unavailable, match="unreadable"):
        bridge.endpoint.generate("s", "u", max_tokens=9)


def test_after_a_time_out_of_bedrock_nobody_else_is_asked(bridge: Bridge) -> None:
    bridge.sagemaker.error = service_error("ModelError", 424)
    assert bridge.ask().served_by == "bedrock"
    bridge.bedrock.error = ReadTimeoutError(endpoint_url="u")
    with pytest.raises(DeadlineExceeded):
        bridge.ask()
    assert len(bridge.sagemaker.invoked) == 1, "two time-outs do not fit into the deadline"


def test_without_fallback_a_sleeping_endpoint_asks_to_come_back() -> None:
    bridge = Bridge(may_fall_back=False)
    bridge.sagemaker.copies = 0
    with pytest.raises(Unavailable, match="asleep") as unavailable:
        bridge.ask()
    assert unavailable.value.retry_after_s == 60
    assert bridge.sagemaker.invoked == []
    bridge.sagemaker.copies, bridge.sagemaker.error = 1, ReadTimeoutError(endpoint_url="u")
    with pytest.raises(DeadlineExceeded):
        bridge.ask(after_s=30)
    bridge.sagemaker.error = None
    assert bridge.ask().served_by == "endpoint", "no breaker where nobody else answers"
    assert bridge.world.calls == 0


@given(
    st.booleans(),
    st.lists(
        st.tuples(st.booleans(), st.booleans(), st.booleans(), st.sampled_from([0, 1, 29, 30, 300]))
    ),
)
def test_who_can_answer_does_and_nobody_is_asked_twice(
    may_fall_back: bool, requests: list[tuple[bool, bool, bool, int]]
) -> None:
    bridge = Bridge(may_fall_back=may_fall_back)
    sagemaker, bedrock = bridge.sagemaker, bridge.bedrock
    bridge.generator = replace(bridge.generator, is_awake=lambda: sagemaker.copies > 0)
    for awake, endpoint_well, bedrock_well, after_s in requests:
        sagemaker.copies = int(awake)
        sagemaker.error = None if endpoint_well else service_error("ModelError", 424)
        bedrock.error = None if bedrock_well else service_error("ThrottlingException")
        calls, bedrock_calls = len(sagemaker.invoked), bridge.world.calls
        can_answer = (awake and endpoint_well) or (may_fall_back and bedrock_well)
        try:
            bridge.ask(after_s=after_s)
            assert can_answer
        except Unavailable:
            assert not can_answer
        assert len(sagemaker.invoked) - calls <= int(awake)
        assert bridge.world.calls - bedrock_calls <= int(may_fall_back)


def settings(endpoint: object = ENDPOINT, **variables: str) -> AnswerSettings:
    return AnswerSettings.load(
        {**ENVIRONMENT, "GENERATOR_ENDPOINT": json.dumps(endpoint), **variables}
    )


@pytest.mark.parametrize(
    ("change", "fallback", "endpoint_s", "bedrock_s"),
    [
        ({}, "bedrock", 3, (14, 11)),
        ({"timeout_s": 9.5}, "bedrock", 9.5, (14, 4.5)),
        ({"timeout_s": 14}, "never", 14, ()),
        ({"timeout_s": 3, "component": None}, "never", 3, ()),
    ],
)
def test_the_time_outs_of_all_calls_keep_the_deadline(
    monkeypatch: pytest.MonkeyPatch,
    change: Mapping[str, Any],
    fallback: str,
    endpoint_s: float,
    bedrock_s: tuple[float, ...],
) -> None:
    made: dict[str, list[float]] = {}

    def client(service: str, *, read_timeout_s: float, attempts: int) -> object:
        made.setdefault(service, []).append(read_timeout_s)
        return object()

    monkeypatch.setattr(wiring, "client", client)
    configured = settings({**ENDPOINT, **change}, GENERATOR_FALLBACK=fallback)
    generator = wiring._generator(configured, calls=1)
    assert isinstance(generator, BridgedGenerator)
    assert (generator.fallback is None) == (not bedrock_s)
    assert made["sagemaker-runtime"] == pytest.approx([endpoint_s])
    assert made.get("bedrock-runtime", []) == pytest.approx(bedrock_s)
    assert ("sagemaker" in made) == (change.get("component", "c") is not None)
    look_s = made.get("sagemaker", [0])[0]
    assert look_s + endpoint_s + min(bedrock_s, default=0) <= configured.limits.generation_s
    assert look_s + max(bedrock_s, default=0) <= configured.limits.generation_s


def test_answers_of_another_model_on_the_endpoint_are_not_used_again() -> None:
    names = {
        wiring.wire(configured, Prompt.parse(PROMPT)).generator_name
        for configured in (
            AnswerSettings.load(ENVIRONMENT),
            settings(),
            settings({**ENDPOINT, "model": "smollm3-3b"}),
        )
    }
    assert len(names) == 3


@pytest.mark.parametrize(
    ("endpoint", "fault"),
    [
        ([], "must be a JSON object"),
        ({**ENDPOINT, "endpoint": None}, "endpoint: must be"),
        ({**ENDPOINT, "component": ""}, "component: must be"),
        ({**ENDPOINT, "model": 7}, "model: must be"),
        ({**ENDPOINT, "timeout_s": "3"}, "timeout_s: must be"),
        ({**ENDPOINT, "timeout_s": 0}, "timeout_s: must be above 0"),
        ({**ENDPOINT, "timeout_s": 14.5}, "timeout_s: with look_s at most generation_s, 15"),
        ({**ENDPOINT, "look_s": -1}, "look_s: must be above 0"),
        ({**ENDPOINT, "extra": 1}, "extra: unknown"),
        ({"endpoint": "e"}, ".*: missing"),
    ],
)
def test_broken_settings_are_named(endpoint: object, fault: str) -> None:
    with pytest.raises(SettingsError, match=f"^GENERATOR_ENDPOINT: {fault}"):
        settings(endpoint)


def test_a_fallback_that_is_none_is_named() -> None:
    with pytest.raises(SettingsError, match=r"^GENERATOR_FALLBACK: must be bedrock or never"):
        settings(GENERATOR_FALLBACK="openai")
    with pytest.raises(SettingsError, match=r"^GENERATOR_FALLBACK: never needs"):
        AnswerSettings.load({**ENVIRONMENT, "GENERATOR_FALLBACK": "never"})


def test_an_answer_counts_for_who_gave_it(bridge: Bridge) -> None:
    services = Services()
    services.add(stations="# Stations\n\nThe Kestrel station is powered by wind turbines.")
    answering = replace(services.answering(), generator=bridge.generator)
    counts = []
    for words in ("How is Kestrel powered?", "What powers Kestrel station?"):
        trace = Trace()
        answer = answering.answer(Question(words, {}, 300), trace)
        assert isinstance(answer, dict)
        metrics = trace.metrics
        counts.append((answer["served_by"], metrics["EndpointAnswers"], metrics["BedrockAnswers"]))
        bridge.sagemaker.error = NO_CAPACITY
    assert counts == [("endpoint", 1, 0), ("bedrock", 0, 1)]


def test_the_endpoint_has_its_own_energy_and_its_own_grid() -> None:
    footprint = Footprint.parse(FOOTPRINT)
    usage = Usage(input_tokens=1000, output_tokens=1000, by_endpoint=True)
    assert footprint.added(usage).energy_wh.mid == pytest.approx(0.002 + 0.3 + 5)
    assert footprint.added(usage).carbon_g.mid == pytest.approx((5.3 * 50 + 0.002 * 20) / 1000)
    usage = replace(usage, by_endpoint=False)
    assert footprint.added(usage).energy_wh.mid == pytest.approx(0.002 + 0.2 + 2)
    assert footprint.added(usage).carbon_g.mid == pytest.approx(2.202 * 20 / 1000)


def test_an_answer_adds_the_time_for_which_it_keeps_an_endpoint_awake(bridge: Bridge) -> None:
    services = Services()
    services.add(stations="# Stations\n\nThe Kestrel station is powered by wind turbines.")
    awake = {"wh": [1.0, 2.0, 3.0], "gco2e": [0.0] * 3, "l": [0.0] * 3, "usd": [0.0] * 3}
    sleeps = FOOTPRINT["endpoint"] | {"awake": awake, "rests_after_s": 600}
    answering = replace(
        services.answering(),
        generator=bridge.generator,
        footprint=Footprint.parse(FOOTPRINT | {"endpoint": sleeps}),
    )

    def asked(number: int) -> tuple[float | None, float]:
        trace = Trace()
        answer = answering.answer(Question(f"How is Kestrel powered? {number}", {}, 300), trace)
        assert isinstance(answer, dict)
        return trace.metrics.get("EndpointAwakeSeconds"), answer["added"]["energy_wh"]["mid"]

    # The first of the morning pays for the whole rest, the next one for the time between.
    assert [_after(services, seconds, asked, n) for n, seconds in enumerate((0, 60, 4000))] == [
        (600, pytest.approx(1200, rel=0.01)),
        (60, pytest.approx(120, rel=0.1)),
        (600, pytest.approx(1200, rel=0.01)),
    ]
    bridge.sagemaker.error = NO_CAPACITY
    seconds, energy = asked(9)
    assert seconds is None
    assert energy < 1


def _after(services: Services, seconds: float, asked: Any, number: int) -> tuple[float, float]:
    services.world.now += seconds
    found: tuple[float, float] = asked(number)
    return found


def test_an_endpoint_whose_energy_is_not_known_is_an_error() -> None:
    unknown = {name: value for name, value in FOOTPRINT.items() if name != "endpoint"}
    with pytest.raises(SettingsError, match="FOOTPRINT: endpoint: missing"):
        settings(FOOTPRINT=json.dumps(unknown))


@pytest.mark.parametrize(
    ("candidate", "endpoint", "bedrock"), [("other", None, True), ("qwen3-1.7b", "e", False)]
)
def test_on_a_bridge_the_candidate_is_tried_and_no_other_model(
    monkeypatch: pytest.MonkeyPatch, candidate: str, endpoint: str | None, bedrock: bool
) -> None:
    composed: list[AnswerSettings] = []
    monkeypatch.setattr(trial, "wire", lambda settings, prompt: composed.append(settings))
    environ = {
        **ENVIRONMENT,
        "GENERATOR_ENDPOINT": json.dumps(ENDPOINT),
        "GENERATOR_MODEL": candidate,
        "PROMPT": json.dumps(PROMPT),
    }
    trial.main(environ, io.StringIO(""), io.StringIO())
    (settings,) = composed
    assert (settings.endpoint.endpoint if settings.endpoint else None) == endpoint
    assert settings.bedrock_may_answer == bedrock
