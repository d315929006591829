"""A generator on any server with OpenAI's chat completions, instead of the local one."""

from __future__ import annotations

import http.client
import urllib.error
from dataclasses import dataclass
from typing import Any

from local.models import client
from local.models.aws import ServiceError, invalid
from local.models.contracts import Completion, Prompt, StoppedBy


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAiServer:
    """A generator at `url`, the base address of `/chat/completions`."""

    url: str
    model: str | None
    key: str | None
    timeout_s: float = 300

    @property
    def name(self) -> str:
        """The model's name, or its address."""
        return self.model or self.url

    def generate(self, prompt: Prompt) -> Completion:
        """Forward the request.

        Raises
        ------
        ServiceError
            The matching error of Bedrock: throttled, unavailable, timed out, refused.
        """
        body: dict[str, Any] = {
            "model": self.model or "default",
            "messages": [{"role": turn.role, "content": turn.text} for turn in prompt.messages],
            "max_tokens": prompt.max_tokens,
            "temperature": prompt.temperature,
            "top_p": prompt.top_p,
            "top_k": prompt.top_k,
            "stop": list(prompt.stop) or None,
        }
        headers = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        try:
            answer = client.post(
                f"{self.url}/chat/completions",
                {name: value for name, value in body.items() if value is not None},
                headers=headers,
                timeout_s=self.timeout_s,
            )
            choice, usage = answer["choices"][0], answer["usage"]
            stop_sequence = choice.get("stop_reason")
            return Completion(
                text=choice["message"]["content"] or "",
                stopped_by=_stopped_by(choice["finish_reason"], stop_sequence),
                stop_sequence=stop_sequence if isinstance(stop_sequence, str) else None,
                input_tokens=usage["prompt_tokens"],
                output_tokens=usage["completion_tokens"],
            )
        except urllib.error.HTTPError as error:
            raise _translated(error) from error
        except TimeoutError as error:
            raise ServiceError("ModelTimeoutException", f"{self.name} took too long") from error
        except (OSError, http.client.HTTPException) as error:
            raise ServiceError(
                "ServiceUnavailableException", f"{self.url} (MODEL_URL) does not answer: {error}"
            ) from error
        except (ValueError, KeyError, IndexError, TypeError) as error:
            raise ServiceError(
                "ModelErrorException", f"{self.url} (MODEL_URL) answered in another form"
            ) from error


def _stopped_by(finish_reason: str, stop_sequence: object) -> StoppedBy:
    """Distinguish a stop sequence from the model's own end, which only vLLM reports."""
    if finish_reason == "length":
        return "max_tokens"
    return "stop_sequence" if isinstance(stop_sequence, str) else "model"


def _translated(error: urllib.error.HTTPError) -> ServiceError:
    message = f"{error.url}: {error.code} {error.read(500).decode(errors='replace')}"
    if error.code == 429:
        return ServiceError("ThrottlingException", message)
    if error.code in (502, 503, 504):
        return ServiceError("ServiceUnavailableException", message)
    if error.code in (400, 413, 422):
        return invalid(message)
    return ServiceError("ModelErrorException", message)
