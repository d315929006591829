"""How a prompt has an answer written: in one request to the generator, or in several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rag import unicode_text
from rag.generation import Generation, Generator
from rag.prompt import Prompt
from rag.question import Question
from rag.stores.store import Passage


def write(
    generator: Generator, prompt: Prompt, question: Question, passages: Sequence[Passage]
) -> Generation:
    """Have an answer written as the prompt's recipe says, with the tokens of all requests.

    Raises what the generator raises.
    """
    recipe, system = prompt.recipe, prompt.instructions(question.detail)
    spent, notes = [], ""
    if recipe.notes:
        noted = generator.generate(
            recipe.notes, prompt.user(question.text, passages), max_tokens=recipe.notes_tokens
        )
        spent, notes = [noted], noted.text
    user = prompt.user(question.text, passages, notes)
    longest = prompt.longest(question.max_tokens)
    samples = [generator.generate(system, user, max_tokens=longest) for _ in range(recipe.samples)]
    spent += samples
    return replace(
        _agreed(prompt, samples),
        input_tokens=sum(each.input_tokens for each in spent),
        output_tokens=sum(each.output_tokens for each in spent),
        awake_s=max(each.awake_s for each in spent),
    )


def _agreed(prompt: Prompt, samples: Sequence[Generation]) -> Generation:
    """Return the answer that the others resemble most; of equals, the first."""
    said = [
        {unicode_text.stem(word) for word in unicode_text.words(prompt.concluded(each.text))}
        for each in samples
    ]
    likeness = [sum(_alike(mine, other) for other in said) for mine in said]
    return samples[likeness.index(max(likeness))]


def _alike(one: set[str], other: set[str]) -> float:
    return len(one & other) / len(one | other) if one | other else 1.0
