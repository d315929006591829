"""The generator on a SageMaker endpoint, with fallback to Bedrock if it fails or has no copy."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from rag.clients import translated, within
from rag.errors import DeadlineExceeded, Unavailable
from rag.generation import ENDPOINT, Generation, Generator
from rag.telemetry import logger

_LOOK_AGAIN_S = 30
_FIRST_WINDOW_S = 30
_LONGEST_WINDOW_S = 300
_RETRY_AFTER_S = 60
"""A copy needs minutes to start."""

_TROUBLE = (Unavailable, DeadlineExceeded)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatCompletions:
    """The shape of OpenAI's chat completions; None is not sent.

    `model` is the name that answers carry. A model that `thinks` before it answers, unless told not
    to, is told: quoting passages needs no thoughts, and they are most of the tokens.
    """

    model: str
    temperature: float | None
    top_p: float | None
    top_k: int | None
    thinks: bool

    def request(self, system: str, user: str, *, max_tokens: int) -> dict[str, Any]:
        """Return the request."""
        request = {
            "messages": [
                {"role": "system", "content": system},
                {"role": "user", "content": user},
            ],
            "max_tokens": max_tokens,
            "temperature": self.temperature,
            "top_p": self.top_p,
            "top_k": self.top_k,
            "chat_template_kwargs": {"enable_thinking": False} if self.thinks else None,
        }
        return {name: value for name, value in request.items() if value is not None}

    def read(self, answer: Any) -> Generation:
        """Read the answer."""
        choice, usage = answer["choices"][0], answer["usage"]
        return Generation(
            text=(choice["message"]["content"] or "").strip(),
            model=self.model,
            served_by=ENDPOINT,
            input_tokens=int(usage["prompt_tokens"]),
            output_tokens=int(usage["completion_tokens"]),
            truncated=choice["finish_reason"] == "length",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointGenerator(ChatCompletions):
    """A SageMaker endpoint that speaks chat completions, or one of its components.

    It has `seconds` to answer.
    """

    client: Any
    endpoint: str
    component: str | None
    seconds: float

    def generate(self, system: str, user: str, *, max_tokens: int) -> Generation:
        """Answer the prompt.

        Raises `Throttled`, `Unavailable` or `DeadlineExceeded`.
        """
        request = self.request(system, user, max_tokens=max_tokens)
        target = {"InferenceComponentName": self.component} if self.component else {}

        def invoke() -> Generation:
            response = self.client.invoke_endpoint(
                EndpointName=self.endpoint,
                ContentType="application/json",
                Body=json.dumps(request),
                **target,
            )
            return self.read(json.loads(response["Body"].read()))

        with _any_trouble():
            return within(self.seconds, ENDPOINT, invoke)


@contextmanager
def _any_trouble() -> Iterator[None]:
    """Translate every error into an error of this package.

    SageMaker answers ValidationError if there is no copy or no endpoint, and ModelError to
    one that fails in the container: neither shows which of the two is wrong.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        with translated(ENDPOINT):
            yield
    except ClientError as error:
        raise Unavailable(f"{ENDPOINT}: {error.response['Error']['Code']}") from error
    except (BotoCoreError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise Unavailable(f"{ENDPOINT}: unreadable answer, {type(error).__name__}") from error


@dataclass(slots=True)
class Copies:
    """Whether an inference component has a copy in service, looked up once in half a minute.

    It asks the control plane, because a call that finds no copy counts among
    `NoCapacityInvocationFailures`, which counts as demand for a copy.
    """

    client: Any
    component: str
    clock: Callable[[], float] = time.monotonic
    _awake: bool = field(default=False, init=False)
    _look_at: float = field(default=float("-inf"), init=False)

    def awake(self) -> bool:
        """Return what the last look found; one that fails changes nothing."""
        if self.clock() >= self._look_at:
            try:
                with _any_trouble():
                    found = self.client.describe_inference_component(
                        InferenceComponentName=self.component
                    )
                    self._awake = found["RuntimeConfig"]["CurrentCopyCount"] > 0
            except _TROUBLE as error:
                logger.warning("copies not known", error=str(error))
            self._look_at = self.clock() + _LOOK_AGAIN_S
        return self._awake


@dataclass(slots=True)
class Breaker:
    """Lets one request in a window try what failed; each failure doubles the window, to 5 min."""

    clock: Callable[[], float] = time.monotonic
    _window_s: float = field(default=0, init=False)
    _open_until: float = field(default=float("-inf"), init=False)

    def allows(self) -> bool:
        """Return whether to try."""
        return self.clock() >= self._open_until

    def succeeded(self) -> None:
        """Reset the failures."""
        self._window_s, self._open_until = 0, float("-inf")

    def failed(self) -> None:
        """Open; a failure while it is open does not make the window longer."""
        if self.allows():
            self._window_s = min(2 * self._window_s or _FIRST_WINDOW_S, _LONGEST_WINDOW_S)
            self._open_until = self.clock() + self._window_s


@dataclass(frozen=True, slots=True)
class Fallback:
    """The same generator twice: with all the time there is, and with what the endpoint leaves."""

    alone: Generator
    afterwards: Generator


@dataclass(frozen=True, slots=True, kw_only=True)
class BridgedGenerator:
    """The endpoint while it runs and works; otherwise the fallback, if one is allowed.

    The breaker and the last look at the copies live as long as this object: one execution
    environment of the function.
    """

    endpoint: Generator
    fallback: Fallback | None
    is_awake: Callable[[], bool]
    breaker: Breaker

    def generate(self, system: str, user: str, *, max_tokens: int) -> Generation:
        """Answer the prompt with at most one call to each of the two.

        The breaker holds back only while the fallback answers: without an answer from there, an
        endpoint that may be well again is better than none.

        Raises `Throttled`, `Unavailable` or `DeadlineExceeded`.
        """
        tried = False
        if self.fallback is not None:
            if tried := self.breaker.allows() and self.is_awake():
                try:
                    return self._from_endpoint(system, user, max_tokens)
                except _TROUBLE as error:
                    logger.warning("endpoint failed", error=str(error))
            try:
                fallback = self.fallback.afterwards if tried else self.fallback.alone
                return fallback.generate(system, user, max_tokens=max_tokens)
            except Unavailable:  # after a time-out there would be no time left to ask another
                if tried or not self.is_awake():
                    raise
        elif not self.is_awake():
            raise Unavailable(f"{ENDPOINT}: asleep", retry_after_s=_RETRY_AFTER_S)
        return self._from_endpoint(system, user, max_tokens)

    def _from_endpoint(self, system: str, user: str, max_tokens: int) -> Generation:
        try:
            generation = self.endpoint.generate(system, user, max_tokens=max_tokens)
        except _TROUBLE:
            self.breaker.failed()
            raise
        self.breaker.succeeded()
        return generation
