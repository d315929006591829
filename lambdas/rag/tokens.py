"""Token counts without a tokenizer."""

from __future__ import annotations

# English prose runs at 4 to 5 bytes a token in today's vocabularies, code and tables at about 3,
# CJK at 3 to 4 (one character). 3.5 counts prose about a quarter too high, which keeps a budget
# on its safe side without a vocabulary of megabytes in the bundle.
BYTES_PER_TOKEN = 3.5


def estimate(text: str) -> int:
    """Estimated tokens of a text: an upper guess for prose, exact for no model."""
    return -int(-len(text.encode()) // BYTES_PER_TOKEN)
