"""Identity providers in the embedded AWS: an authorizer asks its issuer for its keys, as on AWS."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from local import ministack_internals as internals
from local import ministack_patches as patches
from tests.identity_provider import Provider

AUTHORIZER = "AWS::ApiGatewayV2::Authorizer"


def test_an_issuer_without_metadata_makes_no_authorizer(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stand_in: dict[str, Any] = {
        "create": lambda logical_id, props, stack: (logical_id, {}),
        "update": lambda physical_id, *change: (physical_id, {}),
    }
    monkeypatch.setitem(internals.RESOURCE_HANDLERS, AUTHORIZER, stand_in)
    patches._ask_issuers_for_their_keys()
    create = internals.RESOURCE_HANDLERS[AUTHORIZER]["create"]

    def made(issuer: str) -> str:
        return str(create("SignIn", {"JwtConfiguration": {"Issuer": issuer}}, "Stack")[0])

    provider = Provider()
    with provider.serving(tmp_path) as trusted:
        with pytest.raises(ValueError, match="Invalid issuer"):  # its certificate is not trusted
            made(provider.issuer)
        monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
        assert made(provider.issuer) == "SignIn"
        with pytest.raises(ValueError, match=r"other\. Issuer must have a valid"):
            made(f"{provider.issuer}/other")
