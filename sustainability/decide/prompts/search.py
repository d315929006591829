"""A hill-climb over instructions and examples, within an energy budget.

Proposals come from a file and not from a model, so that only the answers take energy. The order of
the trials follows from the seed: a search that was interrupted, or is run again, takes the same
way, and finds what it tried among the kept experiments.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sustainability.deployment.prompts import Prompt
from sustainability.errors import UserError

_EXAMPLES = "<examples>\n{examples}\n</examples>\n"
_EXAMPLE_TOKENS = 150
"""Room for one example in a prompt."""


class Slot(BaseModel):
    """Texts of which the instructions hold one or none, in place of a text of the base or after it.

    What is not ``in_place_of`` a text is added as a line.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    texts: tuple[str, ...] = Field(min_length=1)
    in_place_of: str = ""


class Proposals(BaseModel):
    """What may change in a prompt."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    instructions: tuple[Slot, ...] = ()
    examples: str | None = None
    """A prompt whose examples may be taken."""
    most_examples: int = Field(default=2, ge=0)

    @classmethod
    def read(cls, path: Path) -> Proposals:
        """Read a file of proposals.

        Raises
        ------
        UserError
            If it is missing or not valid.
        """
        try:
            return cls.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
        except OSError as error:
            raise UserError(
                f"{path}: {error.strerror}; a search needs proposals, as in "
                "prompts/search/answer.yaml"
            ) from error
        except yaml.YAMLError as error:
            raise UserError(f"{path}: {' '.join(str(error).split())}") from error
        except ValidationError as error:
            faults = (
                f"{path}: {'.'.join(map(str, fault['loc']))}: {fault['msg']}"
                for fault in error.errors()
            )
            raise UserError("\n".join(faults)) from error


@dataclass(frozen=True)
class State:
    """One choice: for each slot the number of its text, 0 for none, and the numbers of examples."""

    texts: tuple[int, ...]
    examples: tuple[int, ...] = ()


@dataclass(frozen=True)
class Space:
    """All prompts that the proposals make of a base."""

    base: Prompt
    proposals: Proposals
    pool: tuple[Mapping[str, str], ...]

    @classmethod
    def of(cls, base: Prompt, proposals: Proposals) -> Space:
        """Return the space of a base.

        Raises
        ------
        UserError
            If a text that shall be replaced is not in the base, or the examples do not exist.
        """
        for slot in proposals.instructions:
            if slot.in_place_of not in base.metadata["system"]:
                raise UserError(
                    f"in_place_of: {slot.in_place_of!r} is not in the instructions of {base.name}"
                )
        taken = Prompt.named(proposals.examples).metadata if proposals.examples else {}
        return cls(base, proposals, tuple(taken.get("examples", {}).get("pool", ())))

    @property
    def start(self) -> State:
        """The base as it is."""
        return State((0,) * len(self.proposals.instructions))

    def prompt(self, state: State) -> Prompt:
        """Return the prompt of a state."""
        if state == self.start:
            return self.base
        system = self.base.metadata["system"]
        for slot, choice in zip(self.proposals.instructions, state.texts, strict=True):
            if choice and slot.in_place_of:
                system = system.replace(slot.in_place_of, slot.texts[choice - 1])
            elif choice:
                system = f"{system}\n{slot.texts[choice - 1]}"
        metadata: dict[str, Any] = {**self.base.metadata, "system": system}
        content: dict[str, Any] = {**self.base.content, "metadata": metadata}
        if state.examples:
            pool = [dict(self.pool[number]) for number in state.examples]
            tokens = _EXAMPLE_TOKENS * len(pool)
            metadata["examples"] = {"most": len(pool), "tokens": tokens, "pool": pool}
            content["template"] = _EXAMPLES + self.base.content["template"]
            content["input_variables"] = ["examples", *self.base.content["input_variables"]]
        return Prompt(f"{self.base.name} ({self.words(state)})", content)

    def words(self, state: State) -> str:
        """Return a state in words, as a name."""
        parts = [f"{at}{choice}" for at, choice in enumerate(state.texts, start=1) if choice]
        parts += [f"e{number + 1}" for number in state.examples]
        return " ".join(parts) or "base"

    def beside(self, state: State) -> Iterator[State]:
        """Yield the states that differ in one choice."""
        for at, slot in enumerate(self.proposals.instructions):
            for choice in range(len(slot.texts) + 1):
                if choice != state.texts[at]:
                    texts = (*state.texts[:at], choice, *state.texts[at + 1 :])
                    yield replace(state, texts=texts)
        for number in range(len(self.pool)):
            if number in state.examples:
                kept = tuple(each for each in state.examples if each != number)
                yield replace(state, examples=kept)
            elif len(state.examples) < self.proposals.most_examples:
                yield replace(state, examples=tuple(sorted((*state.examples, number))))


@dataclass(frozen=True)
class Found:
    """The end of a search."""

    state: State
    row: Mapping[str, Any]
    tried: tuple[Mapping[str, Any], ...]
    """The experiments in their order, the base first."""
    spent_wh: float
    ended_by: str


def climb(
    space: Space,
    *,
    seed: int,
    budget_wh: float,
    expected_wh: Callable[[Prompt], float],
    experiment: Callable[[Prompt], Mapping[str, Any]],
) -> Found:
    """Go to a better prompt beside the present one until there is none, or the budget is used.

    Better is more right answers, or as many with less energy. An experiment that stands in the file
    counts with what it took when it was made.

    Raises
    ------
    UserError
        If the budget does not suffice for the base.
    """
    order = random.Random(seed)
    if expected_wh(space.base) > budget_wh:
        raise UserError(
            f"the energy budget of {budget_wh:g} Wh is too small: asking the questions once takes "
            f"about {expected_wh(space.base):.3g} Wh; raise it, or lower --limit"
        )
    best, row = space.start, experiment(space.base)
    tried, seen, spent = [row], {best}, float(row["wh_spent"])
    while True:
        beside = [state for state in space.beside(best) if state not in seen]
        order.shuffle(beside)
        for state in beside:
            prompt = space.prompt(state)
            if spent + expected_wh(prompt) > budget_wh:
                return Found(best, row, tuple(tried), spent, "the energy budget is used")
            seen.add(state)
            found = experiment(prompt)
            tried.append(found)
            spent += float(found["wh_spent"])
            if _worth(found) > _worth(row):
                best, row = state, found
                break
        else:
            return Found(best, row, tuple(tried), spent, "no prompt beside it is better")


def _worth(row: Mapping[str, Any]) -> tuple[int, float]:
    return row["right"], -row["wh_per_1000"]["mid"]
