#!/usr/bin/env python3
"""The composition root: load the deployment, plan, build the stacks, check them."""

from __future__ import annotations

import sys
from pathlib import Path

import aws_cdk as cdk
import cdk_nag

from stacks.components.bundle import BundleError
from stacks.rag import RagStack
from sustainability.deployment import Deployment
from sustainability.errors import UserError
from sustainability.footprint import footprint, synth_line
from sustainability.nag.pack import SustainabilityChecks
from sustainability.regions import check_region
from sustainability.serving import ServingPlan, plan_serving


def build(app: cdk.App, deployment: Deployment) -> ServingPlan:
    """Add the deployment's stacks, and the checks that they must pass, to the app.

    Raises
    ------
    UserError
        If the deployment asks for what its Region does not have or must not be used for.
    """
    check_region(deployment)
    plan = plan_serving(deployment)
    env = cdk.Environment(region=deployment.region)
    RagStack(app, f"{deployment.name}-rag", deployment=deployment, env=env)
    for key, value in {"deployment": deployment.name, **deployment.tags}.items():
        cdk.Tags.of(app).add(key, value)
    cdk.Validations.of(app).add_plugins(
        SustainabilityChecks(app, settings=deployment.rule_settings),
        cdk_nag.AwsSolutionsChecks(app),
        cdk_nag.ServerlessChecks(app),
    )
    return plan


def main() -> None:
    """Synthesize the deployment that ``-c deployment=NAME`` chooses."""
    app = cdk.App()
    name = app.node.get_context("deployment")
    try:
        deployment = Deployment.load(Path(__file__).parent / "deployments" / f"{name}.yaml")
        plan = build(app, deployment)
        print(synth_line(footprint(deployment, plan)), file=sys.stderr)
    except (UserError, BundleError) as error:
        sys.exit(f"{error}")
    app.synth()


if __name__ == "__main__":
    main()
