"""How long to wait before the next try: longer each time, and never the same for two."""

from __future__ import annotations

import random

_LONGEST_S = 90
_SHARE = 0.1
"""After long trouble a wait may be this part of it."""
_VERY_LONGEST_S = 900


def pause_s(tries: int, first_s: float, age_s: float = 0) -> float:
    """Return the seconds to wait after so many tries in `age_s` seconds.

    Twice as long each time, up to 90 s; after a quarter of an hour a tenth of the age, up to 15
    minutes. What waited is so done soon after the trouble ends, and a night of trouble takes tens
    of tries, not thousands. The lower half is random, so that not all come back at once.
    """
    doubled = min(first_s * 2.0 ** min(tries - 1, 30), _LONGEST_S)
    longest = min(max(doubled, _SHARE * age_s), _VERY_LONGEST_S)
    return random.uniform(longest / 2, longest)
