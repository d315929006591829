"""A broken model, seen through the real client: each fault has its status, within the deadline."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
import pytest
from botocore.config import Config

from rag import answer_handler
from rag.answering import Answering
from rag.embedding import Embedder
from rag.endpoint_generator import Breaker, BridgedGenerator, EndpointGenerator, Fallback
from rag.generation import BedrockGenerator
from rag.settings import AnswerSettings
from tests.unit.rag.fakes import DIMENSIONS, Services, bag_of_words
from tests.unit.rag.test_answer_handler import ENVIRONMENT, emf, post

QUESTION = "How is Kestrel powered?"
CONVERSE = {
    "output": {"message": {"content": [{"text": "Kestrel is powered by wind turbines [1]."}]}},
    "usage": {"inputTokens": 400, "outputTokens": 20},
    "stopReason": "end_turn",
}
SECONDS = 1.0
Fault = tuple[int, str, bytes]


class Model(ThreadingHTTPServer):
    """Bedrock and SageMaker Runtime on one port, broken as a test says."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.fault: Fault | None = None
        self.broken = "converse"
        self.closed = threading.Event()


class _Handler(BaseHTTPRequestHandler):
    server: Model
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        request = self.rfile.read(int(self.headers["Content-Length"]))
        operation = self.path.rpartition("/")[2]
        if self.server.fault and operation == self.server.broken:
            status, error, body = self.server.fault
        elif operation == "invoke":
            text = json.loads(request)["inputText"]
            vector = {"embedding": bag_of_words(text), "inputTextTokenCount": 9}
            status, error, body = 200, "", json.dumps(vector).encode()
        else:
            status, error, body = 200, "", json.dumps(CONVERSE).encode()
        self.send_response(status)
        if error:
            self.send_header("x-amzn-errortype", error)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body) or 1000))
        self.end_headers()
        if body:
            self.wfile.write(body)
        while not body and not self.server.closed.wait(0.05):  # drips
            self.wfile.write(b" ")

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError):
            super().handle()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def model() -> Iterator[Model]:
    server = Model()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.closed.set()
    server.shutdown()
    server.server_close()


def runtime(model: Model, service: str) -> Any:
    return boto3.client(
        service,
        region_name="eu-north-1",
        endpoint_url=f"http://127.0.0.1:{model.server_port}",
        aws_access_key_id="key",
        aws_secret_access_key="secret",
        config=Config(read_timeout=SECONDS, retries={"total_max_attempts": 1}),
    )


@pytest.fixture
def answering(model: Model, monkeypatch: pytest.MonkeyPatch) -> Answering:
    services = Services()
    services.add(stations="# Stations\n\nThe Kestrel station is powered by wind turbines.")
    bedrock = runtime(model, "bedrock-runtime")
    made = services.answering(deadline_s=5, generation_s=SECONDS)
    (index,) = made.indexes
    embedder = Embedder(bedrock, "amazon.titan-embed-text-v2:0", DIMENSIONS, SECONDS)
    made = replace(
        made,
        indexes=[replace(index, embedder=embedder)],
        generator=BedrockGenerator(
            client=bedrock, seconds=SECONDS, model="m", temperature=None, top_p=None, top_k=None
        ),
    )
    monkeypatch.setattr(answer_handler, "_settings", lambda: AnswerSettings.load(ENVIRONMENT))
    monkeypatch.setattr(answer_handler, "_answering", lambda: made)
    return made


def refusal(status: int, error: str) -> Fault:
    return status, error, b'{"message": "no"}'


@pytest.mark.parametrize("broken", ["converse", "invoke"])
@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        (refusal(424, "ModelErrorException"), 503, "unavailable"),
        (refusal(429, "ModelNotReadyException"), 503, "unavailable"),
        (refusal(408, "ModelTimeoutException"), 504, "deadline_exceeded"),
        (refusal(400, "ServiceQuotaExceededException"), 429, "throttled"),
        (refusal(429, "ThrottlingException"), 429, "throttled"),
        (refusal(403, "ExpiredTokenException"), 503, "unavailable"),
        (refusal(500, "InternalServerException"), 503, "unavailable"),
        ((502, "", b"<html>Bad gateway</html>"), 503, "unavailable"),
        ((200, "", b"<html>no JSON</html>"), 503, "unavailable"),
        ((200, "", b'{"output": {"mess'), 503, "unavailable"),
        ((200, "", b"{}"), 503, "unavailable"),
        ((200, "", b'{"embedding": [NaN], "output": 7, "usage": []}'), 503, "unavailable"),
        ((200, "", b""), 504, "deadline_exceeded"),
    ],
    ids=lambda value: value[1] or value[2].decode()[:12] or "drips" if type(value) is tuple else "",
)
def test_each_fault_of_a_model_has_its_status_and_a_time_to_come_back(
    model: Model,
    answering: Answering,
    capsys: pytest.CaptureFixture[str],
    broken: str,
    fault: Fault,
    status: int,
    code: str,
) -> None:
    model.broken, model.fault = broken, fault
    began = time.monotonic()
    answered, headers, body = post({"question": QUESTION})
    assert (answered, body["error"]["code"]) == (status, code)
    assert int(headers["Retry-After"]) > 0
    assert time.monotonic() - began < 20, "a response that drips is not waited for"
    emf(capsys)
    model.fault = None
    assert post({"question": QUESTION})[0] == 200, "a passing fault leaves nothing behind"


def test_an_endpoint_that_drips_leaves_its_time_to_the_fallback(
    model: Model, answering: Answering
) -> None:
    model.broken, model.fault = "invocations", (200, "", b"")
    endpoint = EndpointGenerator(
        client=runtime(model, "sagemaker-runtime"),
        endpoint="e",
        component=None,
        seconds=SECONDS,
        model="own",
        thinks=False,
        temperature=None,
        top_p=None,
        top_k=None,
    )
    bedrock: Any = answering.generator
    bridged = BridgedGenerator(
        endpoint=endpoint,
        fallback=Fallback(bedrock, bedrock),
        is_awake=lambda: True,
        breaker=Breaker(),
    )
    assert bridged.generate("s", "u", max_tokens=9).served_by == "bedrock"
    assert not bridged.breaker.allows()


def test_whatever_hangs_the_caller_is_told_before_lambda_ends_the_call(
    answering: Answering, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = AnswerSettings.load(ENVIRONMENT)
    short = replace(settings, limits=replace(settings.limits, deadline_s=-0.9))
    released = threading.Event()
    monkeypatch.setattr(answer_handler, "_settings", lambda: short)
    monkeypatch.setattr(Answering, "answer", lambda *_: released.wait(60))
    status, headers, body = post({"question": QUESTION})
    released.set()
    assert (status, body["error"]["code"]) == (504, "deadline_exceeded")
    assert "Retry-After" in headers
