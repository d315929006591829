"""What a deployment stands on, looked at and not changed: roles, queues, store, compiled model."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import botocore.exceptions

from sustainability.deployment.schema import Deployment, Store
from sustainability.facts.lookup import Facts
from sustainability.operate.account import Account
from sustainability.operate.checks import Check, Row, Verdict
from sustainability.operate.search_capacity import SearchCapacity
from sustainability.plan.compiled_models import artifacts_bucket, artifacts_prefix
from sustainability.plan.serving_plan import ServingPlan
from sustainability.stores.kinds import chosen

FORBIDDEN = (
    "bedrock:CreateProvisionedModelThroughput",
    "dynamodb:DeleteTable",
    "iam:PassRole",
    "iam:PutRolePolicy",
    "lambda:UpdateFunctionCode",
    "s3:DeleteBucket",
    "s3:PutBucketPolicy",
    "sagemaker:CreateEndpoint",
    "sqs:DeleteQueue",
)
"""What no function of ours may do: grow its rights, destroy what keeps data, or start machines."""
_SHAPE = {"batch_size": "slots", "sequence_length": "sequence_length", "tp_degree": "cores"}
"""From the compiler's word to ours. Source: optimum-neuron 0.4.5, NxDNeuronConfig."""
_LOOKED_BACK = timedelta(hours=24)
_DENIED = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation")


class Standing:
    """The rows about what is deployed, each from AWS's own description of it."""

    def __init__(self, deployment: Deployment, plan: ServingPlan, account: Account) -> None:
        self._deployment, self._plan, self._account = deployment, plan, account
        self._session = boto3.Session(region_name=deployment.region)
        self._units = SearchCapacity(deployment)
        self._began = datetime.now(UTC)

    def checks(self) -> Iterator[Check]:
        """Yield a row for each; where you may not look, it is unknown."""
        rows: list[tuple[Row, Callable[[Row], Check]]] = [
            (Row.ROLES, self._roles),
            (Row.QUEUE, self._redrive),
        ]
        if chosen(self._deployment) is Store.SERVERLESS:
            rows += [(Row.STORE_SLEEPS, self._store), (Row.CAPACITY, self._capacity)]
        if self._plan.model is not None:
            rows.append((Row.COMPILED, self._artifact))
        for name, look in rows:
            try:
                yield look(name)
            except botocore.exceptions.ClientError as error:
                if error.response["Error"]["Code"] not in _DENIED:
                    raise
                yield Check(name, Verdict.UNTOLD, f"you may not look: {error}")

    def _roles(self, name: Row) -> Check:
        iam, functions = self._session.client("iam"), self._session.client("lambda")
        wrong, count = [], 0
        for function in self._account.functions():
            role = functions.get_function_configuration(FunctionName=function)["Role"]
            answer = iam.simulate_principal_policy(
                PolicySourceArn=role, ActionNames=list(FORBIDDEN)
            )
            count += 1
            wrong += [
                f"{function} may {result['EvalActionName']}"
                for result in answer["EvaluationResults"]
                if result["EvalDecision"] == "allowed"
            ]
        if wrong:
            return Check(
                name, Verdict.FAILED, "; ".join(wrong), "Take the action from the role's policy."
            )
        return Check(name, Verdict.PASSED, f"{count} functions, {len(FORBIDDEN)} actions each")

    def _redrive(self, name: Row) -> Check:
        sqs, urls = self._session.client("sqs"), self._account.outputs

        def attributes(queue: str) -> dict[str, str]:
            found: dict[str, str] = sqs.get_queue_attributes(
                QueueUrl=urls[queue],
                AttributeNames=["QueueArn", "RedrivePolicy", "ApproximateNumberOfMessages"],
            )["Attributes"]
            return found

        source, dead = attributes("IngestQueueUrl"), attributes("DeadLettersUrl")
        policy = json.loads(source.get("RedrivePolicy", "{}"))
        if policy.get("deadLetterTargetArn") != dead["QueueArn"]:
            cure = "Deploy again: the queue has lost its redrive policy."
            return Check(name, Verdict.FAILED, "what fails is lost", cure)
        waiting = int(dead.get("ApproximateNumberOfMessages", 0))
        tries = f"after {policy['maxReceiveCount']} tries; {waiting} wait there now"
        return Check(
            name,
            Verdict.FAILED if waiting else Verdict.PASSED,
            tries,
            "docs/runbook.md, DeadLetters" if waiting else "",
        )

    def _store(self, name: Row) -> Check:
        now = datetime.now(UTC)
        running = self._units.running(now - _LOOKED_BACK, now)
        if running is None:
            return Check(
                name,
                Verdict.UNTOLD,
                "SearchOCU of the collection group is not seen yet",
                "OpenSearch Serverless publishes it each minute while it runs: verify again.",
            )
        whole = _LOOKED_BACK / SearchCapacity.PERIOD
        used = f"ran in {running} of the last {whole:.0f} periods of 5 minutes"
        if running < whole:
            return Check(name, Verdict.PASSED, used)
        return Check(name, Verdict.UNTOLD, used, "Verify again after a quiet hour.")

    def _capacity(self, name: Row) -> Check:
        hours = self._units.unit_hours(self._began, datetime.now(UTC))
        if hours is None:
            cure = "CloudWatch lists a new metric after some minutes: verify again."
            return Check(name, Verdict.UNTOLD, "no OCU of the collection group is seen yet", cure)
        usd = hours * Facts()("prices/opensearch/ocu", "USD/OCU-hour").mid
        return Check(
            name,
            Verdict.PASSED,
            f"{hours:.3f} OCU-hours since the run began: ${usd:.4f}; the store then runs for ten "
            "minutes more",
        )

    def _artifact(self, name: Row) -> Check:
        assert self._plan.model is not None
        shape = self._plan.model
        account = self._session.client("sts").get_caller_identity()["Account"]
        bucket = artifacts_bucket(self._deployment, account)
        key = f"{artifacts_prefix(shape)}neuron_config.json"
        try:
            body = self._session.client("s3").get_object(Bucket=bucket, Key=key)["Body"]
        except botocore.exceptions.ClientError as error:
            if error.response["Error"]["Code"] not in ("NoSuchKey", "NoSuchBucket"):
                raise
            cure = "Run `python -m sustainability compile` with the file of the deployment."
            return Check(name, Verdict.UNTOLD, "no compiled model in the bucket", cure)
        compiled: dict[str, Any] = json.loads(body.read())
        planned = {
            "batch_size": shape.slots,
            "sequence_length": shape.sequence_length,
            "tp_degree": shape.tensor_parallel,
        }
        differing = [
            f"{_SHAPE[word]} {compiled.get(word)} instead of {value}"
            for word, value in planned.items()
            if compiled.get(word) != value
        ]
        if differing:
            cure = "Delete it from the bucket, and run `python -m sustainability compile`."
            return Check(name, Verdict.FAILED, ", ".join(differing), cure)
        return Check(
            name, Verdict.PASSED, ", ".join(f"{_SHAPE[w]} {v}" for w, v in planned.items())
        )
