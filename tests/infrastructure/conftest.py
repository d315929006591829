"""Every deployment, synthesized once for all tests in one process."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from cfnlint.config import ConfigMixIn
from cfnlint.decode.decode import decode_str
from cfnlint.rules import Match
from cfnlint.runner import Runner

from app import build
from sustainability.deployment.schema import Deployment
from tests.infrastructure.reading import Templates

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "deployments"
DEPLOYMENTS = tuple(
    sorted(str(file.relative_to(FOLDER).with_suffix("")) for file in FOLDER.rglob("*.yaml"))
)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that asks for ``deployment_name`` on each of our deployments."""
    if "deployment_name" in metafunc.fixturenames:
        ids = [name.replace("/", "-") for name in DEPLOYMENTS]  # a snapshot's file is named so
        metafunc.parametrize("deployment_name", DEPLOYMENTS, ids=ids)


@pytest.fixture(scope="session")
def synthesize(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Deployment], Templates]:
    """Return a function from a deployment to its templates by stack name."""
    context = json.loads((ROOT / "cdk.json").read_text())["context"]

    def synthesize(deployment: Deployment) -> Templates:
        app = cdk.App(context=context, outdir=str(tmp_path_factory.mktemp("cdk.out")))
        build(app, deployment)
        return {stack.stack_name: stack.template for stack in app.synth().stacks}

    return synthesize


@pytest.fixture(scope="session")
def templates_of(synthesize: Callable[[Deployment], Templates]) -> Callable[[str], Templates]:
    """Return a function from the name of one of our deployments to its templates by stack name."""

    @cache
    def templates_of(name: str) -> Templates:
        return synthesize(Deployment.load(FOLDER / f"{name}.yaml"))

    return templates_of


@pytest.fixture
def templates(deployment_name: str, templates_of: Callable[[str], Templates]) -> Templates:
    """Return the templates of one of our deployments by stack name."""
    return templates_of(deployment_name)


@pytest.fixture(scope="session")
def cfn_lint() -> Callable[[dict[str, Any], str], list[Match]]:
    """Return a function from a template and its Region to what cfn-lint finds."""

    @cache
    def runner(region: str) -> Runner:
        # W3005: the CDK states each dependency, also where a reference implies it.
        return Runner(ConfigMixIn(regions=[region], ignore_checks=["W3005"]))

    def lint(template: dict[str, Any], region: str) -> list[Match]:
        decoded, errors = decode_str(json.dumps(template))
        return errors or list(runner(region).validate_template(decoded))

    return lint
