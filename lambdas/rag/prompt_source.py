"""Where the answer function's prompt is: in its bundle, in Bedrock, or in its environment."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rag.clients import asked, client
from rag.errors import SettingsError
from rag.prompt import Prompt

_FOLDER = Path(__file__).parents[1] / "prompts"
_ARN = re.compile(r"arn:.+:prompt/(?P<prompt>[0-9A-Za-z]{10}):(?P<version>\d+)")
_VARIABLE = re.compile(r"\{\{(\w+)\}\}")
_READ_S = 3
"""A cold start waits for it."""


def load(source: str) -> Prompt:
    """Return the prompt that `PROMPT` names.

    It is the name of a file of `prompts/`, a JSON object of the same form (for trials), or by
    detail the ARNs of versions in Bedrock's prompt management, which never change.

    Raises `SettingsError` if there is none, and what `rag.clients.asked` raises.
    """
    if not source.startswith("{"):
        file = _FOLDER / f"{source}.json"
        if not file.is_file():
            raise SettingsError(f"PROMPT: {source!r} is not in this bundle")
        return Prompt.parse(json.loads(file.read_text()))
    config = json.loads(source)
    return Prompt.parse(config) if "template" in config else _of_bedrock(config)


def _of_bedrock(arns: Mapping[str, str]) -> Prompt:
    bedrock = client("bedrock-agent", read_timeout_s=_READ_S, attempts=2)
    kept = {detail: _version(bedrock, arn) for detail, arn in arns.items()}
    (template,) = {user for _, user, _ in kept.values()}
    return Prompt.parse(
        {
            "metadata": {
                "version": next(version for _, _, version in kept.values()),
                "system": "{length}",
                "length": {detail: system for detail, (system, _, _) in kept.items()},
            },
            "template": template,
        }
    )


def _version(bedrock: Any, arn: str) -> tuple[str, str, str]:
    """Return system text, template and our version of what Bedrock keeps."""
    found = _ARN.fullmatch(arn)
    if not found:
        raise SettingsError(f"PROMPT: {arn!r} is not the ARN of a prompt's version")
    reply = asked(
        "prompt",
        _READ_S,
        lambda: bedrock.get_prompt(
            promptIdentifier=found["prompt"], promptVersion=found["version"]
        ),
    )
    variant = reply["variants"][0]
    chat = variant["templateConfiguration"]["chat"]
    metadata = {entry["key"]: entry["value"] for entry in variant["metadata"]}
    user = _VARIABLE.sub(r"{\1}", chat["messages"][0]["content"][0]["text"])
    return chat["system"][0]["text"], user, metadata["version"]
