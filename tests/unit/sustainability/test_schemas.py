"""The JSON that commands print is what its published schema says: other programs read it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
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


STATED = [*Path("deployments").rglob("*.yaml"), *Path("samples/customization").rglob("*.yaml")]


def test_of_deployment_files_is_what_the_command_prints(
    capsys: pytest.CaptureFixture[str],
) -> None:
    main(["schema"])
    kept = (SCHEMAS / "deployment.schema.json").read_text()
    assert capsys.readouterr().out == kept, (
        "renew it: python -m sustainability schema > docs/schemas/deployment.schema.json"
    )


@pytest.mark.parametrize("file", sorted(STATED), ids=lambda file: file.stem)
def test_editors_find_the_schema_of_each_deployment_file_and_accept_it(file: Path) -> None:
    first, _, text = file.read_text().partition("\n")
    schema = first.removeprefix("# yaml-language-server: $schema=")
    assert (file.parent / schema).resolve() == (SCHEMAS / "deployment.schema.json").resolve()
    held("deployment", yaml.safe_load(text))


def test_the_schema_describes_every_key_and_accepts_its_own_defaults() -> None:
    schema = json.loads((SCHEMAS / "deployment.schema.json").read_text())
    sections = schema["$defs"]

    def described(part: dict[str, Any]) -> bool:
        parts = [part, *part.get("anyOf", ())]
        return any("description" in each or "$ref" in each for each in parts)

    for section in (schema, *sections.values()):
        assert "description" in section
        for key, part in section.get("properties", {}).items():
            assert described(part), key
            if "default" in part:
                faults = list(
                    Draft202012Validator({**part, "$defs": sections}).iter_errors(part["default"])
                )
                assert not faults, (key, faults)


@pytest.mark.parametrize(
    "wrong",
    [
        {"region": "eu-nort-1"},
        {"inference": {"model": "qwen3-1.7B"}},
        {"inference": {"instance_types": ["ml.g5.xlarge"]}},
        {"answers": {"generator": "mistral.ministral-3-3b-instrct"}},
        {"answers": {"cache": "one day"}},
        {"knowledge": {"embedding": {"model": "amazon.titan-embed-txt-v2:0"}}},
        {"footprint": {"within": "EUU"}},
        {"monitoring": {"log_retention_days": 8}},
        {"service_level": {"latency_p95": "8s", "deadline": "6h"}},
        {"name": "Dev_1"},
        {"knowlege": {}},
    ],
    ids=str,
)
def test_editors_mark_what_the_commands_refuse(wrong: dict[str, Any]) -> None:
    schema = json.loads((SCHEMAS / "deployment.schema.json").read_text())
    good = yaml.safe_load(Path("deployments/dev.yaml").read_text())
    assert not Draft202012Validator(schema).is_valid({**good, **wrong})


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
