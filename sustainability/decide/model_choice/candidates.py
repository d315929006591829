"""The candidates: a generator, a prompt and inference parameters; and what their tokens take."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from sustainability.deployment.schema import EXTRACTIVE, Answers, Deployment
from sustainability.energy.bedrock import bedrock_tokens
from sustainability.energy.impact import Impact
from sustainability.energy.site import Site
from sustainability.errors import UserError
from sustainability.facts.lookup import Facts


@dataclass(frozen=True)
class Prompt:
    """A prompt file, parsed. Its fingerprint changes with any change of what it says."""

    name: str
    content: Mapping[str, Any] = field(hash=False)

    @classmethod
    def read(cls, path: Path) -> Prompt:
        """Read a prompt file.

        Raises
        ------
        UserError
            If it cannot be read, or lacks what ``prompts/answer.yaml`` has.
        """
        try:
            content = yaml.safe_load(path.read_text(encoding="utf-8"))
            content["template"].format(passages="", question="")
            version = content["metadata"]["version"]
            _ = content["metadata"]["system"]
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise UserError(f"{path}: {' '.join(str(error).split())}") from error
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            raise UserError(
                f"{path}: no prompt file: {error}; it needs template, with {{passages}} and "
                "{question}, and metadata with version and system, as prompts/answer.yaml has"
            ) from error
        return cls(f"{path.stem} {version}", content)

    @property
    def fingerprint(self) -> str:
        """Twelve hex digits of what reaches the generator, and of the version."""
        return digest(self.content["template"], self.content["metadata"])[:12]


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One way to answer. ``temperature`` is ``None`` where nothing is sampled."""

    model: str
    prompt: Prompt
    temperature: float | None
    max_tokens: int

    def describe(self) -> dict[str, Any]:
        """Return what makes this candidate, as JSON."""
        return {
            **{name: value for name, value in asdict(self).items() if name != "prompt"},
            "prompt": self.prompt.name,
            "prompt_fingerprint": self.prompt.fingerprint,
        }

    def impact(self, deployment: Deployment, tokens: tuple[float, float]) -> Impact:
        """Return what 1,000 answers take to generate, at so many tokens in and out for each.

        The footprint's own coefficients and prices, where the deployment runs. Embedding, search
        and functions are the same for each candidate and are not in it.

        Raises
        ------
        FactError
            If the model has no parameter counts or no price.
        """
        if self.model == EXTRACTIVE:
            return Impact()
        facts = Facts()
        accounting = deployment.footprint.accounting
        site = Site.of_model(self.model, deployment.region, accounting, facts)
        reading, writing = tokens
        return bedrock_tokens(
            self.model, input_tokens=1000 * reading, output_tokens=1000 * writing, site=site
        )

    def expected(self, deployment: Deployment) -> Impact:
        """Return what 1,000 answers take at the tokens that the deployment declares."""
        traffic = deployment.traffic
        writing = min(traffic.output_tokens.mean, self.max_tokens)
        return self.impact(deployment, (traffic.input_tokens.mean, writing))


def candidates(
    deployment: Deployment,
    *,
    models: Sequence[str],
    prompts: Sequence[Prompt],
    temperatures: Sequence[float],
    max_tokens: Sequence[int],
) -> list[Candidate]:
    """Return every combination, the one that takes the least energy first.

    Candidates of equal energy go by cost, then as they were given.

    Raises
    ------
    FactError
        If a model has no parameter counts or no price.
    UserError
        If an inference parameter is out of its range.
    """
    for temperature, most in itertools.product(temperatures, max_tokens):
        try:
            Answers(temperature=temperature, max_tokens=most)
        except ValidationError as error:
            faults = (f"{fault['loc'][0]}: {fault['msg']}" for fault in error.errors())
            raise UserError("\n".join(faults)) from error
    found = dict.fromkeys(
        Candidate(model=model, prompt=prompt, temperature=temperature, max_tokens=most)
        for model, prompt, temperature, most in itertools.product(
            models, prompts, temperatures, max_tokens
        )
        if model != EXTRACTIVE
    )
    if EXTRACTIVE in models:  # neither prompt nor temperature changes what it quotes
        quoting = [
            Candidate(model=EXTRACTIVE, prompt=prompts[0], temperature=None, max_tokens=most)
            for most in dict.fromkeys(max_tokens)
        ]
        found = dict.fromkeys([*quoting, *found])

    def size(candidate: Candidate) -> tuple[float, float]:
        impact = candidate.expected(deployment)
        return impact.kwh.mid, impact.usd.mid

    return sorted(found, key=size)


def digest(*parts: object) -> str:
    """Return 64 hex digits of values that JSON can hold."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
