"""The golden set and the sample documents agree with each other."""

from __future__ import annotations

import html
import re
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from pypdf import PdfReader
from pypdf.generic import Destination

SAMPLES = Path(__file__).parents[2] / "samples"
QUESTIONS: list[dict[str, Any]] = yaml.safe_load((SAMPLES / "questions.yaml").read_text("utf-8"))
PASSAGES = [
    pytest.param(passage, id=f"{question['id']}-{passage['document']}")
    for question in QUESTIONS
    for passage in question.get("relevant", [])
]
KINDS = {
    True: {"lexical", "semantic", "table", "pdf", "html", "multi", "identifier"},
    False: {"near", "far", "false-premise"},
}


def plain(text: str) -> str:
    """Collapse white space."""
    return " ".join(text.split())


def outline_titles(outline: list[Any]) -> list[str]:
    """Titles of a PDF outline, parents before children."""
    return [
        title
        for item in outline
        for title in ([str(item.title)] if isinstance(item, Destination) else outline_titles(item))
    ]


def html_as_markdown(text: str) -> str:
    """Headings of an HTML page as Markdown headings, everything else as bare text."""
    text = re.sub(r"<(head|nav|footer)\b.*?</\1>", "", text, flags=re.DOTALL)
    text = re.sub(r"<h[1-3]>(.+?)</h[1-3]>", r"\n# \1\n", text)
    return html.unescape(re.sub(r"<[^>]+>", "", text))


@cache
def sections(document: str) -> dict[str, str]:
    """Text of each section of a sample document, by its heading."""
    path = SAMPLES / "documents" / document
    heading = r"^#{1,3} (.+)$"
    match path.suffix:
        case ".pdf":
            reader = PdfReader(path)
            text = "\n".join(page.extract_text() for page in reader.pages)
            heading = rf"^({'|'.join(map(re.escape, outline_titles(reader.outline)))})$"
        case ".txt":
            text = path.read_text("utf-8")
            heading = r"^(.+)\n[=-]{3,}$"
        case ".html":
            text = html_as_markdown(path.read_text("utf-8"))
        case _:
            text = path.read_text("utf-8")
    _, *parts = re.split(heading, text, flags=re.MULTILINE)
    names = parts[::2]
    assert len(names) == len(set(names)), f"{document}: a heading occurs twice"
    return dict(zip(names, map(plain, parts[1::2]), strict=True))


@pytest.mark.parametrize("passage", PASSAGES)
def test_passage_stands_under_its_heading(passage: dict[str, str]) -> None:
    assert passage["contains"] in sections(passage["document"])[passage["section"]]


def test_ids_are_unique() -> None:
    assert [name for name, n in Counter(q["id"] for q in QUESTIONS).items() if n > 1] == []


def test_every_question_has_the_fields_of_its_sort() -> None:
    for question in QUESTIONS:
        answerable = question["answerable"]
        assert question["kind"] in KINDS[answerable], question["id"]
        assert bool(question.get("relevant")) is answerable, question["id"]
        assert bool(question.get("answer_contains")) is answerable, question["id"]


def test_a_third_is_unanswerable_and_both_splits_hold_every_kind() -> None:
    assert len(QUESTIONS) >= 60
    assert 3 * sum(not question["answerable"] for question in QUESTIONS) >= len(QUESTIONS)
    kinds = KINDS[True] | KINDS[False]
    for split in ("tune", "report"):
        assert {q["kind"] for q in QUESTIONS if q["split"] == split} == kinds


def test_a_paraphrase_stays_in_the_split_of_its_original() -> None:
    by_id = {question["id"]: question for question in QUESTIONS}
    paraphrases = [question for question in QUESTIONS if "paraphrase_of" in question]
    assert len(paraphrases) >= 6
    for question in paraphrases:
        original = by_id[question["paraphrase_of"]]
        assert (question["split"], question["relevant"]) == (
            original["split"],
            original["relevant"],
        )


@pytest.mark.parametrize("language", ["fr", "ja"])
def test_the_sets_in_other_languages_agree_with_their_documents(language: str) -> None:
    folder = SAMPLES / "languages"
    questions = yaml.safe_load((folder / f"{language}.yaml").read_text("utf-8"))
    assert len({question["id"] for question in questions}) == len(questions) >= 40
    for question in questions:
        assert question["kind"] in KINDS[question["answerable"]], question["id"]
        assert bool(question.get("answer_contains")) is question["answerable"], question["id"]
        for passage in question.get("relevant", []):
            text = plain((folder / language / passage["document"]).read_text("utf-8"))
            assert passage["contains"] in text, question["id"]


def test_there_are_enough_questions_to_measure_by() -> None:
    files = [SAMPLES / "questions.yaml", *(SAMPLES / "languages").glob("*.yaml")]
    assert len(files) == 3
    assert sum(len(yaml.safe_load(file.read_text("utf-8"))) for file in files) >= 150
