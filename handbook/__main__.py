"""Gather the pages of the site: ``python -m handbook FOLDER``."""

from __future__ import annotations

import sys
from pathlib import Path

from handbook.pages import gather

if __name__ == "__main__":
    gather(Path.cwd(), Path(sys.argv[1]))
