"""The distribution of the lengths of prompts or answers, in tokens.

A mean and a 95th percentile describe a lognormal distribution. Real traffic often mixes kinds of
questions, and no lognormal distribution fits: half of the answers have a few tokens, and some have
as many as allowed. Then the deciles describe it, with straight lines between them.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from functools import lru_cache
from itertools import pairwise

from sustainability.deployment.schema import Tokens
from sustainability.plan.queueing import lognormal_quantile, lognormal_sigma


def quantile(tokens: Tokens, share: float) -> float:
    """Return the number of tokens that a ``share`` of the requests has at most."""
    if not tokens.deciles:
        return lognormal_quantile(share, tokens.mean, tokens.p95)
    points = _points(tokens)
    right = min(len(points) - 1, bisect_left(points, (share, 0.0)))
    (low, few), (high, many) = points[max(0, right - 1)], points[max(1, right)]
    return few + (many - few) * (share - low) / (high - low)


def squared_variation(tokens: Tokens) -> float:
    """Return the squared coefficient of variation."""
    if not tokens.deciles:
        return math.expm1(lognormal_sigma(tokens.mean, tokens.p95) ** 2)
    parts = [(b - a, few, many) for (a, few), (b, many) in pairwise(_points(tokens))]
    mean = sum(share * (few + many) / 2 for share, few, many in parts)
    square = sum(share * (few**2 + few * many + many**2) / 3 for share, few, many in parts)
    return square / mean**2 - 1


@lru_cache(maxsize=64)
def _points(tokens: Tokens) -> tuple[tuple[float, float], ...]:
    """Return the corners of the distribution: a share, and the tokens that it has at most.

    The shortest request is as far below the first decile as that is below the second. The longest
    one is as long as the mean asks for, and at least as long as the 95th percentile.
    """
    first, second = tokens.deciles[:2]
    known = [(0.0, max(0.0, 2 * first - second))]
    known += [(number / 10, count) for number, count in enumerate(tokens.deciles, 1)]
    known.append((0.95, tokens.p95))
    below = sum((b - a) * (few + many) / 2 for (a, few), (b, many) in pairwise(known))
    longest = max(tokens.p95, (tokens.mean - below) / 0.025 - tokens.p95)
    return (*known, (1.0, longest))
