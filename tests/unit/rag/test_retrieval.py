from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.retrieval import (
    context_cost,
    fuse,
    is_relevant,
    lexical_evidence,
    search_text,
    select,
)
from rag.stores.opensearch import cosine
from rag.stores.store import Found, Passage
from rag.stores.words import bm25


def passage(id_: str, text: str = "", section: str = "", score: float = 0) -> Passage:
    return Passage(id_, "a.md", "T", section, text or f"Text of {id_}.", score)


PASSAGES = [passage(f"{n}", " ".join(f"w{n}x{i}" for i in range(n * 3 + 1))) for n in range(12)]
RANKINGS = st.lists(st.sampled_from(PASSAGES), unique=True)


def scored(ranking: list[Passage]) -> list[Passage]:
    """Return the ranking with scores that fall, on a scale of their own."""
    return [replace(p, score=100 / rank) for rank, p in enumerate(ranking, start=3)]


def ids(ranking: list[Passage]) -> list[str]:
    return [passage.id for passage in ranking]


@given(RANKINGS, RANKINGS)
def test_fusion_keeps_every_passage_once_and_a_ranking_as_it_is(
    one: list[Passage], other: list[Passage]
) -> None:
    one, other = scored(one), scored(other)
    fused = ids(fuse(one, other))
    assert set(fused) == {p.id for p in [*one, *other]}
    assert len(fused) == len(set(fused))
    assert ids(fuse(one, [])) == ids(fuse([], one)) == ids(fuse(one, one)) == ids(one)


@given(RANKINGS, RANKINGS)
def test_what_both_rank_higher_stays_higher(one: list[Passage], other: list[Passage]) -> None:
    one, other = scored(one), scored(other)
    fused, first, second = ids(fuse(one, other)), ids(one), ids(other)
    both = [id_ for id_ in first if id_ in second]
    for better, worse in combinations(both, 2):
        if second.index(better) < second.index(worse):
            assert fused.index(better) < fused.index(worse)


@given(RANKINGS, RANKINGS, st.floats(0.5, 50), st.floats(0, 9))
def test_fusion_does_not_care_for_the_scale_of_a_list(
    one: list[Passage], other: list[Passage], factor: float, offset: float
) -> None:
    one, other = scored(one), scored(other)
    moved = [replace(p, score=p.score * factor + offset) for p in one]
    assert ids(fuse(moved, other))[:1] == ids(fuse(one, other))[:1]


def test_a_clear_lead_outweighs_a_place() -> None:
    lexical = [passage("words", score=9.1), passage("both", score=9.0), passage("last", score=1)]
    semantic = [passage("both", score=0.8), passage("words", score=0.2), passage("far", score=0.1)]
    assert [p.id for p in fuse(lexical, semantic)][:2] == ["both", "words"]


@given(RANKINGS, st.integers(0, 12), st.integers(0, 200))
def test_selection_keeps_order_and_budgets_and_takes_what_fits(
    ranked: list[Passage], passages: int, context_tokens: int
) -> None:
    chosen = select(ranked, passages=passages, context_tokens=context_tokens, evidence_share=0)
    assert chosen == [p for p in ranked if p in chosen]
    assert len(chosen) <= passages
    left = context_tokens - sum(map(context_cost, chosen))
    assert left >= 0
    if len(chosen) < passages:
        assert all(context_cost(p) > left for p in ranked if p not in chosen)


@given(RANKINGS, RANKINGS, st.floats(0, 1), st.floats(0, 1))
def test_more_evidence_asked_for_leaves_out_from_the_end_and_never_the_best(
    one: list[Passage], other: list[Passage], less: float, more: float
) -> None:
    ranked = fuse(scored(one), scored(other))

    def kept(share: float) -> list[str]:
        return ids(select(ranked, passages=99, context_tokens=9999, evidence_share=share))

    few, many = kept(max(less, more)), kept(min(less, more))
    assert many[: len(few)] == few
    assert few[:1] == ids(ranked)[:1]
    assert all(p.score >= min(less, more) * ranked[0].score for p in ranked if p.id in many)


def test_a_passage_that_adds_nothing_to_a_better_one_is_left_out() -> None:
    long = " ".join(f"word{n}" for n in range(40))
    part = " ".join(f"word{n}" for n in range(20))
    more = f"{part} " + " ".join(f"new{n}" for n in range(20))
    ranked = [passage("long", long), passage("part", part), passage("more", more)]
    assert [p.id for p in select(ranked, passages=9, context_tokens=999, evidence_share=0)] == [
        "long",
        "more",
    ]
    assert [
        p.id for p in select(ranked[::-1], passages=9, context_tokens=999, evidence_share=0)
    ] == ["more", "long"]


CORPUS = [
    passage("1", "An idle collection falls asleep after ten minutes and costs nothing."),
    passage("2", "The first request wakes the collection within thirty seconds."),
    passage("3", "A managed domain never sleeps, and an idle one costs as much as a busy one."),
]


def relevant(question: str, similarity: float) -> bool:
    return is_relevant(question, Found(CORPUS, CORPUS, similarity), 0.5)


def test_words_move_what_is_asked_of_the_vectors() -> None:
    all_known = "After how many minutes does an idle collection fall asleep?"
    unknown = "Which sauce goes with asparagus?"
    assert relevant(all_known, 0.46)
    assert not relevant(all_known, 0.44)
    assert relevant(unknown, 0.56)
    assert not relevant(unknown, 0.54)


def test_a_word_that_no_passage_has_outweighs_the_common_ones() -> None:
    known = lexical_evidence("Which request wakes the collection?", CORPUS)
    unknown = lexical_evidence("Which request wakes the asparagus?", CORPUS)
    assert known == 1
    assert unknown < 0.7


def test_nothing_found_is_not_relevant() -> None:
    assert not is_relevant("anything", Found([], [], -1.0), 0.0)
    assert lexical_evidence("what is it?", CORPUS) == 0


@given(st.floats(-1, 1))
def test_the_cosine_comes_back_from_the_score(similarity: float) -> None:
    score = 1 + similarity if similarity >= 0 else 1 / (1 - similarity)
    assert abs(cosine(score) - similarity) < 1e-9


@given(st.text(max_size=3000))
def test_no_question_becomes_more_terms_than_a_store_takes(question: str) -> None:
    searched = search_text(question)
    assert len(searched) <= len(question)
    assert sum(1 for c in searched if ord(c) > 0x2E80) <= 250
    assert len(searched.split()) <= 250


def test_of_a_long_question_beginning_and_end_are_searched_for() -> None:
    log = "What failed? " + " ".join(f"{n}:line" for n in range(400)) + " Why the throttling?"
    assert {"What", "failed?", "Why", "the", "throttling?"} <= set(search_text(log).split())
    assert search_text("電" * 2000 + "?") == "電" * 250


@pytest.mark.parametrize(
    ("question", "about", "chance"),
    [
        (
            "Quelle est la puissance de l'éolienne ?",
            "Puissance : 3 MW.",
            "Quelle est la ville",
        ),
        ("Which of the turbines is the largest?", "Largest turbines.", "Which of the boats is it"),
    ],
)
def test_a_text_that_shares_function_words_alone_matches_no_question(
    question: str, about: str, chance: str
) -> None:
    found, missed = bm25(question, [about, chance])
    assert found > 0
    assert missed == 0


def test_in_a_language_that_is_not_known_every_word_counts() -> None:
    assert min(bm25("Gdzie jest stacja?", ["stacja", "jest"])) > 0
