from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.question import Question, parse
from rag.unicode_text import key, normal, parts, words


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        ("e\u0301te\u0301", "été"),
        ("\ufb01nal e\ufb03cient", "final efficient"),
        ("ＬｏＲＡ　１２", "LoRA 12"),
        ("ｶﾞｲﾄﾞ", "ガイド"),
        ("in\u00adfla\u200btion\ufeff", "inflation"),
        ("co\u200doper", "cooper"),
        ("10\u00a0kWh\u2028next", "10 kWh\nnext"),
        ("\u22125 ml\u2011inf2", "-5 ml-inf2"),
        ("don\u2019t", "don't"),
        ("\U0001d42b\U0001d41e\U0001d41d", "red"),
        ("\u2f47\u672c", "日本"),
        ("50 \u00b5s", "50 \u03bcs"),
        ("葛\U000e0100城", "葛城"),
        ("hidden\U000e0041\U000e0042", "hidden"),
    ],
)
def test_what_looks_alike_becomes_one(written: str, plain: str) -> None:
    assert normal(written) == plain
    assert key(written) == key(plain)
    assert words(written) == words(plain)


@pytest.mark.parametrize(
    ("one", "other"),
    [("10²", "102"), ("x₂", "x2"), ("1½", "11⁄2"), ("①", "1"), ("⒈", "1."), ("MW", "mW")],
)
def test_what_differs_in_meaning_stays_different(one: str, other: str) -> None:
    assert normal(one) != normal(other)
    assert key(one) != key(other)


@pytest.mark.parametrize("text", ["می\u200cروم", "👨\u200d👩\u200d👧", "ㅋㅋ", "it´s", "हिन्दी"])
def test_what_a_script_needs_is_kept(text: str) -> None:
    assert normal(text) == text


@given(st.text())
def test_the_normal_form_is_final_and_the_same_for_every_composition(text: str) -> None:
    assert normal(normal(text)) == normal(text)
    assert normal(unicodedata.normalize("NFC", text)) == normal(text)
    assert unicodedata.is_normalized("NFC", normal(text))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("L'énergie, -3.5 kWh!", ["l", "énergie", "-3.5", "kwh"]),
        ("2024-05-06", ["2024", "05", "06"]),
        ("再生可能エネルギー", ["再生", "生可", "可能", "能エ", "エネ", "ネル", "ルギ", "ギー"]),
        ("हिन्दी में", ["हिन्दी", "में"]),
        ("การ", ["กา", "าร"]),
        ("max_tokens=5", ["max_tokens", "5"]),
    ],
)
def test_words_are_found_in_any_script(text: str, found: list[str]) -> None:
    assert words(text) == found


def test_questions_and_filters_are_taken_in_the_normal_form() -> None:
    body = '{"question": "Ｈow e\u0301te\u0301?", "filters": {"document": "e\u0301.md"}}'
    question = parse({"body": body}, max_characters=100, max_tokens=50, detail="full")
    assert question == Question("How été?", {"document": ["é.md"]}, 50)
    assert question.identity() == Question("¿how  été ?", question.filters, 50).identity()


def test_an_identifier_has_parts_and_prose_has_none() -> None:
    text = "NoCapacityInvocationFailures, SM_ON_BATCH_SIZE and ml.inf2.xlarge by HTTPServer."
    wanted = "No Capacity Invocation Failures SM ON BATCH SIZE ml inf 2 xlarge HTTP Server"
    assert parts(text) == wanted
    assert parts("The queue is read in order, Ça va. 12.") == ""
