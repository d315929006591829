"""Synth: our app, against an app of one bucket."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.measurement import Measurement, best_seconds

_ONE_BUCKET = """
import aws_cdk as cdk
from aws_cdk import aws_s3 as s3
app = cdk.App()
s3.Bucket(cdk.Stack(app, "Stack"), "Bucket")
app.synth()
"""


def run() -> list[Measurement]:
    """Synthesize each in processes of their own, as the CDK CLI does."""
    ours = _synth(["app.py"])
    bucket = _synth(["-c", _ONE_BUCKET])
    return [
        Measurement("synth of prod", ours, "s"),
        Measurement("synth of one bucket", bucket, "s"),
        Measurement("times as long", ours / bucket, "", "≤ 2"),
    ]


def _synth(arguments: list[str]) -> float:
    context = json.loads(Path("cdk.json").read_text())["context"] | {"deployment": "prod"}
    binaries = Path(sys.executable).parent
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            **os.environ,
            "PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}",
            "CDK_OUTDIR": folder,
            "CDK_CONTEXT_JSON": json.dumps(context),
        }

        def synth() -> None:
            command = [sys.executable, *arguments]
            subprocess.run(command, env=environment, capture_output=True, check=True)

        return best_seconds(synth, runs=3)
