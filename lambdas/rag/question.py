"""A question from the API: validated, and identified for the answer cache."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rag import unicode_text
from rag.errors import InvalidRequest, TooLarge

BRIEF, FULL = DETAILS = ("brief", "full")
"""How long an answer is."""
_BRIEF_SHARE = 0.5
"""A brief answer gets this part of the longest answer in tokens."""

_FILTERS = ("document", "collection", "format")
_MAX_FILTER_VALUES = 50
_MAX_FILTER_CHARACTERS = 1024  # of an S3 key


@dataclass(frozen=True, slots=True)
class Question:
    """A valid question, in the normal form.

    `filters` maps a field to the values it may have. `detail` is one of `DETAILS`.
    """

    text: str
    filters: dict[str, list[str]]
    max_tokens: int
    detail: str = FULL

    def identity(self, *context: object) -> str:
        """64 hex digits: equal for questions that deserve the same answer in the same context.

        Questions are the same that differ in spacing, Unicode form, the capitals that begin
        words, or the marks around a sentence.
        """
        text = unicode_text.key(self.text)
        asked = [text, self.filters, self.detail, self.max_tokens]
        key = json.dumps([*asked, *context], sort_keys=True)
        return hashlib.sha256(key.encode()).hexdigest()


def longest(detail: str, max_tokens: int) -> int:
    """Return how many tokens an answer may have at most, of those of the deployment."""
    return max(int(_BRIEF_SHARE * max_tokens), 1) if detail == BRIEF else max_tokens


def parse(
    event: Mapping[str, Any], *, max_characters: int, max_tokens: int, detail: str
) -> Question:
    """Read the body of an HTTP API event (payload 2.0).

    `detail` and `max_tokens` are those of the deployment.

    Raises `TooLarge`, and `InvalidRequest` with the field at fault.
    """
    body = _body(event, limit=8 * max_characters + 64_000)
    for key in body.keys() - {"question", "filters", "detail", "max_tokens"}:
        raise InvalidRequest(key, "unknown; allowed are question, filters, detail, max_tokens")
    detail = _detail(body.get("detail"), detail)
    return Question(
        text=_text(body.get("question"), max_characters),
        filters=_filters(body.get("filters")),
        max_tokens=min(
            _max_tokens(body.get("max_tokens"), max_tokens), longest(detail, max_tokens)
        ),
        detail=detail,
    )


def _body(event: Mapping[str, Any], *, limit: int) -> dict[str, Any]:
    raw = event.get("body") or ""
    if len(raw) > limit:
        raise TooLarge(f"the body is over {limit} characters")
    try:
        if event.get("isBase64Encoded"):
            raw = base64.b64decode(raw, validate=True).decode()
        body = json.loads(raw)
        json.dumps(body, ensure_ascii=False).encode()  # JSON can contain what Unicode cannot encode
    except (binascii.Error, ValueError, RecursionError):
        raise InvalidRequest("body", "must be JSON in UTF-8") from None
    if not isinstance(body, dict):
        raise InvalidRequest("body", "must be a JSON object")
    return body


def _text(value: object, max_characters: int) -> str:
    text = unicode_text.normal(value).strip() if isinstance(value, str) else ""
    if not text:
        raise InvalidRequest("question", "must be a text with at least one visible character")
    if len(text) > max_characters:
        raise InvalidRequest("question", f"must have at most {max_characters} characters")
    return text


def _filters(value: object) -> dict[str, list[str]]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidRequest("filters", "must be an object")
    filters = {}
    for field, wanted in value.items():
        if field not in _FILTERS:
            allowed = ", ".join(_FILTERS)
            raise InvalidRequest(f"filters.{field}", f"unknown; allowed are {allowed}")
        values = wanted if isinstance(wanted, list) else [wanted]
        if not 1 <= len(values) <= _MAX_FILTER_VALUES or not all(
            isinstance(item, str) and len(item) <= _MAX_FILTER_CHARACTERS for item in values
        ):
            raise InvalidRequest(
                f"filters.{field}",
                f"must be a text of at most {_MAX_FILTER_CHARACTERS} characters, "
                f"or a list of 1 to {_MAX_FILTER_VALUES} of them",
            )
        filters[field] = sorted({unicode_text.normal(item) for item in values})
    return filters


def _detail(value: object, default: str) -> str:
    if value is None:
        return default
    if not isinstance(value, str) or value not in DETAILS:
        raise InvalidRequest("detail", f"must be {' or '.join(DETAILS)}")
    return value


def _max_tokens(value: object, maximum: int) -> int:
    if value is None:
        return maximum
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= maximum:
        raise InvalidRequest("max_tokens", f"must be a whole number from 1 to {maximum}")
    return value
