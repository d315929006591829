"""How long Bedrock offers a model, as ``GetFoundationModel`` and ``ListFoundationModels`` say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any


@dataclass(frozen=True)
class Lifecycle:
    """The field ``modelLifecycle`` of a model. AWS states a day only where it is known."""

    status: str
    """``ACTIVE`` or ``LEGACY``. A model past its end is no longer listed."""
    start: date | None = None
    legacy: date | None = None
    extended: date | None = None
    """From this day until the end, a legacy model costs more (public extended access)."""
    end: date | None = None

    @classmethod
    def of(cls, details: Mapping[str, Any]) -> Lifecycle:
        """Read the details or the summary of a model."""
        stated = details.get("modelLifecycle", {"status": "ACTIVE"})

        def day(name: str) -> date | None:
            time = stated.get(name)
            return time.date() if isinstance(time, datetime) else None

        return cls(
            stated["status"],
            day("startOfLifeTime"),
            day("legacyTime"),
            day("publicExtendedAccessTime"),
            day("endOfLifeTime"),
        )

    @property
    def is_legacy(self) -> bool:
        """Whether AWS has announced the end of the model."""
        return self.status == "LEGACY"

    def __str__(self) -> str:
        """Return it as a few words."""
        if not self.is_legacy:
            ends = f", not before {self.end} at its end" if self.end else ""
            return f"active{ends}"
        parts = [f"legacy since {self.legacy}" if self.legacy else "legacy"]
        if self.extended:
            parts.append(f"dearer from {self.extended}")
        parts.append(f"ends on {self.end}" if self.end else "AWS states no day of its end")
        return ", ".join(parts)
