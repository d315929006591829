"""``python -m training.evaluate``: ask the golden questions of a tuned model and of the rung below.

Writes ``scores.json``: for both, which answers were right, refused and grounded, and the tokens of
their prompts. The rung below is the model as it was, with the best prompt of several: the
instruction alone, or with examples of the training set.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from training import data, energy, job, merge, models
from training.data import NO_ANSWER, Example

_SHOTS = (0, 5)
_WORD = re.compile(r"[^\W_]+")
_AT_ONCE = 8


def main() -> int:
    """Evaluate; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m training.evaluate", description=__doc__)
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--max-tokens", type=int, default=8, help="of an answer")
    parser.add_argument(
        "--rung-below",
        default="prompt",
        help="prompt: the base model with its best prompt; or a folder of weights",
    )
    parser.add_argument("--instance-watts", type=float, default=0)
    asked = job.parse(parser)
    device = models.prepare_torch("cpu" if asked.device == "auto" else asked.device)
    golden = data.read(job.channel("test") / "golden.jsonl")
    evidence = _text(job.channel("test") / "evidence.md")
    with energy.measured(instance_watts=asked.instance_watts) as used:
        scores = {
            "tuned": score(
                *tuned(job.channel("model"), device), golden, evidence, asked.max_tokens
            ),
            "below": _below(asked, device, golden, evidence),
        }
    scores["energy"] = {"wh": used.wh, "source": used.source, "seconds": round(used.seconds, 1)}
    job.write_json(job.model_dir() / "scores.json", scores)
    print(f"right: {scores['tuned']['score']:.3f} tuned, {scores['below']['score']:.3f} below")
    return 0


def score(
    model: Any,
    tokenizer: Any,
    golden: Sequence[Example],
    evidence: str,
    max_tokens: int,
    *,
    system: str = "",
    shots: Sequence[Example] = (),
) -> dict[str, Any]:
    """Ask all golden questions, greedily.

    Returns
    -------
    dict
        ``score``: share of all answered rightly. ``refusals``: share of those without an answer
        that were refused. ``grounded``: share of the words of given answers that the evidence or
        the question holds, 0 to 1. ``prompt_tokens``: mean. ``right``: one truth value each.
    """
    prompts = [models.prompt_text(tokenizer, each.prompt, system, shots) for each in golden]
    answers, tokens = generate(model, tokenizer, prompts, max_tokens)
    right = [is_right(answer, each) for answer, each in zip(answers, golden, strict=True)]
    silent = [refused(answer) for answer, each in zip(answers, golden, strict=True) if each.refuses]
    given = [
        grounded(answer, f"{evidence} {each.prompt}")
        for answer, each in zip(answers, golden, strict=True)
        if not refused(answer)
    ]
    return {
        "score": sum(right) / len(right),
        "refusals": sum(silent) / len(silent) if silent else None,
        "grounded": sum(given) / len(given) if evidence and given else None,
        "prompt_tokens": sum(tokens) / len(tokens),
        "right": right,
        "answers": answers,
    }


def generate(
    model: Any, tokenizer: Any, prompts: Sequence[str], max_tokens: int
) -> tuple[list[str], list[int]]:
    """Return the greedy answer to each prompt, and the tokens that each prompt took."""
    import torch

    model.eval()
    tokenizer.padding_side = "left"
    answers: list[str] = []
    tokens: list[int] = []
    for start in range(0, len(prompts), _AT_ONCE):
        batch = tokenizer(
            list(prompts[start : start + _AT_ONCE]),
            return_tensors="pt",
            padding=True,
            add_special_tokens=False,
        ).to(model.device)
        with torch.no_grad():
            written = model.generate(
                **batch,
                max_new_tokens=max_tokens,
                do_sample=False,
                pad_token_id=tokenizer.pad_token_id,
                eos_token_id=tokenizer.eos_token_id,
            )
        begins = batch["input_ids"].shape[1]
        answers += tokenizer.batch_decode(written[:, begins:], skip_special_tokens=True)
        tokens += batch["attention_mask"].sum(1).tolist()
    return [answer.strip() for answer in answers], tokens


def is_right(answer: str, golden: Example) -> bool:
    """Whether an answer is the golden one, or a refusal where none is right."""
    if golden.refuses:
        return refused(answer)
    return _WORD.findall(answer.casefold()) == _WORD.findall(golden.completion.casefold())


def refused(answer: str) -> bool:
    """Whether a model says that it has no answer."""
    return NO_ANSWER in answer


def grounded(answer: str, evidence: str) -> float:
    """Return the share of an answer's words that the evidence holds; numbers in brackets cite."""
    words = set(_WORD.findall(re.sub(r"\[\d+\]", " ", answer).casefold()))
    return len(words & set(_WORD.findall(evidence.casefold()))) / len(words) if words else 0.0


def tuned(folder: Path, device: str) -> tuple[Any, Any]:
    """Load what a training run left: the whole model, or its adapter over the base."""
    from transformers import AutoTokenizer

    if (folder / "merged").exists():
        model, tokenizer = models.load(folder / "merged")
    else:
        model = merge.with_adapter(models.load(job.channel("base"))[0], folder / "adapter")
        tokenizer = AutoTokenizer.from_pretrained(folder / "adapter")
    return model.to(device), tokenizer


def _below(
    asked: argparse.Namespace, device: str, golden: Sequence[Example], evidence: str
) -> dict[str, Any]:
    if asked.rung_below != "prompt":
        model, tokenizer = models.load(Path(asked.rung_below))
        return score(model.to(device), tokenizer, golden, evidence, asked.max_tokens)
    model, tokenizer = models.load(job.channel("base"))
    model.to(device)
    train = data.read(job.channel("train"))
    system = _text(job.channel("test") / "instruction.txt")
    tried = {
        f"{shots} examples": score(
            model,
            tokenizer,
            golden,
            evidence,
            asked.max_tokens,
            system=system,
            shots=train[:shots],
        )
        for shots in _SHOTS
    }
    name = max(tried, key=lambda each: tried[each]["score"])
    return tried[name] | {"prompt": name}


def _text(file: Path) -> str:
    return file.read_text().strip() if file.exists() else ""


if __name__ == "__main__":
    sys.exit(job.run(main))
