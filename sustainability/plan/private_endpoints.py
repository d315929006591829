"""Which interface endpoints the functions of a deployment need in a VPC."""

from __future__ import annotations

from sustainability.deployment.schema import Deployment
from sustainability.plan.serving_plan import Mode, ServingPlan


def interface_endpoints(deployment: Deployment, plan: ServingPlan) -> tuple[str, ...]:
    """Return the names of the services, as in ``com.amazonaws.REGION.NAME``; none if not asked for.

    S3 and DynamoDB are not among them: their gateway endpoints cost nothing.
    """
    network = deployment.company.network
    if network is None or not network.endpoints:
        return ()
    names = ["bedrock-runtime", "s3vectors", "sqs"]
    if deployment.answers.prompt_management:
        names.append("bedrock-agent")
    if plan.mode is not Mode.BEDROCK:
        names.append("sagemaker.runtime")
    return tuple(names)
