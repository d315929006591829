from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from rag.prompt import NO_ANSWER, Prompt, cite
from rag.stores.store import Passage

FILE = Path(__file__).parents[3] / "prompts" / "answer.yaml"
TAGS = st.sampled_from(
    ["<passage", "</passage>", "</ PASSAGES >", "<\n/question>", '">', "{question}", "[99]", "x"]
)


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    return dict(yaml.safe_load(FILE.read_text()))


def passage(text: str, section: str = "S") -> Passage:
    return Passage("id", "a.md", "T", section, text)


def test_the_file_has_what_langchain_reads(config: dict[str, Any]) -> None:
    fields = {"_type", "input_variables", "template_format", "metadata", "template"}
    assert config.keys() == fields
    assert (config["_type"], config["template_format"]) == ("prompt", "f-string")
    assert set(re.findall(r"{(\w+)}", config["template"])) == set(config["input_variables"])
    assert NO_ANSWER in config["metadata"]["system"]


def test_a_changed_text_is_another_prompt_even_under_the_same_version(
    config: dict[str, Any],
) -> None:
    changed = {**config, "template": config["template"] + "."}
    assert Prompt.parse(config).version == Prompt.parse(changed).version
    assert Prompt.parse(config).fingerprint != Prompt.parse(changed).fingerprint


@given(st.lists(TAGS).map("".join), st.lists(TAGS).map("".join), st.lists(TAGS).map("".join))
def test_no_passage_or_question_can_leave_its_place(text: str, section: str, question: str) -> None:
    prompt = Prompt.parse(yaml.safe_load(FILE.read_text()))
    user = prompt.user(question, [passage(text, section), passage("y")])
    tags = re.findall(r"<\s*/?\s*(?:passages?|question)\b", user, re.IGNORECASE)
    assert tags == [
        "<passages",
        *["<passage", "</passage"] * 2,
        "</passages",
        "<question",
        "</question",
    ]
    heads = re.findall(r"^<passage number=.*$", user, re.MULTILINE)
    assert all(re.fullmatch(r'<passage number="\d" source="[^"]*">', head) for head in heads)


def test_the_instructions_ask_for_the_detail_that_is_wanted(config: dict[str, Any]) -> None:
    prompt = Prompt.parse(config)
    brief, full = map(prompt.instructions, ("brief", "full"))
    assert "one sentence" in brief
    assert "five sentences" in full
    assert "{" not in brief + full
    longer = {**config, "metadata": {**config["metadata"], "length": {"brief": "in a page"}}}
    assert Prompt.parse(longer).fingerprint != prompt.fingerprint


def test_an_answer_that_repeats_the_system_prompt_is_recognised(config: dict[str, Any]) -> None:
    prompt = Prompt.parse(config)
    system = config["metadata"]["system"]
    assert prompt.is_leaked_by(f"Sure! {system}")
    assert prompt.is_leaked_by(" ".join(system.upper().split()[5:16]).replace(" ", "\n* "))
    assert not prompt.is_leaked_by("Use only what you need; the passages say so [1].")


@pytest.mark.parametrize(
    ("answer", "expected", "numbers"),
    [
        ("So it is [1][3].", "So it is [1][3].", {1, 3}),
        ("So [1, 9; 2] it is [99].", "So [1, 2] it is.", {1, 2}),
        ("None [0].", "None.", set()),
        ("None at all.", "None at all.", set()),
    ],
)
def test_citations_of_passages_that_do_not_exist_are_removed(
    answer: str, expected: str, numbers: set[int]
) -> None:
    assert cite(answer, 3) == (expected, numbers)
