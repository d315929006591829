"""Synth: the RAG stack and all of prod with three rule packs, against an app of one bucket."""

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
_RAG_STACK = """
from pathlib import Path
import aws_cdk as cdk
import cdk_nag
from stacks.rag import RagStack
from sustainability.deployment.schema import Deployment
from cfn_sustainability.pack import SustainabilityChecks
from sustainability.plan.serving import plan_serving
app = cdk.App()
deployment = Deployment.load(Path("deployments/prod.yaml"))
env = cdk.Environment(region=deployment.region)
RagStack(app, "Stack", deployment=deployment, plan=plan_serving(deployment), env=env)
cdk.Validations.of(app).add_plugins(
    SustainabilityChecks(app, settings=deployment.rule_settings),
    cdk_nag.AwsSolutionsChecks(app),
    cdk_nag.ServerlessChecks(app),
)
app.synth()
"""


def run() -> list[Measurement]:
    """Synthesize each in processes of their own, as the CDK CLI does."""
    bucket = _synth(["-c", _ONE_BUCKET])
    rag = _synth(["-c", _RAG_STACK])
    prod = _synth(["app.py"])
    return [
        Measurement("synth of one bucket", bucket, "s"),
        Measurement("synth of the RAG stack", rag, "s"),
        Measurement("times as long", rag / bucket, "", "≤ 2"),
        Measurement("synth of all of prod", prod, "s"),
        Measurement("times as long", prod / bucket, ""),
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

        return best_seconds(synth, runs=5)
