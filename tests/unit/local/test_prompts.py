"""A version of a prompt is what the prompt was when it was made, and GetPrompt says so."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from ministack import app
from ministack.core import iam_actions

from local import ministack_internals as internals
from local import prompts
from local.cloudformation import handlers


@pytest.fixture(autouse=True)
def served(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(app.SERVICE_HANDLERS, "bedrock-agent", None)
    monkeypatch.setattr(iam_actions, "extract_resource_arn", lambda *_: "*")
    internals.act_as("000000000000", "eu-north-1")
    prompts.install()


def variants(text: str) -> list[dict[str, Any]]:
    chat = {"Messages": [{"Role": "user", "Content": [{"Text": text}]}]}
    template = {"TemplateType": "CHAT", "TemplateConfiguration": {"Chat": chat}}
    return [{"Name": "answer", **template}]


def get(prompt_id: str, version: str) -> tuple[int, Any]:
    serve = app.SERVICE_HANDLERS["bedrock-agent"]
    query = {"promptVersion": [version]}
    status, _, body = asyncio.run(serve("GET", f"/prompts/{prompt_id}/", {}, b"", query))
    return status, json.loads(body)


def test_each_version_keeps_the_text_that_it_was_made_of() -> None:
    prompt = handlers("AWS::Bedrock::Prompt")
    version = handlers(
        "AWS::Bedrock::PromptVersion", prompts.behaviours()["AWS::Bedrock::PromptVersion"]
    )
    first = {"Name": "p", "Variants": variants("{{question}}")}
    arn, _ = prompt["create"]("Prompt", first, "stack")
    one, attributes = version["create"]("V", {"PromptArn": arn, "Description": "1"}, "stack")
    assert one == attributes["Arn"] == f"{arn}:1"
    second = {**first, "Variants": variants("Now {{question}}")}
    prompt["update"](arn, first, second, "stack", "Prompt")
    two, _ = version["create"]("V", {"PromptArn": arn, "Description": "2"}, "stack")
    assert two == f"{arn}:2"
    identifier = arn.rpartition("/")[2]
    for number, text in (("1", "{{question}}"), ("2", "Now {{question}}")):
        status, reply = get(identifier, number)
        assert status == 200
        chat = reply["variants"][0]["templateConfiguration"]["chat"]
        assert chat["messages"] == [{"role": "user", "content": [{"text": text}]}]
    version["delete"](one, {})
    assert get(identifier, "1")[0] == 404
    place = iam_actions.extract_resource_arn(
        "bedrock-agent", "GET", f"/prompts/{identifier}/", {}, b"", {"promptVersion": ["2"]}
    )
    assert place == two
