"""Programs for the steps of the pipeline that need no weights, beside those that need none anyway.

Preparing and judging are the real ones. Training ends badly where it is told of no epochs, and
never where it is told of too many.
"""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TICKETS = ROOT / "samples" / "customization" / "tickets"
ENDLESS = "1000000"
_TRAIN = """
import argparse, sys, time
from training import data, job

def main():
    parser = argparse.ArgumentParser()
    for name in ("method", "epochs", "learning-rate", "reads", "instance-watts"):
        parser.add_argument(f"--{name}")
    asked = job.parse(parser)
    print("told", asked.method, asked.reads, flush=True)
    if asked.epochs == "0":
        raise job.JobError("nothing to learn in 0 epochs")
    while asked.epochs == "1000000":
        time.sleep(0.05)
    examples = data.read(job.channel("train"))
    (job.checkpoint_dir() / "step").write_text("1")
    merged = job.model_dir() / "merged"
    merged.mkdir()
    (merged / "config.json").write_text("{}")
    energy = {"wh": 0.5, "source": "a test"}
    metrics = {"energy": energy, "data_hash": data.content_hash(examples)}
    job.write_json(job.model_dir() / "metrics.json", metrics)
    return 0

sys.exit(job.run(main))
"""
_EVALUATE = """
import argparse, sys
from training import data, job

SCORES = %s

def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--instance-watts")
    job.parse(parser)
    asked = len(data.read(job.channel("test") / "golden.jsonl"))
    scores = {
        who: {
            "score": share,
            "right": [number < share * asked for number in range(asked)],
            "refusals": 1.0,
            "grounded": 1.0,
            "prompt_tokens": 20.0,
        }
        for who, share in SCORES.items()
    }
    job.write_json(job.model_dir() / "scores.json", {**scores, "energy": {"wh": 0.25}})
    return 0

sys.exit(job.run(main))
"""


def programs(*, tuned: float = 0.9, below: float = 0.5) -> bytes:
    """Return the zip file of a pipeline whose tuned model scores so."""
    files = {
        f"training/{file.name}": file.read_text()
        for file in (ROOT / "training").glob("*.py")
        if file.name in ("__init__.py", "compile.py", "data.py", "gate.py", "job.py", "prepare.py")
    }
    files["training/train.py"] = _TRAIN
    files["training/evaluate.py"] = _EVALUATE % json.dumps({"tuned": tuned, "below": below})
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return packed.getvalue()


def inputs() -> dict[str, bytes]:
    """Return the objects that a pipeline reads, by key."""
    found = {
        f"{kind}/{file.name}": file.read_bytes()
        for kind in ("examples", "golden")
        for file in (TICKETS / kind).iterdir()
    }
    return found | {"base/weights": b"none"}
