"""The event loop: questions arrive, wait for a slot and are answered; copies start and stop.

A copy of the model works like the serving container with a static batch. It answers ``slots``
questions at a time, and each gets one token per step. While it reads a new prompt, the other
answers wait. The router sends each question to the copy with the fewest open requests.

Every ``TICK``, the scaler sees the metrics of CloudWatch and returns the wanted number of copies. A
copy serves after its cold start. A copy that stops completes its answers first.
"""

from __future__ import annotations

import math
import random
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from heapq import heappop, heappush
from typing import NamedTuple

from sustainability.plan.queueing import lognormal_sigma
from sustainability.simulation.outcome import Outcome, Sample
from sustainability.simulation.traffic import Request

TICK = 10.0
"""Seconds between high-resolution metrics, and so between scaling decisions."""


class Observation(NamedTuple):
    """The metrics in CloudWatch at the end of a tick."""

    time: float
    questions: int
    """Questions of the last ``TICK`` seconds, on the endpoint and on Bedrock."""
    outstanding: float
    """Mean number of running and queued questions of the last ``TICK`` seconds."""
    live: int
    """Copies that serve."""


Scaler = Callable[[Observation], int]
"""Returns the wanted number of copies."""


Watch = Callable[[float, bool, bool], None]
"""Is told when a question came, whether its answer was in time, and whether Bedrock gave it."""


@dataclass(frozen=True, kw_only=True)
class Bedrock:
    """Bedrock, which answers if the endpoint cannot. Times in seconds, lognormally distributed."""

    first_token: float
    """Mean."""
    first_token_p95: float | None = None
    """95th percentile; None if all are equal."""
    per_token: float
    """Mean of all answers."""
    token_variation: float = 0.0
    """Coefficient of variation of an answer's time per token."""

    def seconds(self, request: Request) -> float:
        """Return how long the answer takes; the same question always takes as long."""
        random_ = random.Random(request.time)
        first = self.first_token
        if self.first_token_p95 is not None:
            sigma = lognormal_sigma(first, self.first_token_p95)
            first = random_.lognormvariate(math.log(first) - sigma**2 / 2, sigma)
        square = math.log1p(self.token_variation**2)
        each = self.per_token * random_.lognormvariate(-square / 2, math.sqrt(square))
        return first + each * request.output_tokens


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """The endpoint: its speed, and the times of start and stop. Times in seconds."""

    slots: int
    prefill_per_token: float
    decode_per_token: float
    cold_start: float
    """From the decision to start a copy until it serves."""
    release: float = 0.0
    """From the end of a copy until its instance is no longer billed."""
    copies_per_instance: int = 1
    initial_copies: int = 0
    limit: float
    """Longest time of an answer that is in time. An answer longer than ``long_answer`` has more
    time, in proportion."""
    long_answer: float
    """Seconds that an idle copy needs for the longest answer to which the limit applies."""
    longest_prompt: float = math.inf
    """Tokens. The container refuses longer prompts, because the model is compiled for a length."""
    patience: float = math.inf
    """How long a caller waits for an answer. Then it calls Bedrock, if allowed. The endpoint
    completes the answer anyway, because a request cannot be cancelled."""
    bedrock: Bedrock | None = None
    shared_queue: bool = False
    """One queue for all copies (asynchronous inference) instead of one inside each copy."""

    def in_time(self, latency: float, alone: float) -> bool:
        """Return whether an answer that needs ``alone`` seconds on an idle copy is in time."""
        return latency <= self.limit or latency * self.long_answer <= alone * self.limit

    def starting_with(self, copies: int) -> Endpoint:
        """Return the same endpoint with this number of copies when the traffic begins."""
        return replace(self, initial_copies=copies)


def replay(
    requests: Iterable[Request],
    endpoint: Endpoint,
    scaler: Scaler,
    *,
    duration: float = 0.0,
    sample_every: float = 600.0,
    watch: Watch | None = None,
) -> Outcome:
    """Simulate ``requests``, which must be in order of time, and return the outcome.

    The simulation lasts at least ``duration`` seconds, and until all questions are answered. The
    timeline has a point every ``sample_every`` seconds. ``watch`` is told of every question.
    """
    fleet = _Fleet(endpoint, watch)
    outcome, ends = fleet.outcome, fleet.ends
    stream = iter(requests)
    request = next(stream, None)
    now = 0.0
    asked = 0
    while request or now < duration or fleet.in_system:
        now += TICK
        while True:
            end = min(ends, default=math.inf)
            if request and request.time <= end:
                if request.time > now:
                    break
                fleet.arrive(request)
                request = next(stream, None)
            elif end <= now:
                fleet.complete(ends.index(end), end)
            else:
                break
        observation = Observation(
            now, outcome.questions - asked, fleet.mean_outstanding(now), len(ends)
        )
        asked = outcome.questions
        fleet.tick(scaler(observation), now)
        if now % sample_every < TICK:
            fleet.sample(now)
    if now > fleet.sampled[0]:
        fleet.sample(now)
    return outcome


_Waiting = tuple[float, float, float, Request]
"""Arrival, seconds of reading, seconds of writing, the question."""
_Running = tuple[float, float, float, Request]
"""The copy's clock at its end, arrival, the work of the answer alone in seconds, the question."""


class _Copy:
    """A copy of the model. Its work is measured on a clock that stops while a prompt is read."""

    __slots__ = ("clock", "resumes", "running", "waiting")

    def __init__(self, waiting: deque[_Waiting]) -> None:
        self.clock = 0.0  # seconds of generating done
        self.resumes = 0.0  # when generating goes on; past while no prompt is being read
        self.running: list[_Running] = []  # a heap
        self.waiting = waiting

    def admit(self, now: float, waiting: _Waiting) -> None:
        arrival, prefill, decode, request = waiting
        if now > self.resumes:
            self.clock += now - self.resumes
            self.resumes = now
        self.resumes += prefill
        heappush(self.running, (self.clock + decode, arrival, prefill + decode, request))

    def next_end(self) -> float:
        return self.resumes + self.running[0][0] - self.clock if self.running else math.inf


class _Fleet:
    """All copies, their billed time, and the outcome of the questions."""

    def __init__(self, endpoint: Endpoint, watch: Watch | None = None) -> None:
        self.endpoint = endpoint
        self.watch = watch
        self.outcome = Outcome()
        self.copies: list[_Copy] = []
        self.ends: list[float] = []  # of each copy: when its next answer ends
        self.counts: list[int] = []  # of each copy: questions under way and in its own queue
        self.starting: list[float] = []  # when each will serve
        self.releasing: list[float] = []  # when each is no longer billed
        self.backlog: deque[_Waiting] = deque()  # the queue that copies share, if they do
        self.in_system = 0
        self.in_system_seconds = 0.0  # since the last tick, all but in_system * now
        self.ticked_at = 0.0
        self.sampled = (0.0, 0, 0)
        for _ in range(endpoint.initial_copies):
            self._serve(0.0)

    def arrive(self, request: Request) -> None:
        """Send the question to a copy, a queue or Bedrock."""
        self.outcome.questions += 1
        endpoint, now, counts = self.endpoint, request.time, self.counts
        served = counts or endpoint.shared_queue
        if not served or request.input_tokens > endpoint.longest_prompt:
            self._answer_elsewhere(request, waited=0.0)
            return
        self.in_system += 1
        self.in_system_seconds -= now
        waiting = (
            now,
            request.input_tokens * endpoint.prefill_per_token,
            request.output_tokens * endpoint.decode_per_token,
            request,
        )
        fewest = min(counts, default=endpoint.slots)
        if fewest >= endpoint.slots and endpoint.shared_queue:
            self.backlog.append(waiting)
            return
        index = counts.index(fewest)
        counts[index] += 1
        if fewest < endpoint.slots:
            self._admit(index, now, waiting)
        else:
            self.copies[index].waiting.append(waiting)

    def complete(self, index: int, now: float) -> None:
        """End the next answer of this copy, and fill its slot."""
        copy = self.copies[index]
        copy.clock, arrival, work, request = heappop(copy.running)
        copy.resumes = now
        self.counts[index] -= 1
        self.in_system -= 1
        self.in_system_seconds += now
        if now - arrival > self.endpoint.patience:
            self.outcome.abandoned += 1
            self._answer_elsewhere(request, waited=self.endpoint.patience)
        else:
            self._record(request, now - arrival, work)
        self._fill(index, now)

    def mean_outstanding(self, now: float) -> float:
        """Return the mean number of questions in the endpoint since the last tick."""
        return (self.in_system_seconds + self.in_system * now) / (now - self.ticked_at)

    def billed_instances(self, now: float) -> int:
        """Return the billed instances: those that start, serve or are being released."""
        self.releasing = [end for end in self.releasing if end > now - TICK]
        copies = len(self.copies) + len(self.starting) + len(self.releasing)
        return math.ceil(copies / self.endpoint.copies_per_instance)

    def tick(self, desired: int, now: float) -> None:
        """Bill the past tick, put started copies into service, and start and stop copies."""
        outcome, endpoint = self.outcome, self.endpoint
        outcome.instance_seconds += self.billed_instances(now) * TICK
        while self.starting and self.starting[0] <= now:
            self.starting.pop(0)
            self._serve(now)
        while len(self.copies) > desired:
            self._stop(now)
        for _ in range(desired - len(self.copies) - len(self.starting)):
            self.starting.append(now + endpoint.cold_start)
            outcome.launches += 1
        self.in_system_seconds = -self.in_system * now
        self.ticked_at = now

    def sample(self, now: float) -> None:
        """Add one point to the timeline."""
        outcome = self.outcome
        since, questions, by_bedrock = self.sampled
        asked = outcome.questions - questions
        outcome.timeline.append(
            Sample(
                time=now,
                questions_per_hour=asked / (now - since) * 3600,
                live=len(self.copies),
                billed=self.billed_instances(now),
                bedrock_share=(outcome.bedrock_questions - by_bedrock) / asked if asked else 0.0,
            )
        )
        self.sampled = (now, outcome.questions, outcome.bedrock_questions)

    def _serve(self, now: float) -> None:
        self.copies.append(_Copy(self.backlog if self.endpoint.shared_queue else deque()))
        self.ends.append(math.inf)
        self.counts.append(0)
        for _ in range(min(self.endpoint.slots, len(self.backlog))):
            self._fill(len(self.copies) - 1, now)

    def _stop(self, now: float) -> None:
        """Remove the copy with the fewest questions; it answers them and then stops."""
        index = self.counts.index(min(self.counts))
        copy = self.copies[index]
        if self.endpoint.shared_queue:
            copy.waiting = deque()
        measured = self.in_system_seconds + self.counts[index] * now
        end = now
        while copy.running:
            end = copy.next_end()
            self.complete(index, end)
        self.in_system_seconds = measured  # what it still does is no longer in the metric
        for of_copies in (self.copies, self.ends, self.counts):
            del of_copies[index]
        self.releasing.append(end + self.endpoint.release)

    def _admit(self, index: int, now: float, waiting: _Waiting) -> None:
        _, prefill, decode, _ = waiting
        copy = self.copies[index]
        copy.admit(now, waiting)
        self.ends[index] = copy.next_end()
        self.outcome.work_seconds += prefill + decode / self.endpoint.slots

    def _fill(self, index: int, now: float) -> None:
        """Admit the next waiting question."""
        copy = self.copies[index]
        if copy.waiting:
            if self.endpoint.shared_queue:
                self.counts[index] += 1
            self._admit(index, now, copy.waiting.popleft())
        else:
            self.ends[index] = copy.next_end()

    def _answer_elsewhere(self, request: Request, *, waited: float) -> None:
        outcome, endpoint, bedrock = self.outcome, self.endpoint, self.endpoint.bedrock
        if bedrock is None:
            outcome.failed += 1
            if self.watch:
                self.watch(request.time, False, False)
            return
        outcome.bedrock_questions += 1
        outcome.bedrock_input_tokens += request.input_tokens
        outcome.bedrock_output_tokens += request.output_tokens
        self._record(
            request,
            waited + bedrock.seconds(request),
            request.input_tokens * endpoint.prefill_per_token
            + request.output_tokens * endpoint.decode_per_token,
            by_bedrock=True,
        )

    def _record(
        self, request: Request, latency: float, alone: float, *, by_bedrock: bool = False
    ) -> None:
        in_time = self.endpoint.in_time(latency, alone)
        self.outcome.record(latency)
        self.outcome.on_time += in_time
        if self.watch:
            self.watch(request.time, in_time, by_bedrock)
