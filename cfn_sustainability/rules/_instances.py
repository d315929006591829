"""Judging instance types: older generations, and Graviton siblings that AWS offers."""

from __future__ import annotations

from collections.abc import Iterator

from cfn_sustainability.offers import (
    InstanceClass,
    Offer,
    generations,
    graviton,
    graviton_sibling,
    is_oldest_graviton,
    offers,
    parsed,
    version,
)
from cfn_sustainability.properties import Fault, Properties
from cfn_sustainability.settings import RuleSettings

_OFFERS = {
    "ml.": "sagemaker",
    "cache.": "elasticache",
    "kafka.": "msk",
    ".search": "opensearch",
    ".elasticsearch": "elasticsearch",
    "db.": "rds/postgres",
}
"""How names of instance types begin or end, by offer; those of EC2 have neither."""


def is_old(name: str) -> bool:
    """Return whether newer generations of its series have replaced the type."""
    known = parsed(name)
    return known is not None and (known.series, known.generation) in generations()


def has_graviton_sibling(name: str) -> bool:
    """Return whether the service that ``name`` belongs to offers Graviton in its place."""
    return _sibling(name) is not None


def graviton_example(name: str) -> str:
    """Return the Graviton type that stands for ``name``: ``ml.m5.large`` gives ``ml.m6g.large``."""
    sibling = _sibling(name)
    return sibling.name if sibling else name


def _sibling(name: str) -> InstanceClass | None:
    return graviton_sibling(_offer(name), name, None)


def _offer(name: str) -> Offer:
    for part, offer in _OFFERS.items():
        if name.startswith(part) or name.endswith(part):
            return offers()[offer]
    return offers()["ec2"]


def is_gpu(name: str) -> bool:
    """Return whether the type carries GPUs."""
    known = parsed(name)
    return known is not None and known.is_gpu


def old_faults(
    resource: Properties,
    path: str,
    settings: RuleSettings,
    *,
    prefix: str = "",
    region: str | None = None,
) -> Iterator[Fault]:
    """Yield the fault that a type is of a replaced generation.

    It is certain if AWS lists the generation among its previous ones, and offers a successor.
    """
    name = resource.text(path)
    known = parsed(name)
    old = generations().get((known.series, known.generation)) if known else None
    if old and name not in settings.allowed_instances:
        successor = _offer(name).successor(old, region)
        wants = f"a newer generation such as {prefix}{successor}" if successor else "a newer one"
        yield resource.fault(path, wants, certain=old.listed and successor is not None)


def graviton_faults(
    resource: Properties,
    paths: tuple[str, ...],
    settings: RuleSettings,
    *,
    offer: str | None = None,
    region: str | None = None,
    certain: bool = True,
) -> Iterator[Fault]:
    """Yield a fault for each instance type at ``paths`` that has a Graviton sibling.

    ``offer`` is where, if not in the service that the name belongs to; ``certain`` whether the
    engine surely takes it.
    """
    for path in paths:
        name = resource.text(path)
        classes = offers().get(offer, Offer({})) if offer else _offer(name)
        sibling = graviton_sibling(classes, name, region)
        if sibling is not None and name not in settings.allowed_instances:
            surely = (
                name.endswith(f".{sibling.size}")
                and not sibling.has_disk  # newer engine versions, and few deployments, take these
                and is_oldest_graviton(classes, sibling)
                and classes.replaces(sibling.name, name, region)
            )
            wants = f"a Graviton type such as {sibling.name}"
            yield resource.fault(path, wants, certain=certain and surely)


def takes_graviton(engine: str, engine_version: str | None) -> bool | None:
    """Return whether AWS offers Graviton for a version of an engine; None where it is not known."""
    offered = graviton(engine)
    if offered is None:
        return False
    own = version(_of_aurora(engine_version)) if engine_version else None
    if own is None:
        return None
    first = next((one for one in offered.least if one[0] == own[0]), offered.least[-1])
    if len(own) < len(first) and own == first[: len(own)]:
        return None
    if own < first:
        return False
    return True if offered.sure else None


def _of_aurora(engine_version: str) -> str:
    """Return Aurora MySQL's own version: ``5.7.mysql_aurora.2.11.2`` is 2.11.2."""
    return engine_version.rpartition("mysql_aurora.")[2]
