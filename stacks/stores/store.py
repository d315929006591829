"""What the stacks need to know about a knowledge store of any kind.

A store's construct creates the store and its index, grants access to functions, and adds alarms and
graphs. Each kind has one module, and one line in ``kinds``. The deployment creates the index, not
the first write. The index's name contains a digest of its mapping: a changed mapping creates a new
index, and no update can fail because of it.
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
    """A store with the index that the ingest function writes and the answer function reads."""

    endpoint: str
    """URL, or host name without a scheme."""
    service: str
    """Service name in request signatures. It tells the functions the kind, such as ``aoss``."""
    index_name: str

    @property
    def index(self) -> IConstruct:
        """The construct that creates the index. Functions that write depend on it."""

    @property
    def sources(self) -> dict[str, Any]:
        """What the hourly record reads from CloudWatch about the store, by names in ``SOURCES``."""

    def grant(self, grantee: lambda_.Function, *, write: bool) -> None:
        """Allow the function to search the index or, with ``write``, to change its documents."""

    def watch(self, waste: Alarms) -> None:
        """Add the alarms."""

    def graphs(self) -> list[cloudwatch.GraphWidget]:
        """Return the graphs for the engineers' dashboard."""


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
