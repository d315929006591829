"""Examples, what can be wrong with them, and the hash that says whether they changed."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from training.job import JobError

NO_ANSWER = "NO_ANSWER"
"""What a model says when it shall not answer."""

_KEYS = {frozenset({"prompt", "completion"}), frozenset({"text"}), frozenset({"prompt"})}
_WORD = re.compile(r"\w+")
_SHINGLE = 5
"""Words in a row; two texts that share most of their fives say the same."""

_NEAR = 0.8
"""Share of common shingles above which two texts count as duplicates."""

_PERSONAL: Mapping[str, re.Pattern[str]] = {
    "e-mail address": re.compile(r"\b[\w.+-]+@[\w-]+\.[\w.-]*[a-z]{2,}\b", re.IGNORECASE),
    "IP address": re.compile(
        r"\b(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)\b"
    ),
    "phone number": re.compile(r"(?<![\w.])(?:\+|00)\d{1,3}[ ./-]?(?:\(?\d+\)?[ ./-]?){2,5}\d{2,}"),
    "IBAN": re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?\b"),
    "payment card": re.compile(r"\b(?:\d[ -]?){12,18}\d\b"),
    "access key": re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"),
}


@dataclass(frozen=True, slots=True)
class Example:
    """A prompt and what shall follow, or a raw text, which is all completion."""

    prompt: str
    completion: str

    @property
    def text(self) -> str:
        """Prompt and completion."""
        return f"{self.prompt}\n{self.completion}".strip()

    @property
    def refuses(self) -> bool:
        """Whether no answer is the right one."""
        return self.completion.strip() == NO_ANSWER


def read(folder: Path) -> list[Example]:
    """Read all ``*.jsonl`` of a folder, or one file.

    Each line is ``{"prompt": ..., "completion": ...}``, ``{"text": ...}`` for raw text, or
    ``{"prompt": ...}`` for a question that a teacher shall answer.

    Raises
    ------
    JobError
        That names file, line and fault.
    """
    files = [folder] if folder.is_file() else sorted(folder.rglob("*.jsonl"))
    examples = [example for file in files for example in _lines(file)]
    if not examples:
        raise JobError(f"{folder}: no example; write one JSON object a line into a .jsonl file")
    return examples


def write(path: Path, examples: Iterable[Example]) -> None:
    """Write examples, one a line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = (
        {"prompt": each.prompt, "completion": each.completion}
        if each.prompt
        else {"text": each.text}
        for each in examples
    )
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def content_hash(examples: Iterable[Example]) -> str:
    """Return the SHA-256 of what the examples say, whatever their order and files."""
    lines = sorted(json.dumps([each.prompt, each.completion]) for each in examples)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Findings:
    """What is wrong with the examples; each tuple names lines of the training set, from 1 on."""

    leaks: tuple[int, ...]
    duplicates: tuple[int, ...]
    contradictions: tuple[int, ...]
    personal: Mapping[str, int]

    def faults(self) -> list[str]:
        """Say each fault in words, and what to do."""
        found = []
        if self.leaks:
            found.append(
                f"leak: {_listed(self.leaks)} of the training set stand in the golden set, too; "
                "take them out of one of the two"
            )
        if self.contradictions:
            found.append(
                f"contradiction: {_listed(self.contradictions)} answer otherwise what an earlier "
                "line answers; keep the right one"
            )
        if self.personal:
            kinds = ", ".join(f"{count} of kind {kind}" for kind, count in self.personal.items())
            found.append(f"personal data: {kinds}; a model can repeat them, so replace them")
        return found


def check(train: Sequence[Example], golden: Sequence[Example]) -> Findings:
    """Hold a training set against its golden set, and both against what must not be in them.

    Duplicates are no fault: `deduplicated` drops them. Leaks, contradictions and personal data are.
    """
    asked = _Near(each.prompt or each.text for each in golden)
    leaks = [line for line, each in enumerate(train, 1) if asked.has(each.prompt or each.text)]
    kept = {id(each) for each in deduplicated(train)}
    answers: dict[str, str] = {}
    contradictions = []
    for line, each in enumerate(train, 1):
        answer = _normal(each.completion)
        if each.prompt and answers.setdefault(_normal(each.prompt), answer) != answer:
            contradictions.append(line)
    personal: Counter[str] = Counter()
    for each in (*train, *golden):
        personal.update(kinds_of_personal_data(each.text))
    return Findings(
        leaks=tuple(leaks),
        duplicates=tuple(line for line, each in enumerate(train, 1) if id(each) not in kept),
        contradictions=tuple(contradictions),
        personal=dict(personal),
    )


def deduplicated(examples: Iterable[Example]) -> list[Example]:
    """Drop examples that say what an earlier one says, in the same or nearly the same words."""
    seen = _Near()
    kept = []
    for each in examples:
        # Questions that differ in one word can have different answers; long texts are alike
        # when most of them is.
        if not seen.has(each.text):
            seen.add(each.text)
            kept.append(each)
    return kept


def kinds_of_personal_data(text: str) -> set[str]:
    """Return the kinds of personal data that a text holds. Names of people are not found."""
    found = {kind for kind, pattern in _PERSONAL.items() if pattern.search(text)}
    if "payment card" in found and not any(
        _luhn(match[0]) for match in _PERSONAL["payment card"].finditer(text)
    ):
        found.discard("payment card")
    return found


def is_good(text: str) -> bool:
    """Whether a raw text is worth learning: long enough, mostly words, and not repeating itself."""
    words = _WORD.findall(text)
    if len(words) < 20:
        return False
    letters = sum(character.isalpha() or character.isspace() for character in text)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return (
        letters / len(text) > 0.7
        and len(set(words)) / len(words) > 0.2
        and len(set(lines)) / len(lines) > 0.7
    )


def packed(sequences: Iterable[Sequence[int]], length: int, end: int) -> Iterator[list[int]]:
    """Join token sequences, each closed by `end`, and cut them into blocks of one length.

    No token is padding. The rest that fills no block is left out.
    """
    block: list[int] = []
    for sequence in sequences:
        block += [*sequence, end]
        while len(block) >= length:
            yield block[:length]
            block = block[length:]


class _Near:
    """A set of texts that also knows texts that are nearly the same."""

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self._exact: set[str] = set()
        self._shingles: list[frozenset[tuple[str, ...]]] = []
        self._holders: dict[tuple[str, ...], list[int]] = {}
        for text in texts:
            self.add(text)

    def add(self, text: str) -> None:
        normal = _normal(text)
        self._exact.add(normal)
        shingles = _shingles(normal)
        for shingle in shingles:
            self._holders.setdefault(shingle, []).append(len(self._shingles))
        self._shingles.append(shingles)

    def has(self, text: str) -> bool:
        normal = _normal(text)
        if normal in self._exact:
            return True
        shingles = _shingles(normal)
        common = Counter(each for one in shingles for each in self._holders.get(one, ()))
        return any(
            count / len(shingles | self._shingles[index]) >= _NEAR
            for index, count in common.items()
        )


def _shingles(normal: str) -> frozenset[tuple[str, ...]]:
    words = normal.split()
    return frozenset(
        tuple(words[start : start + _SHINGLE]) for start in range(len(words) - _SHINGLE + 1)
    )


def _normal(text: str) -> str:
    return " ".join(_WORD.findall(unicodedata.normalize("NFKC", text).casefold()))


def _luhn(number: str) -> bool:
    digits = [int(digit) for digit in number if digit.isdigit()]
    doubled = [2 * digit - 9 * (digit > 4) for digit in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def _lines(file: Path) -> Iterator[Example]:
    for number, line in enumerate(file.read_text().splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise JobError(f"{file.name}, line {number}: no JSON: {error}") from error
        if not isinstance(row, dict) or frozenset(row) not in _KEYS:
            raise JobError(
                f'{file.name}, line {number}: must have "prompt" and "completion", or "text" alone'
            )
        if not all(isinstance(value, str) and value.strip() for value in row.values()):
            raise JobError(f"{file.name}, line {number}: each value must be a text with words")
        if "text" in row:
            yield Example("", row["text"])
        else:
            yield Example(row["prompt"], row.get("completion", ""))


def _listed(lines: Sequence[int]) -> str:
    shown = ", ".join(map(str, lines[:10]))
    more = f" and {len(lines) - 10} more" if len(lines) > 10 else ""
    return f"{'line' if len(lines) == 1 else 'lines'} {shown}{more}"
