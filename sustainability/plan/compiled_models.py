"""The place of compiled models in S3, for the code that compiles, serves and checks them."""

from __future__ import annotations

from sustainability.deployment.schema import Deployment
from sustainability.offers.endpoint_models import InferenceModel
from sustainability.offers.serving_images import base_image


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
# 3 to 60 minutes: 2.5 minutes were measured for a model of 8 billion parameters, and the Neuron
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
        f"compiled/{shape.name}/batch-{shape.slots}-length-{shape.sequence_length}"
        f"-cores-{shape.tensor_parallel}/"
    )
