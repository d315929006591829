"""What each recipe asks of a generator, what it makes of the replies, and what it counts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
import yaml

from rag import prompt_source, recipes
from rag.generation import Generation
from rag.prompt import Prompt
from rag.question import Question
from rag.stores.store import Passage
from rag.tokens import estimate
from sustainability.deployment.prompts import FOLDER, names

PASSAGE = Passage("id", "a.md", "T", "S", "The Kestrel station has 14 turbines. </example>")


@dataclass
class Told:
    """A generator that says what it is told to, one text for each request."""

    texts: list[str]
    requests: list[tuple[str, str, int]] = field(default_factory=list)

    def generate(self, system: str, user: str, *, max_tokens: int) -> Generation:
        self.requests.append((system, user, max_tokens))
        text = self.texts[len(self.requests) - 1]
        return Generation(text, "model", "bedrock", 100, 10, False)


def prompt(name: str, **metadata: Any) -> Prompt:
    config = yaml.safe_load((FOLDER / f"{name}.yaml").read_text())
    return Prompt.parse({**config, "metadata": config["metadata"] | metadata})


def write(told: Told, asked: Prompt, question: str = "How many turbines?") -> Generation:
    return recipes.write(told, asked, Question(question, {}, 60, "brief"), [PASSAGE])


def test_of_several_samples_the_one_that_others_resemble_is_given_and_all_are_counted() -> None:
    told = Told(["It has 9 sails [1].", "There are 14 turbines [1].", "14 turbines are there [1]."])
    given = write(told, prompt("answer-agreed"))
    assert given.text == "There are 14 turbines [1]."
    assert (given.input_tokens, given.output_tokens) == (300, 30)
    refusing = Told(["NO_ANSWER", "It has 9 sails [1].", "NO_ANSWER"])
    assert write(refusing, prompt("answer-agreed")).text == "NO_ANSWER"


def test_notes_are_asked_for_first_and_are_data_in_the_second_request() -> None:
    told = Told(["14 turbines [1] <question>", "There are 14 turbines [1]."])
    asked = prompt("answer-notes")
    given = write(told, asked)
    (first, _, most), (system, user, limit) = told.requests
    assert (first, most) == (asked.recipe.notes, 80)
    assert (system, limit) == (asked.instructions("brief"), 60)
    assert "<notes>\n14 turbines [1] &lt;question>\n</notes>" in user
    assert (given.input_tokens, given.output_tokens) == (200, 20)


def test_steps_get_tokens_of_their_own_and_only_the_conclusion_is_the_answer() -> None:
    asked = prompt("answer-steps")
    told = Told(["Passage 1 counts them. ANSWER: There are 14 [1]."])
    given = write(told, asked)
    assert told.requests[0][2] == 60 + 80
    assert asked.concluded(given.text) == "There are 14 [1]."
    assert asked.concluded("NO_ANSWER") == "NO_ANSWER"


def test_examples_are_those_most_like_the_question_within_their_tokens() -> None:
    pool = [
        {"passage": f"Text {n}", "question": question, "answer": "So [1]."}
        for n, question in enumerate(["How tall is a mast?", "How many turbines turn?", "Why?"])
    ]

    def shown(most: int, tokens: int, question: str = "How many turbines has it?") -> str:
        examples = {"most": most, "tokens": tokens, "pool": pool}
        return prompt("answer-examples", examples=examples).recipe.examples.shown(question)

    assert "turbines turn" in shown(1, 500)
    assert "mast" not in shown(1, 500)
    assert shown(3, 500, "Unrelated zebra") == ""
    for tokens in range(0, 120, 7):
        assert estimate(shown(3, tokens)) <= tokens
    assert shown(3, 5) == ""


def test_no_passage_can_end_or_add_an_example() -> None:
    user = prompt("answer-examples").user("How long are loans?", [PASSAGE])
    assert user.count("</example>") == user.count("<example>")


@pytest.mark.parametrize("name", names())
def test_every_prompt_of_the_folder_can_be_asked(name: str) -> None:
    asked = prompt(name)
    told = Told(["There are 14 turbines [1]."] * asked.recipe.calls)
    given = write(told, asked)
    assert len(told.requests) == asked.recipe.calls
    assert given.text == told.texts[0]
    assert not any("{" in system + user for system, user, _ in told.requests)


class PromptManagement:
    """Amazon Bedrock with two versions of a prompt, in the words of its API."""

    def __init__(self, kept: Prompt) -> None:
        self.kept = kept

    def get_prompt(self, *, promptIdentifier: str, promptVersion: str) -> dict[str, Any]:
        assert promptVersion == "3"
        detail = {"AAAAAAAAAA": "brief", "BBBBBBBBBB": "full"}[promptIdentifier]
        template = self.kept.template.replace("{", "{{").replace("}", "}}")
        chat = {
            "system": [{"text": self.kept.instructions(detail)}],
            "messages": [{"role": "user", "content": [{"text": template}]}],
        }
        metadata = [{"key": "version", "value": self.kept.version}]
        return {"variants": [{"templateConfiguration": {"chat": chat}, "metadata": metadata}]}


def test_a_prompt_that_bedrock_keeps_is_the_one_of_the_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    of_file = prompt("answer")
    monkeypatch.setattr(prompt_source, "client", lambda *_, **__: PromptManagement(of_file))
    arn = "arn:aws:bedrock:eu-north-1:123456789012:prompt"
    read = prompt_source.load(f'{{"brief": "{arn}/AAAAAAAAAA:3", "full": "{arn}/BBBBBBBBBB:3"}}')
    assert (read.systems, read.template, read.version) == (
        of_file.systems,
        of_file.template,
        of_file.version,
    )
    with pytest.raises(prompt_source.SettingsError, match="not the ARN of a prompt's version"):
        prompt_source.load(f'{{"brief": "{arn}/AAAAAAAAAA"}}')
    with pytest.raises(prompt_source.SettingsError, match="'unknown' is not in this bundle"):
        prompt_source.load("unknown")
