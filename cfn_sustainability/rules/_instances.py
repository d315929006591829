"""What the name of an instance type tells: ``ml.m7g.2xlarge``, ``db.r6gd.large``, ``t3.micro``."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cfn_sustainability.properties import Fault, Properties
from cfn_sustainability.settings import RuleSettings

_NAME = re.compile(
    r"(?:(?:ml|db|cache|kafka)\.)?(?P<series>[a-z]+)(?P<generation>\d+)(?P<options>[a-z0-9-]*)[.]"
)
_GRAVITON_SERIES = {"a", "or", "om", "oi"}  # a1; the OpenSearch series run on Graviton without a g
_HAS_GRAVITON = {"m", "c", "r", "t", "x", "i"}
_SMALL = ("nano", "micro", "small", "medium")
_LAST_RETIRED = {"t": 2, "m": 4, "c": 4, "r": 4, "i": 2, "d": 2, "x": 1, "g": 3, "p": 3}


def has_graviton_sibling(name: str) -> bool:
    """Return whether ``name`` is an x86 type of a series that also exists on Graviton."""
    match = _NAME.match(name)
    return bool(match and match["series"] in _HAS_GRAVITON and "g" not in match["options"])


def is_graviton(name: str) -> bool:
    """Return whether ``name`` is a Graviton type."""
    match = _NAME.match(name)
    return bool(match and ("g" in match["options"] or match["series"] in _GRAVITON_SERIES))


def is_retired(name: str) -> bool:
    """Return whether AWS lists the type's generation as a previous one."""
    match = _NAME.match(name)
    return bool(match and int(match["generation"]) <= _LAST_RETIRED.get(match["series"], 0))


def is_gpu(name: str) -> bool:
    """Return whether the type carries GPUs."""
    match = _NAME.match(name)
    return bool(match and match["series"] in ("g", "p"))


def graviton_faults(
    resource: Properties, paths: tuple[str, ...], settings: RuleSettings
) -> Iterator[Fault]:
    """Yield a fault for each instance type at ``paths`` that has a Graviton sibling."""
    for path in paths:
        name = resource.text(path)
        if has_graviton_sibling(name) and name not in settings.allowed_instances:
            yield resource.fault(path, f"a Graviton type such as {graviton_example(name)}")


def graviton_example(name: str) -> str:
    """Return a Graviton type of about the same size: ``db.r5.large`` gives ``db.r7g.large``."""
    match = _NAME.match(name)
    if not match:
        return name
    prefix, series, size = name[: match.start("series")], match["series"], name[match.end() :]
    if size in _SMALL and prefix != "ml.":
        return f"{prefix}t4g.{size}"
    generation = {"t": "4g", "x": "2gd", "i": "8g"}.get(series, "7g")
    return f"{prefix}{series}{generation}.{size}"
