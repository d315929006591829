"""The production variant: a managed domain, whose index a function of ours makes."""

from __future__ import annotations

import json
from pathlib import Path

import boto3
import pytest
import urllib3

from local.embedded import EmbeddedAws
from sustainability.deployment.schema import Deployment
from sustainability.operate.account import Account
from sustainability.operate.leftovers import Leftovers
from tests.e2e.conftest import ROOT, left_of, quiet

PROD = ROOT / "deployments" / "prod.yaml"


@pytest.fixture(scope="module")
def production(embedded: EmbeddedAws) -> Account:
    embedded.deploy(PROD, quiet)
    return Account(Deployment.load(PROD))


def test_the_domain_has_a_strict_index_and_answers_from_it(
    production: Account, embedded: EmbeddedAws, tmp_path: Path
) -> None:
    file = tmp_path / "harbour.md"
    file.write_text("# Harbour\n\nThe harbour of Brineport freezes every February.\n")
    uploaded = production.add({"harbour.md": file})
    (state,) = production.wait_until_settled(uploaded, seconds=600, progress=quiet)
    assert state.status == "indexed"
    environment = production.function_environment("rag.answer_handler.handler")
    index = json.loads(environment["KNOWLEDGE"])[0]["index"]
    url = f"{embedded.running()['opensearch'].url}/{index}/_mapping"
    mapping = urllib3.request("GET", url).json()[index]["mappings"]
    assert mapping["dynamic"] == "strict"
    assert mapping["properties"]["embedding"]["compression_level"] == "32x"
    answer = production.ask(
        "When does the harbour of Brineport freeze?", patience_s=600, progress=quiet
    )
    assert answer["citations"][0]["document"] == "harbour.md"


def test_destroy_keeps_what_production_must_not_lose(
    production: Account, embedded: EmbeddedAws
) -> None:
    deployment, bucket = Deployment.load(PROD), production.outputs["BucketName"]
    embedded.destroy(PROD, quiet)
    kept = left_of(embedded, "prod-rag")
    assert kept == {"AWS::S3::Bucket"}  # the index is built again from the bucket
    told = Leftovers(deployment, boto3.Session(region_name=deployment.region)).buckets()
    assert bucket in {leftover.bucket for leftover in told}
