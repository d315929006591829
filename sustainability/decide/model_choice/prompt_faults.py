"""``python -m sustainability.decide.model_choice.prompt_faults FILE ...``: what prompts waste.

`make lint` runs it on ``prompts/``. Each answer reads the whole prompt again, so a needless
instruction is paid for with every question.
"""

from __future__ import annotations

import re
import string
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sustainability.deployment.prompts import Prompt
from sustainability.errors import UserError
from sustainability.facts.lookup import Facts

_REPEATED_WORDS = 6
"""Words in a row that stand twice: shorter runs are idiom."""
_WORD = re.compile(r"\w+")


def main() -> int:
    """Print the faults of the files that are named; return 1 if there are any."""
    found = [fault for name in sys.argv[1:] for fault in faults_of(Path(name))]
    for fault in found:
        print(fault, file=sys.stderr)
    return int(bool(found))


def faults_of(path: Path) -> Iterator[str]:
    """Yield each fault of a prompt file, with place and cure."""
    try:
        prompt = Prompt.read(path)
    except UserError as error:
        yield str(error)
        return
    for key, text in (
        *_inputs(prompt.content),
        *_limits(prompt),
        *_recipe(prompt),
        *_repeated(prompt),
    ):
        yield f"{path}: {key}: {text}"


def _inputs(content: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    declared = set(content.get("input_variables", ()))
    used = {name for _, name, _, _ in string.Formatter().parse(content["template"]) if name}
    for name in sorted(declared - used):
        yield "input_variables", f"{name} is not in the template; use it, or do not declare it"
    for name in sorted(used - declared):
        yield "input_variables", f"the template uses {name}; declare it"


def _limits(prompt: Prompt) -> Iterator[tuple[str, str]]:
    needed = {
        "instruction_tokens": "tokens that the instructions may take",
        "answer_tokens": "tokens after which an answer is cut; answers.max_tokens is no more",
    }
    if "notes" in prompt.metadata:
        needed["notes_tokens"] = "tokens that the notes may take"
    if "conclusion" in prompt.metadata:
        needed["steps_tokens"] = "tokens that may come before the conclusion"
    limits = prompt.metadata.get("limits")
    limits = limits if isinstance(limits, Mapping) else {}
    for key, what in needed.items():
        if not isinstance(limits.get(key), int) or limits[key] <= 0:
            yield f"metadata.limits.{key}", f"is missing; state the {what}"
    most, taken = limits.get("instruction_tokens"), instruction_tokens(prompt)
    if isinstance(most, int) and 0 < most < taken:
        yield (
            "metadata.limits.instruction_tokens",
            f"the instructions take about {taken} tokens, and {most} are allowed; shorten them",
        )


def _recipe(prompt: Prompt) -> Iterator[tuple[str, str]]:
    metadata, template = prompt.metadata, prompt.content["template"]
    temperature = prompt.inference["temperature"]
    if temperature is None:
        yield "metadata.inference.temperature", "is missing; state what the prompt was tried with"
    elif prompt.samples > 1 and temperature == 0:
        yield "metadata.samples", "at temperature 0 all samples are the same; raise it, or ask once"
    for key in ("examples", "notes"):
        if (key in metadata) != (f"{{{key}}}" in template):
            yield f"metadata.{key}", f"belongs together with {{{key}}} in the template"
    conclusion = metadata.get("conclusion")
    if conclusion and conclusion not in metadata["system"]:
        yield "metadata.conclusion", f"no instruction says to write {conclusion!r}"
    examples = metadata.get("examples")
    if examples is None:
        return
    for number, each in enumerate(examples.get("pool") or (), start=1):
        if set(each) != {"passage", "question", "answer"}:
            yield f"metadata.examples.pool[{number}]", "needs passage, question and answer"
    for key in ("most", "tokens", "pool"):
        if not examples.get(key):
            yield f"metadata.examples.{key}", "is missing; see prompts/answer-examples.yaml"


def _repeated(prompt: Prompt) -> Iterator[tuple[str, str]]:
    words = _WORD.findall(prompt.fixed_text().casefold())
    seen: set[tuple[str, ...]] = set()
    at = 0
    while at + _REPEATED_WORDS <= len(words):
        run = tuple(words[at : at + _REPEATED_WORDS])
        if run in seen:
            yield "metadata.system", f"says {' '.join(run)!r} twice; once is enough"
            at += _REPEATED_WORDS
            continue
        seen.add(run)
        at += 1


def instruction_tokens(prompt: Prompt) -> int:
    """Return about how many tokens each answer reads beside its passages and its question."""
    return round(len(prompt.fixed_text()) / Facts()("workload/characters_per_token",
                                                    "characters").mid)  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
