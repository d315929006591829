"""Renews what in ``data/`` comes from cfn-lint: for the maintainers of the rules.

    python -m cfn_sustainability.refresh

cfn-lint's maintainers read the instance classes of each engine and Region from AWS's price lists,
and the life of Lambda's runtimes from its documentation.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

_SOURCES = {
    "docdb": "aws_docdb_dbinstance/dbinstanceclass_enum.json",
    "ec2": "aws_ec2_instance/instancetype_enum.json",
    "elasticache": "aws_elasticache_cachecluster/cachenodetype_enum.json",
    "elasticsearch": "aws_elasticsearch_domain/elasticsearchclusterconfig_instancetype_enum.json",
    "neptune": "aws_neptune_dbinstance/dbinstanceclass_enum.json",
    "opensearch": "aws_opensearchservice_domain/clusterconfig_instancetype_enum.json",
    "sagemaker": "aws_sagemaker_hosting/instancetype_enum.json",
}
_RDS = "aws_rds_dbinstance/dbinstanceclass_enum.json"
_RUNTIMES = "AdditionalSpecs/LmbdRuntimeLifecycle.json"
_DATA = Path(__file__).with_name("data")
_X86_ONLY = re.compile(
    r"go1\.x|java8|provided|ruby2\.5|python(2\.7|3\.[67])|dotnetcore[12]\..*"
    r"|nodejs(|4\.3.*|6\.10|8\.10|10\.x)"
)
"""Runtimes that AWS retired before Lambda had arm64, or never built for it."""

Offers = dict[str, dict[str, set[str]]]
"""The Regions of each class, by offer: a service, or a service and its engine."""


def _read(folder: Path) -> Offers:
    offers: Offers = {}
    for offer, file in _SOURCES.items():
        for region, classes in _regions(folder / file):
            _add(offers, offer, region, classes.get("enum", []))
    for region, engines in _regions(folder / _RDS):
        for entry in engines.get("allOf", []):
            engine = entry["if"]["properties"]["Engine"]["const"]
            classes = entry["then"]["properties"]["DBInstanceClass"]["enum"]
            _add(offers, f"rds/{engine}", region, classes)
    return offers


def _regions(file: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for region, schema in json.loads(file.read_text(encoding="utf-8")).items():
        if isinstance(schema, dict) and "-" in region:
            yield region, schema


def _add(offers: Offers, offer: str, region: str, classes: list[str]) -> None:
    for name in classes:
        offers.setdefault(offer, {}).setdefault(name, set()).add(region)


def _document(offers: Offers, source: str, date: str) -> dict[str, Any]:
    """Return the offers with classes that have the same Regions together, which is far shorter."""
    found: dict[str, Any] = {}
    for offer, classes in sorted(offers.items()):
        most = {region for regions in classes.values() for region in regions}
        groups: dict[str, list[str]] = {}
        for name, regions in sorted(classes.items()):
            groups.setdefault(" ".join(sorted(most - regions)), []).append(name)
        found[offer] = {
            "regions": " ".join(sorted(most)),
            "not_in": {absent: " ".join(names) for absent, names in sorted(groups.items())},
        }
    return {"source": source, "date": date, "offers": found}


def _write_runtimes(lifecycle: Mapping[str, Mapping[str, str | None]], checked: str) -> None:
    with (_DATA / "runtimes.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(("runtime", "arm64", "deprecated", "no_new_after", "checked"))
        for name, dates in sorted(lifecycle.items()):
            arm64 = "no" if _X86_ONLY.fullmatch(name) else "yes"
            rows.writerow((name, arm64, dates["deprecated"], dates["create-block"], checked))


def main() -> None:
    """Write the files anew."""
    import cfnlint

    folder = Path(cfnlint.__file__).parent / "data"
    schemas = folder / "schemas"
    date = json.loads((schemas / "version.json").read_text(encoding="utf-8"))["schema_date"][:10]
    document = _document(_read(schemas / "extensions"), f"cfn-lint {version('cfn-lint')}", date)
    text = json.dumps(document, indent=1) + "\n"
    (_DATA / "instance_classes.json").write_text(text, encoding="utf-8")
    _write_runtimes(json.loads((folder / _RUNTIMES).read_text(encoding="utf-8")), date)


if __name__ == "__main__":
    main()
