"""Small stand-ins behind the wire shapes of Amazon Bedrock Runtime and SageMaker Runtime."""

from __future__ import annotations

import sys
from pathlib import Path

# The generator that quotes is the functions' own; in AWS, too, their packages are top of the path.
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "lambdas"))
