"""AWS clients, made at first use, and their errors in the words of the domain.

Importing boto3 takes longer than everything else a handler imports together, and not every call
comes to need it: one with a bad request, for instance.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from functools import cache
from typing import Any, TypeVar

from rag.errors import DeadlineExceeded, Throttled, Unavailable

T = TypeVar("T")

_THROTTLED = frozenset(
    {
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "SlowDown",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
_QUOTA_S = 60
"""Bedrock's quotas count requests and tokens by the minute."""
_PASSING = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "ModelErrorException",
        "ModelNotReadyException",
        "RequestExpired",
        "RequestTimeTooSkewed",
        "ServiceUnavailableException",
    }
)
"""Errors with a 4xx status that pass by themselves: a model that failed on one request, or
credentials that are renewed."""


@cache
def client(service: str, *, read_timeout_s: float, attempts: int, connections: int = 10) -> Any:
    """Return a client that tries `attempts` times in all, each with `read_timeout_s` to answer."""
    import boto3
    from botocore.config import Config

    return boto3.client(
        service,
        config=Config(
            connect_timeout=2,
            read_timeout=read_timeout_s,
            retries={"mode": "standard", "total_max_attempts": attempts},
            max_pool_connections=connections,
        ),
    )


@contextmanager
def translated(name: str) -> Iterator[None]:
    """Turn botocore's errors into `Throttled`, `Unavailable` and `DeadlineExceeded`.

    What cannot pass by waiting (access denied, a bad request) stays as it is: a bug or a wrong
    deployment, not weather.
    """
    from botocore.exceptions import (
        ClientError,
        ConnectionError,
        HTTPClientError,
        IncompleteReadError,
        ReadTimeoutError,
    )
    from botocore.parsers import ResponseParserError

    try:
        yield
    except ClientError as error:
        code = error.response["Error"]["Code"]
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if code == "ServiceQuotaExceededException":
            raise Throttled(f"{name}: {code}", retry_after_s=_QUOTA_S) from error
        if code in _THROTTLED:
            raise Throttled(f"{name}: {code}") from error
        if code == "ModelTimeoutException":
            raise DeadlineExceeded(f"{name}: {code}") from error
        if status >= 500 or code in _PASSING:
            raise Unavailable(f"{name}: {code}") from error
        raise
    except ReadTimeoutError as error:
        raise DeadlineExceeded(f"{name}: no answer in time") from error
    except (
        ConnectionError,
        HTTPClientError,
        IncompleteReadError,
        ResponseParserError,
    ) as error:
        raise Unavailable(f"{name}: {type(error).__name__}") from error


def asked(name: str, seconds: float, call: Callable[[], T]) -> T:
    """Return what a model answers, as `call` asks and reads it.

    Raises `Throttled` and `Unavailable`, the latter also for an answer that is not readable, and
    `DeadlineExceeded` after `seconds` in all.
    """

    def read() -> T:
        with translated(name):
            try:
                return call()
            except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
                kind = type(error).__name__
                raise Unavailable(f"{name}: unreadable answer, {kind}") from error

    return within(seconds, name, read)


def within(seconds: float, name: str, call: Callable[[], T]) -> T:
    """Return what `call` returns; raise `DeadlineExceeded` if that takes longer than `seconds`.

    A client's read time-out begins anew with each byte, so a response that drips never meets it.
    The call goes on in its thread, and nobody waits for it.
    """
    outcome: Future[T] = Future()

    def run() -> None:
        try:
            outcome.set_result(call())
        except BaseException as error:  # it is raised again below
            outcome.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    try:
        return outcome.result(seconds)
    except TimeoutError:
        if outcome.done():
            raise
        raise DeadlineExceeded(f"{name}: no answer in {seconds:g} s") from None
