"""SageMaker Runtime's InvokeEndpoint, with the OpenAI chat schema of vLLM as its body."""

from __future__ import annotations

import json
import time
import uuid
from typing import Any, Literal

from pydantic import Field, JsonValue

from local.models.aws import ServiceError
from local.models.body import Body
from local.models.contracts import DEFAULT_MAX_TOKENS, Completion, Message, Prompt


class _Turn(Body):
    role: Literal["system", "user", "assistant"]
    content: str = Field(min_length=1)


class Chat(Body):
    """The body of a chat completion request."""

    messages: list[_Turn] = Field(min_length=1)
    model: str | None = None
    max_tokens: int = Field(default=DEFAULT_MAX_TOKENS, ge=1)
    temperature: float | None = Field(default=None, ge=0)
    top_p: float | None = Field(default=None, gt=0, le=1)
    top_k: int | None = Field(default=None, ge=-1)
    stop: str | list[str] | None = None
    chat_template_kwargs: dict[str, JsonValue] | None = None
    """Arguments of the model's chat template; the local model's template has none."""
    stream: Literal[False] = False

    @property
    def prompt(self) -> Prompt:
        """Return the request to the generator."""
        stop = [self.stop] if isinstance(self.stop, str) else self.stop or []
        return Prompt(
            messages=[Message(turn.role, turn.content) for turn in self.messages],
            max_tokens=self.max_tokens,
            temperature=self.temperature,
            top_p=self.top_p,
            top_k=self.top_k,
            stop=stop,
        )

    def response(self, completion: Completion, endpoint: str) -> dict[str, Any]:
        """Return the body of the response."""
        return {
            "id": f"chatcmpl-{uuid.uuid4().hex}",
            "object": "chat.completion",
            "created": int(time.time()),
            "model": self.model or endpoint,
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": completion.text},
                    "finish_reason": "length" if completion.stopped_by == "max_tokens" else "stop",
                    "stop_reason": completion.stop_sequence,
                }
            ],
            "usage": {
                "prompt_tokens": completion.input_tokens,
                "completion_tokens": completion.output_tokens,
                "total_tokens": completion.input_tokens + completion.output_tokens,
            },
        }


def container_error(error: ServiceError) -> ServiceError:
    """Return how SageMaker reports an error of the container."""
    side = "server" if error.status >= 500 else "client"
    original = json.dumps({"error": {"message": error.message, "code": error.status}})
    return ServiceError(
        "ModelError",
        f"Received {side} error ({error.status}) from primary with message: {original}",
        OriginalStatusCode=error.status,
        OriginalMessage=original,
    )
