"""The site: every page is in it once, its links hold, and its reference leaves nothing out."""

from __future__ import annotations

import json
import re
import unicodedata
from pathlib import Path

import pytest
import yaml

from handbook import api, diagrams, reference
from handbook.pages import gather
from sustainability.deployment.schema import Deployment

ROOT = Path(__file__).parents[2]
RECORDED = ROOT / diagrams.RECORDED


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the gathered pages."""
    folder = tmp_path_factory.mktemp("site") / "gathered"
    gather(ROOT, folder)
    return folder


def test_every_page_is_in_the_navigation_once(site: Path) -> None:
    text = (site / "mkdocs.yml").read_text()
    navigation = yaml.safe_load(text[text.index("\nnav:") :])
    listed = re.findall(r"[\w-]+\.md", json.dumps(navigation))

    assert sorted(listed) == sorted(page.name for page in (site / "docs").glob("*.md"))


def test_every_link_between_pages_holds(site: Path) -> None:
    for page in (site / "docs").glob("*.md"):
        text = page.read_text(encoding="utf-8")
        links = re.findall(r"\]\((?![a-z]+:|#)([^)#\s]+)", text)
        assert [link for link in links if not (page.parent / link).is_file()] == []
        assert "nowhere:" not in text


def slug(heading: str) -> str:
    """Return the anchor of a heading, as Markdown's table of contents makes it."""
    plain = re.sub(r"`|\*|\[([^\]]*)\]\([^)]*\)", lambda match: match[1] or "", heading)
    ascii_only = unicodedata.normalize("NFKD", plain).encode("ascii", "ignore").decode()
    return re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", ascii_only).strip().lower())


def test_every_link_to_a_heading_finds_it(site: Path) -> None:
    pages = {page.name: page.read_text("utf-8") for page in (site / "docs").glob("*.md")}
    headings = {
        name: {slug(each) for each in re.findall(r"^#+ (.*)$", text, re.MULTILINE)}
        for name, text in pages.items()
    }
    for name, text in pages.items():
        for page, anchor in re.findall(r"\]\(([\w-]*(?:\.md)?)#([^)\s]+)\)", text):
            assert anchor in headings[page or name], f"{name}: {page}#{anchor}"


def test_every_setting_and_every_command_has_its_place() -> None:
    schema = Deployment.model_json_schema()
    sections = [each for each in schema["$defs"].values() if "properties" in each]
    text = reference.settings()
    for section in (schema, *sections):
        for name in section["properties"]:
            assert re.search(rf"[`. ]{name}(`|\n|\[\])", text), name

    fields = api.page(ROOT)
    document = yaml.safe_load((ROOT / api.DOCUMENT).read_text(encoding="utf-8"))
    for name in document["components"]["schemas"]["Answer"]["properties"]:
        assert f"| `{name}` |" in fields
    assert fields.count("## `") == sum(map(len, document["paths"].values()))

    commands = reference.command_line()
    for module in (ROOT / "sustainability" / "commands").glob("[a-z]*.py"):
        assert f"### {module.stem.replace('_', '-')}\n" in commands
    assert "`make up`" in commands


@pytest.mark.parametrize("name", diagrams.SHOWN)
def test_a_diagram_shows_each_function_and_each_store_of_its_template(name: str) -> None:
    template = json.loads(
        (RECORDED / f"test_template_is_as_recorded[{name}].json").read_text(encoding="utf-8")
    )
    drawn = diagrams.diagram(template)
    kinds = ("AWS::Lambda::Function", "AWS::S3::Bucket", "AWS::DynamoDB::Table", "AWS::SQS::Queue")
    for logical_id, resource in template["Resources"].items():
        if resource["Type"] in kinds and "CustomResourceProvider" not in logical_id:
            assert re.search(rf"^  {logical_id}\W", drawn, re.MULTILINE)
    for line in drawn.splitlines()[1:]:  # the grammar of Mermaid, as far as it is used
        assert re.fullmatch(
            r'  \w+(\[\(|\[/|\[|\{\{|\(\[)"[^"]+"(\)\]|/\]|\]\)|\]|\}\})|  \w+ --> \w+', line
        )


@pytest.mark.parametrize("name", diagrams.SHOWN)
def test_every_resource_of_a_diagram_is_joined_to_another(name: str) -> None:
    template = json.loads(
        (RECORDED / f"test_template_is_as_recorded[{name}].json").read_text(encoding="utf-8")
    )
    drawn = diagrams.diagram(template)
    edges = re.findall(r"^  (\w+) --> (\w+)$", drawn, re.MULTILINE)
    nodes = re.findall(r"^  (\w+)\W*\"", drawn, re.MULTILINE)
    reached, before = set(nodes[:1]), 0
    while len(reached) > before:
        before = len(reached)
        reached |= {end for edge in edges if reached & set(edge) for end in edge}
    assert sorted(set(nodes) - reached) == []


def test_a_document_goes_from_the_bucket_through_the_queue_to_the_function() -> None:
    template = json.loads(
        (RECORDED / "test_template_is_as_recorded[dev-rag].json").read_text(encoding="utf-8")
    )
    drawn = re.sub(r"[0-9A-F]{8}\b", "", diagrams.diagram(template))
    for arrow in ("DocumentsBucket --> IngestQueue", "IngestQueue --> Ingest", "Api --> Answer",
                  "Answer --> Bedrock", "Ingest --> Bedrock"):  # fmt: skip
        assert arrow in drawn


def test_a_domain_does_not_use_what_those_it_lets_in_may_use() -> None:
    template = json.loads(
        (RECORDED / "test_template_is_as_recorded[prod-rag].json").read_text(encoding="utf-8")
    )
    drawn = diagrams.diagram(template)
    assert re.search(r"^  Answer\w+ --> KnowledgeDomain", drawn, re.MULTILINE)
    assert not re.search(r"^  KnowledgeDomain\w+ -->", drawn, re.MULTILINE)
