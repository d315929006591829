"""``python -m training.gguf SOURCE MODEL OUT``: write a model as GGUF, in 8 bits for each weight.

Everything but the weights and the chat template is copied from `SOURCE`, the GGUF file that the
model began as: its tokenizer among it. Models of Llama's architecture only.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from training import job
from training.job import JobError

_Q8_0 = 7
"""The file type of GGUF for 8 bits in blocks of 32 weights."""

_COMPUTED = {
    "general.architecture",
    "general.file_type",
    "general.quantization_version",
    "llama.block_count",
    "tokenizer.chat_template",
}


def main() -> int:
    """Convert."""
    parser = argparse.ArgumentParser(prog="python -m training.gguf", description=__doc__)
    parser.add_argument("source", type=Path, help="GGUF file to take tokenizer and settings from")
    parser.add_argument("model", type=Path, help="folder that Transformers saved")
    parser.add_argument("out", type=Path, help="GGUF file to write")
    options = parser.parse_args()
    convert(options.source, options.model, options.out)
    return 0


def convert(source: Path, model: Path, out: Path) -> None:
    """Write `model` to `out`.

    Raises
    ------
    JobError
        If the two are not of one architecture, or a tensor has no place.
    """
    import gguf

    reader = gguf.GGUFReader(source)
    config = json.loads((model / "config.json").read_text())
    architecture = reader.fields["general.architecture"].contents()
    if architecture != "llama" or config.get("model_type") != "llama":
        raise JobError(
            f"{source.name} is of architecture {architecture}, {model.name} of "
            f"{config.get('model_type')}: only llama is converted here"
        )
    writer = gguf.GGUFWriter(out, architecture)
    for key, field in reader.fields.items():
        if not key.startswith("GGUF.") and key not in _COMPUTED:
            kind = field.types[0]
            inner = field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None
            writer.add_key_value(key, field.contents(), kind, inner)
    layers = config["num_hidden_layers"]
    writer.add_block_count(layers)
    writer.add_file_type(_Q8_0)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    if template := _chat_template(model):
        writer.add_chat_template(template)
    heads = {"q_proj": config["num_attention_heads"], "k_proj": config["num_key_value_heads"]}
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, layers)
    for name, weights in _tensors(model):
        placed = names.get_name(name, try_suffixes=(".weight", ".bias"))
        if placed is None:
            raise JobError(f"{model.name}: GGUF has no place for the tensor {name}")
        for part, count in heads.items():
            if part in name:
                weights = _interleaved(weights, count)
        if weights.ndim == 1:
            writer.add_tensor(placed, weights)
        else:
            packed = gguf.quants.quantize(weights, gguf.GGMLQuantizationType.Q8_0)
            writer.add_tensor(placed, packed, raw_dtype=gguf.GGMLQuantizationType.Q8_0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _tensors(model: Path) -> Iterator[tuple[str, Any]]:
    from safetensors.torch import load_file

    for file in sorted(model.glob("*.safetensors")):
        for name, weights in load_file(file).items():
            yield name, weights.float().numpy()


def _interleaved(weights: Any, heads: int) -> Any:
    """Order rows as llama.cpp rotates them: pairs side by side, where Transformers has halves."""
    rows, *rest = weights.shape
    return (
        weights.reshape(heads, 2, rows // heads // 2, *rest).swapaxes(1, 2).reshape(weights.shape)
    )


def _chat_template(model: Path) -> str | None:
    file = model / "chat_template.jinja"
    if file.exists():
        return file.read_text()
    settings = json.loads((model / "tokenizer_config.json").read_text())
    template: str | None = settings.get("chat_template")
    return template


if __name__ == "__main__":
    raise SystemExit(job.run(main))
