"""A CDK app with the monitoring of every mode, beside what it watches."""

from __future__ import annotations

from pathlib import Path

import aws_cdk as cdk

from cfn_sustainability.settings import Profile
from stacks.inference import InferenceStack
from stacks.monitoring import MonitoringStack
from stacks.rag import RagStack
from sustainability.deployment.schema import Availability, Deployment, Domain, Store
from sustainability.plan.serving import plan_serving
from sustainability.plan.serving_plan import Mode

_FOLDER = Path(__file__).resolve().parents[2] / "deployments"
_FILES = ("prod", "examples/bridged", "examples/realtime", "examples/async", "examples/batch")


def deployments() -> list[Deployment]:
    """Return ours, one for each mode, under names of this test's own."""
    return [_renamed(Deployment.load(_FOLDER / f"{name}.yaml")) for name in _FILES]


def _renamed(deployment: Deployment) -> Deployment:
    inference = deployment.inference
    if deployment.name == "realtime":  # on a host with processors to spare, which is waste as well
        inference = inference.model_copy(update={"instance_types": ("ml.inf2.8xlarge",)})
    knowledge = deployment.knowledge
    if knowledge.store is Store.DOMAIN:  # on nodes larger than needed, likewise
        domain = Domain(instance_type="m7g.large.search")
        knowledge = knowledge.model_copy(update={"domain": domain})
    level = deployment.service_level
    if level.availability is Availability.BEST_EFFORT:  # which has the fewest alarms
        level = level.model_copy(update={"availability": Availability.STANDARD})
    return deployment.model_copy(
        update={
            "name": f"seen-{deployment.name}",
            "inference": inference,
            "knowledge": knowledge,
            "service_level": level,
            "profile": Profile.DEVELOPMENT,  # nothing outlives the test
        }
    )


def _silenced(deployment: Deployment) -> Deployment:
    """Return a deployment whose functions write metrics under a name that nobody watches.

    One of each kind of store is enough to be watched, and what happens to be measured while it is
    deployed must not be taken for what the test puts in.
    """
    return deployment.model_copy(update={"name": f"not{deployment.name}"})


def main() -> None:
    """Synthesize."""
    app = cdk.App()
    rags: dict[Store, RagStack] = {}
    for deployment in deployments():
        name, plan, store = deployment.name, plan_serving(deployment), deployment.knowledge.store
        env = cdk.Environment(region=deployment.region)
        inference = None
        if plan.mode is not Mode.BEDROCK:
            inference = InferenceStack(
                app, f"{name}-inference", deployment=deployment, plan=plan, env=env
            )
        if store not in rags:
            rags[store] = RagStack(
                app, f"{name}-rag", deployment=_silenced(deployment), plan=plan, env=env
            )
        MonitoringStack(
            app,
            f"{name}-monitoring",
            deployment=deployment,
            plan=plan,
            rag=rags[store],
            inference=inference,
            env=env,
        )
    app.synth()


if __name__ == "__main__":
    main()
