#!/usr/bin/env python3
"""The composition root: load the deployment, plan, build the stacks, check them."""

from __future__ import annotations

import sys
from pathlib import Path

import aws_cdk as cdk
import cdk_nag
from aws_cdk import aws_iam as iam

from cfn_sustainability.pack import SustainabilityChecks
from stacks.budget import BudgetStack
from stacks.compiled_models import ModelsStack
from stacks.customization import CustomizationStack
from stacks.functions.bundle import BundleError
from stacks.inference import InferenceStack
from stacks.monitoring import MonitoringStack
from stacks.rag import RagStack
from sustainability.decide.region_requirements import checked_plan
from sustainability.deployment.schema import Deployment
from sustainability.errors import UserError
from sustainability.footprint.footprint import footprint
from sustainability.plan.serving_plan import Mode, ServingPlan
from sustainability.plan.tuning import tuning
from sustainability.report.footprint import synth_line
from sustainability.stores.generation import SERVING, Generation

_FIXED_TAGS = ["AWS::OpenSearchServerless::Collection", "aws:cdk:stack"]
"""Types that accept tags only at creation. Another tag would need a new collection with the same
name, which CloudFormation refuses. Tags of a stack also reach the collection."""


def build(app: cdk.App, deployment: Deployment) -> ServingPlan:
    """Add the deployment's stacks, and the checks that they must pass, to the app.

    Raises
    ------
    UserError
        If the deployment needs what its Region does not offer, or what is not allowed there.
    """
    plan = add_stacks(app, deployment)
    cdk.Validations.of(app).add_plugins(
        SustainabilityChecks(app, settings=deployment.rule_settings),
        cdk_nag.AwsSolutionsChecks(app),
        cdk_nag.ServerlessChecks(app),
    )
    return plan


def add_stacks(app: cdk.App, deployment: Deployment) -> ServingPlan:
    """Add only the deployment's stacks, without checks.

    Raises
    ------
    UserError
        If the deployment needs what its Region does not offer, or what is not allowed there.
    """
    plan = checked_plan(deployment)
    tuned = tuning(deployment, plan)
    env = cdk.Environment(region=deployment.region)
    company = deployment.company
    if company.qualifier is not None:
        app.node.set_context("@aws-cdk/core:bootstrapQualifier", company.qualifier)
    rag = RagStack(
        app,
        f"{deployment.name}-rag",
        deployment=deployment,
        plan=plan,
        serving=_serving(app),
        env=env,
    )
    inference = None
    if plan.mode is not Mode.BEDROCK:
        inference = InferenceStack(
            app, f"{deployment.name}-inference", deployment=deployment, plan=plan, env=env
        )
        inference.grant_invoke(rag.answer)
        if plan.model is not None:  # its artifacts must exist before the endpoint
            models = ModelsStack(app, f"{deployment.name}-models", deployment=deployment, env=env)
            inference.add_stack_dependency(models)
            if tuned is not None:
                customization = CustomizationStack(
                    app,
                    f"{deployment.name}-customization",
                    deployment=deployment,
                    plan=plan,
                    tuning=tuned,
                    served_by=inference.stack_name,
                    env=env,
                )
                customization.add_stack_dependency(models)
                inference.add_stack_dependency(customization)
    MonitoringStack(
        app,
        f"{deployment.name}-monitoring",
        deployment=deployment,
        plan=plan,
        rag=rag,
        inference=inference,
        env=env,
    )
    left = app.node.try_get_context("left")
    if left is not None:  # the CDK CLI deletes only stacks of the app, and none is empty
        cdk.CfnWaitConditionHandle(cdk.Stack(app, left, env=env), "Nothing")
    if deployment.monitoring.monthly_budget_usd is not None:
        BudgetStack(app, f"{deployment.name}-budget", deployment=deployment)
    if company.permissions_boundary is not None:
        for stack in app.node.children:
            boundary = iam.ManagedPolicy.from_managed_policy_name(
                stack, "Boundary", company.permissions_boundary
            )
            iam.PermissionsBoundary.of(stack).apply(boundary)
    cdk.Tags.of(app).add("deployment", deployment.name)
    for key, value in deployment.tags.items():
        cdk.Tags.of(app).add(key, value, exclude_resource_types=_FIXED_TAGS)
    return plan


def _serving(app: cdk.App) -> Generation | None:
    """Return the generation of the index that answers now, which ``deploy`` looks up."""
    described = app.node.try_get_context(SERVING)
    return None if described is None else Generation.parse(described)


def main() -> None:
    """Synthesize the deployment that ``-c deployment=NAME`` chooses."""
    app = cdk.App()
    name = app.node.get_context("deployment")
    try:
        deployment = Deployment.load(Path(__file__).parent / "deployments" / f"{name}.yaml")
        plan = build(app, deployment)
        estimate = footprint(deployment, plan)
        print(synth_line(estimate), file=sys.stderr)
        for warning in estimate.warnings:
            print(f"warning: {warning}.", file=sys.stderr)
    except (UserError, BundleError) as error:
        sys.exit(f"{error}")
    app.synth()


if __name__ == "__main__":
    main()
