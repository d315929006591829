"""Where compiled models lie, known to all who make, serve and look for them."""

from __future__ import annotations

from sustainability.deployment.schema import Deployment
from sustainability.offers.endpoint_models import InferenceModel


def artifacts_bucket(deployment: Deployment, account: str) -> str:
    """Return the name of the bucket of a deployment's compiled models in an account."""
    return f"{deployment.name}-models-{account}-{deployment.region}"


def artifacts_prefix(shape: InferenceModel) -> str:
    """Return where in the bucket the model compiled for exactly these shapes lies.

    A change of shape is a change of place: no server ever starts with graphs of another shape,
    which it would have to compile.
    """
    return (
        f"compiled/{shape.name}/batch-{shape.slots}-length-{shape.sequence_length}"
        f"-cores-{shape.tensor_parallel}/"
    )
