"""Turns a request into a response, without a network."""

from __future__ import annotations

import re
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from local.models import bedrock
from local.models.aws import ServiceError, invalid
from local.models.body import read_object
from local.models.contracts import Completion, Embedder, Generator, Prompt
from local.models.faults import Answer, Damage, Damaged, Fault, Faults
from local.models.ledger import Ledger
from local.models.sagemaker import Chat, container_error
from local.models.smollm2 import SmolLM2

_MODEL = re.compile(r"/model/(.+)/(converse|converse-stream|invoke|invoke-with-response-stream)")
_ENDPOINT = re.compile(r"/endpoints/([^/]+)/invocations")
WEIGHTS_HEADER = "x-local-weights"
"""Names the file with weights that an endpoint loaded, in place of the generator's."""
_COMPONENT = "x-amzn-sagemaker-inference-component"


@dataclass(frozen=True, slots=True)
class Response:
    """An HTTP response."""

    status: int
    body: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)
    damage: Damage | None = None


class Application:
    """Amazon Bedrock Runtime and SageMaker Runtime, with one generator and one embedder.

    `load` returns a generator with the weights of a file, which an endpoint may have loaded.
    """

    def __init__(
        self,
        generator: Generator,
        embedder: Embedder,
        load: Callable[[Path], Generator] = SmolLM2,
    ) -> None:
        self._generator = generator
        self._load = lru_cache(maxsize=2)(load)
        self._embedder = embedder
        self._faults = Faults()
        self._ledger = Ledger()

    def respond(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Response:
        """Answer a request; `headers` has lower-case names. Every error becomes a response."""
        try:
            response = self._route(method, path.partition("?")[0], headers, body)
        except ServiceError as error:
            response = error_response(error)
        except Damaged as fault:
            return Response(200, {}, damage=fault.damage)
        except Exception:
            traceback.print_exc(file=sys.stderr)
            message = "a fault of the local stand-in; see its log"
            response = error_response(ServiceError("InternalServerException", message))
        stand_ins = f"{self._generator.name}, {self._embedder.name}"
        return Response(
            response.status, response.body, {"x-local-stand-in": stand_ins, **response.headers}
        )

    def _route(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Response:
        match method, path:
            case "GET", "/health":
                names = {"generator": self._generator.name, "embedder": self._embedder.name}
                return Response(200, names)
            case "GET", "/_local/requests":
                return Response(200, self._ledger.as_json())
            case "POST", "/_local/faults":
                fault = Fault.read(body)
                self._faults.add(fault)
                return Response(200, fault.model_dump())
            case "POST", "/_local/answers":
                answer = Answer.read(body)
                self._faults.prescribe(answer)
                return Response(200, answer.model_dump())
            case "DELETE", "/_local/faults":
                self._faults.clear()
                return Response(200, {})
        if method == "POST" and (found := _MODEL.fullmatch(path)):
            model, operation = unquote(found[1]), found[2]
            bedrock.check_model_id(model)
            if operation == "converse":
                return self._counted("Converse", model, lambda: self._converse(model, body))
            if operation == "invoke":
                return self._counted("InvokeModel", model, lambda: self._invoke(model, body))
            raise invalid("The local stand-in does not stream: call Converse or InvokeModel.")
        if method == "POST" and (found := _ENDPOINT.fullmatch(path)):
            endpoint = unquote(found[1])
            component = headers.get(_COMPONENT)
            target = f"{endpoint}/{component}" if component else endpoint
            generator = self._generator
            if weights := headers.get(WEIGHTS_HEADER):
                generator = self._load(Path(weights))
            return self._counted(
                "InvokeEndpoint", target, lambda: self._endpoint(target, body, generator)
            )
        raise ServiceError("UnknownOperationException", f"no operation at {method} {path}")

    def _counted(self, operation: str, model: str, run: Callable[[], Response]) -> Response:
        self._ledger.asked(operation, model)
        try:
            self._faults.strike(model)
            return run()
        except Exception:
            self._ledger.failed(operation, model)
            raise

    def _converse(self, model: str, body: bytes) -> Response:
        prompt = bedrock.read_converse(model, read_object(body))
        began = time.perf_counter()
        completion = self._generate("Converse", model, prompt, self._generator)
        latency_s = time.perf_counter() - began
        return Response(
            200,
            bedrock.converse_response(completion, latency_s),
            {"x-local-stand-in": self._generator.name},
        )

    def _invoke(self, model: str, body: bytes) -> Response:
        request = bedrock.read_invoke(model, body)
        began = time.perf_counter()
        embeddings = self._embedder.embed(request.inputs)
        latency_s = time.perf_counter() - began
        response = request.response(embeddings)
        self._ledger.embedded("InvokeModel", model, embeddings)
        return Response(
            200,
            response,
            {
                "x-local-stand-in": self._embedder.name,
                "x-amzn-bedrock-input-token-count": str(sum(e.tokens for e in embeddings)),
                "x-amzn-bedrock-invocation-latency": str(round(latency_s * 1000)),
            },
        )

    def _endpoint(self, target: str, body: bytes, generator: Generator) -> Response:
        try:
            chat = Chat.read(body)
            completion = self._generate("InvokeEndpoint", target, chat.prompt, generator)
        except ServiceError as error:
            raise container_error(error) from error
        return Response(
            200,
            chat.response(completion, target),
            {
                "x-local-stand-in": generator.name,
                "x-amzn-invoked-production-variant": "AllTraffic",
            },
        )

    def _generate(
        self, operation: str, model: str, prompt: Prompt, generator: Generator
    ) -> Completion:
        text = self._faults.prescribed(model)
        if text is None:
            completion = generator.generate(prompt)
        else:
            read = sum(len(message.text.split()) for message in prompt.messages)
            completion = Completion(
                text=text,
                stopped_by="model",
                input_tokens=read,
                output_tokens=len(text.split()),
            )
        self._ledger.generated(operation, model, prompt, completion)
        return completion


def error_response(error: ServiceError) -> Response:
    """Return an error in the shape of AWS's JSON services."""
    headers = {"x-amzn-errortype": error.code}
    return Response(error.status, {"message": error.message, **error.members}, headers)
