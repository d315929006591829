"""The answer and ingest paths without models and stores: the time of our own code."""

from __future__ import annotations

import itertools
import json
import os
import time
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

from benchmarks.measurement import Measurement, percentiles
from rag import answer_handler
from tests.unit.rag.fakes import Services

SAMPLES = Path("samples/documents")


def run() -> list[Measurement]:
    """Ask and ingest against in-memory services."""
    services = Services()
    began = time.perf_counter()
    count = 0
    for file in SAMPLES.rglob("*.*"):
        key = file.relative_to(SAMPLES).as_posix()
        services.s3.objects[key] = file.read_bytes()
        count += services.reconciler().reconcile(key).embedded
    ingest = time.perf_counter() - began

    answering, numbers = services.answering(), itertools.count()
    settings = SimpleNamespace(limits=answering.limits)

    def ask() -> None:
        body = {"question": f"How is a wind turbine number {next(numbers)} kept cool?"}
        event = {"routeKey": "POST /answers", "body": json.dumps(body)}
        assert answer_handler.handler(event, None)["statusCode"] == 200

    with (
        Path(os.devnull).open("w") as log,
        patch.object(answer_handler.logger.registered_handler, "stream", log),
        patch.object(answer_handler, "_answering", lambda: answering),
        patch.object(answer_handler, "_settings", lambda: settings),
        patch.object(answer_handler, "emit", lambda *_: None),
        patch.dict("os.environ", {"DEPLOYMENT": "bench"}),
    ):
        ask()
        median, p95 = percentiles(ask, runs=200)
    return [
        Measurement("warm answer, p50", median, "ms", "≤ 10"),
        Measurement("warm answer, p95", p95, "ms"),
        Measurement("ingest without embedding", count / ingest, "passages/s"),
    ]
