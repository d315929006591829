"""A Region that breaks a limit or lacks what the plan needs is refused, with changes that cure."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from sustainability.__main__ import main
from sustainability.decide.region_requirements import RegionError, check_offers, checked_plan
from sustainability.deployment.schema import Deployment
from sustainability.errors import UserError
from sustainability.offers.serving_images import ImageError
from sustainability.plan.serving_plan import Mode
from tests.unit.sustainability.deployments import a_deployment, a_plan

BRIDGED = {"mode": Mode.BRIDGED, "instance_type": "ml.inf2.xlarge"}
REALTIME = {"mode": Mode.REALTIME, "instance_type": "ml.inf2.xlarge"}
OWN = {"bedrock": "never"}


def refusal(**sections: Any) -> str:
    with pytest.raises(UserError) as error:
        checked_plan(a_deployment(**sections))
    return str(error.value)


def proposed(message: str) -> list[dict[str, Any]]:
    """The changes that a message proposes."""
    regions = re.search(r"choose one of ((?:[a-z]+-[a-z]+-\d(?:, )?)+)", message)
    found: list[dict[str, Any]] = (
        [{"region": name} for name in regions[1].split(", ")] if (regions) else []
    )
    found += [
        {"answers": {"generator": model}}
        for model in re.findall(r"write answers\.generator: (\S+?)(?:,|$)", message)
    ]
    found += [
        {"footprint": {"ceiling_gco2e_per_kwh": float(ceiling)}, "region": region}
        for ceiling, region in re.findall(
            r"ceiling_gco2e_per_kwh: (\d+) or more, choose ([a-z0-9-]+)", message
        )
    ]
    found += [
        {"answers": {"generator": model}, "region": region}
        for model, region in re.findall(
            r"with answers\.generator: (\S+), choose ([a-z0-9-]+)", message
        )
    ]
    return found


@pytest.mark.parametrize("plan", [{}, BRIDGED, REALTIME])
def test_a_region_that_has_everything_is_no_obstacle(plan: dict[str, Any]) -> None:
    check_offers(a_deployment(), a_plan(**plan))


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        ({"region": "eu-central-2", "inference": OWN}, "none of inference.instance_types in eu-c"),
        ({"region": "us-west-1"}, "does not offer amazon.titan-embed-text-v2:0 in us-west-1"),
    ],
)
def test_what_a_region_lacks_is_named(sections: dict[str, Any], words: str) -> None:
    message = refusal(**sections)
    assert words in message
    assert proposed(message)


def test_a_region_whose_endpoints_cannot_sleep_serves_realtime_only() -> None:
    nova = {"generator": "eu.amazon.nova-lite-v1:0"}
    check_offers(a_deployment(region="eu-west-3"), a_plan(**REALTIME))
    with pytest.raises(RegionError, match="no inference components in eu-west-3"):
        check_offers(a_deployment(region="eu-west-3", answers=nova), a_plan(**BRIDGED))


def test_a_model_that_is_there_through_a_profile_names_the_profile() -> None:
    message = refusal(region="eu-central-1", answers={"generator": "amazon.nova-lite-v1:0"})
    assert "write answers.generator: eu.amazon.nova-lite-v1:0" in message


LIMITS: list[dict[str, Any]] = [
    {},
    {"within": "CH"},
    {"within": "EU", "ceiling_gco2e_per_kwh": 60},
    {"within": "US", "ceiling_gco2e_per_kwh": 60},
]
NEEDS: list[dict[str, Any]] = [
    {},
    {"inference": OWN},
    {"answers": {"generator": "us.amazon.nova-lite-v1:0"}},
]


@pytest.mark.parametrize("needs", NEEDS, ids=str)
def test_a_cure_never_leads_to_the_next_error(needs: dict[str, Any]) -> None:
    """Following any proposal ends at a plan; two limits never send a person back and forth."""
    cured = 0
    for limits in LIMITS:
        sections = {"region": "eu-central-2", "footprint": limits, **needs}
        try:
            checked_plan(a_deployment(**sections))
        except RegionError as error:
            for change in proposed(str(error)):
                footprint = {**limits, **change.get("footprint", {})}
                checked_plan(a_deployment(**{**sections, **change, "footprint": footprint}))
                cured += 1
    assert cured >= 5


def test_the_generator_on_bedrock_is_not_needed_where_bedrock_answers_nothing() -> None:
    elsewhere = {"generator": "google.gemma-3-4b-it"}
    deployment = a_deployment(region="eu-west-3", answers=elsewhere)
    check_offers(deployment, a_plan(**REALTIME))
    with pytest.raises(RegionError, match="does not offer google"):
        check_offers(deployment, a_plan())


@pytest.mark.parametrize(
    ("image", "cure"),
    [
        ("podman", "write codebuild or docker"),
        ("123456789012.dkr.ecr.eu-north-1.amazonaws.com/qwen", "repository:tag"),
        ("123456789012.dkr.ecr.eu-west-1.amazonaws.com/qwen:7", "push it to eu-north-1"),
    ],
)
def test_an_image_that_sagemaker_cannot_pull_is_refused(image: str, cure: str) -> None:
    with pytest.raises(ImageError, match=cure):
        check_offers(a_deployment(inference={"image": image}), a_plan(**REALTIME))


@pytest.mark.parametrize("command", ["plan", "footprint", "simulate"])
def test_misspelt_names_are_all_told_with_line_and_spelling(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stated = Deployment.load("deployments/dev.yaml").model_dump(mode="json", exclude={"rules"})
    stated["region"] = "eu-nort-1"
    stated["answers"]["generator"] = "mistral.ministral-3-3b-instrct"
    stated["inference"] |= {"model": "qwen3-1.7B", "instance_types": ["ml.inf2.xlrge"]}
    stated["footprint"]["within"] = "EUU"
    file = tmp_path / "dev.yaml"
    file.write_text(yaml.safe_dump(stated, sort_keys=False))
    lines = [line.strip() for line in file.read_text().splitlines()]

    assert main([command, str(file)]) == 1
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 5
    for wrong, right in (
        ("region: eu-nort-1", "eu-north-1"),
        ("within: EUU", "EU"),
        ("generator: mistral.ministral-3-3b-instrct", "mistral.ministral-3-3b-instruct"),
        ("model: qwen3-1.7B", "qwen3-1.7b"),
        ("- ml.inf2.xlrge", "ml.inf2.xlarge"),
    ):
        place = f"{file}:{lines.index(wrong) + 1}: "
        assert any(line.startswith(place) and f"mean {right}?" in line for line in said), wrong


def test_a_model_without_size_or_price_names_its_line_and_rows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "dev.yaml"
    text = Path("deployments/dev.yaml").read_text()
    file.write_text(f"{text}\nanswers:\n  generator: amazon.nova-pro-v1:0\n")

    assert main(["plan", str(file)]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"{file}:{len(file.read_text().splitlines())}: answers.generator: size")
    assert "no fact 'amazon.nova-pro-v1:0/total'" in said
