"""A CDK app with the inference stack of every mode, which an end-to-end test lets live and die.

``-c slots=N`` and ``-c instance_type=T`` change every plan, as another model profile would.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import aws_cdk as cdk

from stacks.inference import InferenceStack
from sustainability.deployment.schema import Deployment
from sustainability.plan.serving import plan_serving

EXAMPLES = Path(__file__).resolve().parents[2] / "deployments" / "examples"
MODES = ("bridged", "realtime", "async", "batch")


def main() -> None:
    """Synthesize."""
    app = cdk.App()
    slots = int(app.node.get_context("slots"))
    instance_type = app.node.get_context("instance_type")
    for mode in MODES:
        deployment = Deployment.load(EXAMPLES / f"{mode}.yaml")
        plan = plan_serving(deployment)
        assert plan.mode == mode
        assert plan.model is not None
        plan = replace(plan, instance_type=instance_type, model=replace(plan.model, slots=slots))
        env = cdk.Environment(region=deployment.region)
        InferenceStack(app, f"{mode}-inference", deployment=deployment, plan=plan, env=env)
    app.synth()


if __name__ == "__main__":
    main()
