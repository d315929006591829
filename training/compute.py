"""What a training run asks of a machine, estimated before it begins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Precision = Literal["float32", "bfloat16"]

_ADAM_BYTES = 8
"""Two moments of 4 bytes for each trained parameter."""

_ACTIVATION_BYTES_PER_TOKEN_AND_PARAMETER = 2e-3
"""Rough: what a token leaves for the backward pass, as a share of the parameters, at 4 bytes.
SmolLM2-135M, 8 sequences of 28 tokens, took 60 to 100 MB above its weights and gradients."""

_TOKENS_PER_PARAMETER = 20
"""Compute-optimal for training from scratch (Hoffmann et al. 2022, arXiv:2203.15556)."""


@dataclass(frozen=True, slots=True)
class Batching:
    """How a batch is spread so that it fits."""

    precision: Precision
    micro_batch: int
    """Sequences at once."""
    accumulation: int
    """Micro-batches for each step of the optimizer."""


def flops(parameters: int, trainable: int, tokens: int) -> float:
    """Return the floating-point operations of a run.

    Forward and backward through all take 4 for each parameter and token, the gradients of what is
    trained take 2 more: 6 N D in all for full training (Kaplan et al. 2020, arXiv:2001.08361).
    """
    return tokens * (4.0 * parameters + 2.0 * trainable)


def optimal_tokens(parameters: int) -> int:
    """Return the tokens that a model from scratch needs to be worth its size."""
    return _TOKENS_PER_PARAMETER * parameters


def memory_bytes(parameters: int, trainable: int, *, tokens: int, precision: Precision) -> float:
    """Return the memory of one micro-batch of so many tokens: an estimate, right within half."""
    width = 4 if precision == "float32" else 2
    # With mixed precision the trained weights are kept in full, too.
    master = 4 * trainable if precision == "bfloat16" else 0
    state = parameters * width + trainable * (width + _ADAM_BYTES) + master
    activations = tokens * parameters * _ACTIVATION_BYTES_PER_TOKEN_AND_PARAMETER * width / 4
    return state + activations


def batching(
    parameters: int,
    trainable: int,
    *,
    batch: int,
    sequence_tokens: int,
    memory: float,
    supports_bfloat16: bool,
) -> Batching | None:
    """Choose the largest micro-batch that fits into `memory` bytes; None where none does.

    Full precision is kept where the accelerator gains nothing from half of it.
    """
    precision: Precision = "bfloat16" if supports_bfloat16 else "float32"
    for micro in range(batch, 0, -1):
        if batch % micro == 0:
            needed = memory_bytes(
                parameters, trainable, tokens=micro * sequence_tokens, precision=precision
            )
            if needed <= memory:
                return Batching(precision, micro, batch // micro)
    return None
