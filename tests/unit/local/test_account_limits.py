"""What the embedded AWS refuses or replaces, as an account does, in types that MiniStack serves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ministack.core.responses import set_request_region

from local import ministack_internals as internals
from local import ministack_patches as patches

DOMAIN = "AWS::OpenSearchService::Domain"
FUNCTION = "AWS::Lambda::Function"


@pytest.fixture
def handler(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], dict[str, Any]]]:
    """Return a function from a type to its handler, as it is mended for the embedded AWS."""
    made: list[str] = []
    for type_name in (DOMAIN, FUNCTION):
        stand_in = {
            "create": lambda logical_id, props, stack: (made.append(logical_id), {}),
            "update": lambda physical_id, *change: (physical_id, {}),
        }
        monkeypatch.setitem(internals.RESOURCE_HANDLERS, type_name, stand_in)
    set_request_region("eu-north-1")
    patches._refuse_what_an_account_lacks()
    patches._replace_domains_whose_engine_changes()
    yield internals.RESOURCE_HANDLERS.__getitem__
    set_request_region(None)


def test_a_domain_takes_the_instances_that_the_region_has(
    handler: Callable[[str], dict[str, Any]],
) -> None:
    create = handler(DOMAIN)["create"]
    create("D", {"ClusterConfig": {"InstanceType": "t3.small.search"}}, "Stack")
    with pytest.raises(ValueError, match="Invalid instance type: t4g"):
        create("D", {"ClusterConfig": {"InstanceType": "t4g.small.search"}}, "Stack")


def test_a_hundred_executions_stay_unreserved(
    handler: Callable[[str], dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(internals, "reserved_concurrency", lambda name=None: 0 if name else 850)
    create = handler(FUNCTION)["create"]
    create("F", {"ReservedConcurrentExecutions": 50}, "Stack")
    with pytest.raises(ValueError, match=r"below its minimum value of \[100\]"):
        create("F", {"ReservedConcurrentExecutions": 51}, "Stack")


@pytest.mark.parametrize("upgrades", [True, False])
def test_another_engine_version_is_another_domain_unless_it_upgrades(
    upgrades: bool, handler: Callable[[str], dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = {"UpdatePolicy": {"EnableVersionUpgrade": True}} if upgrades else {}
    template = {"Resources": {"D": {"Type": DOMAIN, **policy}}}
    monkeypatch.setattr(internals, "template_of", lambda stack: template)
    old, new = {"EngineVersion": "OpenSearch_3.5"}, {"EngineVersion": "OpenSearch_3.7"}
    domain, _ = handler(DOMAIN)["update"]("documents", old, new, "Stack", "D")
    assert (domain == "documents") is upgrades
