"""What can go wrong, in the words of the domain; `answer_handler` maps these to HTTP."""

from __future__ import annotations


class SettingsError(Exception):
    """An environment variable is missing or broken; the message names it."""


class Rejected(Exception):
    """A document that no retry can index. `reason` is a stable code, `message` names the cure."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(reason, message)  # as they are, so that it can be pickled
        self.reason = reason
        self.message = message

    def __str__(self) -> str:
        return f"{self.reason}: {self.message}"


class InvalidRequest(Exception):
    """A request the caller must change; `field` names the part at fault."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class TooLarge(Exception):
    """The request body is over the limit."""


class NotFound(Exception):
    """There is no such resource."""


class Unanswered(Exception):
    """A deferred answer that failed; the message tells the caller what to do."""


class Unavailable(Exception):
    """A service cannot serve now and will later. `retry_after_s`: seconds worth waiting."""

    def __init__(self, message: str, *, retry_after_s: int = 5) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Indexing(Unavailable):
    """No generation of the index holds all documents yet."""


class Throttled(Unavailable):
    """A service asks for fewer requests."""


class DeadlineExceeded(Exception):
    """The answer would come too late to be of use. A slow model may be fast again later."""

    retry_after_s = 30
