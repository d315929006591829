"""Generations of the index of a deployment: which one answers, and how far the next one is.

The ingest function fills an index by itself (``lambdas/rag/refill.py``); what is here looks on.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import boto3
import botocore.exceptions

from sustainability.deployment.schema import Deployment
from sustainability.errors import UserError
from sustainability.operate.account import INDEX_ROW, Account, AccountError, Progress
from sustainability.stores.generation import METADATA, Generation

_INGEST = "rag.ingest_handler.handler"
_LOOK_S = 2
_STANDSTILL_S = 900
"""How long nothing may happen until a person should look; the queue never pauses for longer."""


@dataclass(frozen=True)
class Filled:
    """How far the newest index is."""

    generation: str
    settled: int
    """Documents of the bucket that are indexed, or rejected, as they are now."""
    documents: int
    complete: bool
    """Whether it answers questions."""
    walking: bool
    """Whether ingest still looks at every document."""
    before: bool
    """Whether another one answers until then."""

    def __str__(self) -> str:
        """Say it in words."""
        counted = f"index {self.generation}: {self.settled} of {self.documents} documents"
        if self.complete:
            return f"{counted}, and it answers"
        answers = "the index before it answers meanwhile" if self.before else "the API answers 503"
        return f"{counted}; {answers}"


class Filling:
    """The generations of one deployment's index, as it stands in one AWS account.

    Raises
    ------
    AccountError
        From every method, when there is no deployment or AWS refuses.
    """

    def __init__(self, deployment: Deployment) -> None:
        self._account = Account(deployment)
        self._session = boto3.Session(region_name=deployment.region)
        self._stack = f"{deployment.name}-rag"

    @cached_property
    def _indexes(self) -> list[dict[str, Any]]:
        """What the functions are told of each generation, the newest first."""
        indexes: list[dict[str, Any]] = json.loads(
            self._account.function_environment(_INGEST).get("KNOWLEDGE", "[]")
        )
        return indexes

    def serving(self) -> Generation | None:
        """Return the generation that answers questions now; None if there is none.

        Raises
        ------
        UserError
            If this version of the project cannot keep it.
        """
        client = self._session.client("cloudformation")
        try:
            template = client.get_template(StackName=self._stack)["TemplateBody"]
        except botocore.exceptions.ClientError as error:
            if "does not exist" in str(error):
                return None
            raise AccountError(f"CloudFormation refused: {error}") from error
        described = (template if isinstance(template, Mapping) else json.loads(template)).get(
            "Metadata", {}
        )
        made = {json.loads(each)["id"]: each for each in described.get(METADATA, [])}
        for index in self._indexes:
            if index["generation"] in made and self._is_complete(self._row(index["table"])):
                return Generation.parse(made[index["generation"]])
        return None

    @property
    def former(self) -> bool:
        """Whether the deployment still has the index before the newest one."""
        return len(self._indexes) > 1

    def filled(self) -> Filled:
        """Tell how far the newest index is."""
        if not self._indexes:
            raise AccountError(f"stack {self._stack} has no index; deploy it again")
        newest, *others = self._indexes
        row = self._row(newest["table"])
        present = self._account.stored()
        epoch = row.get("epoch", "")
        settled = sum(
            present.get(state.key) == state.etag and state.epoch == epoch
            for state in self._account.documents()
        )
        return Filled(
            generation=newest["generation"],
            settled=settled,
            documents=len(present),
            complete=self._is_complete(row),
            walking=row.get("ended") != row.get("walk"),
            before=any(self._is_complete(self._row(index["table"])) for index in others),
        )

    def wait(self, progress: Progress) -> None:
        """Wait until the newest index has all documents. It is filled whether anybody waits or not.

        Raises
        ------
        UserError
            If it gets nowhere.
        """
        seen, since = -1, time.monotonic()
        while (filled := self.filled()).walking or not filled.complete:
            if filled.settled != seen:
                seen, since = filled.settled, time.monotonic()
            progress(str(filled))
            if time.monotonic() - since > _STANDSTILL_S:
                raise UserError(
                    f"{filled}. For {_STANDSTILL_S / 60:.0f} minutes nothing was added: see the "
                    "dead letters and the ingest function's log. It goes on by itself when the "
                    "cause is gone; then deploy again, which removes the index before."
                )
            time.sleep(_LOOK_S)

    def begin(self, *, forget: bool, progress: Progress) -> None:
        """Have every document looked at again; with ``forget`` as if none were indexed.

        Raises
        ------
        UserError
            If the ingest function does not begin.
        """
        table = self._indexes[0]["table"]
        before = self._row(table).get("walk")
        body = json.dumps({"reindex": {"forget": forget}})
        self._session.client("sqs").send_message(
            QueueUrl=self._account.outputs["IngestQueueUrl"], MessageBody=body
        )
        deadline = time.monotonic() + _STANDSTILL_S
        while self._row(table).get("walk") == before:
            progress("waiting for the ingest function")
            if time.monotonic() > deadline:
                raise UserError("the ingest function does not begin; see its log")
            time.sleep(_LOOK_S)

    def _row(self, table: str) -> dict[str, Any]:
        found = self._session.resource("dynamodb").Table(table)
        return dict(
            found.get_item(Key={"document": INDEX_ROW}, ConsistentRead=True).get("Item", {})
        )

    @staticmethod
    def _is_complete(row: Mapping[str, Any]) -> bool:
        return "complete" in row and float(row["complete"]) <= time.time()
