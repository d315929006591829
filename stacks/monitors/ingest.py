"""Alarms and graphs of the ingest: late or rejected documents, and repeated work."""

from __future__ import annotations

from functools import partial

from aws_cdk import aws_cloudwatch as cloudwatch

from stacks.instruments.alarms import Alarms
from stacks.instruments.graphs import BLUE, GREEN, GREY, ORANGE, RED, Line, graph
from stacks.instruments.metrics import DAY, known, maths, metric, own
from stacks.rag import RagStack
from sustainability.deployment.function_sizes import INGEST_MEMORY_MIB
from sustainability.deployment.schema import Deployment
from sustainability.energy.demand import document_tokens
from sustainability.facts.lookup import Facts


class IngestMonitor:
    """Alarms and graphs of the ingest queue and function."""

    def __init__(self, *, deployment: Deployment, rag: RagStack) -> None:
        self._deployment = deployment
        self._own = partial(own, deployment, "ingest")
        self._queue = {"QueueName": rag.queue.queue_name}
        self._dead_letters = {"QueueName": rag.dead_letters.queue_name}
        self._lag: Line | None = None

    def watch(self, sla: Alarms, waste: Alarms) -> None:
        """Add the alarms."""
        monitoring = self._deployment.monitoring
        sla.add(
            "DeadLetters",
            metric("AWS/SQS", "ApproximateNumberOfMessagesVisible", self._dead_letters, "Maximum"),
            ">",
            0,
            periods=1,
            vital=True,
            says="A document could not be ingested, so answers do not use it. The messages in the "
            "dead-letter queue give the reason.",
        )
        lag = monitoring.ingest_lag
        self._lag = sla.add(
            "IngestLag",
            # A message that waits for another try is not visible. Its age tells of the fault, and
            # the dead letters do if the fault lasts.
            maths(
                "IF(waiting >= 1, age, 0)",
                label="age of what waits, s",
                waiting=metric(
                    "AWS/SQS", "ApproximateNumberOfMessagesVisible", self._queue, "Average"
                ),
                age=metric("AWS/SQS", "ApproximateAgeOfOldestMessage", self._queue, "Maximum"),
            ),
            ">",
            known("AWS/SQS", "ApproximateAgeOfOldestMessage").of_seconds(lag.total_seconds()),
            says=f"A document change has waited longer than monitoring.ingest_lag, {lag}. What is "
            "tried again after a failure does not count.",
        )
        waste.add(
            "EmbeddedAgain",
            self._own("ChunksEmbedded", period=DAY),
            ">",
            round(monitoring.waste.corpus_per_day * self._passages()),
            periods=1,
            practice="GENSUS02-BP01",
            vital=True,
            says="More passages are embedded in a day than monitoring.waste.corpus_per_day allows. "
            "Find out what rewrites documents that did not change, or correct knowledge.documents.",
        )
        waste.add(
            "IngestMemory",
            self._own("MemoryUsed", "Maximum", period=DAY),
            "<",
            monitoring.waste.used_share * INGEST_MEMORY_MIB,
            periods=1,
            practice="SUS05-BP01",
            says="The ingest function uses only a small part of its memory. Lower INGEST_MEMORY_MIB"
            " in sustainability/deployment/function_sizes.py.",
        )

    def graphs(self) -> list[cloudwatch.GraphWidget]:
        """Return the graphs for the engineer dashboard."""
        return [
            graph(
                "Ingest: documents",
                self._own("DocumentsIndexed", label="changed", color=BLUE),
                self._own("DocumentsUnchanged", label="unchanged", color=GREY),
                self._own("DocumentsDeleted", label="deleted", color=GREEN),
                self._own("DocumentsRejected", label="rejected", color=RED),
                unit="documents",
                stacked=True,
            ),
            graph(
                "Ingest: passages",
                self._own("ChunksEmbedded", label="embedded", color=ORANGE),
                self._own("ChunksUnchanged", label="unchanged", color=GREEN),
                unit="passages",
                stacked=True,
            ),
            graph(
                "Ingest: longest wait",
                metric(
                    "AWS/SQS",
                    "ApproximateAgeOfOldestMessage",
                    self._queue,
                    "Maximum",
                    label="oldest event in the queue",
                    color=BLUE,
                ),
                unit="s",
                limit=self._lag,
            ),
            graph(
                "Ingest: dead letters",
                metric(
                    "AWS/SQS",
                    "ApproximateNumberOfMessagesVisible",
                    self._dead_letters,
                    "Maximum",
                    label="messages to read",
                    color=RED,
                ),
                unit="messages",
            ),
            graph(
                "Ingest function: memory",
                self._own("MemoryUsed", "Maximum", label="used", color=BLUE),
                unit="MB",
                limit=Line(INGEST_MEMORY_MIB, "provisioned"),
            ),
        ]

    def _passages(self) -> float:
        knowledge = self._deployment.knowledge
        tokens = document_tokens(self._deployment, Facts()).high
        return knowledge.documents * max(1, tokens / knowledge.chunk_tokens)
