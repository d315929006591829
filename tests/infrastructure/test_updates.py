"""Updates: whatever a fork edits, nothing that has a name must be replaced."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, get_args

import aws_cdk as cdk
import pytest
import yaml
from pydantic import BaseModel

from app import add_stacks
from cfn_sustainability.settings import RuleSettings
from local.replacements import Update, at, create_only, references, schema_of, update_of
from sustainability.deployment.schema import Deployment

from .conftest import Templates

FOLDER = Path("deployments")
STATEFUL = {
    "AWS::DynamoDB::Table",
    "AWS::ECR::Repository",
    "AWS::OpenSearchServerless::Collection",
    "AWS::OpenSearchServerless::CollectionGroup",
    "AWS::OpenSearchService::Domain",
    "AWS::S3::Bucket",
    "AWS::SQS::Queue",
}
BASES = ("prod", "examples/async", "examples/bridged")

EDITS: dict[str, dict[str, Any]] = {
    "who and how much": {
        "profile": "production",
        "tags": {"cost-center": "elsewhere", "project": "search"},
        "monitoring.email": "somebody.else@example.com",
        "monitoring.monthly_budget_usd": 70,
        "monitoring.ingest_lag": "2h",
        "monitoring.waste": {
            "used_share": 0.2,
            "truncated_share": 0.1,
            "cache_share": 0.4,
            "corpus_per_day": 3,
        },
        "monitoring.runbook": "https://example.com/runbook",
        "monitoring.log_retention_days": 60,
        "monitoring.tracing": True,
        "footprint.accounting": "market",
        "footprint.ceiling_gco2e_per_kwh": 400,
        "footprint.within": "EUROPE",
        "footprint.targets.per_answer": {
            key: {"at_most": 5, "by": "2027-06-30"}
            for key in ("energy_wh", "carbon_gco2e", "water_ml", "cost_usd")
        },
        "footprint.targets.per_month": {
            key: {"at_most": 50, "by": "2027-06-30"}
            for key in ("energy_kwh", "carbon_gco2e", "water_l", "cost_usd")
        },
        "rules": {"allowed_regions": ["eu-north-1", "eu-west-1"]},
    },
    "load": {
        "service_level.latency_p95": "14s",
        "service_level.availability": "standard",
        "service_level.attainment": 0.98,
        "service_level.deadline": "9h",
        "traffic.timezone": "Europe/Rome",
        "traffic.periods": [
            {"days": "mon-fri", "hours": "9-16", "mean_per_hour": 900, "peak_per_hour": 1400}
        ],
        "traffic.otherwise": {"mean_per_hour": 3, "peak_per_hour": 25},
        "traffic.input_tokens": {"mean": 1000, "p95": 1500},
        "traffic.output_tokens": {
            "mean": 110,
            "p95": 240,
            "deciles": [30, 40, 60, 80, 100, 110, 130, 150, 200],
        },
        "traffic.cache_hit_share": 0.15,
        "traffic.arrival_variation": 1.5,
    },
    "store": {"knowledge.store": "domain"},
    "knowledge and answers": {
        "knowledge.documents": 700,
        "knowledge.document_kb": 30,
        "knowledge.changed_per_month": 0.3,
        "knowledge.embedding": {"dimensions": 1024},  # no other model has all its numbers yet
        "knowledge.analyzer": "swedish",
        "knowledge.chunk_tokens": 300,
        "knowledge.overlap_tokens": 20,
        "knowledge.max_document_mb": 30,
        "knowledge.serverless.max_ocu": 8,
        "knowledge.serverless.readers": ["arn:aws:iam::123456789012:role/reader"],
        "knowledge.domain.instance_type": "r7g.large.search",
        "knowledge.domain.nodes": 3,
        "knowledge.domain.volume_gb": 40,
        "answers.generator": "mistral.ministral-3-14b-instruct",
        "answers.prompt": "answer-examples",
        "answers.detail": "full",
        "answers.small_first": {"fit": 0.8, "grounded": 0.8},
        "answers.max_tokens": 280,
        "answers.evidence_share": 0.5,
        "answers.temperature": 0.2,
        "answers.top_p": 0.8,
        "answers.top_k": 40,
        "answers.candidates": 30,
        "answers.passages": 5,
        "answers.context_tokens": 900,
        "answers.minimum_similarity": 0.35,
        "answers.cache": "2d",
        "answers.question_characters": 1500,
        "answers.concurrency": 70,
    },
    "a prompt that Bedrock keeps": {"answers.prompt_management": True},
    "inference": {
        "inference.optimize": "cost",
        "inference.instance_types": ["ml.inf2.8xlarge"],
        "inference.max_instances": 12,
        "inference.image": "docker",
        "inference.volume_key": "arn:aws:kms:eu-north-1:123456789012:key/"
        "mrk-1234abcd12ab34cd56ef1234567890ab",
    },
    "a company's accounts": {
        "company.qualifier": "acme",
        "company.permissions_boundary": "workload",
        "company.key": "arn:aws:kms:eu-north-1:123456789012:key/"
        "mrk-1234abcd12ab34cd56ef1234567890ab",
        "company.network": {
            "vpc": "vpc-0123456789abcdef0",
            "subnets": ["subnet-0123456789abcdef0"],
            "endpoints": False,
        },
        "company.sign_in": {"issuer": "https://login.example.com", "audience": ["answers"]},
        "company.contributors": {"handbook/": ["arn:aws:iam::123456789012:role/editors"]},
        "company.replicators": ["arn:aws:iam::123456789012:role/replication"],
    },
    "another model, without Bedrock": {
        "service_level.latency_p95": "24s",
        "inference.bedrock": "never",
        "inference.model": "qwen3-4b",
        "inference.max_instances": 12,
    },
}
"""Every field with another value, in groups that may change together."""
_ANOTHER_DEPLOYMENT = {"account", "name", "region"}
"""Whoever changes these makes a second deployment beside the first."""
_ONLY_INTERACTIVE = {"company.key"}
_ONLY_BEDROCK = {"answers.prompt_management"}


def leaves(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        inner = next(
            (
                kind
                for kind in (field.annotation, *get_args(field.annotation))
                if isinstance(kind, type) and issubclass(kind, BaseModel)
            ),
            None,
        )
        if inner is None or inner is RuleSettings:
            yield f"{prefix}{name}"
        else:
            yield from leaves(inner, f"{prefix}{name}.")


def test_every_field_of_a_deployment_is_edited() -> None:
    edited = {path for edit in EDITS.values() for path in edit}
    missing = {
        leaf
        for leaf in leaves(Deployment)
        if not any(leaf == path or leaf.startswith(f"{path}.") for path in edited)
    }
    # No stack reads what is said of a tuned model.
    missing = {leaf for leaf in missing if not leaf.startswith("customization.")}
    assert missing == _ANOTHER_DEPLOYMENT


def edited(base: str, edit: Mapping[str, Any]) -> Deployment:
    """Return the deployment with other values; of latency and deadline, the one that it has."""
    data = yaml.safe_load((FOLDER / f"{base}.yaml").read_text())
    interactive = "latency_p95" in data["service_level"]
    other = "deadline" if interactive else "latency_p95"
    for path, value in edit.items():
        *sections, key = path.split(".")
        section = data
        for name in sections:
            section = section.setdefault(name, {})
        refused = (
            key == other
            or (path in _ONLY_INTERACTIVE and not interactive)
            or (path in _ONLY_BEDROCK and base != "prod")
        )
        if not refused:
            section[key] = value
    return Deployment.model_validate(data)


def templates(deployment: Deployment) -> Templates:
    app = cdk.App(context=json.loads(Path("cdk.json").read_text())["context"])
    add_stacks(app, deployment)
    return {stack.stack_name: stack.template for stack in app.synth().stacks}


@cache
def recorded(base: str) -> Templates:
    return templates(Deployment.load(FOLDER / f"{base}.yaml"))


def outcome(region: str, old: Templates, new: Templates) -> dict[str, Update]:
    """Return what an update does to each resource that is in both, by stack and logical id."""
    found = {}
    for stack in old.keys() & new.keys():
        before, after = old[stack]["Resources"], new[stack]["Resources"]
        stands_in = "us-east-1" if stack.endswith("-budget") else region
        updates = {
            name: update_of(stands_in, before[name], after[name])
            for name in before.keys() & after.keys()
        }
        # Who refers to a replaced resource in a create-only property is replaced with it.
        grew = True
        while grew:
            grew = False
            for name, update in updates.items():
                schema = schema_of(after[name]["Type"], stands_in)
                if update is not Update.IN_PLACE or schema is None:
                    continue
                fixed = [
                    at(after[name].get("Properties", {}), pointer)
                    for pointer in create_only(schema, after[name])
                ]
                if any(
                    updates.get(r, Update.IN_PLACE) is Update.REPLACED for r in references(fixed)
                ):
                    updates[name], grew = Update.REPLACED, True
        found |= {f"{stack}/{name}": update for name, update in updates.items()}
    return found


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("edit", EDITS)
def test_no_edit_replaces_what_has_a_name_or_keeps_documents(base: str, edit: str) -> None:
    deployment = edited(base, EDITS[edit])
    updates = outcome(deployment.region, old := recorded(base), templates(deployment))
    assert [name for name, update in updates.items() if update is Update.REFUSED] == []
    types = {
        f"{stack}/{name}": resource["Type"]
        for stack, template in old.items()
        for name, resource in template["Resources"].items()
    }
    replaced = {name for name, update in updates.items() if update is Update.REPLACED}
    assert {name for name in replaced if types[name] in STATEFUL} == set()


def test_nothing_but_a_bucket_outlives_its_stack() -> None:
    kept = {
        resource["Type"]
        for base in BASES
        for template in recorded(base).values()
        for resource in template["Resources"].values()
        if resource.get("DeletionPolicy", "Delete") != "Delete"
    }
    assert kept == {"AWS::S3::Bucket"}


def test_a_new_engine_version_keeps_the_domain() -> None:
    (domain,) = [
        resource
        for resource in recorded("prod")["prod-rag"]["Resources"].values()
        if resource["Type"] == "AWS::OpenSearchService::Domain"
    ]
    properties = {**domain["Properties"], "EngineVersion": "OpenSearch_9.9"}
    assert update_of("eu-north-1", domain, {**domain, "Properties": properties}) is Update.IN_PLACE
    careless = {"Type": domain["Type"], "Properties": properties}
    assert update_of("eu-north-1", domain, careless) is Update.REPLACED


@pytest.mark.parametrize("base", BASES)
def test_what_is_read_from_another_stack_cannot_change_behind_the_readers_back(base: str) -> None:
    templates = recorded(base)
    read = [output for each in templates.values() for output in outputs_read(each)]
    assert read
    for output in read:
        producer = templates[output["StackName"]]
        (logical_id,) = references(producer["Outputs"][output["OutputName"]]["Value"])
        # Another resource is another name, so the reader's template changes with it.
        assert logical_id in output["OutputName"]
        # And under the same logical id it is not replaced, unless it would be of another name.
        resource = producer["Resources"][logical_id]
        for name in set(resource.get("Properties", {})) - {"Name"}:
            other = {**resource["Properties"], name: "another"}
            update = update_of("eu-north-1", resource, {**resource, "Properties": other})
            assert update is not Update.REPLACED, (logical_id, name)


def outputs_read(value: Any) -> Iterator[dict[str, str]]:
    """Yield what a template reads from other stacks."""
    if isinstance(value, Mapping):
        if "Fn::GetStackOutput" in value:
            yield value["Fn::GetStackOutput"]
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from outputs_read(inner)


def test_a_stack_that_was_made_again_is_read_again() -> None:
    def reader(stacks: str) -> str:
        context = json.loads(Path("cdk.json").read_text())["context"]
        app = cdk.App(context=context | {"stacks": stacks})
        add_stacks(app, Deployment.load(FOLDER / "dev.yaml"))
        return json.dumps(app.synth().get_stack_by_name("dev-monitoring").template)

    assert reader("first") != reader("second")


def test_the_page_says_what_an_update_of_each_property_does(request: pytest.FixtureRequest) -> None:
    page = Path("docs/updates.md")
    intro, marker, _ = page.read_text(encoding="utf-8").partition(_TABLE)
    written = f"{intro}{marker}{table()}"
    if request.config.getoption("update_snapshots"):
        page.write_text(written, encoding="utf-8")
    assert page.read_text(encoding="utf-8") == written, "write it anew with --snapshot-update"


_TABLE = "| Resource |"


def table() -> str:
    """Return the rest of the table: each stateful resource, and each property that we set."""
    lines = [" In place | Replaced | Refused, for it has a name |", "| --- | --- | --- | --- |"]
    for base in BASES:
        for template in recorded(base).values():
            for resource in template["Resources"].values():
                if resource["Type"] not in STATEFUL:
                    continue
                outcomes: dict[Update, list[str]] = {update: [] for update in Update}
                for pointer in [*sorted(resource["Properties"]), *nested(resource)]:
                    other = changed(resource["Properties"], pointer.split("."))
                    update = update_of("eu-north-1", resource, {**resource, "Properties": other})
                    outcomes[update].append(pointer)
                kind = resource["Type"].removeprefix("AWS::")
                cells = [", ".join(outcomes[update]) or "-" for update in Update]
                line = f"| {kind} | {' | '.join(cells)} |"
                if line not in lines:
                    lines.append(line)
    return "\n".join([*lines[:2], *sorted(lines[2:])]) + "\n"


def nested(resource: Mapping[str, Any]) -> list[str]:
    """Return what is fixed below a property that is not, such as ``Settings.Kind``."""
    schema = schema_of(resource["Type"], "eu-north-1")
    assert schema is not None
    pointers = (pointer.split("/")[2:] for pointer in create_only(schema, resource))
    return sorted(
        ".".join(steps)
        for steps in pointers
        if len(steps) > 1 and at(resource["Properties"], f"/properties/{'/'.join(steps)}")
    )


def changed(properties: Mapping[str, Any], steps: list[str]) -> dict[str, Any]:
    """Return the properties with another value at the end of the steps."""
    first, *rest = steps
    return {**properties, first: changed(properties[first], rest) if rest else "another"}


def test_a_nested_property_that_is_fixed_is_in_the_table() -> None:
    encryption = {"EncryptionType": "KMS", "KmsKey": "key"}
    properties = {"EncryptionConfiguration": encryption}
    repository = {"Type": "AWS::ECR::Repository", "Properties": properties}
    assert set(nested(repository)) == {f"EncryptionConfiguration.{name}" for name in encryption}
    other = changed(properties, ["EncryptionConfiguration", "KmsKey"])
    assert other == {"EncryptionConfiguration": encryption | {"KmsKey": "another"}}


def test_a_stack_hands_on_no_tag_that_a_fork_may_change() -> None:
    app = cdk.App()
    add_stacks(app, Deployment.load(FOLDER / "dev.yaml"))
    assert [stack.tags for stack in app.synth().stacks] == [{"deployment": "dev"}] * 3
