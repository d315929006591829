"""What every test needs: Node from the virtual environment, and Hypothesis without deadlines."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from hypothesis import settings

# jsii starts the first `node` on the path; this project brings its own.
os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

# Examples are judged by what they show, not by how long they take on a busy machine.
settings.register_profile("project", deadline=None)
settings.load_profile("project")
