"""The deployed answer path with another generator: ``rag.trial`` as a process of its own.

The API has no parameter for the model, so that a caller cannot choose what a question costs.
Therefore the same code runs here, with the settings of the deployed function and your own
permissions, with the deployed store, embedding model and Bedrock. The code is that of this
checkout, not that in Lambda: deploy first if they differ.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from sustainability.decide.model_choice.candidates import Candidate
from sustainability.errors import UserError

Ask = Callable[[str], dict[str, Any]]

_LAMBDAS = Path(__file__).resolve().parents[3] / "lambdas"
_PATIENCE_S = 90
"""A serverless store starts within 30 seconds."""
_REFUSED_SETTINGS = re.compile(r"SettingsError: (.+)")
UNRELATED = ("cache_hours", "deadline_s", "generation_s", "question_characters")
"""Settings that no answer depends on."""


def settings(environment: Mapping[str, str], candidate: Candidate) -> dict[str, Any]:
    """Return the deployed function's settings with the candidate's in their place."""
    deployed: dict[str, Any] = json.loads(environment["ANSWER_SETTINGS"])
    return deployed | {
        "max_tokens": candidate.max_tokens,
        "temperature": candidate.temperature,
        **candidate.dimensions.stated,
    }


def circumstances(
    environment: Mapping[str, str], candidate: Candidate, documents: str, answered_by: str
) -> dict[str, Any]:
    """Return all that an answer depends on.

    ``documents`` is a digest of the index's content, ``answered_by`` names who stands in for the
    models of Bedrock, or Bedrock.
    """
    limits = settings(environment, candidate)
    newest = json.loads(environment["KNOWLEDGE"])[0]
    return {
        **candidate.describe(),
        "settings": {name: value for name, value in limits.items() if name not in UNRELATED},
        "embedding": [newest["model"], str(newest["dimensions"])],
        "documents": documents,
        "code": _code(),
        "models": answered_by,
    }


@contextmanager
def trial(
    environment: Mapping[str, str],
    candidate: Candidate,
    region: str,
    progress: Callable[[str], None],
) -> Iterator[Ask]:
    """Yield a function that asks the candidate; the process starts with its first question.

    It returns what ``rag.trial`` writes for an answer, and raises ``UserError`` if there is none.
    """
    process: subprocess.Popen[str] | None = None
    with tempfile.TemporaryFile("w+") as log:

        def exchange(question: str) -> dict[str, Any]:
            nonlocal process
            process = process or _start(environment, candidate, region, log.fileno())
            assert process.stdin is not None
            assert process.stdout is not None
            try:
                process.stdin.write(json.dumps(question) + "\n")
                process.stdin.flush()
                line = process.stdout.readline()
            except BrokenPipeError:
                line = ""
            if not line:
                process.wait()
                log.seek(0)
                raise UserError(_why(log.read()))
            reply: dict[str, Any] = json.loads(line)
            return reply

        def ask(question: str) -> dict[str, Any]:
            deadline = time.monotonic() + _PATIENCE_S
            while "error" in (reply := exchange(question)):
                pause = reply["retry_after_s"]
                if pause is None or time.monotonic() + pause > deadline:
                    raise UserError(
                        f"{candidate.model}: {reply['error']}\nYour own permissions count here: to "
                        "invoke the model, and to read the store; see docs/choosing-a-model.md. "
                        "What was answered is kept."
                    )
                progress(f"{candidate.model}: waiting: {reply['error']}")
                time.sleep(pause)
            return reply

        try:
            yield ask
        finally:
            if process is not None:
                process.kill()
                process.communicate()


def _why(log: str) -> str:
    """Return why the process ended, with the cure if the cause is known."""
    if refused := _REFUSED_SETTINGS.search(log):
        return (
            f"the deployed function has the settings of another version ({refused[1]}); "
            "deploy again (`make deploy`, or `make up` on this machine), then repeat this command"
        )
    return f"the answer path stopped:\n{log[-2000:].strip()}"


def _start(
    environment: Mapping[str, str], candidate: Candidate, region: str, log: int
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "rag.trial"],
        env={
            **os.environ,
            **environment,
            "AWS_DEFAULT_REGION": region,
            "AWS_REGION": region,
            "ANSWER_SETTINGS": json.dumps(settings(environment, candidate)),
            "GENERATOR_MODEL": candidate.model,
            "PROMPT": json.dumps(candidate.prompt.content),
            "PYTHONPATH": str(_LAMBDAS),
        },
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
        encoding="utf-8",
        start_new_session=True,  # an interruption is for the command, which then ends this
    )


@cache
def _code() -> str:
    """Return a digest of the answer code: other code gives other answers."""
    sources = sorted((_LAMBDAS / "rag").glob("*.py"))
    return sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:12]
