"""Say in one sentence why a set-up failed: ``python requirements/reason.py LOG``.

It runs before anything is installed, so it needs nothing but Python.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

_REASONS = {
    r"name resolution|resolve host|dns error|network is unreachable|connection refused"
    r"|timed out|EAI_AGAIN|ENOTFOUND": "no network, or the package index does not answer; connect, "
    "or name a mirror in PIP_INDEX_URL, UV_INDEX_URL and npm_config_registry",
    r"no space left": "the disk is full; free 2 GB",
    r"permission denied|read-only file system|not permitted|EACCES|EROFS|failed to initialize cache"
    r"|ENOENT: no such file or directory, mkdir": "cannot write to the home folder or to this one; "
    "set HOME to a folder of your own",
    r"hash(es)? (do not match|mismatch)|EINTEGRITY": "a package is not the pinned one; a proxy or "
    "mirror changed it",
}


def reason(log: str) -> str:
    """Return what to do about the failure that ``log`` ends with."""
    for words, cure in _REASONS.items():
        if re.search(words, log, re.IGNORECASE):
            return cure
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    return lines[-1] if lines else "a command ended without a message"


if __name__ == "__main__":
    file = Path(sys.argv[1])
    sys.exit(f"set-up failed: {reason(file.read_text(errors='replace'))}. Messages: {file}")
