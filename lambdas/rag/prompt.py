"""The prompt: system and user text from a versioned template, with passages as data."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rag import tokens, unicode_text
from rag.question import DETAILS
from rag.stores.store import Passage
from rag.stores.words import bm25

_LOOKS = {"a": "4@", "e": "3", "g": "69", "i": "1l|", "o": "0", "s": "5$", "t": "7+", "q": "9"}


def _alike(word: str) -> str:
    """Return a pattern of what looks like a word: any letter beyond ASCII can look like its own."""
    return "".join(rf"[{letter}{_LOOKS.get(letter, '')}\x80-\U0010ffff]" for letter in word)


# What opens or closes a part of the prompt, however it is spaced or spelled, also in letters and
# brackets that only look like those of the template.
_DELIMITER = re.compile(
    r"[<\u02c2\u1438\u16b2\u2039\u226a\u22d6\u2329\u276c\u276e\u2770\u27e8\u27ea\u29fc\u3008\u300a\ufe64\uff1c]"
    rf"(?=[\W_]{{0,4}}(?:{'|'.join(map(_alike, ('passage', 'question', 'example', 'notes')))}))",
    re.IGNORECASE,
)
_WORD = re.compile(r"\w+")
_LEAK_WORDS = 8
_CITATION = re.compile(r"\s*\[(\d+(?:\s*[,;]\s*\d+)*)\]")

NO_ANSWER = "NO_ANSWER"
"""The text that the template requests if the passages do not contain the answer."""


@dataclass(frozen=True, slots=True)
class Examples:
    """Questions with a passage and the wanted answer, of which a prompt shows those that fit.

    It shows at most `most`, in at most `tokens` together. Words decide, which costs no model call.
    """

    most: int = 0
    tokens: int = 0
    pool: tuple[Mapping[str, str], ...] = ()

    def shown(self, question: str) -> str:
        """Return the examples that are most like the question, as text; empty if none is alike."""
        scores = bm25(question, [f"{each['question']} {each['passage']}" for each in self.pool])
        ranked = sorted(zip(scores, self.pool, strict=True), key=lambda pair: -pair[0])
        parts: list[str] = []
        for score, each in ranked[: self.most]:
            text = (
                f"<example>\n{_as_data(each['passage'])}\n{_as_data(each['question'])}\n"
                f"{each['answer']}\n</example>"
            )
            if score > 0 and tokens.estimate("\n".join([*parts, text])) <= self.tokens:
                parts.append(text)
        return "\n".join(parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How often a generator is asked for one answer, and for what.

    `samples` answers are written, and the one that the others resemble most is given. Before it,
    `notes`, if there is one, asks for notes of at most `notes_tokens`. After `conclusion`, if there
    is one, stands the answer; what comes before it may take `steps_tokens` beside the answer's.
    """

    examples: Examples = Examples()
    samples: int = 1
    notes: str = ""
    notes_tokens: int = 0
    conclusion: str = ""
    steps_tokens: int = 0

    @property
    def calls(self) -> int:
        """Requests to the generator for one answer."""
        return self.samples + bool(self.notes)

    @classmethod
    def parse(cls, metadata: Mapping[str, Any]) -> Recipe:
        """Read the keys of a prompt's metadata that are there."""
        examples, limits = metadata.get("examples"), metadata.get("limits", {})
        return cls(
            examples=Examples(examples["most"], examples["tokens"], tuple(examples["pool"]))
            if examples
            else Examples(),
            samples=metadata.get("samples", 1),
            notes=metadata.get("notes", ""),
            notes_tokens=limits.get("notes_tokens", 0),
            conclusion=metadata.get("conclusion", ""),
            steps_tokens=limits.get("steps_tokens", 0),
        )


@dataclass(frozen=True, slots=True)
class Prompt:
    """A template. `fingerprint` changes with any change of its text, versioned or not.

    `systems` holds the system text for each detail; `{length}` stood in it for that of `length`.
    """

    version: str
    systems: Mapping[str, str]
    template: str
    fingerprint: str
    recipe: Recipe = Recipe()

    @classmethod
    def parse(cls, config: Mapping[str, Any]) -> Prompt:
        """Read the fields of a LangChain prompt file; the system text is in its metadata."""
        metadata = config["metadata"]
        length = metadata.get("length", {})
        return cls(
            version=str(metadata["version"]),
            systems={
                detail: metadata["system"].replace("{length}", length.get(detail, ""))
                for detail in DETAILS
            },
            template=config["template"],
            fingerprint=fingerprint(metadata, config["template"]),
            recipe=Recipe.parse(metadata),
        )

    def instructions(self, detail: str) -> str:
        """Return the system text for an answer that is `brief` or `full`."""
        return self.systems[detail]

    def user(self, question: str, passages: Sequence[Passage], notes: str = "") -> str:
        """Fill in the user text. No passage and no question can open or close a part of it."""
        shown = "\n".join(
            f'<passage number="{number}" source="{_attribute(passage.source)}">\n'
            f"{_as_data(passage.text)}\n</passage>"
            for number, passage in enumerate(passages, start=1)
        )
        return self.template.format(
            passages=shown,
            question=_as_data(question),
            examples=self.recipe.examples.shown(question),
            notes=_as_data(notes),
        )

    def longest(self, max_tokens: int) -> int:
        """Return what a generator may write for an answer of at most `max_tokens`."""
        return max_tokens + self.recipe.steps_tokens

    def concluded(self, text: str) -> str:
        """Return the answer of a text that reached it in steps; without its mark, the whole."""
        mark = self.recipe.conclusion
        return text.rpartition(mark)[2].strip() if mark else text

    def is_leaked_by(self, answer: str) -> bool:
        """Whether the answer contains eight consecutive words of the system text."""
        said = " ".join(_WORD.findall(answer.casefold()))
        return any(
            " ".join(secret[start : start + _LEAK_WORDS]) in said
            for secret in (_WORD.findall(text.casefold()) for text in self.systems.values())
            for start in range(len(secret) - _LEAK_WORDS + 1)
        )


def fingerprint(metadata: Mapping[str, Any], template: str) -> str:
    """Return 64 hex digits of all that a prompt says."""
    return hashlib.sha256(json.dumps([metadata, template], sort_keys=True).encode()).hexdigest()


def cite(answer: str, passages: int) -> tuple[str, set[int]]:
    """Drop citations of passages that do not exist; return the answer and the numbers it cites."""
    cited: set[int] = set()

    def keep(match: re.Match[str]) -> str:
        numbers = [int(number) for number in re.split(r"\s*[,;]\s*", match[1])]
        valid = [number for number in numbers if 1 <= number <= passages]
        cited.update(valid)
        space = match[0][: match[0].index("[")]
        return f"{space}[{', '.join(map(str, valid))}]" if valid else ""

    return _CITATION.sub(keep, answer).strip(), cited


def _attribute(text: str) -> str:
    return _as_data(" ".join(text.split())).replace('"', "'")


def _as_data(text: str) -> str:
    return _DELIMITER.sub("&lt;", unicode_text.visible(text))
