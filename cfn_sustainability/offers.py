"""Which instance classes AWS offers, where, and for which engines: facts from ``data/``."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

_NAME = re.compile(
    r"(?P<prefix>(?:ml|db|cache|kafka)\.)?(?P<series>[a-z]+)(?P<generation>\d+)"
    r"(?P<options>[a-z0-9-]*)\.(?P<size>.+)"
)
_GRAVITON_SERIES = {"a", "or", "om", "oi"}  # a1; the OpenSearch series run on Graviton without a g
_SMALL_SIZES = {"nano": 1, "micro": 2, "small": 4, "medium": 8, "large": 16, "xlarge": 32}
_VERSION = re.compile(r"\d+(?:\.\d+)*")


@dataclass(frozen=True, slots=True)
class InstanceClass:
    """What the name of an instance class tells: ``db.r6gd.large``, ``ml.m7g.2xlarge``."""

    name: str
    series: str
    generation: int
    options: str
    size: str

    @property
    def is_graviton(self) -> bool:
        """Whether it runs on Graviton."""
        return "g" in self.options or self.series in _GRAVITON_SERIES

    @property
    def is_gpu(self) -> bool:
        """Whether it carries GPUs."""
        return self.series in ("g", "p")

    @property
    def has_disk(self) -> bool:
        """Whether it has disks of its own."""
        return "d" in self.options

    @property
    def weight(self) -> int:
        """A number that grows with the size; 0 where the size has no order, such as metal."""
        size = self.size.partition(".")[0]
        times = size.removesuffix("xlarge")
        return 32 * int(times) if times.isdigit() else _SMALL_SIZES.get(size, 0)


@dataclass(frozen=True, slots=True)
class Generation:
    """A generation that newer ones of its series have replaced."""

    listed: bool
    """Whether the *Amazon EC2 Instance Types* guide lists it among previous generations."""
    successors: tuple[str, ...]
    """Families of the same processor architecture, the newest first."""


@dataclass(frozen=True, slots=True, eq=False)
class Offer:
    """The classes of a service, or of one engine of it; equal only to itself."""

    classes: dict[str, frozenset[str]]
    """The Regions that lack each class."""
    regions: int = 0
    """How many Regions have the service."""

    def has(self, name: str, region: str | None) -> bool:
        """Return whether the class exists; in the Region, where that is known."""
        return name in self.classes and region not in self.classes[name]

    def suggests(self, name: str, region: str | None) -> bool:
        """Return whether the class exists in the Region, or in most where none is known."""
        few = region is None and 2 * len(self.classes[name]) > self.regions
        return self.has(name, region) and not few

    def replaces(self, name: str, own: str, region: str | None) -> bool:
        """Return whether the class exists wherever ``own`` does: in the Region, or in all."""
        if region is not None:
            return self.has(name, region)
        return name in self.classes and self.classes[name] <= self.classes.get(own, frozenset())

    def successor(self, old: Generation, region: str | None) -> str | None:
        """Return the newest family in place of a replaced generation that the offer suggests."""
        families = {
            name.removeprefix("ml.").partition(".")[0]
            for name in self.classes
            if self.suggests(name, region)
        }
        return next((family for family in old.successors if family in families), None)


@cache
def parsed(name: str) -> InstanceClass | None:
    """Return what a name tells; None when it is no name of an instance class."""
    match = _NAME.fullmatch(name)
    if not match:
        return None
    generation = int(match["generation"])
    return InstanceClass(name, match["series"], generation, match["options"], match["size"])


@cache
def offers() -> dict[str, Offer]:
    """Return the offers by name: ``ec2``, ``sagemaker``, ``rds/mysql`` and so on."""
    document = json.loads(_text("instance_classes.json"))
    found = {
        offer: Offer(
            {
                name: frozenset(absent.split())
                for absent, names in entry["not_in"].items()
                for name in names.split()
            },
            len(entry["regions"].split()),
        )
        for offer, entry in document["offers"].items()
    }
    for row in _rows("other_classes.csv"):
        found[row["offer"]] = Offer(dict.fromkeys(row["classes"].split(), frozenset()))
    return found


@cache
def generations() -> dict[tuple[str, int], Generation]:
    """Return the replaced generations, by series and number."""
    return {
        (row["series"], int(row["generation"])): Generation(
            row["listed"] == "yes", tuple(row["successors"].split())
        )
        for row in _rows("generations.csv")
    }


@dataclass(frozen=True, slots=True)
class Runtime:
    """A runtime of AWS Lambda."""

    on_arm64: bool = True
    deprecated: bool = False
    """Whether AWS no longer mends its faults."""
    retired: bool = False
    """Whether no function with it can be made any more."""


@cache
def runtimes() -> dict[str, Runtime]:
    """Return the runtimes by name, as they were when the data was read."""
    return {
        row["runtime"]: Runtime(
            row["arm64"] == "yes",
            *("" < row[key] <= row["checked"] for key in ("deprecated", "no_new_after")),
        )
        for row in _rows("runtimes.csv")
    }


@cache
def large_models() -> tuple[str, ...]:
    """Return parts of the ids of large models."""
    return tuple(row["part"] for row in _rows("large_models.csv"))


@dataclass(frozen=True, slots=True)
class Graviton:
    """The versions of an engine for which AWS offers Graviton."""

    least: tuple[tuple[int, ...], ...]
    """The first of each major version, in order; majors newer than all of these take it, too."""
    sure: bool
    """Whether a page of AWS says so."""


@cache
def graviton(engine: str) -> Graviton | None:
    """Return where AWS offers Graviton for an engine; None if the engine runs on x86 alone."""
    for row in _rows("graviton_engines.csv"):
        if row["engine"] == engine:
            least = sorted(filter(None, map(version, row["least_versions"].split())))
            return Graviton(tuple(least), row["sure"] == "yes")
    return None


def version(text: str) -> tuple[int, ...] | None:
    """Return a version as numbers; None when the text holds none."""
    match = _VERSION.search(text)
    return tuple(map(int, match[0].split("."))) if match else None


def is_oldest_graviton(offer: Offer, sibling: InstanceClass) -> bool:
    """Return whether no older Graviton generation is offered: all engine versions take it."""
    return not any(
        other.is_graviton
        and other.series == sibling.series
        and other.generation < sibling.generation
        for other in map(parsed, offer.classes)
        if other is not None
    )


@cache
def graviton_sibling(offer: Offer, name: str, region: str | None) -> InstanceClass | None:
    """Return a Graviton class of the offer in place of ``name``: the same size, or the next below.

    None for a class that is on Graviton already, that the offer lacks, or that has no sibling.
    """
    own = parsed(name)
    if own is None or own.is_graviton or own.is_gpu or not offer.has(name, region):
        return None
    siblings = [
        other
        for other in map(parsed, offer.classes)
        if other is not None
        and other.is_graviton
        and other.series == own.series
        and offer.suggests(other.name, region)
        and (other.size == own.size or 0 < other.weight <= own.weight)
    ]
    return max(
        siblings,
        key=lambda other: (
            other.size == own.size,
            other.weight,
            other.has_disk == own.has_disk,
            len(other.options) <= 2,
            -len(other.options),
            -other.generation,  # the older, the more engine versions and Regions take it
        ),
        default=None,
    )


def _rows(file: str) -> list[dict[str, str]]:
    return list(csv.DictReader(_text(file).splitlines()))


def _text(file: str) -> str:
    return files("cfn_sustainability").joinpath("data", file).read_text(encoding="utf-8")
