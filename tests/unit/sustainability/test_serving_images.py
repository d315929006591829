"""The table of base images: complete, one version, and where the SageMaker SDK knows them."""

from __future__ import annotations

import json
import re
from importlib.metadata import distribution
from pathlib import Path

import pytest

from sustainability.offers.region_map import places
from sustainability.offers.region_services import has_inferentia2
from sustainability.offers.serving_images import EcrImage, ImageError, base_image, base_images

ROOT = Path(__file__).resolve().parents[3]


def test_every_region_with_inferentia2_has_a_base_image() -> None:
    assert set(base_images()) == {region for region in places() if has_inferentia2(region)}
    with pytest.raises(ImageError, match=r"build containers/neuron_vllm yourself"):
        base_image("af-south-1")


def test_all_base_images_are_the_one_that_the_dockerfile_names() -> None:
    dockerfile = (ROOT / "containers" / "neuron_vllm" / "Dockerfile").read_text()
    (template,) = re.findall(r"^ARG BASE_IMAGE=(\S+)$", dockerfile, re.MULTILINE)
    for image in base_images().values():
        assert image.uri == template.replace("${REGION}", image.region)
        assert EcrImage.parse(image.uri) == image


def test_base_images_are_pulled_from_where_the_sagemaker_sdk_knows_them() -> None:
    # The data of the SDK, read as a file: its own look-up errs for Inferentia2.
    sdk = distribution("sagemaker-core")
    known = sdk.locate_file("sagemaker/core/image_uri_config/huggingface-vllm-neuronx.json")
    versions = json.loads(Path(str(known)).read_text())["inference"]["versions"]
    newest = versions[max(versions, key=lambda version: [*map(int, version.split("."))])]
    for region, image in base_images().items():
        assert newest["registries"][image.region] == image.account
        assert newest["repository"] == image.repository
        assert newest["sdk_versions"][0] in image.reference
        assert image.region == region or region not in newest["registries"]
