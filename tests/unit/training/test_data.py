"""What can be wrong with examples, found without torch."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training import data
from training.data import NO_ANSWER, Example
from training.job import JobError

TICKETS = Path(__file__).resolve().parents[3] / "samples" / "customization" / "tickets"
LONG = "the quick survey of all our network cables took from early morning until late at night"


def test_the_sample_has_no_fault() -> None:
    train, golden = data.read(TICKETS / "examples"), data.read(TICKETS / "golden")
    assert data.check(train, golden).faults() == []
    assert len(data.deduplicated(train)) == len(train) == 200
    questions = data.read(TICKETS / "questions.jsonl")
    assert not data.check([Example(each.prompt, "-") for each in questions], golden).leaks


@pytest.mark.parametrize(
    "asked",
    ["Where is my invoice?", "where is my  INVOICE", f"{LONG} today"],
    ids=["same", "other spelling", "one word more"],
)
def test_a_golden_question_in_the_training_set_is_a_leak(asked: str) -> None:
    golden = [Example("Where is my invoice?", "K1"), Example(LONG, "K2")]
    train = [Example("Something else?", "K1"), Example(asked, "K1")]
    found = data.check(train, golden)
    assert found.leaks == (2,)
    assert "line 2" in found.faults()[0]


def test_repeated_examples_are_dropped_and_contradictions_are_not() -> None:
    train = [
        Example("Is it down?", "K1"),
        Example("is it down", "k1"),
        Example("Is it down?", "K2"),
        Example(LONG, "K1"),
        Example(f"{LONG} again", "K1"),
    ]
    assert data.deduplicated(train) == [train[0], train[2], train[3]]
    found = data.check(train, [])
    assert found.duplicates == (2, 5)
    assert found.contradictions == (3,)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("write to jane.roe@example.org", "e-mail address"),
        ("it answers at 192.168.17.4 only", "IP address"),
        ("call +46 8 123 456 78", "phone number"),
        ("pay to DE89 3704 0044 0532 0130 00", "IBAN"),
        ("card 4111 1111 1111 1111", "payment card"),
        ("key AKIAIOSFODNN7EXAMPLE", "access key"),
    ],
)
def test_personal_data_is_named_by_kind_and_not_repeated(text: str, kind: str) -> None:
    assert kind in data.kinds_of_personal_data(text)
    (fault,) = data.check([Example("Who?", text)], []).faults()
    assert kind in fault
    assert text not in fault


@pytest.mark.parametrize(
    "text", ["version 3.11.7", "order 4111 1111 1111 1112", "in 2026, 1,024 tokens", "K1 [1]"]
)
def test_what_only_looks_like_personal_data_is_none(text: str) -> None:
    assert not data.kinds_of_personal_data(text)


EXAMPLES = st.lists(st.builds(Example, st.text(max_size=9), st.text(max_size=9)), max_size=8)


@given(EXAMPLES, st.randoms())
def test_the_hash_follows_what_examples_say_and_not_their_order(
    examples: list[Example], random: object
) -> None:
    shuffled = examples[:]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert data.content_hash(shuffled) == data.content_hash(examples)
    assert data.content_hash([*examples, Example("one", "more")]) != data.content_hash(examples)


@given(st.lists(st.lists(st.integers(1, 9), max_size=12), max_size=9), st.integers(1, 7))
def test_packing_keeps_tokens_in_order_and_pads_nothing(
    sequences: list[list[int]], length: int
) -> None:
    blocks = list(data.packed(sequences, length, 0))
    stream = [token for sequence in sequences for token in (*sequence, 0)]
    joined = list(itertools.chain(*blocks))
    assert joined == stream[: len(joined)]
    assert {len(block) for block in blocks} <= {length}
    assert len(stream) - len(joined) < length


def test_raw_text_is_kept_only_if_it_is_worth_learning() -> None:
    assert data.is_good(f"{LONG}, which nobody had expected of so small a site.")
    assert not data.is_good("too short")
    assert not data.is_good("home about contact " * 40)
    assert not data.is_good("0x3f 17% 99.2 == >> " * 20)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{", "line 1: no JSON"),
        ('{"prompt": "a", "answer": "b"}', "line 1: must have"),
        ('{"prompt": "a", "completion": 3}', "line 1: each value must be a text"),
        ("", "no example"),
    ],
)
def test_a_faulty_file_is_named_with_its_line(tmp_path: Path, line: str, says: str) -> None:
    (tmp_path / "train.jsonl").write_text(line)
    with pytest.raises(JobError, match=says):
        data.read(tmp_path)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    examples = [Example("Wo?", 'Hier, "da" ü'), Example("x", NO_ANSWER), Example("", LONG)]
    data.write(tmp_path / "a" / "train.jsonl", examples)
    assert data.read(tmp_path) == examples
