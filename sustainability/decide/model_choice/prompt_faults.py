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

from sustainability.decide.model_choice.candidates import Prompt
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
        content = Prompt.read(path).content
    except UserError as error:
        yield str(error)
        return
    for key, text in (*_inputs(content), *_limits(content), *_repeated(content)):
        yield f"{path}: {key}: {text}"


def _inputs(content: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    declared = set(content.get("input_variables", ()))
    used = {name for _, name, _, _ in string.Formatter().parse(content["template"]) if name}
    for name in sorted(declared - used):
        yield "input_variables", f"{name} is not in the template; use it, or do not declare it"
    for name in sorted(used - declared):
        yield "input_variables", f"the template uses {name}; declare it"


def _limits(content: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    limits = content["metadata"].get("limits")
    limits = limits if isinstance(limits, Mapping) else {}
    for key, what in (
        ("instruction_tokens", "tokens that the instructions may take"),
        ("answer_tokens", "tokens after which an answer is cut; answers.max_tokens is no more"),
    ):
        if not isinstance(limits.get(key), int) or limits[key] <= 0:
            yield f"metadata.limits.{key}", f"is missing; state the {what}"
    most = limits.get("instruction_tokens")
    taken = instruction_tokens(content)
    if isinstance(most, int) and 0 < most < taken:
        yield (
            "metadata.limits.instruction_tokens",
            f"the instructions take about {taken} tokens, and {most} are allowed; shorten them",
        )


def _repeated(content: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    words = _WORD.findall(_instructions(content).casefold())
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


def instruction_tokens(content: Mapping[str, Any]) -> int:
    """Return about how many tokens each answer reads beside its passages and its question."""
    return round(len(_instructions(content)) / Facts()("workload/characters_per_token",
                                                       "characters").mid)  # fmt: skip


def _instructions(content: Mapping[str, Any]) -> str:
    fixed = "".join(text for text, *_ in string.Formatter().parse(content["template"]))
    return f"{content['metadata']['system']}\n{fixed}"


if __name__ == "__main__":
    sys.exit(main())
