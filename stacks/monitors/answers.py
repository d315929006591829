"""Alarms and graphs of the answers: where they come from, and waste in their tokens and memory."""

from __future__ import annotations

from functools import partial

from aws_cdk import aws_cloudwatch as cloudwatch

from stacks.instruments.alarms import Alarms
from stacks.instruments.burn_rates import LEAST_FAILURES
from stacks.instruments.graphs import BLUE, GREEN, GREY, ORANGE, RED, TEAL, WIDTH, Line, graph
from stacks.instruments.metrics import DAY, HOUR, maths, metric, own, scaled
from stacks.rag import RagStack
from sustainability.deployment.function_sizes import ANSWER_MEMORY_MIB
from sustainability.deployment.schema import Deployment
from sustainability.energy.repetition import Repetition
from sustainability.energy.small_first import SmallFirst
from sustainability.facts.lookup import Facts
from sustainability.plan.serving_plan import ServingPlan

_KB = 1000


class AnswerMonitor:
    """Alarms and graphs of tokens, cache, memory and logs."""

    def __init__(self, *, deployment: Deployment, plan: ServingPlan, rag: RagStack) -> None:
        self._deployment, self._plan = deployment, plan
        self._own = partial(own, deployment, "answer")
        group = {"LogGroupName": rag.answer.log_group.log_group_name}
        self._logged = metric("AWS/Logs", "IncomingBytes", group, "Sum")
        self._longest: Line | None = None

    def watch(self, waste: Alarms) -> None:
        """Add the alarms."""
        limits, traffic = self._deployment.monitoring.waste, self._deployment.traffic
        waste.add(
            "OutputTruncated",
            maths(
                f"IF(cut >= {LEAST_FAILURES}, 100 * cut / (bedrock + endpoint), 0)",
                HOUR,
                label="cut at the token limit, %",
                cut=self._own("OutputTruncated"),
                bedrock=self._own("BedrockAnswers"),
                endpoint=self._own("EndpointAnswers"),
            ),
            ">",
            100 * limits.truncated_share,
            practice="GENCOST03-BP02",
            says="Too many answers are cut at answers.max_tokens, so users pay for incomplete "
            "answers. Ask for shorter answers in prompts/, or raise the limit.",
        )
        self._longest = waste.add(
            "InputOverBudget",
            self._own("InputTokens", "p95", period=HOUR),
            ">",
            traffic.input_tokens.p95,
            practice="AGENTSUS02-BP01",
            vital=True,
            says="Prompts are longer than traffic.input_tokens.p95, which the plan uses. Lower "
            "answers.context_tokens or answers.passages, or correct traffic.input_tokens.",
        )
        kept = Repetition.of(self._deployment).kept
        if kept:
            waste.add(
                "CacheCollapsed",
                maths(
                    f"IF(questions >= {LEAST_FAILURES}, 100 * FILL(hits, 0) / questions, 100)",
                    DAY,
                    label="from the cache, %",
                    hits=self._own("CacheHits"),
                    questions=self._own("Questions"),
                ),
                "<",
                100 * limits.cache_share * kept,
                periods=1,
                practice="AGENTSUS02-BP02",
                says="The cache answers far fewer questions than traffic.cache_hit_share expects. "
                "Check whether users ask new questions or answers.cache is too short.",
            )
        waste.add(
            "LogVolume",
            maths(
                "IF(questions > 0, logged / questions, 0)",
                HOUR,
                label="log bytes per question",
                logged=self._logged,
                questions=self._own("Questions"),
            ),
            ">",
            Facts()("workload/log_kb_per_answer", "kB").high * _KB,
            practice="SUS04-BP05",
            vital=True,
            says="A question writes more log bytes than the footprint expects. Look for a log line "
            "in a loop, or a log level below INFO.",
        )
        waste.add(
            "AnswerMemory",
            self._own("MemoryUsed", "Maximum", period=DAY),
            "<",
            limits.used_share * ANSWER_MEMORY_MIB,
            periods=1,
            practice="SUS05-BP01",
            says="The answer function uses only a small part of its memory. Lower ANSWER_MEMORY_MIB"
            " in sustainability/deployment/function_sizes.py as far as the latency allows.",
        )

    def who_answered(self) -> cloudwatch.GraphWidget:
        """Return the daily graph of the sources of answers."""
        generators, first = [], SmallFirst.of(self._deployment, Facts())
        if first.fit is not None:
            generators.append(self._own("QuotedAnswers", label="quotation", color=GREY))
        if first.model is not None:
            generators.append(self._own("SmallAnswers", label="smaller model", color=ORANGE))
        if self._plan.bedrock_share:
            generators.append(self._own("BedrockAnswers", label="Bedrock", color=BLUE))
        if self._plan.instance_type is not None:
            generators.append(self._own("EndpointAnswers", label="endpoint", color=TEAL))
        return graph(
            "Questions, by who answered",
            self._own("CacheHits", label="cache", color=GREEN),
            *generators,
            self._own("Deferred", label="deferred (503)", color=GREY),
            self._own("Errors", label="failed", color=RED),
            unit="questions",
            stacked=True,
            period=DAY,
        )

    def cache_share(self) -> cloudwatch.GraphWidget:
        """Return the daily graph of the share of questions that the cache answers."""
        planned = Repetition.of(self._deployment).kept
        return graph(
            "Answered by the cache",
            maths(
                "100 * FILL(hits, 0) / questions",
                DAY,
                label="of all questions",
                color=GREEN,
                hits=self._own("CacheHits"),
                questions=self._own("Questions"),
            ),
            unit="% of questions",
            period=DAY,
            limit=Line(100 * planned, "planned") if planned else None,
            top=100,
        )

    def energy_range(self) -> cloudwatch.GraphWidget:
        """Return the daily graph of the range of the energy estimate."""
        return graph(
            "Energy of answers: range of the estimate",
            *(
                self._own(f"EnergyWh{bound}", label=bound.lower(), color=color)
                for bound, color in (("Low", GREEN), ("Mid", BLUE), ("High", ORANGE))
            ),
            unit="Wh per day",
            period=DAY,
            width=2 * WIDTH,
        )

    def graphs(self) -> list[cloudwatch.GraphWidget]:
        """Return the graphs for the engineer dashboard."""
        return [
            graph(
                "Answer function: memory",
                self._own("MemoryUsed", "Maximum", label="used", color=BLUE),
                unit="MB",
                limit=Line(ANSWER_MEMORY_MIB, "provisioned"),
            ),
            graph(
                "Tokens per question",
                self._own("InputTokens", "p95", label="input, 95th percentile", color=BLUE),
                self._own("InputTokens", "Average", label="input, mean", color=TEAL),
                self._own("OutputTokens", "Average", label="output, mean", color=ORANGE),
                unit="tokens",
                limit=self._longest,
            ),
            graph(
                "Log volume",
                scaled(self._logged, _KB, label="answer function", color=GREY),
                unit="kB",
            ),
        ]
