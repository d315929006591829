"""``python -m training.merge BASE ADAPTER OUT``: write a LoRA adapter into its model's weights.

A merged model is served like any other, and costs nothing more for an answer.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from training import job, models
from training.job import JobError


def main() -> int:
    """Merge and save."""
    parser = argparse.ArgumentParser(prog="python -m training.merge", description=__doc__)
    parser.add_argument("base", type=Path, help="folder or GGUF file of the model")
    parser.add_argument("adapter", type=Path, help="folder that PEFT saved")
    parser.add_argument("out", type=Path, help="folder to write")
    options = parser.parse_args()
    merge(options.base, options.adapter, options.out)
    return 0


def merge(base: Path, adapter: Path, out: Path) -> None:
    """Write model and tokenizer to `out`; the adapter's tokenizer, which says what to read.

    Raises
    ------
    JobError
        If the adapter is none that merges.
    """
    from transformers import AutoTokenizer

    tuned = with_adapter(models.load(base)[0], adapter)
    if not hasattr(tuned, "merge_and_unload"):
        raise JobError(f"{adapter}: only LoRA merges; serve this adapter beside its model")
    save(tuned, AutoTokenizer.from_pretrained(adapter), out)


def save(tuned: Any, tokenizer: Any, out: Path) -> None:
    """Merge a LoRA model and write it."""
    tuned.merge_and_unload().save_pretrained(out)
    tokenizer.save_pretrained(out)


def with_adapter(model: Any, adapter: Path) -> Any:
    """Return a model under an adapter that PEFT saved."""
    import peft

    if not (adapter / "adapter_config.json").exists():
        raise JobError(f"{adapter}: holds no adapter_config.json")
    return peft.PeftModel.from_pretrained(model, adapter)


if __name__ == "__main__":
    raise SystemExit(job.run(main))
