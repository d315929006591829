"""Renews the facts that packages carry: ``python -m sustainability.facts.refresh``.

Each package is installed for this run alone. What cannot be read leaves its table as it was.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_SOURCES = (
    ("ecologits", "sustainability.facts.refresh.models", "models.csv"),
    ("genai-prices", "sustainability.facts.refresh.bedrock_prices", "bedrock_prices.csv"),
)
_UNREACHED = ("dns error", "error sending request", "Failed to fetch", "could not connect")
_ROOT = Path(__file__).resolve().parents[3]


def main() -> int:
    """Renew each table, print one sentence for each, and return 1 if one stayed as it was."""
    outcomes = [_renewed(*source) for source in _SOURCES]
    return 0 if all(outcomes) else 1


def _renewed(package: str, module: str, table: str) -> bool:
    run = ("uv", "run", "--quiet", "--isolated", "--no-project", "--with", package)
    outcome = subprocess.run(
        (sys.executable, "-m", *run, "--python", sys.executable, "-m", module),
        capture_output=True, text=True, check=False, cwd=_ROOT,
    )  # fmt: skip
    if outcome.returncode == 0:
        print(f"{table}: renewed from the newest {package}.")
        return True
    if any(sign.lower() in outcome.stderr.lower() for sign in _UNREACHED):
        reason = "no package index can be reached; run it again with a network"
    else:
        reason = (outcome.stderr.strip().splitlines() or ["no reason was given"])[-1]
    print(f"{table}: as it was, because {package} could not be read: {reason}")
    return False


if __name__ == "__main__":
    sys.exit(main())
