"""Synth needs nothing: no network, no credentials, no environment, no Docker."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def bare(tmp_path: Path) -> dict[str, str]:
    """Return an environment with Node and nothing else: no Docker, no AWS, no network."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "node").symlink_to(Path(sys.executable).parent / "node")
    (tmp_path / "home").mkdir()
    # jsii unpacks the CDK there, once for all tests.
    (tmp_path / "home" / ".cache").symlink_to(Path.home() / ".cache")
    return {
        "PATH": str(tmp_path / "bin"),
        "HOME": str(tmp_path / "home"),
        "NODE_OPTIONS": f"--require={Path(__file__).with_name('deny_network.cjs')}",
        "CDK_OUTDIR": str(tmp_path / "cdk.out"),
        "CDK_CONTEXT_JSON": json.dumps(
            json.loads((ROOT / "cdk.json").read_text())["context"] | {"deployment": "prod"}
        ),
    }


def run_app(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(Path(__file__).with_name("deny_network.py")), "app.py"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_app_synthesizes_with_nothing_around_it(bare: dict[str, str], tmp_path: Path) -> None:
    outcome = run_app(bare)
    assert outcome.returncode == 0, outcome.stderr
    assert (tmp_path / "cdk.out" / "prod-rag.template.json").is_file()


def test_the_network_is_really_cut(bare: dict[str, str]) -> None:
    from_node = subprocess.run(
        ["node", "-e", "fetch('http://127.0.0.1:4566').catch(e => console.log(e.cause.message))"],
        env={**os.environ, **bare},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "may not use the network" in from_node.stdout


def test_an_unknown_deployment_is_one_clear_line(bare: dict[str, str]) -> None:
    context = json.loads(bare["CDK_CONTEXT_JSON"]) | {"deployment": "staging"}
    outcome = run_app(bare | {"CDK_CONTEXT_JSON": json.dumps(context)})
    assert outcome.returncode == 1
    assert "staging.yaml" in outcome.stderr
    assert "Traceback" not in outcome.stderr
