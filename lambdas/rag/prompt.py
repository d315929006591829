"""The prompt: system and user text from a versioned template, with passages as data."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rag import unicode_text
from rag.stores.store import Passage

_LOOKS = {"a": "4@", "e": "3", "g": "69", "i": "1l|", "o": "0", "s": "5$", "t": "7+", "q": "9"}


def _alike(word: str) -> str:
    """Return a pattern of what looks like a word: any letter beyond ASCII can look like its own."""
    return "".join(rf"[{letter}{_LOOKS.get(letter, '')}\x80-\U0010ffff]" for letter in word)


# What opens or closes a part of the prompt, however it is spaced or spelled, also in letters and
# brackets that only look like those of the template.
_DELIMITER = re.compile(
    r"[<\u02c2\u1438\u16b2\u2039\u226a\u22d6\u2329\u276c\u276e\u2770\u27e8\u27ea\u29fc\u3008\u300a\ufe64\uff1c]"
    rf"(?=[\W_]{{0,4}}(?:{_alike('passage')}|{_alike('question')}))",
    re.IGNORECASE,
)
_WORD = re.compile(r"\w+")
_LEAK_WORDS = 8
_CITATION = re.compile(r"\s*\[(\d+(?:\s*[,;]\s*\d+)*)\]")

NO_ANSWER = "NO_ANSWER"
"""The text that the template requests if the passages do not contain the answer."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """A template. `fingerprint` changes with any change of its text, versioned or not.

    `{length}` in the system text stands for the text in `length` of the detail that is asked for.
    """

    version: str
    system: str
    length: Mapping[str, str]
    template: str
    fingerprint: str

    @classmethod
    def parse(cls, config: Mapping[str, Any]) -> Prompt:
        """Read the fields of a LangChain prompt file; the system text is in its metadata."""
        metadata = config["metadata"]
        length = metadata.get("length", {})
        text = json.dumps([metadata["system"], length, config["template"]])
        return cls(
            version=str(metadata["version"]),
            system=metadata["system"],
            length=length,
            template=config["template"],
            fingerprint=hashlib.sha256(text.encode()).hexdigest(),
        )

    def instructions(self, detail: str) -> str:
        """Return the system text for an answer that is `brief` or `full`."""
        return self.system.replace("{length}", self.length.get(detail, ""))

    def user(self, question: str, passages: Sequence[Passage]) -> str:
        """Fill in the user text. No passage and no question can open or close a part of it."""
        shown = "\n".join(
            f'<passage number="{number}" source="{_attribute(passage.source)}">\n'
            f"{_as_data(passage.text)}\n</passage>"
            for number, passage in enumerate(passages, start=1)
        )
        return self.template.format(passages=shown, question=_as_data(question))

    def is_leaked_by(self, answer: str) -> bool:
        """Whether the answer contains eight consecutive words of the system text."""
        secret = _WORD.findall(self.system.casefold())
        said = " ".join(_WORD.findall(answer.casefold()))
        return any(
            " ".join(secret[start : start + _LEAK_WORDS]) in said
            for start in range(len(secret) - _LEAK_WORDS + 1)
        )


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
