"""What a change does to deployments: their infrastructure and their footprint."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sustainability.errors import UserError
from sustainability.versions.checkout import Checkout


@dataclass(frozen=True)
class Reviewed:
    """One deployment, before and after the change."""

    name: str
    before: dict[str, Any] | None
    """Its estimate before, as ``footprint --json`` prints it; None if there was none."""
    after: dict[str, Any] | None
    stacks: dict[str, str] = field(default_factory=dict)
    """What ``cdk diff`` says of each stack that changes."""
    refused: str = ""
    """Why it could not be synthesized after the change."""


def review(
    root: Path,
    revision: str,
    names: Sequence[str],
    *,
    progress: Callable[[str], None] = lambda _: None,
) -> list[Reviewed]:
    """Return what the files in ``root`` change in deployments, compared with a Git revision.

    It needs no credentials: both sides are synthesized here.

    Raises
    ------
    UserError
        If Git does not know the revision.
    """
    with Checkout.of(root, revision) as before:
        found = []
        for name in names:
            progress(f"synthesizing before and after: {name}")
            found.append(_reviewed(name, before, Checkout(root)))
    return found


def _reviewed(name: str, before: Checkout, after: Checkout) -> Reviewed:
    was = _estimate(before, name)
    if not after.has(name):
        return Reviewed(name, was, None)
    with tempfile.TemporaryDirectory() as folder:
        first, last = Path(folder, "before"), Path(folder, "after")
        try:
            now = after.footprint(name)
            new = after.synthesize(name, last)
        except UserError as error:
            return Reviewed(name, was, None, refused=str(error))
        old = {}
        if was is not None:
            try:
                old = before.synthesize(name, first)
            except UserError as error:
                reason = f"could not be synthesized before the change: {error}"
                return Reviewed(name, was, now, {"all stacks": reason})
        stacks = {}
        for stack in dict.fromkeys([*old, *new]):
            if stack not in new:
                stacks[stack] = "The stack is no longer made; `cdk destroy` deletes it."
            elif stack not in old:
                stacks[stack] = f"A new stack with {len(new[stack]['Resources'])} resources."
            elif old[stack] != new[stack]:
                stacks[stack] = after.difference(stack, last, first / f"{stack}.template.json")
    return Reviewed(name, was, now, stacks)


def _estimate(checkout: Checkout, name: str) -> dict[str, Any] | None:
    if not checkout.has(name):
        return None
    try:
        return checkout.footprint(name)
    except UserError:
        return None  # a file that was not valid has no footprint
