"""The lifecycle of Bedrock's models, as the account's Region states it."""

from __future__ import annotations

import boto3

from sustainability.offers.bedrock import ModelName
from sustainability.offers.lifecycle import Lifecycle


def lifecycle(session: boto3.Session, model: str) -> Lifecycle:
    """Return the lifecycle of a model, or of the model behind an inference profile.

    Raises
    ------
    botocore.exceptions.ClientError
        If Bedrock does not know the model here, or the permission is missing.
    """
    name = ModelName.parse(model).model
    found = session.client("bedrock").get_foundation_model(modelIdentifier=name)
    return Lifecycle.of(found["modelDetails"])


def lifecycles(session: boto3.Session) -> dict[str, Lifecycle]:
    """Return the lifecycle of each model that the Region lists.

    Raises
    ------
    botocore.exceptions.ClientError
        If the permission is missing.
    """
    found = session.client("bedrock").list_foundation_models()
    return {each["modelId"]: Lifecycle.of(each) for each in found["modelSummaries"]}
