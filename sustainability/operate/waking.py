"""Wake a deployed endpoint, ask it as many questions as it takes at once, let it sleep again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import botocore.exceptions

from sustainability.deployment.schema import Deployment
from sustainability.facts.lookup import Facts
from sustainability.offers.target_tracking import IN_SECONDS
from sustainability.operate.account import Account, AccountError, Progress
from sustainability.operate.checks import Check, Row, Verdict
from sustainability.plan.serving_plan import Mode, ServingPlan

_PAUSE_S = 5
ROUNDS = 3
"""How often it is asked at most. In the first round, copies of the function that answers start."""
_LOOKS_S = 31
"""Each copy of that function looks for copies of the model, and tries again what failed, after half
a minute."""


class Waking:
    """The rows about an endpoint: those about copies are for inference components alone."""

    def __init__(self, deployment: Deployment, plan: ServingPlan, account: Account) -> None:
        self._deployment, self._plan, self._account = deployment, plan, account
        self._session = boto3.Session(region_name=deployment.region)
        self._limit_s = Facts()("serving/cold_start", "s").high

    @property
    def wakes(self) -> bool:
        """Whether the endpoint may be asleep, so that somebody must agree to wake it."""
        return self._plan.mode in (Mode.BRIDGED, Mode.ASYNC)

    @property
    def answers_later(self) -> bool:
        """Whether a question wakes it by waiting in its queue."""
        return self._plan.mode is Mode.ASYNC

    @property
    def minutes(self) -> float:
        """Minutes for which one instance runs at most: it starts, answers, and is let go."""
        return (self._limit_s + IN_SECONDS) / 60

    @property
    def usd(self) -> float:
        """What that costs at most."""
        price = Facts()(f"prices/instance/{self._plan.instance_type}", "USD/h").high
        return price * self.minutes / 60

    def checks(
        self, question: Callable[[int], str], progress: Progress, *, agreed: bool
    ) -> Iterator[Check]:
        """Yield the rows; ``question`` returns another question for each number."""
        if not self._plan.inference_components or self._plan.model is None:
            return
        if self.wakes and not agreed:
            cure = "Verify with --wake."
            yield Check(Row.ENDPOINT_WAKES, Verdict.UNTOLD, "it was not woken", cure)
            return
        before, least = self._copies(), self._least()
        if least == 0:
            # Not a copy by hand: while demand is low, the scaling policy would stop it at once.
            self._set_least(1)
        try:
            woken = self._wait(lambda copies: copies["CurrentCopyCount"] >= 1, "starts", progress)
            if woken is None:
                cure = "See the log of the endpoint; docs/runbook.md, EndpointErrors."
                late = f"no copy after {self._limit_s:.0f} s"
                yield Check(Row.ENDPOINT_WAKES, Verdict.FAILED, late, cure)
                return
            told = f"after {woken:.0f} s of at most {self._limit_s:.0f} s"
            if before["CurrentCopyCount"]:
                told = f"{before['CurrentCopyCount']} copies ran before"
            yield Check(Row.ENDPOINT_WAKES, Verdict.PASSED, told)
            yield self._answers(question, progress)
        finally:
            if least == 0:
                self._set_least(0)
        if least == 0 and before["DesiredCopyCount"] == 0:
            self._stop()
            gone = self._wait(lambda copies: copies["CurrentCopyCount"] == 0, "stops", progress)
            yield Check(
                Row.ENDPOINT_SLEEPS,
                Verdict.FAILED if gone is None else Verdict.PASSED,
                "a copy still runs" if gone is None else f"after {gone:.0f} s",
                "" if gone is not None else "Set its copies to 0 in the SageMaker console.",
            )

    def _answers(self, question: Callable[[int], str], progress: Progress) -> Check:
        assert self._plan.model is not None
        name, most = Row.ENDPOINT_ANSWERS, self._deployment.service_level.latency_p95
        assert most is not None
        count, told = self._plan.model.slots, ""
        for number in range(ROUNDS):
            progress(f"the endpoint answers, round {number + 1}")
            asked = [question(number * count + slot) for slot in range(count)]
            with ThreadPoolExecutor(count) as pool:
                answers = list(pool.map(self._ask, asked))
            slowest = max(seconds for seconds, _ in answers)
            by_endpoint = sum(answer.get("served_by") == "endpoint" for _, answer in answers)
            told = (
                f"{by_endpoint} of {count} questions at once, the slowest {slowest:.1f} s of "
                f"{most.total_seconds():.1f} s, round {number + 1}"
            )
            if by_endpoint == count and slowest <= most.total_seconds():
                return Check(name, Verdict.PASSED, told)
            if by_endpoint < count and number + 1 < ROUNDS:
                time.sleep(_LOOKS_S)
        cure = (
            "See the answer function's log; docs/runbook.md, EndpointErrors."
            if by_endpoint < count
            else "Correct prefill and decode in inference_models.csv, and plan again."
        )
        return Check(name, Verdict.FAILED, told, cure)

    def _ask(self, question: str) -> tuple[float, dict[str, Any]]:
        began = time.monotonic()
        try:
            status, _, answer = self._account.call("POST", "/answers", {"question": question})
        except AccountError:  # no answer at all, which counts as one that the endpoint did not give
            status, answer = 0, {}
        return time.monotonic() - began, answer if status == 200 else {}

    def _wait(
        self, reached: Callable[[dict[str, int]], bool], what: str, progress: Progress
    ) -> float | None:
        began = time.monotonic()
        while not reached(self._copies()):
            seconds = time.monotonic() - began
            if seconds > self._limit_s:
                return None
            progress(f"a copy {what}, for {seconds:.0f} s")
            time.sleep(_PAUSE_S)
        return time.monotonic() - began

    def _copies(self) -> dict[str, int]:
        found: dict[str, int] = self._call(
            "sagemaker", "describe_inference_component", InferenceComponentName=self._name
        )["RuntimeConfig"]
        return found

    def _stop(self) -> None:
        """Let it stop now: the scaling policy would wait for a time of low demand."""
        self._call(
            "sagemaker",
            "update_inference_component_runtime_config",
            InferenceComponentName=self._name,
            DesiredRuntimeConfig={"CopyCount": 0},
        )

    def _least(self) -> int:
        (target,) = self._call(
            "application-autoscaling",
            "describe_scalable_targets",
            ServiceNamespace="sagemaker",
            ResourceIds=[self._target],
        )["ScalableTargets"]
        return int(target["MinCapacity"])

    def _set_least(self, copies: int) -> None:
        self._call(
            "application-autoscaling",
            "register_scalable_target",
            ServiceNamespace="sagemaker",
            ResourceId=self._target,
            ScalableDimension="sagemaker:inference-component:DesiredCopyCount",
            MinCapacity=copies,
        )

    def _call(self, service: str, operation: str, **request: Any) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = getattr(self._session.client(service), operation)(**request)
        except botocore.exceptions.ClientError as error:
            raise AccountError(f"AWS refused to wake the endpoint: {error}") from error
        return answer

    @property
    def _target(self) -> str:
        return f"inference-component/{self._name}"

    @property
    def _name(self) -> str:
        return self._account.endpoint
