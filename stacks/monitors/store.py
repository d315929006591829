"""The knowledge store: capacity that is awake, held against what is asked of it."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch

from stacks.monitors.alarms import Alarms
from stacks.monitors.graphs import BLUE, GREEN, ORANGE, PURPLE, graph
from stacks.monitors.metrics import FIVE_MINUTES, HOUR, maths, metric, own
from stacks.rag import RagStack
from stacks.stores.opensearch import DomainStore
from sustainability.deployment.schema import Deployment

_DAY_H = 24


class StoreMonitor:
    """Alarms and graphs of OpenSearch, as a domain or serverless."""

    def __init__(self, *, deployment: Deployment, rag: RagStack) -> None:
        self._deployment = deployment
        store = rag.store
        self._account = {"ClientId": cdk.Aws.ACCOUNT_ID}
        self._domain = (
            {**self._account, "DomainName": store.domain_name}
            if isinstance(store, DomainStore)
            else None
        )

    def watch(self, waste: Alarms) -> None:
        """Add the alarms."""
        if self._domain is None:
            awake = maths(
                "IF(FILL(questions, 0) + FILL(embedded, 0) > 0, 0, "
                "FILL(searching, 0) + FILL(indexing, 0))",
                label="capacity awake, and nobody asks",
                questions=own(self._deployment, "answer", "Questions"),
                embedded=own(self._deployment, "ingest", "ChunksEmbedded"),
                searching=self._ocu("SearchOCU"),
                indexing=self._ocu("IndexingOCU"),
            )
            waste.add(
                "StoreAwake",
                awake,
                ">",
                0,
                periods=int(HOUR.to_minutes() / FIVE_MINUTES.to_minutes()),
                practice="GENSUS01-BP01",
                says="OpenSearch capacity has been awake for an hour in which nobody asked. Find "
                "what keeps it awake: a floor above 0, a health check, or another collection, as "
                "the metric is that of the account.",
            )
            return
        idle = maths(
            "IF(FILL(nodes, 0) > 0, FILL(questions, 0) + FILL(embedded, 0), 1)",
            HOUR,
            label="asked of nodes that are awake",
            nodes=metric("AWS/ES", "CPUUtilization", self._domain, "SampleCount"),
            questions=own(self._deployment, "answer", "Questions"),
            embedded=own(self._deployment, "ingest", "ChunksEmbedded"),
        )
        waste.add(
            "StoreAwake",
            idle,
            "<",
            1,
            periods=_DAY_H,
            practice="GENSUS01-BP01",
            says="OpenSearch nodes ran for a day in which nobody asked. Choose knowledge.store: "
            "serverless, which sleeps.",
        )

    def graphs(self) -> list[cloudwatch.GraphWidget]:
        """Return the engineer's graphs."""
        if self._domain is None:
            minute = cdk.Duration.minutes(1)
            ceiling = self._deployment.knowledge.serverless.max_ocu
            return [
                graph(
                    "OpenSearch capacity awake (account)",
                    self._ocu("SearchOCU", minute, label="search", color=BLUE),
                    self._ocu("IndexingOCU", minute, label="indexing", color=ORANGE),
                    unit="OCU",
                    limit=ceiling,
                    limit_label="ceiling of each",
                )
            ]

        def of_domain(name: str, statistic: str, label: str, color: str) -> cloudwatch.Metric:
            assert self._domain is not None
            return metric("AWS/ES", name, self._domain, statistic, label=label, color=color)

        return [
            graph(
                "OpenSearch nodes",
                of_domain("CPUUtilization", "Average", "processor, mean", BLUE),
                of_domain("JVMMemoryPressure", "Maximum", "heap, fullest node", ORANGE),
                unit="%",
                top=100,
            ),
            graph(
                "OpenSearch searches",
                of_domain("SearchRate", "Sum", "of shards, a minute", GREEN),
                unit="searches",
            ),
            graph(
                "OpenSearch disk",
                of_domain("FreeStorageSpace", "Minimum", "free, fullest node", PURPLE),
                unit="MB",
                limit=self._deployment.knowledge.domain.volume_gb * 1000,
                limit_label="provisioned",
            ),
        ]

    def _ocu(
        self,
        name: str,
        period: cdk.Duration = FIVE_MINUTES,
        *,
        label: str | None = None,
        color: str | None = None,
    ) -> cloudwatch.Metric:
        return metric(
            "AWS/AOSS", name, self._account, "Sum", period=period, label=label, color=color
        )
