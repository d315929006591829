"""``python -m training.train``: tune a model, or train a small one, and say what it took.

Reads the channels ``train`` and ``model``, writes adapter or weights and ``metrics.json``. A run
that was killed goes on from its last checkpoint, to the same weights.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import resource
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from training import compute, data, energy, job, merge, models
from training.data import Example
from training.job import JobError

_VALIDATION_SHARE = 0.1
_LONGEST_TOKENS = 2048
_READ_BYTES = 1 << 20
_NO_EFFECT = {"device", "cores", "profile", "instance_watts", "neuron_watts"}
"""Options that leave the weights as they are."""

_NEURON_CORE_BYTES = 16e9
"""Half of the 32 GB of a Trainium chip, which has two cores."""


def options() -> argparse.Namespace:
    """Read what the run shall do."""
    parser = argparse.ArgumentParser(prog="python -m training.train", description=__doc__)
    add = parser.add_argument
    add("--method", choices=models.METHODS, default="lora", help="default: %(default)s")
    add("--device", choices=("auto", "cpu", "cuda", "neuron"), default="auto")
    add("--epochs", type=_positive(float), default=3.0, help="passes over the data")
    add("--learning-rate", type=_positive(float), default=6e-4)
    add("--batch", type=_positive(int), default=8, help="examples for each step")
    add("--rank", type=_positive(int), default=8, help="of LoRA")
    add("--virtual-tokens", type=_positive(int), default=16, help="of prefix, prompt and ptuning")
    add("--reads", choices=tuple(models.READS), default="message", help="see training.models")
    add("--length", type=_positive(int), default=256, help="tokens of a block of raw text")
    add("--patience", type=int, default=2, help="checks without a better loss before it stops")
    add("--checks", type=_positive(int), default=5, help="of the loss, each with a checkpoint")
    add("--memory-gb", type=float, default=0, help="that the run may take; 0: what is there")
    add("--layers", type=int, default=0, help="of a new or shallower model")
    add("--hidden", type=_positive(int), default=128, help="width of a new model")
    add("--heads", type=_positive(int), default=4, help="of a new model")
    add("--vocabulary", type=_positive(int), default=2048, help="of a new model")
    add("--search-trials", type=int, default=0, help="learning rates and ranks to try; 0: none")
    add("--seed", type=int, default=0)
    add("--profile", choices=("yes", "no"), default="no", help="write a trace of torch.profiler")
    add("--instance-watts", type=float, default=0, help="estimate, where nothing measures")
    add("--cores", type=_positive(int), default=2, help="NeuronCores, on Trainium")
    add("--neuron-watts", type=float, default=0, help="of one chip at full power")
    return job.parse(parser)


def main() -> int:
    """Train as asked; return the exit code."""
    asked = options()
    device = models.prepare_torch(asked.device)
    if device == "neuron":
        from training import trainium

        trainium.check(asked.method)
        trainium.in_all_cores(asked.cores)
    examples = data.deduplicated(data.read(job.channel("train")))
    folder, out = job.checkpoint_dir(), job.model_dir()
    identity = run_identity(asked, examples)
    if _made_before(out / "metrics.json", identity):
        print("nothing to do: data, model and settings are those of the model that is here")
        return 0
    with energy.measured(
        instance_watts=asked.instance_watts, neuron_watts=asked.neuron_watts
    ) as used:
        if asked.search_trials:
            from training.search import best

            chosen = best(asked, examples, device, folder)
            asked = argparse.Namespace(**vars(asked) | chosen)
        result = Run(asked, examples, device).train(folder / run_identity(asked, examples))
        if result is None:
            print("interrupted; the next start goes on from here", file=sys.stderr)
            return 143
    model, tokenizer, metrics = result
    if device != "neuron":
        save(model, tokenizer, asked.method, out)
    metrics["run"] = identity
    metrics["energy"] = {
        "wh": used.wh,
        "source": used.source,
        "seconds": round(used.seconds, 1),
    }
    metrics["peak_memory_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    job.write_json(out / "metrics.json", metrics)
    print(json.dumps(metrics))
    return 0


class Run:
    """One training run: model, data and settings, before its first step."""

    def __init__(self, asked: argparse.Namespace, examples: Sequence[Example], device: str) -> None:
        from transformers import set_seed

        self.asked, self.device = asked, device
        set_seed(asked.seed)
        raw = all(not each.prompt for each in examples)
        if raw:
            examples = [each for each in examples if data.is_good(each.text)]
            if not examples:
                raise JobError("train: no text is good enough to learn from; see training.data")
        elif any(not each.prompt or not each.completion for each in examples):
            raise JobError("train: each example needs prompt and completion, or all are raw text")
        self.data_hash = data.content_hash(examples)
        self.base: Path | None = None
        if asked.method == "scratch":
            model, self.tokenizer = models.from_scratch(
                [each.text for each in examples],
                layers=asked.layers or 4,
                hidden=asked.hidden,
                heads=asked.heads,
                vocabulary=asked.vocabulary,
                length=max(asked.length, 256),
            )
        else:
            self.base = job.channel("model")
            model, self.tokenizer = models.load(self.base)
            if asked.layers:
                model = models.shallower(model, asked.layers)
        models.set_reading(self.tokenizer, asked.reads)
        self.model = models.adapt(
            model, asked.method, rank=asked.rank, virtual_tokens=asked.virtual_tokens
        )
        self.total, self.trainable = models.parameters(self.model)
        if raw:
            blocks = data.packed(
                (self.tokenizer(each.text)["input_ids"] for each in examples),
                asked.length,
                self.tokenizer.eos_token_id,
            )
            rows = [{"input_ids": block, "labels": block} for block in blocks]
        else:
            rows = [self._row(each) for each in examples]
        checks = asked.patience and device != "neuron"  # its trainer does not evaluate
        held = max(1, round(len(rows) * _VALIDATION_SHARE)) if checks else 0
        if len(rows) < held + 1:
            raise JobError(f"train: {len(rows)} sequences are too few to train and to check on")
        self.rows, self.held = rows[held:], rows[:held]
        self.tokens = round(sum(len(row["input_ids"]) for row in self.rows) * asked.epochs)

    def train(self, where: Path, callbacks: Sequence[Any] = ()) -> tuple[Any, Any, Any] | None:
        """Train in a folder of the run's own, on from its newest checkpoint.

        Returns model, tokenizer and metrics, or None where SIGTERM stopped the run.
        """
        from training.checkpoints import KeepCheckpoints, newest

        asked = self.asked
        longest = max(len(row["input_ids"]) for row in (*self.rows, *self.held))
        batching = compute.batching(
            self.total,
            self.trainable,
            batch=asked.batch,
            sequence_tokens=longest,
            memory=asked.memory_gb * 1e9 or _free_memory(self.device),
            supports_bfloat16=_has_bfloat16(self.device),
        )
        if batching is None:
            raise JobError(
                f"method {asked.method}: {self.total:,} parameters, {self.trainable:,} of them "
                f"trained, do not fit into memory with even one sequence of {longest} tokens; "
                "choose lora, a smaller model or a larger machine"
            )
        steps = math.ceil(len(self.rows) / asked.batch) * asked.epochs
        settings = self._settings(where, batching, max(1, round(steps / asked.checks)))
        start = None
        if self.device == "neuron":
            from training import trainium

            trainer = trainium.train(
                self.base or where,
                asked,
                settings,
                self.rows,
                self._collate,
                self.tokenizer,
                job.model_dir(),
            )
        else:
            keeper, start = KeepCheckpoints(), newest(where)
            trainer = self._trainer(settings, [keeper, *callbacks])
            trainer.train(resume_from_checkpoint=str(start) if start else None)
            if keeper.interrupted:
                return None
        history = trainer.state.log_history
        checked = [row["eval_loss"] for row in history if "eval_loss" in row]
        metrics = {
            "method": asked.method,
            "data_hash": self.data_hash,
            "examples": len(self.rows),
            "tokens": self.tokens,
            "flops_estimate": compute.flops(self.total, self.trainable, self.tokens),
            "parameters": self.total,
            "trainable": self.trainable,
            "batching": {
                "precision": batching.precision,
                "micro_batch": batching.micro_batch,
                "accumulation": batching.accumulation,
            },
            "steps": trainer.state.global_step,
            "resumed_from": start.name if start else None,
            "loss": [round(row["loss"], 4) for row in history if "loss" in row],
            "validation_loss": [round(loss, 4) for loss in checked],
            "weights_sha256": models.weights_hash(trainer.model),
        }
        if asked.method == "scratch":
            metrics["tokens_worth_its_size"] = compute.optimal_tokens(self.total)
        return trainer.model, self.tokenizer, metrics

    def _row(self, example: Example) -> dict[str, list[int]]:
        before = models.prompt_text(self.tokenizer, example.prompt)
        prompt = self.tokenizer(before, add_special_tokens=False)["input_ids"]
        answer = self.tokenizer(example.completion, add_special_tokens=False)["input_ids"]
        answer = [*answer, self.tokenizer.eos_token_id]
        ids = (prompt + answer)[:_LONGEST_TOKENS]
        return {"input_ids": ids, "labels": ([-100] * len(prompt) + answer)[:_LONGEST_TOKENS]}

    def _settings(self, where: Path, batching: compute.Batching, every: int) -> dict[str, Any]:
        """Return the arguments of the trainer; it checks and saves after `every` so many steps."""
        asked = self.asked
        settings: dict[str, Any] = {
            "output_dir": str(where),
            "num_train_epochs": asked.epochs,
            "per_device_train_batch_size": batching.micro_batch,
            "per_device_eval_batch_size": batching.micro_batch,
            "gradient_accumulation_steps": batching.accumulation,
            "bf16": batching.precision == "bfloat16",
            "learning_rate": asked.learning_rate,
            "lr_scheduler_type": "cosine",
            "warmup_steps": 2,
            "logging_steps": every,
            "save_strategy": "steps",
            "save_steps": every,
            "save_total_limit": 2,
            "report_to": [],
            "seed": asked.seed,
            "disable_tqdm": True,
        }
        if self.held:
            settings |= {
                "eval_strategy": "steps",
                "eval_steps": every,
                "load_best_model_at_end": True,
                "metric_for_best_model": "eval_loss",
                "greater_is_better": False,
            }
        return settings

    def _trainer(self, settings: dict[str, Any], callbacks: list[Any]) -> Any:
        from transformers import EarlyStoppingCallback, Trainer, TrainingArguments

        if self.held:
            callbacks.append(EarlyStoppingCallback(self.asked.patience))
        if self.asked.profile == "yes":
            from training.profile import Profile

            callbacks.append(Profile(job.base() / "output" / "data" / "profile.json"))
        return Trainer(
            model=self.model,
            args=TrainingArguments(**settings, use_cpu=self.device == "cpu"),
            train_dataset=self.rows,
            eval_dataset=self.held or None,
            data_collator=self._collate,
            callbacks=callbacks,
        )

    def _collate(self, rows: Sequence[dict[str, list[int]]]) -> dict[str, Any]:
        import torch

        longest = max(len(row["input_ids"]) for row in rows)
        if self.device == "neuron":  # each length is compiled anew, so there is one
            longest = max(len(row["input_ids"]) for row in self.rows)

        def padded(key: str, value: int) -> Any:
            return torch.tensor([row[key] + [value] * (longest - len(row[key])) for row in rows])

        mask = [
            [1] * len(row["input_ids"]) + [0] * (longest - len(row["input_ids"])) for row in rows
        ]
        return {
            "input_ids": padded("input_ids", self.tokenizer.pad_token_id),
            "labels": padded("labels", -100),
            "attention_mask": torch.tensor(mask),
        }


def save(model: Any, tokenizer: Any, method: str, out: Path) -> None:
    """Write what a run made: the adapter, and ``merged``, the whole model, where there is one."""
    if method in models.ADAPTERS:
        model.save_pretrained(out / "adapter")
        tokenizer.save_pretrained(out / "adapter")
    if method == "lora":
        merge.save(model, tokenizer, out / "merged")
    elif method in ("full", "scratch"):
        model.save_pretrained(out / "merged")
        tokenizer.save_pretrained(out / "merged")


def run_identity(asked: argparse.Namespace, examples: Sequence[Example]) -> str:
    """Return a hash that is another one for other data, weights or settings.

    Checkpoints of another run are never continued, and a run that was made is not made again.
    """
    settings = {key: value for key, value in vars(asked).items() if key not in _NO_EFFECT}
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    digest.update(data.content_hash(examples).encode())
    if asked.method != "scratch":
        path = job.channel("model")
        files = [path] if path.is_file() else sorted(path.rglob("*"))
        for weights in (file for file in files if file.is_file()):
            with weights.open("rb") as file:
                while part := file.read(_READ_BYTES):
                    digest.update(part)
    return digest.hexdigest()[:16]


def _made_before(report: Path, identity: str) -> bool:
    made: bool = report.exists() and json.loads(report.read_text())["run"] == identity
    return made


def _free_memory(device: str) -> float:
    import psutil
    import torch

    if device == "cuda":
        return float(torch.cuda.mem_get_info()[0])
    if device == "neuron":
        return _NEURON_CORE_BYTES
    return 0.8 * float(psutil.virtual_memory().available)


def _has_bfloat16(device: str) -> bool:
    """Whether half precision gains something: on a CPU it seldom does."""
    import torch

    return device == "neuron" or (device == "cuda" and torch.cuda.is_bf16_supported())


def _positive(kind: type[int] | type[float]) -> Any:
    def read(text: str) -> float:
        value = kind(text)
        if value <= 0:
            raise argparse.ArgumentTypeError(f"{text} must be above 0")
        return value

    return read


if __name__ == "__main__":
    sys.exit(job.run(main))
