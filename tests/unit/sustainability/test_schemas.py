"""The JSON that commands print is what its published schema says: other programs read it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from sustainability.__main__ import main

SCHEMAS = Path("docs/schemas")
CURVE = "t_s,requests_per_hour\n0,900\n600,1500\n"
WASTE = {
    "Resources": {
        "Server": {"Type": "AWS::EC2::Instance", "Properties": {"InstanceType": "m4.large"}}
    }
}


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    main([*arguments, "--json"])
    return json.loads(capsys.readouterr().out)


def held(name: str, document: Any) -> None:
    schema = json.loads((SCHEMAS / f"{name}.schema.json").read_text())
    Draft202012Validator.check_schema(schema)
    faults = [
        f"{fault.json_path}: {fault.message}"
        for fault in Draft202012Validator(schema).iter_errors(document)
    ]
    assert not faults


@pytest.mark.parametrize(
    "file", sorted(Path("deployments").rglob("*.yaml")), ids=lambda file: file.stem
)
@pytest.mark.parametrize("command", ["plan", "footprint"])
def test_of_every_deployment(command: str, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    held(command, printed(capsys, command, str(file)))


def test_of_what_if(capsys: pytest.CaptureFixture[str]) -> None:
    asked = ("--what-if", "latency=20s", "--what-if", "latency=1s")
    found = printed(capsys, "plan", "deployments/examples/bridged.yaml", *asked)
    assert [other["obstacle"] is None for other in found["what_if"]] == [True, False]
    held("plan", found)


@pytest.mark.parametrize("name", ["bridged", "async"])
def test_of_a_simulation(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "curve.csv").write_text(CURVE)
    file, trace = f"deployments/examples/{name}.yaml", str(tmp_path / "curve.csv")
    held("simulate", printed(capsys, "simulate", file, "--trace", trace))


@pytest.mark.parametrize("options", [(), ("--estimate",)], ids=str)
def test_of_a_scan(
    options: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "waste.json").write_text(json.dumps(WASTE))
    (tmp_path / "broken.json").write_text("{")
    files = [str(tmp_path / name) for name in ("waste.json", "broken.json")]
    found = printed(capsys, "scan", *files, *options)
    assert found["findings"]
    assert found["unreadable"]
    held("scan", found)
