"""build.sh: the image is built from a digest, and says from which."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

CONTAINER = Path(__file__).parents[3] / "containers" / "neuron_vllm"
BASE = "1.dkr.ecr.eu-north-1.amazonaws.com/base"
DIGEST = f"sha256:{'0f' * 32}"


@pytest.mark.parametrize(("found", "pushed"), [(f"{BASE}@{DIGEST}", True), (f"{BASE}:tag", False)])
def test_the_base_is_pinned_by_the_digest_that_its_name_has(
    tmp_path: Path, found: str, pushed: bool
) -> None:
    calls = tmp_path / "calls"
    docker = tmp_path / "docker"
    docker.write_text(
        f'#!/bin/sh\necho "$*" >> {calls}\ncase "$1 $2" in "image inspect") echo {found};; esac\n'
    )
    docker.chmod(0o755)
    outcome = subprocess.run(
        ["sh", "build.sh"],
        cwd=CONTAINER,
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", "BASE_IMAGE": f"{BASE}:tag", "IMAGE": "own:1"},
        check=False,
    )
    assert (outcome.returncode == 0) == pushed
    pull, _, *built = calls.read_text().splitlines()
    assert pull == f"pull --quiet --platform linux/amd64 {BASE}:tag"
    if pushed:
        build, push = built
        assert f"--build-arg BASE_IMAGE={BASE}@{DIGEST} " in build
        assert f"org.opencontainers.image.base.digest={DIGEST} " in build
        assert push == "push own:1"
    else:
        assert built == []
