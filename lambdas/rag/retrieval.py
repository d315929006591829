"""From two ranked lists to the passages worth the generator's tokens."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable, Sequence

from rag import tokens, unicode_text
from rag.stores.store import Found, Passage

_RANK_CONSTANT = 60
"""Of reciprocal-rank fusion (Cormack, Clarke and Büttcher, SIGIR 2009)."""

_REDUNDANT = 0.8
"""Share of a passage's word triples in one better passage from which it adds nothing."""

_SEARCH_TERMS = 250
"""Terms that a search looks for at most. OpenSearch refuses a query of over 1,024 clauses, and each
term is one clause in each of up to three fields."""

_WORD = re.compile(r"\w+")
# Words that a question has because it is one. In no passage, they would count as its rarest.
_ASKING = (
    "a an and any are as at be been by can could did do does for from had has have how i if in is "
    "it its many me much my of on or our please shall should tell that the their there these they "
    "this to us was we were what when where which who whom whose why will with would you your"
)


def fuse(*rankings: Sequence[Passage]) -> list[Passage]:
    """Reciprocal-rank fusion: the passages of all rankings, best first."""
    scores: dict[str, float] = {}
    passages: dict[str, Passage] = {}
    for ranking in rankings:
        for rank, passage in enumerate(ranking, start=1):
            scores[passage.id] = scores.get(passage.id, 0) + 1 / (_RANK_CONSTANT + rank)
            passages[passage.id] = passage
    return sorted(passages.values(), key=lambda passage: (-scores[passage.id], passage.id))


def search_text(question: str) -> str:
    """Return what to search for: the question, or as much of it as a store takes.

    Of one that is too long, each word stands once, and the beginning and the end are kept.
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


def select(ranked: Iterable[Passage], *, passages: int, context_tokens: int) -> list[Passage]:
    """Pick the best passages that fit the budget, without those that repeat a better one.

    A passage that does not fit is passed over; a shorter one after it may still.
    """
    chosen: list[Passage] = []
    seen: list[set[tuple[str, ...]]] = []
    left = context_tokens
    for passage in ranked:
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
    """Whether the index holds anything worth showing the generator.

    The nearest vector must be near enough, and the words have a say in how near that is: half of
    the room above `minimum_similarity`, around the middle. Passages with all of the question's
    information ask for less, passages with none of it for more. `python -m benchmarks retrieval`
    shows what that does on this project's golden questions.
    """
    room = 1 - minimum_similarity
    words = lexical_evidence(question, found.lexical) - 0.5
    return found.similarity + room / 2 * words >= minimum_similarity


def lexical_evidence(question: str, passages: Sequence[Passage]) -> float:
    """Tell the largest share of the question's information that one passage holds, 0 to 1."""
    texts = [f"{passage.section} {passage.text}" for passage in passages]
    return max(information_held(question, texts), default=0.0)


def information_held(question: str, texts: Sequence[str]) -> list[float]:
    """Tell for each text the share of the question's information that it holds, 0 to 1.

    A word weighs what its rarity among the texts says, log(1 + n / (0.5 + frequency)): one that
    all of them have says little, one that none has says most. So a question about something the
    documents never mention stays low however many of its common words match.
    """
    wanted = {_stem(word) for word in _words(question)} - {_stem(word) for word in _ASKING.split()}
    held = [wanted & {_stem(word) for word in _words(text)} for text in texts]
    weights = {
        word: math.log1p(len(held) / (0.5 + sum(word in words for words in held)))
        for word in wanted
    }
    total = sum(weights.values()) or 1.0
    return [sum(weights[word] for word in words) / total for words in held]


def _terms(text: str) -> int:
    """Tell how many terms a store can make of a text at most, whatever its analysis."""
    return min(len(text), 2 * len(unicode_text.words(text)) + 1)


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())


def _stem(word: str) -> str:
    """Enough to bring "sleeps" and "sleeping" together; the index has its own analysis."""
    return word[:5] if len(word) > 5 else word.removesuffix("s")


def _shingles(text: str) -> set[tuple[str, ...]]:
    words = _words(text)
    return set(zip(words, words[1:], words[2:], strict=False)) or {tuple(words)}
