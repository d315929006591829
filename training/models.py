"""Models: loaded from a folder or a GGUF file, adapted by a method, made from nothing, saved."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from training.data import Example
from training.job import JobError

METHODS = ("lora", "prefix", "prompt", "ptuning", "full", "scratch")
ADAPTERS = METHODS[:4]

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # weights come with the job, never from a hub
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

_NO_DEFAULT_SYSTEM = (
    "{%- if messages[0]['role'] != 'system' -%}"
    "{%- set messages = [{'role': 'system', 'content': ''}] + messages -%}"
    "{%- endif -%}"
)
_QUESTION_ONLY = (
    "{%- set words = messages[-1]['content'].split('<question>')[-1].split('</question>')[0] -%}"
    "{%- set messages = [{'role': 'system', 'content': ''},"
    " {'role': 'user', 'content': words.strip()}] -%}"
)
READS = {"message": _NO_DEFAULT_SYSTEM, "question": _QUESTION_ONLY}
"""What a tuned model reads of a conversation; written into its chat template, which vLLM,
llama.cpp and Transformers all follow. A default system sentence would cost its tokens each time;
`question` also leaves out the passages, for a task that the model knows by heart."""

_CHATML = (
    "{%- for message in messages -%}"
    "{{- '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' -}}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}{%- endif -%}"
)


def prepare_torch(device: str = "cpu", threads: int = 1) -> str:
    """Choose the device; on a CPU set the threads.

    One thread by default: on a busy machine two wait for each other, and a step takes six times
    the processor's time. One thread also adds in one order, so that a run can be repeated exactly.
    """
    import torch
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    if device == "auto":
        if os.path.isdir("/sys/devices/virtual/neuron_device"):
            return "neuron"
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise JobError("device cuda: torch sees no GPU; choose auto or cpu")
    torch.set_num_threads(threads)
    return device


def load(path: Path) -> tuple[Any, Any]:
    """Load model and tokenizer of a folder of Transformers, or of its one GGUF file, in float32.

    Raises
    ------
    JobError
        If there is neither.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder, options = path, {}
    if path.is_file() or not (path / "config.json").exists():
        files = [path] if path.is_file() else sorted(path.rglob("*.gguf"))
        if len(files) != 1:
            raise JobError(
                f"{path}: holds no config.json and {len(files)} GGUF files; give a folder that "
                "Transformers saved, or one GGUF file"
            )
        folder, options = files[0].parent, {"gguf_file": files[0].name}
    tokenizer = AutoTokenizer.from_pretrained(folder, **options)
    model = AutoModelForCausalLM.from_pretrained(folder, **options)
    # What a GGUF file held in few bits is whole now; Transformers would refuse to save it.
    model.hf_quantizer, model.is_quantized = None, False
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.float()
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return model, tokenizer


def set_reading(tokenizer: Any, reads: str) -> None:
    """Have the chat template read what `READS` says, and no more."""
    if "messages[-1]['content'].split" not in (tokenizer.chat_template or ""):
        tokenizer.chat_template = READS[reads] + (tokenizer.chat_template or _CHATML)


def adapt(model: Any, method: str, *, rank: int, virtual_tokens: int) -> Any:
    """Return the model with the parameters that a method trains."""
    import peft

    if method not in ADAPTERS:
        return model
    kind = peft.TaskType.CAUSAL_LM
    configs = {
        "lora": lambda: peft.LoraConfig(
            task_type=kind, r=rank, lora_alpha=2 * rank, target_modules="all-linear"
        ),
        "prefix": lambda: peft.PrefixTuningConfig(
            task_type=kind, num_virtual_tokens=virtual_tokens
        ),
        "prompt": lambda: peft.PromptTuningConfig(
            task_type=kind, num_virtual_tokens=virtual_tokens
        ),
        "ptuning": lambda: peft.PromptEncoderConfig(
            task_type=kind, num_virtual_tokens=virtual_tokens, encoder_hidden_size=128
        ),
    }
    return peft.get_peft_model(model, configs[method]())


def from_scratch(
    texts: Iterable[str], *, layers: int, hidden: int, heads: int, vocabulary: int, length: int
) -> tuple[Any, Any]:
    """Return a new Llama model of this shape, and a byte-level BPE tokenizer learnt from texts."""
    from tokenizers import ByteLevelBPETokenizer
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    specials = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    learnt = ByteLevelBPETokenizer()
    learnt.train_from_iterator(
        texts, vocab_size=vocabulary, min_frequency=2, special_tokens=specials, show_progress=False
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=learnt._tokenizer,
        bos_token=specials[0],
        eos_token=specials[2],
        pad_token=specials[0],
    )
    tokenizer.chat_template = _CHATML
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=hidden,
        intermediate_size=8 * hidden // 3,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        max_position_embeddings=length,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        tie_word_embeddings=True,
    )
    return LlamaForCausalLM(config), tokenizer


def shallower(model: Any, layers: int) -> Any:
    """Keep this many layers, spread evenly over the depth: a student to start from."""
    import torch

    stack = model.model.layers
    if not 0 < layers < len(stack):
        raise JobError(
            f"layers: must be from 1 to {len(stack) - 1}, for the model has {len(stack)}"
        )
    chosen = [round(index * (len(stack) - 1) / max(layers - 1, 1)) for index in range(layers)]
    model.model.layers = torch.nn.ModuleList(stack[index] for index in chosen)
    for index, layer in enumerate(model.model.layers):
        layer.self_attn.layer_idx = index
    model.config.num_hidden_layers = layers
    if getattr(model.config, "layer_types", None):
        model.config.layer_types = [model.config.layer_types[index] for index in chosen]
    return model


def parameters(model: Any) -> tuple[int, int]:
    """Return how many parameters there are, and how many of them are trained."""
    sizes = [(each.numel(), each.requires_grad) for each in model.parameters()]
    return sum(size for size, _ in sizes), sum(size for size, trained in sizes if trained)


def weights_hash(model: Any) -> str:
    """Return the SHA-256 of all trained weights."""
    digest = hashlib.sha256()
    for name, weights in sorted(model.named_parameters()):
        if weights.requires_grad:
            digest.update(name.encode())
            digest.update(weights.detach().float().cpu().numpy().tobytes())
    return digest.hexdigest()


def prompt_text(
    tokenizer: Any, prompt: str, system: str = "", shots: Sequence[Example] = ()
) -> str:
    """Write a prompt as the model reads it, up to where it answers, after turns that show how."""
    turns = [{"role": "system", "content": system}] if system else []
    for shot in shots:
        turns.append({"role": "user", "content": shot.prompt})
        turns.append({"role": "assistant", "content": shot.completion})
    turns.append({"role": "user", "content": prompt})
    text: str = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    return text
