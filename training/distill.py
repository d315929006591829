"""``python -m training.distill``: have a teacher answer questions that a student learns.

Reads the channels ``questions`` (one ``{"prompt": ...}`` a line), ``teacher`` (what
`training.train` wrote) and ``test`` (the golden questions, which no student may see), and writes
``train.jsonl``, which `training.train` reads, with ``--layers`` for a shallower student.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import Any

from training import data, energy, evaluate, job, models
from training.data import NO_ANSWER, Example

Teacher = Callable[[Sequence[str]], list[str]]
"""From prompts to answers: a local model, or a client of Bedrock's."""

ASK = (
    "Write {count} different questions, one a line, that the following text answers. "
    "Write nothing else.\n\n{text}"
)


def main() -> int:
    """Distil; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m training.distill", description=__doc__)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--max-tokens", type=int, default=8, help="of an answer")
    parser.add_argument("--instance-watts", type=float, default=0)
    asked = job.parse(parser)
    device = models.prepare_torch(asked.device)
    questions = [each.prompt for each in data.read(job.channel("questions"))]
    test = job.channel("test")
    golden = data.read(test / "golden.jsonl")
    file = test / "evidence.md"
    evidence = file.read_text() if file.exists() else ""
    spent = 0

    def teacher(prompts: Sequence[str]) -> list[str]:
        nonlocal spent
        texts = [models.prompt_text(tokenizer, prompt) for prompt in prompts]
        answers, tokens = evaluate.generate(model, tokenizer, texts, asked.max_tokens)
        written = tokenizer(answers, add_special_tokens=False)["input_ids"]
        spent += sum(tokens) + sum(map(len, written))
        return answers

    with energy.measured(instance_watts=asked.instance_watts) as used:
        model, tokenizer = evaluate.tuned(job.channel("teacher"), device)
        kept, dropped = taught(questions, teacher, golden, evidence)
    out = job.model_dir()
    data.write(out / "train.jsonl", kept)
    report: dict[str, Any] = {
        "questions": len(questions),
        "kept": len(kept),
        "dropped": dropped,
        "teacher_tokens": spent,
        "energy": {"wh": used.wh, "source": used.source, "seconds": round(used.seconds, 1)},
    }
    job.write_json(out / "distillation.json", report)
    print(f"{len(kept)} of {len(questions)} answers kept; dropped: {dropped}")
    return 0


def questions_from(texts: Sequence[str], teacher: Teacher, *, each: int) -> list[str]:
    """Have a teacher write questions from documents: `each` for every text, repetitions dropped."""
    written = teacher([ASK.format(count=each, text=text) for text in texts])
    lines = (line.strip(" -*0123456789.)\t") for text in written for line in text.splitlines())
    return list(dict.fromkeys(line for line in lines if line.endswith(("?", "？"))))  # noqa: RUF001


def taught(
    questions: Sequence[str], teacher: Teacher, golden: Sequence[Example], evidence: str
) -> tuple[list[Example], dict[str, int]]:
    """Return what a student may learn, and how many answers were dropped for which reason.

    An answer that the evidence does not hold is the teacher's invention. A refusal is worth
    learning, but only as `NO_ANSWER` and nothing else.
    """
    dropped = {"golden": 0, "personal": 0, "empty": 0, "ungrounded": 0}
    leaked = set(data.check([Example(each, "-") for each in questions], golden).leaks)
    kept = []
    for line, (prompt, answer) in enumerate(zip(questions, teacher(questions), strict=True), 1):
        if line in leaked:
            dropped["golden"] += 1
        elif not answer:
            dropped["empty"] += 1
        elif data.kinds_of_personal_data(f"{prompt} {answer}"):
            dropped["personal"] += 1
        elif evaluate.refused(answer):
            kept.append(Example(prompt, NO_ANSWER))
        elif evidence and evaluate.grounded(answer, f"{evidence} {prompt}") < 1:
            dropped["ungrounded"] += 1
        else:
            kept.append(Example(prompt, answer))
    return data.deduplicated(kept), dropped


if __name__ == "__main__":
    sys.exit(job.run(main))
