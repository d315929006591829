"""Ranks by words inside the function, if a store has no text search.

BM25 with the statistics of the given texts only. For the passages nearest in meaning, this is as
good as the statistics of the whole index (`python -m benchmarks retrieval`).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from rag import unicode_text
from rag.languages import LANGUAGES, language_of

_SATURATION = 1.2
_BY_LENGTH = 0.75
"""BM25's k1 and b, with OpenSearch's values."""


def bm25(question: str, texts: Sequence[str]) -> list[float]:
    """Return for each text how well its words match the question's; 0 without a match.

    Function words of the question's language are left out, as OpenSearch's analyzers do. Among
    few texts they would not count for nothing: "quel" or "which" stands in some of them by chance.
    """
    counts = [Counter(map(_stem, unicode_text.words(text))) for text in texts]
    lengths = [count.total() for count in counts]
    usual = sum(lengths) / len(lengths) if lengths else 0
    scores = [0.0] * len(texts)
    language = LANGUAGES.get(language_of(question) or "")
    functional = language.function_words if language else frozenset[str]()
    asked = [word for word in unicode_text.words(question) if word not in functional]
    for word in dict.fromkeys(map(_stem, asked)):
        holding = sum(word in count for count in counts)
        rarity = math.log1p((len(counts) - holding + 0.5) / (holding + 0.5))
        for place, (count, length) in enumerate(zip(counts, lengths, strict=True)):
            if found := count[word]:
                room = _SATURATION * (1 - _BY_LENGTH + _BY_LENGTH * length / usual)
                scores[place] += rarity * found * (_SATURATION + 1) / (found + room)
    return scores


def _stem(word: str) -> str:
    """Return one form for "sleeps" and "sleeping", in languages that inflect at the end."""
    return word[:6] if len(word) > 6 else word.removesuffix("s")
