"""Memory of the Lambda functions, which both the stacks and the footprint use."""

from __future__ import annotations

ANSWER_MEMORY_MIB = 512
INGEST_MEMORY_MIB = 1024
OPERATIONS_MEMORY_MIB = 512
ANSWER_TIMEOUT_S = 29
"""Of the answer function: an HTTP API waits 30 seconds at most."""
GENERATION_S = 15.6
"""Part of the deadline that the answer function keeps for Bedrock without an endpoint."""
LONGEST_GENERATION_S = 20.0
"""The most that it keeps for generating: embedding and search have 3 s each to answer."""
ENDPOINT_LOOK_S = 1.0
"""Time limit for the check whether an endpoint has a running copy."""
