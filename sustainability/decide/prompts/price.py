"""What a prompt's recipe costs for one answer, before anybody asks a question."""

from __future__ import annotations

from dataclasses import dataclass

from sustainability.decide.model_choice.candidates import Candidate
from sustainability.decide.model_choice.prompt_faults import instruction_tokens
from sustainability.deployment.prompts import Prompt, sampling
from sustainability.deployment.schema import Deployment
from sustainability.energy.impact import Impact
from sustainability.facts.lookup import Facts


@dataclass(frozen=True, kw_only=True)
class Price:
    """Tokens of one answer, all requests together, and the footprint of 1,000 answers."""

    input_tokens: float
    output_tokens: float
    per_1000: Impact


def price(prompt: Prompt, deployment: Deployment, model: str) -> Price:
    """Return what an answer takes by this prompt; an estimate.

    ``traffic`` declares the tokens of an answer by the deployment's prompt; what this prompt reads
    and writes more is added. Notes and steps count with all tokens that they may take.

    Raises
    ------
    FactError
        If the model has no parameter counts or no price.
    """
    traffic, deployed = deployment.traffic, Prompt.named(deployment.answers.prompt)
    notes = prompt.limit("notes_tokens") if prompt.metadata.get("notes") else 0
    reading = traffic.input_tokens.mean - _fixed(deployed) + _fixed(prompt)
    tokens = (
        prompt.calls * reading + prompt.samples * notes,
        prompt.samples * (traffic.output_tokens.mean + prompt.limit("steps_tokens")) + notes,
    )
    return Price(
        input_tokens=tokens[0],
        output_tokens=tokens[1],
        per_1000=candidate(prompt, deployment, model).impact(deployment, tokens),
    )


def candidate(prompt: Prompt, deployment: Deployment, model: str) -> Candidate:
    """Return the model with this prompt and the parameters that belong to it."""
    answers = deployment.answers
    return Candidate(
        model=model,
        prompt=prompt,
        temperature=sampling(answers, prompt)["temperature"],
        max_tokens=answers.max_tokens,
    )


def _fixed(prompt: Prompt) -> float:
    """Return the tokens of instructions and examples."""
    examples = prompt.metadata.get("examples")
    if not examples:
        return instruction_tokens(prompt)
    characters = sum(len("".join(each.values())) for each in examples["pool"])
    mean = characters / len(examples["pool"])
    mean /= Facts()("workload/characters_per_token", "characters").mid
    shown: float = min(examples["most"] * mean, float(examples["tokens"]))
    return instruction_tokens(prompt) + shown
