"""What copies of a model carry of a deployment's answers within a time limit."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

from sustainability.catalogue import InferenceModel
from sustainability.deployment import Tokens
from sustainability.queueing import (
    lognormal_quantile,
    lognormal_sigma,
    mean_wait,
    share_delayed_beyond,
    share_waiting,
)

_LENGTHS = 10
"""Lengths of answer that stand for their distribution: its 5th, 15th … 95th percentile."""


@dataclass(frozen=True)
class Work:
    """One answer on an otherwise idle copy, in seconds."""

    reading: float
    writing: float

    @property
    def total(self) -> float:
        """From the first token read to the last token written."""
        return self.reading + self.writing


@dataclass(frozen=True, kw_only=True)
class Capacity:
    """What copies carry. All times in seconds, all rates per second."""

    model: InferenceModel
    input_tokens: Tokens
    output_tokens: Tokens
    max_tokens: float
    limit: float
    """From calling the endpoint to the last token, for an answer of 95th-percentile length."""
    arrival_variation: float
    """Coefficient of variation of the time between two questions."""

    @cached_property
    def mean(self) -> Work:
        """The mean answer."""
        return self._work(self.input_tokens.mean, self.output_tokens.mean)

    @cached_property
    def long(self) -> Work:
        """The answer that the limit is meant for: prompt and answer of the 95th percentile."""
        return self._work(self.input_tokens.p95, self.output_tokens.p95)

    @property
    def slack(self) -> float:
        """How long the long answer may be held up; negative if it is late on an idle copy."""
        return self.limit - self.long.total

    @property
    def full_rate(self) -> float:
        """Answers of one copy with every slot busy: each slot waits for the others' prompts."""
        return self.model.slots / (self.mean.writing + self.model.slots * self.mean.reading)

    def slowdown(self, copies: int, rate: float) -> float:
        """Return how much longer an answer takes than alone, because others' prompts are read."""
        stalled = self._others(copies, rate) * self.mean.reading
        return 1 / (1 - stalled) if stalled < 1 else math.inf

    def late_share(self, copies: int, rate: float) -> float:
        """Return the share of answers that miss the limit when questions come at ``rate``.

        An answer longer than :attr:`long` may take longer than the limit in proportion.
        """
        if not rate:
            return 0.0 if self.slack >= 0 else 1.0
        slowdown = self.slowdown(copies, rate)
        if math.isinf(slowdown):
            return 1.0
        service, servers = self.mean.total * slowdown, copies * self.model.slots
        load, arrival_scv = rate * service, self.arrival_variation**2
        waiting = share_waiting(servers, load, arrival_scv)
        wait = mean_wait(
            servers,
            load,
            service_seconds=service,
            service_scv=self._service_scv,
            arrival_scv=arrival_scv,
        )
        return sum(
            share_delayed_beyond(
                self.limit - work.total,
                share_waiting=waiting,
                mean_wait=wait,
                stall=work.total * (slowdown - 1),
                stall_deviation=math.sqrt(
                    self._others(copies, rate)
                    * work.total
                    * slowdown
                    * arrival_scv
                    * self._reading_square
                ),
            )
            for work in self._lengths
        ) / len(self._lengths)

    def copies_for(self, rate: float, attainment: float, ceiling: int) -> int | None:
        """Return the fewest copies that keep the limit for a share ``attainment`` of the answers.

        None if ``ceiling`` copies do not.
        """
        if self.late_share(ceiling, rate) > 1 - attainment:
            return None
        fewest, enough = 0, ceiling
        while enough - fewest > 1:
            middle = (fewest + enough) // 2
            if self.late_share(middle, rate) > 1 - attainment:
                fewest = middle
            else:
                enough = middle
        return enough

    def rate_of(self, copies: int, attainment: float) -> float:
        """Return the highest rate at which ``copies`` keep the limit."""
        low, high = 0.0, copies * self.full_rate
        for _ in range(40):
            middle = (low + high) / 2
            if self.late_share(copies, middle) > 1 - attainment:
                high = middle
            else:
                low = middle
        return low

    def _others(self, copies: int, rate: float) -> float:
        return rate / copies * (1 - 1 / self.model.slots) if copies else math.inf

    @cached_property
    def _lengths(self) -> tuple[Work, ...]:
        shares = [(number + 0.5) / _LENGTHS for number in range(_LENGTHS)]
        return tuple(
            self._work(
                lognormal_quantile(share, self.input_tokens.mean, self.input_tokens.p95),
                lognormal_quantile(share, self.output_tokens.mean, self.output_tokens.p95),
            )
            for share in shares
        )

    @cached_property
    def _service_scv(self) -> float:
        sigma = lognormal_sigma(self.output_tokens.mean, self.output_tokens.p95)
        return (self.mean.writing / self.mean.total) ** 2 * math.expm1(sigma**2)

    @cached_property
    def _reading_square(self) -> float:
        sigma = lognormal_sigma(self.input_tokens.mean, self.input_tokens.p95)
        return self.mean.reading**2 * math.exp(sigma**2)

    def _work(self, input_tokens: float, output_tokens: float) -> Work:
        return Work(
            reading=self.model.prefill.mid * input_tokens,
            writing=self.model.decode.mid * min(output_tokens, self.max_tokens),
        )
