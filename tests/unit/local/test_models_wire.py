"""The models' wire shapes, held against botocore, which is what the functions speak."""

from __future__ import annotations

import http.client
import json
import math
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ConnectionClosedError, ReadTimeoutError
from hypothesis import given
from hypothesis import strategies as st

from local.models.application import Application
from local.models.aws import ServiceError
from local.models.bedrock import fit
from local.models.contracts import Completion, Embedding, Message, Prompt
from local.models.openai import OpenAiServer
from local.models.packages import package, package_file
from local.models.server import Server
from sustainability.errors import UserError

# One for all tests: it keeps the models of the services, which take long to read.
SESSION = boto3.Session("test", "test", region_name="eu-north-1")
NOVA = "eu.amazon.nova-lite-v1:0"
TITAN = "amazon.titan-embed-text-v2:0"
ASK: dict[str, Any] = {"messages": [{"role": "user", "content": [{"text": "Why?"}]}]}
CHAT: dict[str, Any] = {"messages": [{"role": "user", "content": "Why?"}]}


class Echo:
    """A generator that says the last message again, and notes how it was asked."""

    name = "echo"

    def __init__(self) -> None:
        self.asked: list[Prompt] = []
        self.ending = Completion(text="", stopped_by="model", input_tokens=7, output_tokens=3)

    def generate(self, prompt: Prompt) -> Completion:
        self.asked.append(prompt)
        return replace(self.ending, text=prompt.messages[-1].text)


class Letters:
    """An embedder of 26 dimensions: how often each letter occurs. A token is a character."""

    name = "letters"

    def embed(self, texts: list[str]) -> list[Embedding]:
        counts = ([1.0 + text.count(chr(97 + letter)) for letter in range(26)] for text in texts)
        return [Embedding(vector, len(text)) for text, vector in zip(texts, counts, strict=True)]


class Local:
    """A running server, and boto3 clients of it."""

    def __init__(self, server: Server, generator: Echo) -> None:
        self.url = server.url
        self.generator = generator
        config = Config(retries={"total_max_attempts": 1}, parameter_validation=False)
        self.bedrock: Any = SESSION.client(
            "bedrock-runtime", endpoint_url=server.url, config=config
        )
        self.sagemaker: Any = SESSION.client(
            "sagemaker-runtime", endpoint_url=server.url, config=config
        )

    def embed(self, model: str, **body: Any) -> tuple[dict[str, Any], Mapping[str, str]]:
        response = self.bedrock.invoke_model(modelId=model, body=json.dumps(body))
        return json.loads(response["body"].read()), response["ResponseMetadata"]["HTTPHeaders"]

    def chat(self, endpoint: str = "qwen", **body: Any) -> dict[str, Any]:
        response = self.sagemaker.invoke_endpoint(
            EndpointName=endpoint, ContentType="application/json", Body=json.dumps(body)
        )
        return json.loads(response["Body"].read())

    def control(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}{path}", data=data, method=method)
        with urllib.request.urlopen(request) as response:
            return json.load(response)


@pytest.fixture
def local() -> Iterator[Local]:
    generator = Echo()
    with Server(0) as server:
        server.open(Application(generator, Letters()))
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield Local(server, generator)
        server.shutdown()
        thread.join()


def test_converse_answers_what_botocore_parses(local: Local) -> None:
    answer = local.bedrock.converse(modelId=NOVA, system=[{"text": "Be brief."}], **ASK)
    assert answer["output"]["message"] == {"role": "assistant", "content": [{"text": "Why?"}]}
    assert answer["stopReason"] == "end_turn"
    assert answer["usage"] == {"inputTokens": 7, "outputTokens": 3, "totalTokens": 10}
    assert answer["metrics"]["latencyMs"] >= 0
    assert answer["ResponseMetadata"]["HTTPHeaders"]["x-local-stand-in"] == "echo"
    assert local.generator.asked[0].messages == [
        Message("system", "Be brief."),
        Message("user", "Why?"),
    ]


@pytest.mark.parametrize(
    "additional", [{"top_k": 40}, {"inferenceConfig": {"topK": 40}}], ids=["claude", "nova"]
)
def test_every_inference_parameter_reaches_the_generator(
    local: Local, additional: dict[str, Any]
) -> None:
    local.bedrock.converse(
        modelId=NOVA,
        **ASK,
        inferenceConfig={"maxTokens": 5, "temperature": 0.5, "topP": 0.9, "stopSequences": ["X"]},
        additionalModelRequestFields=additional,
    )
    asked = local.generator.asked[0]
    assert (asked.max_tokens, asked.temperature, asked.top_p) == (5, 0.5, 0.9)
    assert (asked.top_k, asked.stop) == (40, ("X",))


@pytest.mark.parametrize(
    ("stopped_by", "reason"),
    [("model", "end_turn"), ("max_tokens", "max_tokens"), ("stop_sequence", "stop_sequence")],
)
def test_the_reason_to_stop_is_told(local: Local, stopped_by: Any, reason: str) -> None:
    local.generator.ending = replace(local.generator.ending, stopped_by=stopped_by)
    assert local.bedrock.converse(modelId=NOVA, **ASK)["stopReason"] == reason


def test_a_conversation_is_passed_on_as_text(local: Local) -> None:
    guarded = {"guardContent": {"text": {"text": "passage", "qualifiers": ["grounding_source"]}}}
    messages = [
        {"role": "user", "content": [guarded, {"cachePoint": {"type": "default"}}, {"text": "?"}]},
        {"role": "assistant", "content": [{"text": "!"}]},
        {"role": "user", "content": [{"text": "And?"}]},
    ]
    local.bedrock.converse(modelId=NOVA, messages=messages)
    assert [m.text for m in local.generator.asked[0].messages] == ["passage\n?", "!", "And?"]


@pytest.mark.parametrize(
    ("request_", "named"),
    [
        ({"inferenceConfig": {"maxTokens": 0}}, "inferenceConfig.maxTokens"),
        ({"inferenceConfig": {"maxTokens": True}}, "inferenceConfig.maxTokens"),
        ({"inferenceConfig": {"temperature": 1.5}}, "inferenceConfig.temperature"),
        ({"inferenceConfig": {"temperature": math.nan}}, "Malformed"),
        ({"inferenceConfig": {"topK": 3}}, "topK"),
        ({"inferenceConfig": {"stopSequences": ["."] * 2501}}, "inferenceConfig.stopSequences"),
        ({"additionalModelRequestFields": {"top_q": 3}}, "top_q"),
        ({"additionalModelRequestFields": {"top_k": "3"}}, "top_k"),
        ({"messages": [{"role": "user"}]}, "content"),
        ({"messages": [{"role": "robot", "content": [{"text": "?"}]}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": [{"text": 5}]}]}, "messages[0].content[0].text"),
        ({"messages": [{"role": "user", "content": [{"text": " "}]}]}, "blank"),
        ({"messages": []}, "start with a user message"),
        ({"messages": ASK["messages"] * 2}, "alternate"),
        ({"toolConfig": {"tools": []}}, "toolConfig"),
        ({"messages": [{"role": "user", "content": [{"image": {}}]}]}, "image"),
    ],
    ids=str,
)
def test_a_bad_converse_request_is_refused_by_name(
    local: Local, request_: dict[str, Any], named: str
) -> None:
    # botocore sends what is no member of the shape nowhere: past it, the wire is all there is.
    body = json.dumps({**ASK, **request_}).encode()
    connection = http.client.HTTPConnection(local.url.removeprefix("http://"))
    connection.request("POST", f"/model/{NOVA}/converse", body)
    response = connection.getresponse()
    assert response.status == 400
    assert response.headers["x-amzn-ErrorType"] == "ValidationException"
    assert named in json.load(response)["message"]
    assert not local.generator.asked


def test_botocore_raises_the_modelled_exception(local: Local) -> None:
    with pytest.raises(local.bedrock.exceptions.ValidationException, match=r"maxTokens"):
        local.bedrock.converse(modelId=NOVA, **ASK, inferenceConfig={"maxTokens": 0})
    with pytest.raises(local.bedrock.exceptions.ValidationException, match="embeds text"):
        local.bedrock.converse(modelId=TITAN, **ASK)
    with pytest.raises(local.bedrock.exceptions.ValidationException, match="Converse"):
        local.embed(NOVA, inputText="text")
    with pytest.raises(local.bedrock.exceptions.ValidationException, match="identifier"):
        local.bedrock.converse(modelId="no such model", **ASK)
    with pytest.raises(local.bedrock.exceptions.ValidationException, match="stream"):
        local.bedrock.converse_stream(modelId=NOVA, **ASK)


@pytest.mark.parametrize(
    "model",
    [
        "mistral.ministral-3-3b-instruct",
        "eu.amazon.nova-lite-v1:0",
        "arn:aws:bedrock:eu-north-1:111122223333:inference-profile/eu.amazon.nova-lite-v1:0",
        "arn:aws:bedrock:eu-north-1:111122223333:application-inference-profile/a1b2c3d4e5f6",
    ],
)
def test_models_are_counted_by_the_name_they_were_called(local: Local, model: str) -> None:
    local.bedrock.converse(modelId=model, **ASK)
    [counter] = local.control("GET", "/_local/requests")["counters"]
    assert (counter["operation"], counter["model"], counter["requests"]) == ("Converse", model, 1)


@pytest.mark.parametrize("dimensions", [256, 512, 1024])
def test_titan_gives_a_unit_vector_of_the_size_asked_for(local: Local, dimensions: int) -> None:
    answer, headers = local.embed(TITAN, inputText="abba", dimensions=dimensions, normalize=True)
    assert len(answer["embedding"]) == dimensions
    assert math.hypot(*answer["embedding"]) == pytest.approx(1)
    assert answer["embeddingsByType"] == {"float": answer["embedding"]}
    assert answer["inputTextTokenCount"] == 4
    assert headers["x-amzn-bedrock-input-token-count"] == "4"
    assert headers["x-local-stand-in"] == "letters"


def test_titan_leaves_the_length_alone_if_asked(local: Local) -> None:
    answer, _ = local.embed(TITAN, inputText="abba", normalize=False)
    assert answer["embedding"][:3] == [3.0, 3.0, 1.0]


@pytest.mark.parametrize(
    ("model", "size", "options"),
    [
        ("cohere.embed-english-v3", 1024, {}),
        ("eu.cohere.embed-v4:0", 1536, {}),
        ("eu.cohere.embed-v4:0", 256, {"output_dimension": 256}),
    ],
)
def test_cohere_embeds_each_text_in_order(
    local: Local, model: str, size: int, options: dict[str, Any]
) -> None:
    texts = ["a", "bb", "a"]
    asked = {"texts": texts, "input_type": "search_document", **options}
    plain, headers = local.embed(model, **asked)
    assert plain["response_type"] == "embeddings_floats"
    assert [len(vector) for vector in plain["embeddings"]] == [size] * 3
    first, second, third = plain["embeddings"]
    assert first == third != second
    assert headers["x-amzn-bedrock-input-token-count"] == "4"
    typed, _ = local.embed(model, **asked, embedding_types=["float"])
    assert typed["embeddings"] == {"float": plain["embeddings"]}
    assert typed["response_type"] == "embeddings_by_type"


@pytest.mark.parametrize(
    ("model", "body", "named"),
    [
        (TITAN, {"inputText": ""}, "#/inputText"),
        (TITAN, {"inputText": "a" * 50_001}, "#/inputText"),
        (TITAN, {"inputText": "a" * 8193}, "Too many input tokens"),
        (TITAN, {"inputText": "a", "dimensions": 300}, "#/dimensions"),
        (TITAN, {"inputText": "a", "embeddingTypes": ["binary"]}, "#/embeddingTypes/0"),
        (TITAN, {"inputText": "a", "dimension": 256}, r"extraneous key \[dimension\]"),
        ("cohere.embed-english-v3", {"texts": ["a"]}, "#/input_type"),
        (
            "cohere.embed-english-v3",
            {"texts": ["a" * 2049], "input_type": "clustering"},
            "#/texts/0",
        ),
        (
            "cohere.embed-english-v3",
            {"texts": ["a"], "input_type": "clustering", "output_dimension": 256},
            "#/output_dimension",
        ),
        ("cohere.embed-v4:0", {"texts": ["a"] * 97, "input_type": "clustering"}, "#/texts"),
    ],
)
def test_a_bad_embedding_request_is_refused_by_name(
    local: Local, model: str, body: dict[str, Any], named: str
) -> None:
    with pytest.raises(local.bedrock.exceptions.ValidationException, match=named):
        local.embed(model, **body)
    counters = local.control("GET", "/_local/requests")["counters"]
    assert "texts" not in counters[0]


_numbers = st.floats(-100, 100).filter(lambda number: abs(number) > 1e-3)


@given(
    st.lists(st.tuples(_numbers, _numbers), min_size=1, max_size=20),
    st.integers(min_value=20, max_value=60),
)
def test_padding_leaves_cosines_exact(pairs: list[tuple[float, float]], dimensions: int) -> None:
    left, right = (list(side) for side in zip(*pairs, strict=True))
    cosine = sum(a * b for a, b in pairs) / (math.hypot(*left) * math.hypot(*right))
    padded = zip(fit(left, dimensions), fit(right, dimensions), strict=True)
    assert sum(a * b for a, b in padded) == pytest.approx(cosine, abs=1e-9)


def test_an_endpoint_answers_as_vllm_does(local: Local) -> None:
    local.generator.ending = replace(
        local.generator.ending, stopped_by="stop_sequence", stop_sequence="END"
    )
    answer = local.chat(
        model="qwen3",
        max_tokens=9,
        temperature=0.5,
        top_p=0.9,
        stop="END",
        **CHAT,
    )
    assert answer["object"] == "chat.completion"
    assert answer["model"] == "qwen3"
    [choice] = answer["choices"]
    assert choice["message"] == {"role": "assistant", "content": "Why?"}
    assert (choice["finish_reason"], choice["stop_reason"]) == ("stop", "END")
    assert answer["usage"] == {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
    asked = local.generator.asked[0]
    assert (asked.max_tokens, asked.temperature, asked.top_p) == (9, 0.5, 0.9)
    assert list(asked.stop) == ["END"]


def test_an_inference_component_is_counted_with_its_endpoint(local: Local) -> None:
    response = local.sagemaker.invoke_endpoint(
        EndpointName="qwen",
        InferenceComponentName="copy",
        ContentType="application/json",
        Body=json.dumps(CHAT),
    )
    assert response["InvokedProductionVariant"] == "AllTraffic"
    [counter] = local.control("GET", "/_local/requests")["counters"]
    assert (counter["operation"], counter["model"]) == ("InvokeEndpoint", "qwen/copy")


@pytest.mark.parametrize(
    ("body", "named"),
    [({}, "#/messages"), ({**CHAT, "max_tokens": 0}, "#/max_tokens"), ({**CHAT, "n": 2}, "[n]")],
)
def test_the_containers_refusal_comes_as_a_model_error(
    local: Local, body: dict[str, Any], named: str
) -> None:
    with pytest.raises(local.sagemaker.exceptions.ModelError) as refusal:
        local.chat(**body)
    assert refusal.value.response["OriginalStatusCode"] == 400
    assert named in refusal.value.response["OriginalMessage"]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        ("ThrottlingException", 429),
        ("ModelTimeoutException", 408),
        ("ServiceUnavailableException", 503),
        ("ResourceNotFoundException", 404),
        ("ModelNotReadyException", 429),
        ("AccessDeniedException", 403),
    ],
)
def test_a_fault_strikes_as_often_as_asked_and_only_where_asked(
    local: Local, error: str, status: int
) -> None:
    local.control("POST", "/_local/faults", {"match": "nova", "error": error, "count": 2})
    local.bedrock.converse(modelId="mistral.ministral-3-3b-instruct", **ASK)
    for _ in range(2):
        with pytest.raises(getattr(local.bedrock.exceptions, error)) as fault:
            local.bedrock.converse(modelId=NOVA, **ASK)
        assert fault.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
    local.bedrock.converse(modelId=NOVA, **ASK)
    nova = {c["model"]: c for c in local.control("GET", "/_local/requests")["counters"]}[NOVA]
    assert (nova["requests"], nova["errors"]) == (3, 2)


def test_faults_reach_endpoints_and_can_be_taken_back(local: Local) -> None:
    fault = {"match": "qwen", "error": "ModelNotReadyException", "count": 99}
    local.control("POST", "/_local/faults", fault)
    with pytest.raises(local.sagemaker.exceptions.ModelNotReadyException):
        local.chat(**CHAT)
    local.control("DELETE", "/_local/faults")
    assert local.chat(**CHAT)["choices"]


@pytest.mark.parametrize("damage", ["garbage", "reset", "drip"])
def test_a_response_can_be_damaged(
    local: Local, damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("local.models.server._DRIP_S", 0.01)
    local.control("POST", "/_local/faults", {"match": "nova", "damage": damage})
    if damage == "reset":
        with pytest.raises(ConnectionClosedError):
            local.bedrock.converse(modelId=NOVA, **ASK)
    else:  # the client makes nothing of a body that it cannot read
        assert "output" not in local.bedrock.converse(modelId=NOVA, **ASK)
    assert local.bedrock.converse(modelId=NOVA, **ASK)["output"]


def test_a_fault_can_be_a_delay_beyond_the_clients_patience(local: Local) -> None:
    local.control("POST", "/_local/faults", {"match": "nova", "delay_s": 30})
    impatient: Any = boto3.Session("test", "test", region_name="eu-north-1").client(
        "bedrock-runtime",
        endpoint_url=local.url,
        config=Config(read_timeout=0.1, retries={"total_max_attempts": 1}),
    )
    with pytest.raises(ReadTimeoutError):
        impatient.converse(modelId=NOVA, **ASK)
    assert local.bedrock.converse(modelId=NOVA, **ASK)["output"]


def test_a_fault_that_no_service_has_is_refused(local: Local) -> None:
    with pytest.raises(urllib.error.HTTPError) as refusal:
        local.control("POST", "/_local/faults", {"match": "", "error": "Sleepy"})
    assert refusal.value.code == 400
    assert "ThrottlingException" in json.load(refusal.value)["message"]


def test_the_counters_tell_texts_and_tokens_and_the_last_prompt(local: Local) -> None:
    local.embed(TITAN, inputText="abc")
    local.embed(TITAN, inputText="ab")
    local.embed("cohere.embed-v4:0", texts=["a", "b"], input_type="search_query")
    local.bedrock.converse(modelId=NOVA, **ASK)
    report = local.control("GET", "/_local/requests")
    counters = {counter["model"]: counter for counter in report["counters"]}
    assert (counters[TITAN]["texts"], counters[TITAN]["input_tokens"]) == (2, 5)
    assert counters["cohere.embed-v4:0"]["texts"] == 2
    assert (counters[NOVA]["input_tokens"], counters[NOVA]["output_tokens"]) == (7, 3)
    assert report["last_prompt"] == [{"role": "user", "text": "Why?"}]


def test_a_connection_stays_open_after_answers_and_errors(local: Local) -> None:
    connection = http.client.HTTPConnection(local.url.removeprefix("http://"))
    connection.connect()
    socket = connection.sock
    for body in (json.dumps(ASK), "{", json.dumps(ASK)):
        connection.request("POST", f"/model/{NOVA}/converse", body)
        connection.getresponse().read()
    assert connection.sock is socket


def test_health_names_the_models(local: Local) -> None:
    assert local.control("GET", "/health") == {"generator": "echo", "embedder": "letters"}


def test_a_missing_model_is_told_with_the_cure() -> None:
    with pytest.raises(UserError, match=r"no-such-model.*make setup"):
        package_file("no_such_model", "model.onnx")
    with pytest.raises(UserError, match=r"no-such-runtime.*make setup"):
        package("no_such_runtime")


def test_a_taken_port_is_told_with_the_cure(local: Local) -> None:
    with pytest.raises(UserError, match="--port"):
        Server(int(local.url.rpartition(":")[2]))


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
_VALID: Mapping[str, dict[str, Any]] = {
    f"/model/{NOVA}/converse": {
        **ASK,
        "system": [{"text": "Be brief."}],
        "inferenceConfig": {"maxTokens": 5, "temperature": 0, "stopSequences": ["."]},
        "additionalModelRequestFields": {"top_k": 5},
    },
    f"/model/{TITAN}/invoke": {"inputText": "a", "dimensions": 256, "normalize": True},
    "/model/cohere.embed-v4:0/invoke": {"texts": ["a"], "input_type": "search_query"},
    "/endpoints/qwen/invocations": {**CHAT, "max_tokens": 5, "stop": ["."]},
    "/_local/faults": {"match": "x", "error": "ThrottlingException", "count": 1},
}


@st.composite
def _mutated(draw: st.DrawFn) -> tuple[str, bytes]:
    """Draw a request in which one part, however deep, is something else."""
    path = draw(st.sampled_from(sorted(_VALID)))
    body = json.loads(json.dumps(_VALID[path]))
    place = body
    while True:
        key = draw(st.sampled_from(sorted(place) if isinstance(place, dict) else [0]))
        if not (isinstance(place[key], dict | list) and place[key] and draw(st.booleans())):
            break
        place = place[key]
    place[key] = draw(_json)
    return path, json.dumps(body).encode()


@given(_mutated() | st.tuples(st.sampled_from(sorted(_VALID)), st.binary(max_size=40)))
def test_no_body_breaks_the_server(request_: tuple[str, bytes]) -> None:
    path, body = request_
    response = Application(Echo(), Letters()).respond("POST", path, {}, body)
    assert response.status in (200, 400, 424)
    assert response.status == 200 or response.body["message"]
    json.dumps(response.body, allow_nan=False)


@given(st.sampled_from(["GET", "POST", "DELETE"]), st.text())
def test_no_path_breaks_the_server(method: str, path: str) -> None:
    assert Application(Echo(), Letters()).respond(method, path, {}, b"").status in (400, 404)


class _Upstream(BaseHTTPRequestHandler):
    status = 200
    answer: Any = None
    asked: Any = None

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        type(self).asked = (self.path, self.headers["Authorization"], body)
        self.send_response(self.status)
        self.end_headers()
        self.wfile.write(json.dumps(self.answer).encode())

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@pytest.fixture
def upstream() -> Iterator[tuple[type[_Upstream], OpenAiServer]]:
    handler = type("Upstream", (_Upstream,), {})
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}/v1"
        yield handler, OpenAiServer(url=url, model="phi", key="secret")
        server.shutdown()
        thread.join()


PROMPT = Prompt(messages=[Message("user", "Why?")], max_tokens=5, temperature=0.5, stop=("X",))


def test_generation_can_be_forwarded(upstream: tuple[type[_Upstream], OpenAiServer]) -> None:
    handler, generator = upstream
    handler.answer = {
        "choices": [{"message": {"content": "So."}, "finish_reason": "length"}],
        "usage": {"prompt_tokens": 4, "completion_tokens": 5},
    }
    assert generator.generate(PROMPT) == Completion(
        text="So.", stopped_by="max_tokens", input_tokens=4, output_tokens=5
    )
    asked = {
        "model": "phi",
        "messages": [{"role": "user", "content": "Why?"}],
        "max_tokens": 5,
        "temperature": 0.5,
        "stop": ["X"],
    }
    assert handler.asked == ("/v1/chat/completions", "Bearer secret", asked)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (429, "ThrottlingException"),
        (503, "ServiceUnavailableException"),
        (400, "ValidationException"),
        (500, "ModelErrorException"),
        (200, "ModelErrorException"),
    ],
)
def test_what_the_forwarded_to_says_is_put_in_bedrocks_words(
    upstream: tuple[type[_Upstream], OpenAiServer], status: int, code: str
) -> None:
    handler, generator = upstream
    handler.status, handler.answer = status, {"choices": []}
    with pytest.raises(ServiceError) as error:
        generator.generate(PROMPT)
    assert error.value.code == code


def test_a_missing_server_is_unavailable() -> None:
    generator = OpenAiServer(url="http://127.0.0.1:1/v1", model=None, key=None)
    with pytest.raises(ServiceError) as error:
        generator.generate(PROMPT)
    assert error.value.code == "ServiceUnavailableException"
