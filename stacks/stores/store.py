"""What the stacks need to know about a knowledge store of any kind.

A store's construct makes the store and its indexes, lets functions use them, and watches it: one
module for each kind, and one line in ``kinds``. An index belongs to the deployment, not to the
first write, and its name carries its generation, so that whatever makes another index is a new one
and never a failed update.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_lambda as lambda_
from constructs import IConstruct

from stacks.functions.python_function import PythonFunction
from stacks.instruments.alarms import Alarms
from sustainability.stores.generation import Generation


@dataclass(frozen=True)
class StoredIndex:
    """An index in a store."""

    name: str
    """By which the functions ask for it."""
    resource: IConstruct
    """What makes it; whoever writes waits for it, lest a write makes another."""


class KnowledgeStore(Protocol):
    """A store with the indexes that ingest writes and answers read."""

    endpoint: str
    """URL, or host name without a scheme."""
    service: str
    """Service name of request signatures, by which the functions know the kind: ``aoss``."""

    def add_index(self, generation: Generation) -> StoredIndex:
        """Make the index of a generation."""

    def grant(self, grantee: lambda_.Function, index: StoredIndex, *, write: bool) -> None:
        """Let the function search, or with ``write`` keep, the documents of an index."""

    @property
    def sources(self) -> dict[str, Any]:
        """What the hourly record reads from CloudWatch about the store, by names in ``SOURCES``."""

    def watch(self, waste: Alarms) -> None:
        """Add the alarms."""

    def graphs(self) -> list[cloudwatch.GraphWidget]:
        """Return the graphs for the engineers' dashboard."""


@dataclass(frozen=True)
class KnowledgeIndex:
    """One generation of the index with what is known of each document in it."""

    generation: Generation
    store: KnowledgeStore
    index: StoredIndex
    table: dynamodb.Table

    def grant(self, grantee: lambda_.Function, *actions: str, write: bool) -> None:
        """Let the function use the index, and these actions of its table."""
        self.store.grant(grantee, self.index, write=write)
        self.table.grant(grantee, *actions)

    @property
    def settings(self) -> Mapping[str, Any]:
        """What the functions are told of it."""
        embedding = self.generation.knowledge.embedding
        return {
            "generation": self.generation.id,
            "endpoint": self.store.endpoint,
            "service": self.store.service,
            "index": self.index.name,
            "table": self.table.table_name,
            "model": embedding.model,
            "dimensions": embedding.dimensions,
        }


class FunctionMaker(Protocol):
    """Makes a Lambda function from the package ``rag``."""

    def __call__(
        self,
        id_: str,
        *,
        handler: str,
        description: str,
        timeout: cdk.Duration,
        memory_mib: int,
        environment: dict[str, str],
    ) -> PythonFunction:
        """Return the function."""


class TableMaker(Protocol):
    """Makes a table of documents."""

    def __call__(self, id_: str, *, partition_key: str) -> dynamodb.Table:
        """Return the table."""
