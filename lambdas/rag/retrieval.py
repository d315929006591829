"""From two ranked lists to the passages worth the generator's tokens."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

from rag import tokens, unicode_text
from rag.languages import FUNCTION_WORDS
from rag.stores.store import Found, Passage

_WORDS = 0.3
"""Weight of the words in the fusion; the vectors have the rest. Of 0.3, 0.5 and 0.7 the best on all
questions in three languages, which makes them no independent test; `python -m benchmarks retrieval`
prints the comparison with reciprocal ranks."""

_EVIDENCE = 0.1
"""How much shared words change the required similarity, as a cosine: half of it up or down."""

_REDUNDANT = 0.8
"""Share of a passage's word triples in one better passage from which it adds nothing."""

_SEARCH_TERMS = 250
"""Terms that a search looks for at most. OpenSearch refuses a query of over 1,024 clauses, and each
term is one clause in each of up to three fields."""


def fuse(lexical: Sequence[Passage], semantic: Sequence[Passage]) -> list[Passage]:
    """Return the passages of both result lists, best first, with the sum of their scores.

    The scores of each list are stretched to 0 to 1 first, because words and vectors are scored on
    scales of their own. Of equals, the one that was ranked higher comes first.
    """
    scores: dict[str, float] = {}
    passages: dict[str, Passage] = {}
    for weight, ranking in ((1 - _WORDS, semantic), (_WORDS, lexical)):
        for passage, score in zip(ranking, _stretched(ranking), strict=True):
            scores[passage.id] = scores.get(passage.id, 0) + weight * score
            passages.setdefault(passage.id, passage)
    fused = [replace(passage, score=scores[id_]) for id_, passage in passages.items()]
    return sorted(fused, key=lambda passage: -passage.score)


def _stretched(ranking: Sequence[Passage]) -> list[float]:
    scores = [passage.score for passage in ranking]
    low, high = min(scores, default=0), max(scores, default=0)
    return [(score - low) / (high - low) if high > low else 1.0 for score in scores]


def search_text(question: str) -> str:
    """Return what to search for: the question, or as much of it as a store accepts.

    In a question that is too long, each word occurs once, and the beginning and the end are kept.
    """
    if _terms(question) <= _SEARCH_TERMS:
        return question
    parts = question.split()
    both_ends = itertools.chain.from_iterable(zip(parts, reversed(parts), strict=True))
    kept, left = [], _SEARCH_TERMS
    for part in dict.fromkeys(both_ends):
        kept.append(part[:left])
        left -= _terms(kept[-1])
        if left <= 0:
            break
    return " ".join(kept)


def select(
    ranked: Iterable[Passage], *, passages: int, context_tokens: int, evidence_share: float
) -> list[Passage]:
    """Pick the best passages that fit the budget, without those that repeat a better one.

    A passage that does not fit is passed over; a shorter one after it may still. One with less than
    `evidence_share` of the best one's score is left out.
    """
    chosen: list[Passage] = []
    seen: list[set[tuple[str, ...]]] = []
    left, best = context_tokens, 0.0
    for passage in ranked:
        best = best or passage.score
        if passage.score < evidence_share * best:
            break
        cost, shingles = context_cost(passage), _shingles(passage.text)
        is_redundant = any(len(shingles & other) >= _REDUNDANT * len(shingles) for other in seen)
        if cost <= left and len(chosen) < passages and not is_redundant:
            chosen.append(passage)
            seen.append(shingles)
            left -= cost
    return chosen


def context_cost(passage: Passage) -> int:
    """Estimated tokens of a passage in the prompt, with its headings."""
    return tokens.estimate(f"{passage.source}\n{passage.text}")


def is_relevant(question: str, found: Found, minimum_similarity: float) -> bool:
    """Whether the index contains a relevant passage for the generator.

    The nearest vector must be near enough. Words have a small influence on the limit: passages
    with all of the question's information ask for less, passages with none of it for more. Neither
    depends on a language. `python -m benchmarks retrieval` shows what that refuses and loses.
    """
    words = lexical_evidence(question, found.lexical) - 0.5
    return found.similarity + _EVIDENCE * words >= minimum_similarity


def lexical_evidence(question: str, passages: Sequence[Passage]) -> float:
    """Return the largest share of the question's information in one passage, 0 to 1."""
    texts = [f"{passage.section} {passage.text}" for passage in passages]
    return max(information_held(question, texts), default=0.0)


def information_held(question: str, texts: Sequence[str]) -> list[float]:
    """Return for each text the share of the question's information that it contains, 0 to 1.

    The weight of a word is its rarity among the texts, log(1 + n / (0.5 + frequency)): a word that
    all of them have says little, one that none has says most. So a question about something the
    documents never mention stays low however many of its common words match.
    """
    asked = set(unicode_text.words(question)) - FUNCTION_WORDS
    wanted = set(map(unicode_text.stem, asked))
    held = [wanted.intersection(map(unicode_text.stem, unicode_text.words(t))) for t in texts]
    weights = {
        word: math.log1p(len(held) / (0.5 + sum(word in words for words in held)))
        for word in wanted
    }
    total = sum(weights.values()) or 1.0
    return [sum(weights[word] for word in words) / total for words in held]


def _terms(text: str) -> int:
    """Return the highest number of terms that any analyzer of a store can make of a text."""
    return min(len(text), 2 * len(unicode_text.words(text)) + 1)


def _shingles(text: str) -> set[tuple[str, ...]]:
    words = unicode_text.words(text)
    return set(zip(words, words[1:], words[2:], strict=False)) or {tuple(words)}
