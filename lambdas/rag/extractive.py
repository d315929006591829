"""The smallest generator: quotes the passages' sentences that fit the question, and writes nothing.

It uses no tokens of any model. It cannot combine, compare or rephrase, so it is good enough where
questions ask for the content of one sentence. It is also the baseline that a model must beat.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from rag import tokens
from rag.generation import Generation
from rag.prompt import NO_ANSWER
from rag.retrieval import information_held

EXTRACTIVE = "extractive"
"""Its name where others have a model's."""

_PASSAGE = re.compile(
    r'<passage number="\d+" source="(?P<source>[^"]*)">\n(?P<text>.*?)\n</passage>', re.DOTALL
)
_QUESTION = re.compile(r"<question>\s*(.*?)\s*</question>", re.DOTALL)
# After a full stop, at a blank line, around each row of a table, before each item of a list.
_SENTENCE_END = re.compile(
    r"(?<=[.!?])\s+(?=[^a-z\s])|(?<=[\u3002\uff01\uff1f])"
    r"|\n\s*\n|(?<=\|)\n|\n(?=\||\s*[-*+] |\s*\d+[.)] )"
)
_RULE = re.compile(r"[|\s:-]+")  # between the head of a table and its rows
_SENTENCES = 2
_LEAST = 0.3
"""Share of the question's information below which a sentence is no answer to it.

Of 0, 0.2, 0.3, 0.4 and 0.5 the one with the best F1 of abstention on the golden set's tune split.
"""


@dataclass(frozen=True, slots=True)
class _Sentence:
    passage: int
    position: int
    source: str
    head: str
    text: str


@dataclass(frozen=True, slots=True)
class ExtractiveGenerator:
    """Answers with two sentences of a passage or a row of a table, cited, or that there is none.

    `least` is the share of the question's information, 0 to 1, that the best sentence must hold.
    """

    least: float = _LEAST

    def generate(self, system: str, user: str, *, max_tokens: int) -> Generation:
        """Quote what fits the question best; of equals, what was ranked first.

        Raises ValueError if the prompt's template does not mark the question.
        """
        text = quote(user, self.least)
        kept = cut(text, max_tokens)
        return Generation(
            text=kept,
            model=EXTRACTIVE,
            served_by="extraction",
            input_tokens=0,
            output_tokens=0,
            truncated=kept != text,
        )


def passages(user: str) -> list[tuple[str, str]]:
    """Return source and text of each passage that `Prompt.user` put into a prompt, in order."""
    return [(match["source"], match["text"]) for match in _PASSAGE.finditer(user)]


def cut(text: str, max_tokens: int) -> str:
    """Return as much of a text as fits into so many tokens, by estimate."""
    return text.encode()[: int(max_tokens * tokens.BYTES_PER_TOKEN)].decode(errors="ignore")


def quote(user: str, least: float = _LEAST) -> str:
    """Return the best sentences of the prompt's passages, cited, or that they contain no answer.

    Raises ValueError if the prompt has no ``<question>...</question>``.
    """
    fit, text = quotation(user)
    return text if fit >= least else NO_ANSWER


def quotation(user: str) -> tuple[float, str]:
    """Return the best sentences, cited, and the share of the question's information in the best.

    Raises ValueError if the prompt has no ``<question>...</question>``.
    """
    asked = _QUESTION.search(user)
    if not asked:
        raise ValueError("the prompt's template has no <question>...</question>")
    sentences = list(_sentences(user))
    # A sentence is read under its heading, which often names what the sentence speaks of.
    fits = information_held(asked[1], [f"{item.source} {item.text}" for item in sentences])
    ranked = sorted(zip(fits, sentences, strict=True), key=lambda pair: -pair[0])
    if not ranked:
        return 0.0, NO_ANSWER
    fit, best = ranked[0]
    if best.head:
        return fit, f"{best.head}\n{best.text} [{best.passage}]"
    chosen = [item for _, item in ranked if item.passage == best.passage][:_SENTENCES]
    text = " ".join(item.text for item in sorted(chosen, key=lambda item: item.position))
    return fit, f"{text} [{best.passage}]"


def _sentences(user: str) -> Iterator[_Sentence]:
    for number, (source, text) in enumerate(passages(user), start=1):
        parts = (" ".join(part.split()) for part in _SENTENCE_END.split(text))
        head = ""
        for position, part in enumerate(filter(None, parts)):
            is_row = part.startswith("|")
            if is_row and not head:
                head = part
            elif not _RULE.fullmatch(part):
                head = head if is_row else ""
                yield _Sentence(number, position, source, head, part)
