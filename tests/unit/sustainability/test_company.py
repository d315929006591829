"""The section `company`: what it refuses, what it costs, and how the API is called then."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import urllib3
import yaml

from sustainability.deployment.schema import Deployment, DeploymentError
from sustainability.footprint.footprint import footprint
from sustainability.operate.account import Account, AccountError
from sustainability.operate.cdk import Cdk
from sustainability.plan.serving import plan_serving

DEV = yaml.safe_load(Path("deployments/dev.yaml").read_text())
KEY = "arn:aws:kms:eu-north-1:111122223333:key/11111111-2222-3333-4444-555555555555"
NETWORK = {
    "vpc": "vpc-0123456789abcdef0",
    "subnets": ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"],
    "route_tables": ["rtb-0123456789abcdef0"],
}
SIGN_IN = {"issuer": "https://login.example.com/tenant/v2.0", "audience": ["api-answers"]}


def deployment(tmp_path: Path, company: dict[str, Any], **others: Any) -> Deployment:
    file = tmp_path / "dev.yaml"
    file.write_text(yaml.safe_dump({**DEV, **others, "company": company}, sort_keys=False))
    return Deployment.load(file)


@pytest.mark.parametrize(
    ("company", "cure"),
    [
        ({"qualifier": "ACME-1"}, "1 to 10 lower-case letters and digits"),
        ({"permissions_boundary": "arn:aws:iam::111122223333:policy/b"}, "the name of the managed"),
        ({"key": "alias/documents"}, "not an alias"),
        ({"key": KEY.replace("eu-north-1", "eu-west-1")}, "must be in eu-north-1"),
        ({"network": {**NETWORK, "vpc": "main"}}, "write vpc- and its hex digits"),
        ({"network": {**NETWORK, "route_tables": []}}, "needs route_tables"),
        ({"network": NETWORK}, "needs knowledge.store: vectors"),
        ({"sign_in": {**SIGN_IN, "issuer": "login.example.com"}}, "an issuer is an https URL"),
        ({"sign_in": {**SIGN_IN, "audience": []}}, "audience"),
        ({"contributors": {"handbook": []}}, "with a slash at the end"),
        ({"replicators": ["role/x"]}, "arn:aws:iam::ACCOUNT:role/NAME"),
        ({"quallifier": "acme"}, "did you mean qualifier?"),
    ],
)
def test_what_cannot_be_is_refused_with_its_line_and_cure(
    tmp_path: Path, company: dict[str, Any], cure: str
) -> None:
    with pytest.raises(DeploymentError) as refused:
        deployment(tmp_path, company)
    assert cure in str(refused.value)
    assert re.match(r".*dev\.yaml:\d+: (company|deployment)", str(refused.value))


def test_endpoints_cost_money_while_nobody_asks(tmp_path: Path) -> None:
    vectors = {**DEV["knowledge"], "store": "vectors"}
    without = deployment(tmp_path, {}, knowledge=vectors)
    with_endpoints = deployment(tmp_path, {"network": NETWORK}, knowledge=vectors)

    before, after = (
        footprint(each, plan_serving(each)).idle.usd.mid for each in (without, with_endpoints)
    )
    # Three services, two zones, 730 hours at $0.01, dearer in this Region.
    assert after - before == pytest.approx(3 * 2 * 730 * 0.01, rel=0.2)


def test_a_token_of_the_identity_provider_takes_the_place_of_the_signature(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[dict[str, str]] = []

    def request(method: str, url: str, *, headers: dict[str, str], **_: Any) -> Any:
        sent.append(headers)
        return urllib3.HTTPResponse(body=b"{}", status=200)

    monkeypatch.setattr(urllib3, "request", request)
    monkeypatch.setattr(Account, "outputs", {"ApiUrl": "https://api.example.com"})
    account = Account(deployment(tmp_path, {"sign_in": SIGN_IN}))

    monkeypatch.delenv("ANSWERS_TOKEN", raising=False)
    with pytest.raises(AccountError, match="set ANSWERS_TOKEN"):
        account.call("POST", "/answers", {})
    monkeypatch.setenv("ANSWERS_TOKEN", "one.two.three")
    account.call("POST", "/answers", {})

    assert sent[0]["Authorization"] == "Bearer one.two.three"


def test_bootstrap_takes_the_companys_qualifier_and_boundary(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cdk = Cdk(Path("deployments/dev.yaml"))
    cdk.deployment = deployment(tmp_path, {"qualifier": "acme", "permissions_boundary": "workload"})
    cdk.__dict__["account"] = "111122223333"
    asked: list[str] = []
    monkeypatch.setattr(cdk, "_run", lambda *arguments: asked.extend(arguments))

    cdk.bootstrap()

    assert " ".join(asked) == (
        "bootstrap aws://111122223333/eu-north-1 --toolkit-stack-name CDKToolkit-acme "
        "--qualifier acme --custom-permissions-boundary workload"
    )
