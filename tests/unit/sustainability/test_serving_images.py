"""The table of base images: complete, one version, and where the SageMaker SDK knows them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError, NoCredentialsError
from botocore.stub import Stubber

from sustainability.offers import serving_images
from sustainability.offers.region_map import places
from sustainability.offers.region_services import has_inferentia2
from sustainability.offers.serving_images import BASE_IMAGES, ImageError, base_image, base_images
from sustainability.operate import base_images as pin

ROOT = Path(__file__).resolve().parents[3]


def test_every_region_with_inferentia2_has_a_base_image() -> None:
    assert set(base_images()) == {region for region in places() if has_inferentia2(region)}
    with pytest.raises(ImageError, match=r"build containers/neuron_vllm yourself"):
        base_image("af-south-1")


def test_all_base_images_are_the_one_that_the_dockerfile_names() -> None:
    dockerfile = (ROOT / "containers" / "neuron_vllm" / "Dockerfile").read_text()
    (template,) = re.findall(r"^ARG BASE_IMAGE=(\S+)$", dockerfile, re.MULTILINE)
    for image in base_images().values():
        assert image.uri.partition("@")[0] == template.replace("${REGION}", image.region)


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


DIGEST = f"sha256:{'0f' * 32}"


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    copy = tmp_path / "serving_images.csv"
    copy.write_text(re.sub(r",(sha256:\w+)?$", ",", BASE_IMAGES.read_text(), flags=re.MULTILINE))
    monkeypatch.setattr(serving_images, "BASE_IMAGES", copy)
    base_images.cache_clear()
    yield copy
    base_images.cache_clear()


def test_one_command_pins_every_base_image_by_its_digest(
    table: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tag = base_image("eu-north-1").reference
    make = boto3.Session().client

    def client(service: str, *, region_name: str, config: Any) -> Any:
        made = make(
            service, region_name=region_name, aws_access_key_id="a", aws_secret_access_key="s"
        )
        stubber = Stubber(made)
        image = {"imageId": {"imageDigest": DIGEST, "imageTag": tag[1:]}}
        asked = {
            "registryId": base_image("eu-north-1").account,
            "repositoryName": base_image("eu-north-1").repository,
            "imageIds": [{"imageTag": tag[1:]}],
        }
        stubber.add_response("batch_get_image", {"images": [image], "failures": []}, asked)
        stubber.activate()
        return made

    monkeypatch.setattr(boto3, "client", client)
    assert pin.main(table) == 0
    assert "every base image is pinned" in capsys.readouterr().out
    base_images.cache_clear()
    assert {image.reference for image in base_images().values()} == {f"{tag}@{DIGEST}"}


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (NoCredentialsError(), "there are no AWS credentials"),
        (EndpointConnectionError(endpoint_url="https://api.ecr"), "Could not connect"),
    ],
)
def test_without_ecr_the_table_stays_and_one_sentence_says_why(
    table: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: Exception,
    reason: str,
) -> None:
    def client(*_: Any, **__: Any) -> Any:
        raise error

    monkeypatch.setattr(boto3, "client", client)
    before = table.read_text()
    assert pin.main(table) == 1
    assert table.read_text() == before
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("serving_images.csv: as it was, because Amazon ECR told no digest: ")
    assert reason in line


def test_a_digest_that_is_none_is_told_with_its_place(table: Path) -> None:
    table.write_text(table.read_text().replace(",\n", ",sha256:1\n", 1))
    with pytest.raises(ImageError, match=r"serving_images.csv, ap-northeast-1: .* `make refresh`"):
        base_images()
