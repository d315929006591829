"""The change in footprint between two versions of a deployment, and limits for it."""

from __future__ import annotations

import math
import re
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sustainability.deployment.schema import Deployment, located
from sustainability.energy.impact import Impact
from sustainability.energy.verdict import Verdict
from sustainability.errors import UserError
from sustainability.footprint.footprint import Footprint

QUANTITIES = ("energy", "carbon", "cost")
SCOPES = ("idle", "traffic", "answers")
_LIMIT = re.compile(
    rf"(?:(?P<scope>{'|'.join(SCOPES)})\.)?(?P<quantity>{'|'.join(QUANTITIES)})"
    r"\s*>\s*\+?(?P<percent>\d+(?:\.\d+)?)\s*%"
)


class ComparisonError(UserError):
    """A limit, or a Git revision, that cannot be read."""


@dataclass(frozen=True)
class Change:
    """One quantity of one scope, before and after."""

    scope: str
    quantity: str
    unit: str
    before: float
    after: float
    more: Verdict
    """Whether ``before`` is really less than ``after``."""

    @property
    def is_noise(self) -> bool:
        """Whether the two differ by less than the uncertain numbers allow to tell."""
        return self.before != self.after and self.more.too_close

    @property
    def share(self) -> float:
        """Relative change: 0.1 is 10 % more. Infinite if ``before`` is zero."""
        if self.before == self.after:
            return 0.0
        return self.after / self.before - 1 if self.before else math.inf


@dataclass(frozen=True)
class Limit:
    """How much a quantity may grow: ``carbon>+10%`` or ``idle.cost>5%``."""

    scope: str
    quantity: str
    share: float

    @classmethod
    def parse(cls, text: str) -> Limit:
        """Read a limit. The default scope is the month of traffic.

        Raises
        ------
        ComparisonError
            If ``text`` is not a limit. The message shows the format.
        """
        match = _LIMIT.fullmatch(text.strip())
        if match is None:
            raise ComparisonError(
                f"--fail-if {text!r}: write QUANTITY>+N% or SCOPE.QUANTITY>+N%, such as "
                f"'carbon>+10%' or 'idle.cost>+5%'; quantities are {', '.join(QUANTITIES)}, "
                f"scopes are {', '.join(SCOPES)}"
            )
        return cls(match["scope"] or "traffic", match["quantity"], float(match["percent"]) / 100)

    def broken_by(self, changes: list[Change]) -> Change | None:
        """Return the change that exceeds the limit, if one does and is no noise."""
        for change in changes:
            if (change.scope, change.quantity) == (self.scope, self.quantity):
                grown = change.share > self.share + 1e-9
                return change if grown and not change.is_noise else None
        raise ComparisonError(
            f"{self.scope}.{self.quantity}: to compare answers, both deployments need traffic"
        )


def compare(before: Footprint, after: Footprint) -> list[Change]:
    """Return the changes in the middle estimates: idle month, month of traffic, 1,000 answers."""
    changes = [
        *_changes("idle", before.idle, after.idle),
        *_changes("traffic", before.traffic, after.traffic),
    ]
    if before.per_1000_answers is not None and after.per_1000_answers is not None:
        changes += _changes("answers", before.per_1000_answers, after.per_1000_answers)
    return changes


def _changes(scope: str, before: Impact, after: Impact) -> Iterator[Change]:
    for quantity, unit, was, now in (
        ("energy", "Wh", before.kwh * 1000, after.kwh * 1000),
        ("carbon", "gCO2e", before.carbon_g, after.carbon_g),
        ("cost", "USD", before.usd, after.usd),
    ):
        yield Change(scope, quantity, unit, was.mid, now.mid, Verdict.between(was, now))


def load_revision(path: Path, revision: str) -> Deployment:
    """Return the deployment file at a Git revision.

    Raises
    ------
    ComparisonError
        If Git does not know the revision, or the file did not exist there.
    DeploymentError
        If the file was not valid.
    """
    path = located(path)
    try:
        shown = subprocess.run(
            ["git", "show", f"{revision}:./{path.name}"],
            cwd=path.resolve().parent,
            capture_output=True,
            check=True,
        )
    except FileNotFoundError as error:
        raise ComparisonError(f"--against needs git: {error}") from error
    except subprocess.CalledProcessError as error:
        reason = error.stderr.decode(errors="replace").strip().splitlines()
        raise ComparisonError(f"--against {revision}: {reason[0] if reason else error}") from error
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / path.name
        copy.write_bytes(shown.stdout)
        return Deployment.load(copy)
