"""``python -m training.prepare``: check the examples, drop duplicates, say what they are.

Reads the inputs ``examples`` and ``golden`` of a processing job, and writes ``train``, ``test`` and
``report``. Leaks, contradictions and personal data end the run: nothing is trained on them.
"""

from __future__ import annotations

import argparse
import shutil
import sys

from training import data, job
from training.job import JobError


def main() -> int:
    """Prepare; return the exit code."""
    argparse.ArgumentParser(prog="python -m training.prepare", description=__doc__).parse_args()
    raw = data.read(job.processing("input", "examples"))
    source = job.processing("input", "golden")
    golden = data.read(source)
    findings = data.check(raw, golden)
    if faults := findings.faults():
        raise JobError("; ".join(faults))
    train = data.deduplicated(raw)
    test = job.processing("output", "test")
    data.write(job.processing("output", "train") / "train.jsonl", train)
    data.write(test / "golden.jsonl", golden)
    for name in ("instruction.txt", "evidence.md"):
        if (source / name).exists():
            shutil.copy(source / name, test)
    report = {
        "data_hash": data.content_hash(train),
        "examples": len(train),
        "duplicates_dropped": len(raw) - len(train),
        "golden": len(golden),
    }
    job.write_json(job.processing("output", "report") / "checks.json", report)
    print(f"{report['examples']} examples, {report['duplicates_dropped']} duplicates dropped")
    return 0


if __name__ == "__main__":
    sys.exit(job.run(main))
