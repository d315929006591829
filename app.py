#!/usr/bin/env python3
"""The composition root: load the deployment, plan, build the stacks, check them."""

from __future__ import annotations

import sys
from pathlib import Path

import aws_cdk as cdk
import cdk_nag

from stacks.components.bundle import BundleError
from stacks.rag import RagStack
from sustainability.deployment import Deployment, DeploymentError


def build(app: cdk.App, deployment: Deployment) -> None:
    """Add the deployment's stacks and the checks that they must pass to the app."""
    env = cdk.Environment(region=deployment.region)
    RagStack(app, f"{deployment.name}-rag", deployment=deployment, env=env)
    for key, value in {"deployment": deployment.name, **deployment.tags}.items():
        cdk.Tags.of(app).add(key, value)
    cdk.Validations.of(app).add_plugins(
        cdk_nag.AwsSolutionsChecks(app), cdk_nag.ServerlessChecks(app)
    )


def main() -> None:
    """Synthesize the deployment that ``-c deployment=NAME`` chooses."""
    app = cdk.App()
    name = app.node.get_context("deployment")
    try:
        build(app, Deployment.load(Path(__file__).parent / "deployments" / f"{name}.yaml"))
    except (DeploymentError, BundleError) as error:
        sys.exit(f"{error}")
    app.synth()


if __name__ == "__main__":
    main()
