"""Sizes that the stacks provision and the footprint counts: stated once, used by both."""

from __future__ import annotations

ANSWER_MEMORY_MIB = 512
INGEST_MEMORY_MIB = 1024
OPERATIONS_MEMORY_MIB = 512
