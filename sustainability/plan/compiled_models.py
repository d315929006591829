"""Compiled models: their place in S3, and what makes them, for all code that needs to know."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from typing import Any

from sustainability.deployment.schema import Deployment
from sustainability.offers.endpoint_models import InferenceModel
from sustainability.offers.serving_images import base_image

ARTIFACTS = "compiled/"
JOB_OUTPUT = "jobs/"
"""Prefixes of the bucket: compiled models, and what SageMaker writes beside a job's result."""
COMPILE_ROLE, SERVING_IMAGE = "CompileRoleArn", "ServingImageUri"
"""Outputs of the stack of compiled models."""
COMPILE_INSTANCE = "ml.m7i.4xlarge"
"""The instance type of a compile job: x86, 64 GiB, in every Region that has Inferentia2.

SageMaker trains on no ml.inf2 type (TrainingInstanceType, botocore 1.44), and has ml.trn1 in three
Regions. The compiler needs no Neuron device, so an accelerator would only idle.
"""
COMPILE_LIMIT_S = 3 * 3600
_VOLUME_GB = 100
"""Weights as they are published, and twice as they are compiled, of up to 8 billion parameters."""
_PROGRAM = "/opt/sustainability/neuron_vllm/compile_model.py"
_RESULT = "/opt/ml/checkpoints"
COMPILE_TAKES = "3 to 60 minutes"
"""2.5 minutes were measured for a model of 8 billion parameters (third party), and the Neuron
documentation says 30 to 60 minutes for large ones."""


def artifacts_bucket(deployment: Deployment, account: str) -> str:
    """Return the name of the bucket for the compiled models of a deployment in an AWS account."""
    return f"{deployment.name}-models-{account}-{deployment.region}"


HUB = {
    "qwen3-0.6b": "Qwen/Qwen3-0.6B",
    "qwen3-1.7b": "Qwen/Qwen3-1.7B",
    "qwen3-4b": "Qwen/Qwen3-4B",
    "qwen3-8b": "Qwen/Qwen3-8B",
    "smollm3-3b": "HuggingFaceTB/SmolLM3-3B",
}
"""Where the weights of each model of the catalogue are published, on the Hugging Face Hub."""


def compile_commands(deployment: Deployment, shape: InferenceModel, account: str) -> str:
    """Return what compiles a model for exactly the plan's shapes and puts it into its bucket.

    The compiler is that of the image which serves, so both have one Neuron SDK. The weights come
    from a local folder: exported from a Hub id, each start of the server would download them.
    Source: optimum-neuron 0.4.5, pretrained_model.py.
    """
    image = base_image(deployment.region)
    place = f"s3://{artifacts_bucket(deployment, account)}/{artifacts_prefix(shape)}"
    login = f"aws ecr get-login-password --region {image.region}"
    gigabytes = 2 * shape.host_memory_gib
    return f"""\
# {shape.name} for {deployment.name}: once for each model, batch size and length.
# On an x86-64 Linux machine with Docker, such as an EC2 inf2.8xlarge (128 GiB of memory; the
# compiler itself needs no Neuron device), with about {40 + gigabytes:.0f} GB of free disk. It takes
# {COMPILE_TAKES}: 2.5 minutes were measured for a model of 8 billion parameters, and the Neuron
# documentation says 30 to 60 minutes for large ones. Each line may be run again.
python3 -m pip install huggingface_hub
hf download {HUB[shape.name]} --local-dir model
{login} | docker login --username AWS --password-stdin {image.registry}
docker run --rm --volume "$PWD:/models" --entrypoint optimum-cli {image.uri} \\
  export neuron --model /models/model --task text-generation --instance_type inf2 \\
  --batch_size {shape.slots} --sequence_length {shape.sequence_length} \\
  --tensor_parallel_size {shape.tensor_parallel} /models/compiled
aws s3 sync compiled {place} --region {deployment.region}
"""


def artifacts_prefix(shape: InferenceModel) -> str:
    """Return the S3 prefix of the model that is compiled for exactly these shapes.

    Another shape has another prefix. So a server never starts with a model of another shape, which
    it would have to compile first.
    """
    return (
        f"{ARTIFACTS}{shape.name}/batch-{shape.slots}-length-{shape.sequence_length}"
        f"-cores-{shape.tensor_parallel}/"
    )


def missing_artifacts(names: Collection[str]) -> list[str]:
    """Return what a folder with these files lacks, so that a server would compile or download.

    The serving image requires the same (``containers/neuron_vllm/entrypoint.py``).
    """
    missing = [name for name in ("neuron_config.json", "model.pt") if name not in names]
    if not any(name.endswith(".safetensors") for name in names):
        missing.append("*.safetensors")
    return missing


def job_stem(deployment: Deployment, shape: InferenceModel) -> str:
    """Return how the names of all compile jobs begin that have this result."""
    digest = hashlib.sha256(artifacts_prefix(shape).encode()).hexdigest()[:8]
    return f"{deployment.name[:36]}-{digest}"


def compile_job(
    deployment: Deployment,
    shape: InferenceModel,
    *,
    name: str,
    bucket: str,
    outputs: Mapping[str, str],
) -> dict[str, Any]:
    """Return the request of CreateTrainingJob that compiles a model into its place.

    The result leaves the job as a checkpoint: SageMaker copies checkpoints to exactly the prefix
    that is asked for, but puts the output of a job below the job's name.
    https://docs.aws.amazon.com/sagemaker/latest/dg/model-checkpoints.html

    Parameters
    ----------
    outputs
        Outputs of the deployed stack of compiled models.
    """
    arguments = {
        "--model": HUB[shape.name],
        "--batch-size": str(shape.slots),
        "--sequence-length": str(shape.sequence_length),
        "--tensor-parallel": str(shape.tensor_parallel),
        "--result": _RESULT,
    }
    return {
        "TrainingJobName": name,
        "RoleArn": outputs[COMPILE_ROLE],
        "AlgorithmSpecification": {
            "TrainingImage": outputs[SERVING_IMAGE],
            "TrainingInputMode": "File",
            "ContainerEntrypoint": ["python3", _PROGRAM],
            "ContainerArguments": [word for pair in arguments.items() for word in pair],
        },
        "ResourceConfig": {
            "InstanceType": COMPILE_INSTANCE,
            "InstanceCount": 1,
            "VolumeSizeInGB": _VOLUME_GB,
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": COMPILE_LIMIT_S},
        "CheckpointConfig": {
            "S3Uri": f"s3://{bucket}/{artifacts_prefix(shape).rstrip('/')}",
            "LocalPath": _RESULT,
        },
        "OutputDataConfig": {"S3OutputPath": f"s3://{bucket}/{JOB_OUTPUT.rstrip('/')}"},
        "Tags": [{"Key": "deployment", "Value": deployment.name}],
    }
