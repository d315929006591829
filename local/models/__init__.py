"""Small local models behind the APIs of Amazon Bedrock Runtime and SageMaker Runtime."""

from __future__ import annotations

import sys
from pathlib import Path

# The quoting generator is the functions' own code; as in AWS, their packages are on the path.
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "lambdas"))
