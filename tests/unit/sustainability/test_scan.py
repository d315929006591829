"""The project's own door to the rules: a deployment file states what they are to judge by."""

from __future__ import annotations

from pathlib import Path

import pytest

from sustainability.__main__ import main

DEPLOYMENTS = Path(__file__).resolve().parents[3] / "deployments"


def test_a_deployment_file_states_the_profile(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    template = tmp_path / "template.yaml"
    template.write_text(
        "Resources: {S: {Type: AWS::ApiGateway::Stage, Properties: "
        "{CacheClusterEnabled: true, MethodSettings: [{ThrottlingRateLimit: 1}]}}}"
    )
    assert main(["scan", str(template), "--settings", str(DEPLOYMENTS / "dev.yaml")]) == 1
    assert "ApiCacheCluster" in capsys.readouterr().out
    assert main(["scan", str(template), "--settings", str(DEPLOYMENTS / "prod.yaml")]) == 0


def test_a_file_that_cannot_be_read_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scan", "a.yaml", "--settings", "absent.yaml"]) == 2
    assert "absent.yaml" in capsys.readouterr().err
