"""The embedded AWS leans on MiniStack's private names in one place, so that upgrades stay short."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore.session import Session

from local import ministack_internals as internals
from local import ministack_patches as patches

FILES = sorted(Path(internals.__file__).parent.rglob("*.py"))


def private_names(file: Path) -> Iterator[str]:
    """Yield each private name of MiniStack that a file imports, reads or sets."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    imported = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ministack"):
            for name in node.names:
                imported[name.asname or name.name] = name.name
    yield from (name for name in imported.values() if name.startswith("_"))
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id=name), attr=attribute):
                if name in imported and attribute.startswith("_"):
                    yield attribute


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_private_names_of_ministack_are_used_in_one_file(file: Path) -> None:
    if file.name != "ministack_internals.py":
        assert list(private_names(file)) == []


def test_the_one_file_is_seen() -> None:
    """The test above would pass if it found nothing anywhere."""
    assert list(private_names(Path(internals.__file__)))


@pytest.mark.parametrize(
    "replaceable",
    [value for value in vars(internals).values() if isinstance(value, internals.Replaceable)],
    ids=lambda replaceable: replaceable.name,
)
def test_what_is_replaced_exists(replaceable: internals.Replaceable) -> None:
    assert callable(getattr(replaceable.module, replaceable.name))


def test_the_router_knows_every_name_that_botocore_signs_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known: set[str] = set()
    monkeypatch.setattr(internals, "name_services", known.update)
    patches._read_names_of_services_without_their_models()
    session = Session()
    assert known >= set(session.get_available_services())
    for name in ("opensearchserverless", "pinpoint", "sesv2", "apigatewayv2", "bedrock-runtime"):
        metadata = session.get_service_model(name).metadata
        assert {metadata["endpointPrefix"], metadata.get("signingName", name)} <= known
