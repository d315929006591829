"""Training on Trainium by optimum-neuron, whose lock is apart: `requirements/trainium.txt`.

Its trainer neither evaluates nor resumes, and its PEFT knows LoRA alone (version 0.4.5): there is
no early stopping here, and a run that was interrupted begins anew.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from training import merge
from training.job import JobError

_METHODS = ("lora", "full")
_NOT_KNOWN = {"per_device_eval_batch_size"}


def check(method: str) -> None:
    """Raise `JobError` for a method that Trainium's library does not have."""
    if method not in _METHODS:
        raise JobError(
            f"method {method}: on Trainium there is {' and '.join(_METHODS)}; train on a GPU or CPU"
        )


def in_all_cores(cores: int) -> None:
    """Start this very command once for each NeuronCore, in place of this process."""
    if "RANK" not in os.environ:
        arguments = ["--nproc_per_node", str(cores), "-m", "training.train", *sys.argv[1:]]
        os.execvp("torchrun", ["torchrun", *arguments])


def train(
    base: Path,
    asked: argparse.Namespace,
    settings: Mapping[str, Any],
    rows: Sequence[Mapping[str, Any]],
    collate: Callable[..., Any],
    tokenizer: Any,
    out: Path,
) -> Any:
    """Train, write ``adapter`` and ``merged`` to `out`, and return the trainer."""
    import peft
    from optimum.neuron import NeuronTrainer, NeuronTrainingArguments
    from optimum.neuron.models.training import NeuronModelForCausalLM
    from optimum.neuron.peft import get_peft_model

    known = {key: value for key, value in settings.items() if key not in _NOT_KNOWN}
    arguments = NeuronTrainingArguments(**known)
    model = NeuronModelForCausalLM.from_pretrained(base, arguments.trn_config)
    if asked.method == "lora":
        config = peft.LoraConfig(
            task_type="CAUSAL_LM",
            r=asked.rank,
            lora_alpha=2 * asked.rank,
            target_modules="all-linear",
        )
        model = get_peft_model(model, config)
    trainer = NeuronTrainer(
        model=model,
        args=arguments,
        train_dataset=rows,
        data_collator=collate,
        processing_class=tokenizer,
    )
    trainer.train()
    shards, whole = out / "shards", out / ("adapter" if asked.method == "lora" else "merged")
    trainer.save_model(str(shards))
    if int(os.environ.get("RANK", "0")) == 0:
        subprocess.run(
            ["optimum-cli", "neuron", "consolidate", str(shards), str(whole)], check=True
        )
        tokenizer.save_pretrained(whole)
        if asked.method == "lora":
            merge.merge(base, whole, out / "merged")
    return trainer
