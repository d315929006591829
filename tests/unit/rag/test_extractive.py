from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag import trial, unicode_text, wiring
from rag.errors import SettingsError
from rag.extractive import EXTRACTIVE, ExtractiveGenerator, passages
from rag.prompt import NO_ANSWER, Prompt
from rag.settings import AnswerSettings
from rag.stores.store import Passage
from tests.unit.rag.fakes import FOOTPRINT, KNOWLEDGE, LIMITS, PROMPT, Services, service_error

PROMPT_TEXT = Prompt.parse(PROMPT)
KESTREL = "How is the Kestrel station powered?"
STATIONS = (
    "The station was opened in 1987.\nIt is painted yellow. The Kestrel station is powered by two\n"
    "wind turbines. It stores its measurements on tape."
)


def generate(question: str, *texts: str, max_tokens: int = 300) -> Any:
    found = [Passage(str(n), "a.md", "Stations", "", text) for n, text in enumerate(texts)]
    return ExtractiveGenerator().generate(
        PROMPT_TEXT.instructions("full"), PROMPT_TEXT.user(question, found), max_tokens=max_tokens
    )


def test_it_quotes_the_fitting_sentences_in_their_order_and_takes_no_tokens() -> None:
    generation = generate(KESTREL, "Birds are counted in the marsh.", STATIONS)
    assert generation.text == (
        "The station was opened in 1987. The Kestrel station is powered by two wind turbines. [2]"
    )
    assert (generation.input_tokens, generation.output_tokens) == (0, 0)
    assert generation.model == EXTRACTIVE
    assert not generation.truncated


def test_a_row_of_a_table_is_a_sentence() -> None:
    table = "| Region | PUE |\n| Mumbai | 1.42 |\n| Stockholm | 1.10 |"
    assert "1.42" in generate("What is the PUE of Mumbai?", table).text
    assert "1.10" not in generate("What is the PUE of Mumbai?", table).text


@pytest.mark.parametrize("text", [STATIONS, "..."])
def test_it_abstains_when_no_sentence_speaks_of_what_is_asked(text: str) -> None:
    assert generate("Which sauce goes with asparagus?", text).text == NO_ANSWER


def test_it_keeps_to_the_limit_and_says_so() -> None:
    generation = generate(KESTREL, STATIONS, max_tokens=4)
    assert generation.truncated
    assert generation.text == "The station wa"  # 4 tokens at 3.5 bytes


def test_a_template_without_a_marked_question_is_refused_in_words() -> None:
    with pytest.raises(ValueError, match="<question>"):
        ExtractiveGenerator().generate("", "Question: how?", max_tokens=10)


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\r"), min_size=1)))
def test_passages_are_read_back_from_any_prompt_as_many_as_went_in(texts: list[str]) -> None:
    found = [Passage(str(n), "a.md", text, text, text) for n, text in enumerate(texts)]
    read = passages(PROMPT_TEXT.user("Why?", found))
    assert len(read) == len(texts)
    for (_, text), original in zip(read, texts, strict=True):
        assert text.replace("&lt;", "<") == unicode_text.visible(original).replace("&lt;", "<")


@pytest.fixture
def services() -> Services:
    services = Services()
    services.add(stations=f"# Stations\n\n## Kestrel\n\n{STATIONS}\n")
    return services


def test_a_trial_gives_the_answer_and_what_it_rests_on_and_leaves_the_cache_alone(
    services: Services,
) -> None:
    before = dict(services.dynamodb.tables)
    services.bedrock.answer = "By wind [1]."
    for _ in range(2):
        reply = trial.try_out(services.answering(), KESTREL)
        assert reply["answer"]["answer"] == "By wind [1]."
        assert not reply["answer"]["cached"]
        assert "added" not in reply["answer"], "it would be another generator's"
        assert any("two\nwind turbines" in passage for passage in reply["passages"])
    assert len(services.bedrock.prompts) == 2
    assert services.dynamodb.tables == before


def test_a_question_that_reaches_no_generator_has_no_passages(services: Services) -> None:
    reply = trial.try_out(services.answering(minimum_similarity=1.0), "Quo vadis?")
    assert not reply["answer"]["answered"]
    assert reply["passages"] == []


@pytest.mark.parametrize(
    ("code", "retry"), [("ThrottlingException", 5), ("AccessDeniedException", None)]
)
def test_a_trial_says_whether_waiting_helps(
    services: Services, code: str, retry: int | None
) -> None:
    services.bedrock.error = service_error(code)
    reply = trial.try_out(services.answering(), KESTREL)
    assert code in reply["error"]
    assert reply["retry_after_s"] == retry


ENVIRONMENT = {
    "KNOWLEDGE": json.dumps([KNOWLEDGE]),
    "ANSWERS_TABLE": "answers",
    "GENERATOR_MODEL": EXTRACTIVE,
    "ANSWER_SETTINGS": json.dumps(LIMITS),
    "FOOTPRINT": json.dumps(FOOTPRINT),
    "DEPLOYMENT": "test",
    "PROMPT": json.dumps(PROMPT),
}


def test_a_deployment_may_name_it_as_its_generator() -> None:
    answering = wiring.wire(AnswerSettings.load(ENVIRONMENT), PROMPT_TEXT)
    assert isinstance(answering.generator, ExtractiveGenerator)
    assert answering.generator_name == EXTRACTIVE


def test_the_process_answers_line_by_line_with_the_functions_settings(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    composed: list[tuple[AnswerSettings, Prompt]] = []

    def compose(settings: AnswerSettings, prompt: Prompt) -> Any:
        composed.append((settings, prompt))
        return services.answering()

    monkeypatch.setattr(trial, "wire", compose)
    output = io.StringIO()
    trial.main(ENVIRONMENT, io.StringIO(f'{json.dumps(KESTREL)}\n"Caf\\u00e9?"\n'), output)
    replies = [json.loads(line) for line in output.getvalue().splitlines()]
    assert [reply["answer"]["question"] for reply in replies] == [KESTREL, "Caf\u00e9?"]
    assert composed == [(AnswerSettings.load(ENVIRONMENT), PROMPT_TEXT)]


def test_a_missing_setting_is_named() -> None:
    incomplete = {name: value for name, value in ENVIRONMENT.items() if name != "KNOWLEDGE"}
    with pytest.raises(SettingsError, match="KNOWLEDGE"):
        trial.main(incomplete, io.StringIO(), io.StringIO())
