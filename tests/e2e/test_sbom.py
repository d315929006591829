"""``make sbom`` lists every package that each part is made of, as CycloneDX."""

from __future__ import annotations

import json
import re
import subprocess
from typing import Any

import pytest

from tests.e2e.conftest import ROOT

FUNCTIONS = {
    f"function-{file.parent.name}{file.stem.removeprefix('requirements')}": file
    for file in (ROOT / "lambdas").glob("*/requirements*.txt")
}
LOCKS = FUNCTIONS | {
    "development": ROOT / "requirements/dev.txt",
    "local-models": ROOT / "requirements/models.txt",
}


@pytest.fixture(scope="module")
def lists() -> dict[str, dict[str, Any]]:
    """Return what `make sbom` writes, by name."""
    subprocess.run(["make", "sbom"], cwd=ROOT, check=True, capture_output=True)
    return {file.stem: json.loads(file.read_text()) for file in (ROOT / "sbom").glob("*.json")}


def test_every_part_has_its_list(lists: dict[str, dict[str, Any]]) -> None:
    assert lists.keys() == LOCKS.keys() | {"cdk-cli"}
    assert {each["bomFormat"] for each in lists.values()} == {"CycloneDX"}


@pytest.mark.parametrize("part", LOCKS)
def test_a_list_names_what_is_locked_with_version_and_hash(
    lists: dict[str, dict[str, Any]], part: str
) -> None:
    locked = re.findall(r"^([\w.\[\]-]+)==([^\s;]+)", LOCKS[part].read_text(), re.MULTILINE)
    components = lists[part]["components"]
    found = {(plain(each["name"]), each["version"]) for each in components}
    assert found >= {(plain(name), version) for name, version in locked}
    assert locked
    assert all(
        reference["hashes"]
        for each in components
        for reference in each["externalReferences"]
        if reference["type"] == "distribution"
    )


def test_the_cdk_cli_is_the_one_that_is_locked(lists: dict[str, dict[str, Any]]) -> None:
    lock = json.loads((ROOT / "package-lock.json").read_text())["packages"]
    found = {(each["name"], each["version"]) for each in lists["cdk-cli"]["components"]}
    assert ("aws-cdk", lock["node_modules/aws-cdk"]["version"]) in found


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name.partition("[")[0]).lower()
