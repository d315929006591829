"""The capacity of copies of a model: answers per second within a time limit."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

from sustainability.deployment.schema import Tokens
from sustainability.offers.endpoint_models import InferenceModel
from sustainability.plan.lengths import quantile, squared_variation
from sustainability.plan.queueing import (
    exponential_waits,
    mean_wait,
    share_later,
    share_waiting,
)

_LENGTHS = 10
"""Number of lengths that represent the distribution: its 5th, 15th … 95th percentile."""
_NEGLIGIBLE = 1e-6
"""Share of waiting answers, far below the requirement of any service level."""


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
    """The capacity of copies. All times are in seconds, all rates per second."""

    model: InferenceModel
    input_tokens: Tokens
    output_tokens: Tokens
    max_tokens: float
    limit: float
    """Time from the call to the last token, for an answer of the 95th percentile."""
    arrival_variation: float
    """Coefficient of variation of the time between two questions."""

    @cached_property
    def mean(self) -> Work:
        """The mean answer."""
        return self._work(self.input_tokens.mean, self.output_tokens.mean)

    @cached_property
    def long(self) -> Work:
        """The answer to which the limit applies: prompt and answer of the 95th percentile."""
        return self._work(self.input_tokens.p95, self.output_tokens.p95)

    @property
    def slack(self) -> float:
        """How long the long answer may wait; negative if it is late even on an idle copy."""
        return self.limit - self.long.total

    @property
    def full_rate(self) -> float:
        """Answers per second of a copy with every slot busy; each slot waits for other prompts."""
        return self.model.slots / (self.mean.writing + self.model.slots * self.mean.reading)

    def slowdown(self, copies: int, rate: float) -> float:
        """Return how much longer an answer needs than alone, because of the prompts of others."""
        reading = self._others(copies, rate) * self.mean.reading
        return 1 / (1 - reading) if reading < 1 else math.inf

    def late_share(self, copies: int, rate: float) -> float:
        """Return the share of answers that miss the limit if questions come at ``rate``.

        For an answer longer than :attr:`long`, the limit is longer in proportion.
        """
        key = copies, rate
        if key not in self._late_shares:
            self._late_shares[key] = self._late_share(copies, rate)
        return self._late_shares[key]

    def copies_for(self, rate: float, attainment: float, ceiling: int) -> int | None:
        """Return the lowest number of copies with a share ``attainment`` of answers in time.

        None if ``ceiling`` copies are not enough.
        """
        fewest, enough = 0, 1
        while self.late_share(min(enough, ceiling), rate) > 1 - attainment:
            if enough >= ceiling:
                return None
            fewest, enough = enough, 2 * enough
        enough = min(enough, ceiling)
        while enough - fewest > 1:
            middle = (fewest + enough) // 2
            if self.late_share(middle, rate) > 1 - attainment:
                fewest = middle
            else:
                enough = middle
        return enough

    def rate_of(self, copies: int, attainment: float) -> float:
        """Return the highest rate at which ``copies`` have ``attainment`` of answers in time."""
        low, high = 0.0, copies * self.full_rate
        for _ in range(40):
            middle = (low + high) / 2
            if self.late_share(copies, middle) > 1 - attainment:
                high = middle
            else:
                low = middle
        return low

    def _late_share(self, copies: int, rate: float) -> float:
        if not rate:
            return 0.0 if self.slack >= 0 else 1.0
        slowdown = self.slowdown(copies, rate)
        if math.isinf(slowdown):
            return 1.0
        service, servers = self.mean.total * slowdown, copies * self.model.slots
        load, arrival_scv = rate * service, self.arrival_variation**2
        if load >= servers:
            return 1.0
        waiting = share_waiting(servers, load, arrival_scv)
        wait = mean_wait(
            servers,
            load,
            service_seconds=service,
            service_scv=self._service_scv,
            arrival_scv=arrival_scv,
        )
        # The pauses of a second of writing; what is being read at its start; and the prompts of
        # the burst in which it comes, of which a renewal process has as many before as after.
        pauses = self._others(copies, rate) * self._reading_square(arrival_scv / copies)
        burst = max(0.0, arrival_scv - 1) / copies * self.mean.reading
        variance, before = pauses * slowdown**3, (pauses / 2 + burst) * slowdown

        def late(limit: float) -> float:
            return sum(
                share_later(
                    limit, before + work.total * slowdown, before**2 + work.total * variance
                )
                for work in self._lengths
            ) / len(self._lengths)

        late_at_once = late(self.limit)
        if waiting < _NEGLIGIBLE:
            return late_at_once
        return (1 - waiting) * late_at_once + waiting * sum(
            share * late(self.limit - seconds) for seconds, share in exponential_waits(wait)
        )

    @cached_property
    def _late_shares(self) -> dict[tuple[int, float], float]:
        return {}

    def _others(self, copies: int, rate: float) -> float:
        """Return how many prompts of others a copy reads per second.

        On a single copy, an answer occupies one slot, so fewer others can start. With many copies,
        the router sends the next question to another copy until one of the answers ends.
        """
        if not copies:
            return math.inf
        slots, each = self.model.slots, rate / copies
        pausing = each * self.mean.reading * (1 - 1 / slots)
        if pausing >= 1:
            return math.inf
        busy = min(slots, max(1.0, each * self.mean.total / (1 - pausing)))
        alone = 1 / math.sqrt(copies)  # in between: fitted to simulated queues
        return each * (1 - alone / slots - (1 - alone) / busy)

    @cached_property
    def _lengths(self) -> tuple[Work, ...]:
        shares = [(number + 0.5) / _LENGTHS for number in range(_LENGTHS)]
        return tuple(
            self._work(quantile(self.input_tokens, share), quantile(self.output_tokens, share))
            for share in shares
        )

    @cached_property
    def _service_scv(self) -> float:
        return (self.mean.writing / self.mean.total) ** 2 * squared_variation(self.output_tokens)

    def _reading_square(self, dispersion: float) -> float:
        """Return the variance of the reading time per second, for one prompt per second."""
        return self.mean.reading**2 * (squared_variation(self.input_tokens) + dispersion)

    def _work(self, input_tokens: float, output_tokens: float) -> Work:
        return Work(
            reading=self.model.prefill.mid * input_tokens,
            writing=self.model.decode.mid * min(output_tokens, self.max_tokens),
        )
