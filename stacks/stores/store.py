"""What the stacks need to know of a knowledge store, of whatever kind.

A store's construct makes the store and its index, lets functions use it, and watches it: one
module for each kind, and one line in ``kinds``. The index belongs to the deployment, not to the
first write, and its name carries a digest of what made it, so that a changed mapping is a new index
and never a failed update.
"""

from __future__ import annotations

from typing import Any, Protocol

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_lambda as lambda_
from constructs import IConstruct

from stacks.functions.python_function import PythonFunction
from stacks.instruments.alarms import Alarms


class KnowledgeStore(Protocol):
    """A store with the index that ingest writes and answers read."""

    endpoint: str
    """URL, or host name without a scheme."""
    service: str
    """Service name of request signatures, by which the functions know the kind: ``aoss``."""
    index_name: str

    @property
    def index(self) -> IConstruct:
        """The resource that creates the index. Writers depend on it, so they create no other."""

    @property
    def sources(self) -> dict[str, Any]:
        """The hourly record's CloudWatch queries about the store, by names of ``SOURCES``."""

    def grant(self, grantee: lambda_.Function, *, write: bool) -> None:
        """Let the function search, or with ``write`` change, the documents of the index."""

    def watch(self, waste: Alarms) -> None:
        """Add the alarms."""

    def graphs(self) -> list[cloudwatch.GraphWidget]:
        """Return the engineer's graphs."""


class FunctionMaker(Protocol):
    """Makes a function of the package ``rag``."""

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
