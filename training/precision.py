"""``python -m training.precision SOURCE OUT --weights q8_0``: write a GGUF model with fewer bits.

A weight is stored in 16, 8.5, 5.5 or 4.5 bits, the scales of its block of 32 included. Tensors with
one dimension stay as they are: they are few, and need their precision. Writing more bits than
`SOURCE` has brings nothing back; it shows what the model took before.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from training import job
from training.job import JobError

WEIGHTS = ("f16", "q8_0", "q5_0", "q4_0")
_FILE_TYPES = {"f16": 1, "q4_0": 2, "q8_0": 7, "q5_0": 8}
"""GGUF's numbers for what most tensors of a file are."""


def main() -> int:
    """Convert."""
    parser = argparse.ArgumentParser(prog="python -m training.precision", description=__doc__)
    parser.add_argument("source", type=Path, help="GGUF file to read")
    parser.add_argument("out", type=Path, help="GGUF file to write")
    parser.add_argument("--weights", choices=WEIGHTS, default="q8_0", help="default: %(default)s")
    options = parser.parse_args()
    convert(options.source, options.out, options.weights)
    return 0


def convert(source: Path, out: Path, weights: str) -> None:
    """Write the model of `source` to `out` with such `weights`.

    Raises
    ------
    JobError
        If `source` is no GGUF file, or both are one file.
    """
    import gguf

    if out.resolve() == source.resolve():
        raise JobError(f"{out}: is the source as well; name another file to write")
    try:
        reader = gguf.GGUFReader(source)
    except (OSError, ValueError) as error:
        raise JobError(f"{source}: not a GGUF file: {error}") from error
    writer = gguf.GGUFWriter(out, reader.fields["general.architecture"].contents())
    computed = {"general.architecture", "general.file_type", "general.quantization_version"}
    for key, field in reader.fields.items():
        if not key.startswith("GGUF.") and key not in computed:
            kind = field.types[0]
            inner = field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None
            writer.add_key_value(key, field.contents(), kind, inner)
    writer.add_file_type(_FILE_TYPES[weights])
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    wanted = gguf.GGMLQuantizationType[weights.upper()]
    for tensor in reader.tensors:
        numbers = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        kind = gguf.GGMLQuantizationType.F32 if numbers.ndim == 1 else wanted
        packed = gguf.quants.quantize(numbers, kind)
        writer.add_tensor(tensor.name, packed, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    raise SystemExit(job.run(main))
