"""Answers that come later: the prompt goes into a mailbox, and what a model wrote comes out of it.

A prompt is one object below `questions/`, of one line. An asynchronous endpoint is told of it; a
daily window finds it by itself. Both leave the answer below `answers/`, and only there
is it looked for, when somebody asks for it: until then nothing runs.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit

from rag.clients import translated
from rag.errors import Unanswered
from rag.generation import Converse, Generation, Shape
from rag.telemetry import logger

QUESTIONS, ANSWERS = "questions/", "answers/"
_SUFFIX = ".jsonl"
"""The name of a question's object: Bedrock requires it, and SageMaker accepts it."""
_LONGEST_WAIT_S = 21_600
"""How long SageMaker keeps a request in its queue at most."""
_FAILED = "the model failed on this question; ask it again"


@dataclass(frozen=True, slots=True)
class Place:
    """Keys of the mailbox at which an answer, or the word that there is none, will appear."""

    answer: str
    failure: str | None


class Carrier(Protocol):
    """Brings a question to the model."""

    def send(self, bucket: str, key: str, ticket: str) -> Place:
        """See to it that the question at the key is answered."""
        ...


@dataclass(frozen=True, slots=True)
class Window:
    """The next window looks into the mailbox by itself."""

    def send(self, bucket: str, key: str, ticket: str) -> Place:
        """Return where the window will put the answer."""
        return Place(f"{ANSWERS}{key.removeprefix(QUESTIONS)}.out", None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """The queue of an asynchronous SageMaker endpoint."""

    client: Any
    endpoint: str
    deadline_s: float

    def send(self, bucket: str, key: str, ticket: str) -> Place:
        """Queue the question. Raises `Throttled`, `Unavailable` or `DeadlineExceeded`."""
        with translated("queue"):
            answer = self.client.invoke_endpoint_async(
                EndpointName=self.endpoint,
                ContentType="application/json",
                InputLocation=f"s3://{bucket}/{key}",
                InferenceId=ticket,
                RequestTTLSeconds=int(min(max(self.deadline_s, 60), _LONGEST_WAIT_S)),
            )
        failure = answer.get("FailureLocation")
        return Place(_key(answer["OutputLocation"]), _key(failure) if failure else None)


@dataclass(frozen=True, slots=True)
class Record:
    """The shape of one record of a Bedrock batch job, around that of Converse."""

    converse: Converse

    def request(self, system: str, user: str, *, max_tokens: int) -> dict[str, Any]:
        """Return the record without an id: its file is known by name."""
        return {"modelInput": self.converse.request(system, user, max_tokens=max_tokens)}

    def read(self, answer: Any) -> Generation:
        """Read the record's answer."""
        return self.converse.read(answer["modelOutput"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Deferral:
    """Hands prompts to a model that answers within `deadline_s` seconds, and fetches answers."""

    client: Any
    bucket: str
    shape: Shape
    carrier: Carrier
    deadline_s: float

    def hand_over(self, ticket: str, request: dict[str, Any]) -> Place:
        """Hand over a request. A window answers it only once for the same ticket.

        Raises `Throttled`, `Unavailable` or `DeadlineExceeded`.
        """
        key = f"{QUESTIONS}{ticket}{_SUFFIX}"
        with translated("mailbox"):
            self.client.put_object(
                Bucket=self.bucket,
                Key=key,
                Body=json.dumps(request).encode(),
                ContentType="application/json",
            )
        return self.carrier.send(self.bucket, key, ticket)

    def fetch(self, place: Place, *, since: float) -> Generation | None:
        """Return what the model wrote; None while it has not.

        An answer from before `since`, in seconds of the epoch, is another question's.

        Raises `Unanswered`, `Throttled`, `Unavailable` or `DeadlineExceeded`.
        """
        written = self._read(place.answer, since)
        if written is None:
            if place.failure and self._read(place.failure, since) is not None:
                logger.error("generation failed", told_in=place.failure)
                raise Unanswered(_FAILED)
            return None
        try:
            return self.shape.read(json.loads(written))
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            logger.error("answer not readable", kind=type(error).__name__, object=place.answer)
            raise Unanswered(_FAILED) from error

    def _read(self, key: str, since: float) -> bytes | None:
        with translated("mailbox"):
            try:
                found = self.client.get_object(Bucket=self.bucket, Key=key)
            except self.client.exceptions.NoSuchKey:
                return None
            if found["LastModified"].timestamp() < since:
                return None
            content: bytes = found["Body"].read()
            return content


def ticket(id_: str, request: dict[str, Any]) -> str:
    """Return 64 hex digits: the same for the same answer to the same prompt."""
    return hashlib.sha256(json.dumps([id_, request], sort_keys=True).encode()).hexdigest()


def _key(uri: str) -> str:
    return urlsplit(uri).path.removeprefix("/")
