"""Measurements that anyone can repeat: ``python -m benchmarks``, or ``make bench``."""

from __future__ import annotations

import os
import sys
from pathlib import Path

# jsii starts the first `node` on the path; this project brings its own.
os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
# In AWS, too, the functions' packages lie at the top of the path.
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lambdas"))
