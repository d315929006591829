"""The clients against the wire: what they send, and how they read what comes back."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError, ReadTimeoutError
from urllib3.exceptions import ConnectTimeoutError, ProtocolError
from urllib3.exceptions import ReadTimeoutError as StoreTimeoutError

from rag import custom_resource, index_handler
from rag.clients import translated
from rag.embedding import Embedder
from rag.errors import DeadlineExceeded, SettingsError, Throttled, Unavailable
from rag.generation import BedrockGenerator
from rag.settings import AnswerSettings, IngestSettings
from rag.stores import signed
from rag.stores.opensearch import OpenSearch
from rag.stores.signed import SignedHttp
from rag.stores.store import StoreError
from tests.unit.rag import test_answer_handler, test_ingest_handler
from tests.unit.rag.fakes import service_error


class Pool:
    """Answers as told, in turn; an exception is raised."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.requests: list[dict[str, Any]] = []

    def request(self, method: str, url: str, **options: Any) -> Any:
        self.requests.append({"method": method, "url": url, **options})
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        status, body = answer
        return type(
            "Response", (), {"status": status, "headers": {}, "data": json.dumps(body).encode()}
        )


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> Pool:
    pool = Pool()
    monkeypatch.setattr(signed, "_pool", lambda: pool)
    return pool


STORE = SignedHttp("abc.aoss.on.aws", "aoss", timeout_s=5)


def test_requests_are_signed_for_the_service_with_their_content_hash(pool: Pool) -> None:
    pool.answers = [(200, {"ok": True})]
    assert STORE.request("POST", "/i/_bulk?refresh=wait_for", "{}\n", lines=True) == {"ok": True}
    (sent,) = pool.requests
    assert sent["url"] == "https://abc.aoss.on.aws/i/_bulk?refresh=wait_for"
    assert sent["headers"]["Content-Type"] == "application/x-ndjson"
    assert len(sent["headers"]["X-Amz-Content-SHA256"]) == 64
    authorization = sent["headers"]["Authorization"]
    assert "/eu-north-1/aoss/aws4_request" in authorization
    assert "x-amz-content-sha256" in authorization


def test_a_url_keeps_its_scheme(pool: Pool) -> None:
    pool.answers = [(200, {})]
    SignedHttp("http://127.0.0.1:9200/", "es", timeout_s=5).request("GET", "/i")
    assert pool.requests[0]["url"] == "http://127.0.0.1:9200/i"


@pytest.mark.parametrize(
    "trouble",
    [
        (429, {}),
        (503, {}),
        ConnectTimeoutError("sleeping"),
        StoreTimeoutError(None, "", "sleeping"),  # type: ignore[arg-type]
    ],
)
def test_a_store_that_sleeps_asks_to_come_back(pool: Pool, trouble: Any) -> None:
    pool.answers = [trouble]
    with pytest.raises(Unavailable) as unavailable:
        STORE.request("GET", "/i")
    assert unavailable.value.retry_after_s == 15


def test_a_connection_that_died_meanwhile_is_replaced_once(pool: Pool) -> None:
    pool.answers = [ProtocolError("reset"), (200, {})]
    assert STORE.request("GET", "/i") == {}
    pool.answers = [ProtocolError("reset"), ProtocolError("reset")]
    with pytest.raises(Unavailable):
        STORE.request("GET", "/i")


def test_a_refusal_carries_its_kind_and_no_content(pool: Pool) -> None:
    pool.answers = [(400, {"error": {"type": "mapper_exception", "reason": "secret text"}})]
    with pytest.raises(StoreError, match="mapper_exception") as refused:
        STORE.request("PUT", "/i")
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ({"index": {"status": 429, "error": {"type": "rejected"}}}, Unavailable),
        ({"index": {"status": 400, "error": {"type": "strict_mapping"}}}, StoreError),
        ({"delete": {"status": 404}}, None),
    ],
)
def test_a_bulk_answer_is_read_item_by_item(
    pool: Pool, item: dict[str, Any], expected: type[Exception] | None
) -> None:
    pool.answers = [(200, {"items": [{"index": {"status": 201}}, item]})]
    knowledge = OpenSearch(STORE, "i")
    if expected:
        with pytest.raises(expected):
            knowledge.write([("1", {}), ("2", {})])
    else:
        knowledge.delete(["1", "2"])


def test_long_bulks_go_in_parts(pool: Pool) -> None:
    pool.answers = [(200, {"items": []})] * 3
    OpenSearch(STORE, "i").write((str(n), {"text": "x" * 1_500_000}) for n in range(5))
    assert [request["body"].count(b"_id") for request in pool.requests] == [2, 2, 1]


def test_a_search_that_fails_inside_a_good_answer_is_not_taken_for_empty(pool: Pool) -> None:
    good = {"status": 200, "hits": {"hits": []}}
    for status, expected in [(503, Unavailable), (400, StoreError)]:
        bad = {"status": status, "error": {"type": "t"}}
        pool.answers = [(200, {"responses": [good, bad]})]
        with pytest.raises(expected):
            OpenSearch(STORE, "i").search("q", [1.0], {}, 5)


class Runtime:
    """A Bedrock runtime that answers as told and keeps what it was asked."""

    def __init__(self, *answers: dict[str, Any], header: str = "") -> None:
        self.answers, self.header = list(answers), header
        self.asked: list[dict[str, Any]] = []

    def invoke_model(self, **call: Any) -> dict[str, Any]:
        self.asked.append(json.loads(call["body"]))
        headers = {"x-amzn-bedrock-input-token-count": self.header} if self.header else {}
        return {
            "body": io.BytesIO(json.dumps(self.answers.pop(0)).encode()),
            "ResponseMetadata": {"HTTPHeaders": headers},
        }

    def converse(self, **call: Any) -> dict[str, Any]:
        self.asked.append(call)
        return self.answers.pop(0)


def test_titan_embeds_one_text_a_call_in_their_order() -> None:
    answers = [{"embedding": [n, 4.0], "inputTextTokenCount": 2} for n in (3.0, 0.0)]
    runtime = Runtime(*answers)
    vectors, count = Embedder(runtime, "amazon.titan-embed-text-v2:0", 2, 9).documents(["a", "b"])
    assert (vectors, count) == ([[0.6, 0.8], [0.0, 1.0]], 4)
    assert runtime.asked[0] == {"inputText": "a", "dimensions": 2, "normalize": True}


def test_cohere_embeds_many_texts_a_call_and_is_told_what_for() -> None:
    runtime = Runtime(
        {"embeddings": {"float": [[0.0, 2.0]] * 96}},
        {"embeddings": {"float": [[2.0, 0.0]] * 4}},
        {"embeddings": {"float": [[2.0, 0.0]]}},
        header="7",
    )
    embedder = Embedder(runtime, "eu.cohere.embed-v4:0", 2, 9)
    vectors, count = embedder.documents(["text"] * 100)
    assert (vectors, count) == ([[0.0, 1.0]] * 96 + [[1.0, 0.0]] * 4, 14)
    assert embedder.query("q") == ([1.0, 0.0], 7)
    assert [ask["input_type"] for ask in runtime.asked] == ["search_document"] * 2 + [
        "search_query"
    ]
    assert runtime.asked[0]["output_dimension"] == 2


def test_a_vector_of_another_size_is_an_error_with_both_sizes() -> None:
    runtime = Runtime({"embedding": [1.0], "inputTextTokenCount": 1})
    with pytest.raises(ValueError, match=r"1 dimensions, not 2"):
        Embedder(runtime, "amazon.titan-embed-text-v2:0", 2, 9).query("q")


@pytest.mark.parametrize(
    ("model", "inference", "additional"),
    [
        ("eu.amazon.nova-micro-v1:0", {"temperature", "topP"}, {"inferenceConfig": {"topK": 5}}),
        ("eu.anthropic.claude-haiku-4-5-20251001-v1:0", {"temperature"}, {"top_k": 5}),
        ("mistral.ministral-3-3b-instruct", {"temperature", "topP"}, {}),
    ],
)
def test_each_family_gets_the_parameters_it_knows(
    model: str, inference: set[str], additional: dict[str, Any]
) -> None:
    runtime = Runtime(
        {
            "output": {"message": {"content": [{"text": " Yes. "}, {"reasoningContent": {}}]}},
            "usage": {"inputTokens": 5, "outputTokens": 2, "cacheReadInputTokens": 100},
            "stopReason": "max_tokens",
        }
    )
    generator = BedrockGenerator(
        client=runtime, seconds=9, model=model, temperature=0, top_p=0.5, top_k=5
    )
    generation = generator.generate("s", "u", max_tokens=9)
    assert runtime.asked[0]["inferenceConfig"].keys() == {"maxTokens", *inference}
    assert runtime.asked[0]["additionalModelRequestFields"] == additional
    assert (generation.text, generation.truncated) == ("Yes.", True)
    assert (generation.input_tokens, generation.output_tokens) == (105, 2)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (service_error("ThrottlingException"), Throttled),
        (service_error("InternalServerException", 500), Unavailable),
        (service_error("ModelNotReadyException", 429), Unavailable),
        (service_error("ModelTimeoutException", 408), DeadlineExceeded),
        (ReadTimeoutError(endpoint_url="u"), DeadlineExceeded),
        (EndpointConnectionError(endpoint_url="u"), Unavailable),
        (service_error("AccessDeniedException", 403), type(service_error("x"))),
    ],
)
def test_errors_of_aws_are_told_apart(error: Exception, expected: type[Exception]) -> None:
    with pytest.raises(expected) as raised, translated("service"):
        raise error
    assert type(raised.value) is expected


@pytest.mark.parametrize(
    ("load", "environment"),
    [
        (AnswerSettings.load, test_answer_handler.ENVIRONMENT),
        (IngestSettings.load, test_ingest_handler.ENVIRONMENT),
    ],
)
def test_a_missing_or_broken_variable_is_named(load: Any, environment: dict[str, str]) -> None:
    assert load(environment)
    for name in environment:
        with pytest.raises(SettingsError, match=f"^{name}: not set"):
            load({**environment, name: " "})
    broken = [
        ("KNOWLEDGE", "[]", "at least one"),
        ("KNOWLEDGE", environment["KNOWLEDGE"].replace("aoss", "ec2"), "aoss, es or s3vectors"),
        ("KNOWLEDGE", environment["KNOWLEDGE"].replace("64", '"64"'), "dimensions: must be"),
    ]
    if footprint := environment.get("FOOTPRINT"):
        broken += [
            ("FOOTPRINT", "{}", "bedrock"),
            ("FOOTPRINT", "[", "not JSON"),
            (
                "FOOTPRINT",
                footprint.replace("[0.01, 0.02, 0.04]", "[0.01, 0.005, 0.04]"),
                "ascending",
            ),
        ]
    for name, value, part in broken:
        with pytest.raises(SettingsError, match=f"^{name}: .*{part}"):
            load({**environment, name: value})
    if "INGEST_SETTINGS" in environment:
        overlapping = environment["INGEST_SETTINGS"].replace(
            '"overlap_tokens": 0', '"overlap_tokens": 31'
        )
        with pytest.raises(SettingsError, match="overlap_tokens: at most half"):
            load({**environment, "INGEST_SETTINGS": overlapping})
    (settings,) = (name for name in environment if name.endswith("_SETTINGS"))
    values = json.loads(environment[settings])
    first = next(iter(values))
    for broken, part in [
        ({**values, first: "9"}, f"{first}: must be"),
        ({**values, first: True}, f"{first}: must be"),
        ({**values, "extra": 1}, "extra: unknown"),
        ({k: v for k, v in values.items() if k != first}, f"{first}: missing"),
    ]:
        with pytest.raises(SettingsError, match=f"^{settings}: {part}"):
            load({**environment, settings: json.dumps(broken)})


def resource(kind: str, index: str, body: str = "{}", **event: Any) -> dict[str, Any]:
    return {
        "RequestType": kind,
        "ResponseURL": "https://response",
        "StackId": "s",
        "RequestId": "r",
        "LogicalResourceId": "l",
        "ResourceProperties": {"Endpoint": "domain", "IndexName": index, "Index": body},
        **event,
    }


@pytest.fixture
def report(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    reports: list[dict[str, Any]] = []
    monkeypatch.setattr(custom_resource, "put", lambda url, body: reports.append(json.loads(body)))
    return reports


EXISTS = (400, {"error": {"type": "resource_already_exists_exception"}})
GONE = (404, {"error": {"type": "index_not_found_exception"}})


@pytest.mark.parametrize(
    ("event", "answers", "requests"),
    [
        (resource("Create", "i"), [(200, {})], ["PUT /i"]),
        (resource("Create", "i"), [EXISTS], ["PUT /i"]),
        (
            resource(
                "Update",
                "i",
                PhysicalResourceId="old",
                OldResourceProperties={"IndexName": "old", "Index": "{1}"},
            ),
            [(200, {})],
            ["PUT /i"],
        ),
        (resource("Delete", "new", PhysicalResourceId="i"), [(200, {})], ["DELETE /i"]),
        (resource("Delete", "new", PhysicalResourceId="i"), [GONE], ["DELETE /i"]),
    ],
)
def test_cloudformation_makes_and_deletes_the_index(
    pool: Pool,
    report: list[dict[str, Any]],
    event: dict[str, Any],
    answers: list[Any],
    requests: list[str],
) -> None:
    pool.answers = answers
    index_handler.handler(event, None)
    sent = [f"{r['method']} {r['url'].removeprefix('https://domain')}" for r in pool.requests]
    assert sent == requests
    (told,) = report
    assert (told["Status"], told["PhysicalResourceId"]) == ("SUCCESS", "i")
    assert (told["StackId"], told["RequestId"], told["LogicalResourceId"]) == ("s", "r", "l")


@pytest.mark.parametrize(
    ("event", "answers"),
    [
        (resource("Create", "i"), [(400, {"error": {"type": "mapper_parsing_exception"}})]),
        (resource("Create", "i"), [(503, {})]),
        (
            resource(
                "Update",
                "i",
                PhysicalResourceId="i",
                OldResourceProperties={"IndexName": "i", "Index": "{1}"},
            ),
            [],
        ),
    ],
)
def test_cloudformation_hears_of_every_failure(
    pool: Pool, report: list[dict[str, Any]], event: dict[str, Any], answers: list[Any]
) -> None:
    pool.answers = answers
    index_handler.handler(event, None)
    (told,) = report
    assert told["Status"] == "FAILED"
    assert told["Reason"]
