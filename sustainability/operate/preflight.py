"""What an account must have before a deployment. The checks only read, and change nothing.

boto3's own configuration applies: credentials and ``AWS_ENDPOINT_URL``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Any

import boto3
import botocore.exceptions

from sustainability.decide.model_review import replacement
from sustainability.decide.region_requirements import BUILT_IMAGES
from sustainability.deployment.accepted import EMBEDDING_DIMENSIONS
from sustainability.deployment.schema import Deployment, Store
from sustainability.energy.small_first import SmallFirst
from sustainability.errors import UserError
from sustainability.facts.lookup import Facts
from sustainability.offers.bedrock import ModelName
from sustainability.offers.serving_images import EcrImage
from sustainability.operate.compiling import Compiling
from sustainability.operate.lifecycles import lifecycle, lifecycles
from sustainability.plan.compiled_models import COMPILE_INSTANCE
from sustainability.plan.serving_plan import ServingPlan
from sustainability.plan.tuning import tuning

_ABSENT = frozenset(
    {
        "ImageNotFoundException",
        "ParameterNotFound",
        "RepositoryNotFoundException",
        "ResourceNotFoundException",
    }
)
_GRANTED = {
    "authorizationStatus": "AUTHORIZED",
    "entitlementAvailability": "AVAILABLE",
    "regionAvailability": "AVAILABLE",
}


class Status(StrEnum):
    """The result of one check."""

    READY = "ready"
    MISSING = "missing"
    UNKNOWN = "unknown"
    """AWS did not answer: no permission to read, or the service does not exist here."""


@dataclass(frozen=True)
class Finding:
    """One need of the deployment, and whether the account meets it."""

    need: str
    status: Status
    text: str
    """What was found and, if something is missing, what to do."""

    def __str__(self) -> str:
        """Return one line of text."""
        return f"{self.status:<7}  {self.need}: {self.text}"


COMPILED = "compiled "
"""The beginning of a compiled model's check. Its bucket can be deployed before the rest."""
COMPILE_QUOTA = f"{COMPILE_INSTANCE} for training job usage"
_UNRESERVED = 100
"""Concurrent executions that Lambda keeps for functions without reserved concurrency."""
_BOOTSTRAP_VERSION = 6
"""The bootstrap version that CDK stacks require."""
_Check = Callable[[], tuple[bool, str]]


def preflight(deployment: Deployment, plan: ServingPlan, session: boto3.Session) -> list[Finding]:
    """Check every need of ``deployment``, served by ``plan``.

    Raises
    ------
    UserError
        If there are no credentials, or no connection.
    """
    try:
        return [_finding(need, check) for need, check in _checks(deployment, plan, session)]
    except botocore.exceptions.NoCredentialsError as error:
        raise UserError("no AWS credentials; run `aws sso login` or set AWS_PROFILE") from error
    except botocore.exceptions.EndpointConnectionError as error:
        raise UserError(f"{error}; for the embedded AWS, run `make up`") from error


def _finding(need: str, check: _Check) -> Finding:
    try:
        ready, text = check()
    except botocore.exceptions.ClientError as error:
        return Finding(need, Status.UNKNOWN, str(error))
    return Finding(need, Status.READY if ready else Status.MISSING, text)


def _checks(
    deployment: Deployment, plan: ServingPlan, session: boto3.Session
) -> Iterator[tuple[str, _Check]]:
    models = [deployment.knowledge.embedding.model]
    if plan.bedrock_share > 0:
        models.append(deployment.answers.generator)
    if (small := SmallFirst.of(deployment, Facts()).model) is not None:
        models.append(small)
    for model in models:
        yield f"Bedrock model {model}", partial(_model_access, session, model, deployment)
    yield "Lambda concurrency", partial(_concurrency, session, plan.answer_concurrency)
    qualifier = deployment.company.qualifier or "hnb659fds"
    yield "CDK bootstrap", partial(_bootstrap, session, qualifier)
    for service in _services_with_roles(deployment, plan):
        yield f"service-linked role of {service}", partial(_service_role, session, service)
    if plan.instance_type is None or plan.model is None:
        return
    quota = f"{plan.instance_type} for endpoint usage"
    yield f"quota {quota}", partial(_quota, session, quota, plan.max_instances)
    image = deployment.inference.image
    if image not in BUILT_IMAGES:
        yield f"image {image}", partial(_image, session, EcrImage.parse(image))
    compiling = Compiling(deployment, plan.model, session)
    yield f"{COMPILED}{plan.model.name}", partial(_artifacts, compiling)
    yield f"quota {COMPILE_QUOTA}", partial(_compile_quota, session, compiling)
    tuned = tuning(deployment, plan)
    if tuned is not None:
        # It tunes on spot capacity, and judges on demand.
        for use in ("spot training job usage", "training job usage"):
            quota = f"{tuned.instance_type} for {use}"
            yield f"quota {quota}", partial(_quota, session, quota, 1)


def _model_access(
    session: boto3.Session, model_id: str, deployment: Deployment
) -> tuple[bool, str]:
    client, name = session.client("bedrock"), ModelName.parse(model_id)
    found = client.get_foundation_model_availability(modelId=name.model)
    refused = [key for key, granted in _GRANTED.items() if found[key] != granted]
    if found["agreementAvailability"]["status"] != "AVAILABLE":
        refused.append("agreementAvailability")
    if refused:
        return False, (
            f"no access ({', '.join(refused)}); accept the model's terms, or ask an administrator "
            "for access, in the Bedrock console under Model access"
        )
    if name.scope is not None:
        profile = client.get_inference_profile(inferenceProfileIdentifier=model_id)
        if profile["status"] != "ACTIVE":
            return False, f"the profile is {profile['status']}; choose another answers.generator"
    known = lifecycle(session, model_id)
    if known.is_legacy:
        return False, f"{known}; {_successor(session, model_id, deployment)}"
    return True, f"access granted, {known}"


def _successor(session: boto3.Session, model_id: str, deployment: Deployment) -> str:
    """Return what to do about a legacy model."""
    offered = lifecycles(session)
    if model_id == deployment.knowledge.embedding.model:
        active = [
            name for name in EMBEDDING_DIMENSIONS if name in offered and not offered[name].is_legacy
        ]
        return (
            f"choose another knowledge.embedding.model ({', '.join(active) or 'none is active'}); "
            "it makes a new index before the old one is deleted"
        )
    smallest = replacement(deployment, offered)
    return (
        f"the smallest replacement that passes the limits of the file is answers.generator: "
        f"{smallest or 'extractive'}; ask it your questions first: python -m sustainability "
        "review-models FILE --ask --questions FILE"
    )


def _concurrency(session: boto3.Session, needed: int) -> tuple[bool, str]:
    limits = session.client("lambda").get_account_settings()["AccountLimit"]
    total = limits["ConcurrentExecutions"]
    text = f"{total} granted, {needed} reserved by answers.concurrency"
    if total - needed >= min(_UNRESERVED, total):
        return True, text
    return False, (
        f"{text}, and {_UNRESERVED} must stay unreserved; lower answers.concurrency or run `aws "
        "service-quotas request-service-quota-increase --service-code lambda --quota-code "
        f"L-B99A9384 --desired-value {max(1000, needed + _UNRESERVED)}`"
    )


def _bootstrap(session: boto3.Session, qualifier: str) -> tuple[bool, str]:
    version: list[int] = []

    def look() -> None:
        found = session.client("ssm").get_parameter(Name=f"/cdk-bootstrap/{qualifier}/version")
        version.append(int(found["Parameter"]["Value"]))

    if _is_absent(look):
        return True, "not found; `make deploy` creates it"
    if version[0] < _BOOTSTRAP_VERSION:
        return False, f"version {version[0]}, {_BOOTSTRAP_VERSION} needed; run `npx cdk bootstrap`"
    return True, f"version {version[0]}"


def _services_with_roles(deployment: Deployment, plan: ServingPlan) -> list[str]:
    services = []
    if deployment.knowledge.store is Store.SERVERLESS:
        services.append("observability.aoss.amazonaws.com")
    if plan.instance_type is not None:
        services.append("sagemaker.application-autoscaling.amazonaws.com")
    return services


def _service_role(session: boto3.Session, service: str) -> tuple[bool, str]:
    pages = session.client("iam").get_paginator("list_roles")
    for page in pages.paginate(PathPrefix=f"/aws-service-role/{service}/"):
        if page["Roles"]:
            return True, "there"
    return True, (
        "created at first use; if your role may not create it, run `aws iam "
        f"create-service-linked-role --aws-service-name {service}`"
    )


def _quota(session: boto3.Session, name: str, needed: int) -> tuple[bool, str]:
    client = session.client("service-quotas")
    # The first call returns granted increases, the second the default quotas.
    for operation in ("list_service_quotas", "list_aws_default_service_quotas"):
        for page in client.get_paginator(operation).paginate(ServiceCode="sagemaker"):
            for quota in page["Quotas"]:
                if quota["QuotaName"] == name:
                    return quota["Value"] >= needed, _compare(quota, needed)
    return False, f"no quota with this name; {needed} needed, ask AWS Support"


def _compare(quota: dict[str, Any], needed: int) -> str:
    text = f"{quota['Value']:.0f} granted, {needed} needed"
    if quota["Value"] >= needed:
        return text
    return (
        f"{text}; run `aws service-quotas request-service-quota-increase --service-code sagemaker "
        f"--quota-code {quota['QuotaCode']} --desired-value {needed}`"
    )


def _image(session: boto3.Session, image: EcrImage) -> tuple[bool, str]:
    kind = "imageTag" if image.reference.startswith(":") else "imageDigest"
    arguments = {
        "registryId": image.account,
        "repositoryName": image.repository,
        "imageIds": [{kind: image.reference[1:]}],
    }
    if _is_absent(lambda: session.client("ecr").describe_images(**arguments)):
        return False, "not in the registry; push it, or set inference.image to codebuild"
    return True, "in the registry"


def _artifacts(compiling: Compiling) -> tuple[bool, str]:
    missing = compiling.missing()
    if missing == []:
        return True, compiling.place
    what = f"{', '.join(missing)} missing in" if missing else "no bucket, so not in"
    return False, (
        f"{what} {compiling.place}; run `python -m sustainability compile` with the deployment's "
        "file (`make deploy` does it, too)"
    )


def _compile_quota(session: boto3.Session, compiling: Compiling) -> tuple[bool, str]:
    if compiling.missing() == []:
        return True, "not needed: the model is compiled"
    ready, text = _quota(session, COMPILE_QUOTA, 1)
    if not ready:
        text += (
            ", or compile on a machine of your own: `python -m sustainability compile --commands`"
        )
    return ready, text


def _is_absent(look: Callable[[], object]) -> bool:
    try:
        look()
    except botocore.exceptions.ClientError as error:
        if error.response["Error"]["Code"] in _ABSENT:
            return True
        raise
    return False
