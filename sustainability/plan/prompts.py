"""Which prompt answers, and whether the plan can serve what its recipe asks for."""

from __future__ import annotations

from sustainability.deployment.prompts import Prompt
from sustainability.deployment.schema import Deployment
from sustainability.errors import UserError
from sustainability.plan.serving_plan import Mode, ServingPlan


def chosen_prompt(deployment: Deployment, plan: ServingPlan) -> Prompt:
    """Return the prompt of ``answers.prompt``.

    Raises
    ------
    UserError
        If there is no such prompt, its recipe asks more than once where the plan counts one
        request for each answer, or Bedrock cannot keep it.
    """
    answers = deployment.answers
    prompt = Prompt.named(answers.prompt)
    if prompt.calls > 1 and (plan.mode is not Mode.BEDROCK or not answers.generated):
        served = f"mode {plan.mode}" if answers.generated else "the extractive generator"
        raise UserError(
            f"answers.prompt: {answers.prompt} asks the generator {prompt.calls} times for an "
            f"answer, and {served} answers with one request; choose a prompt that asks once"
        )
    if answers.small_first is not None and prompt.calls > 1:
        raise UserError(
            f"answers.prompt: {answers.prompt} asks {prompt.calls} times for an answer; with "
            "answers.small_first choose a prompt that asks once"
        )
    if answers.prompt_management:
        _check_keepable(deployment, prompt, plan)
    return prompt


def _check_keepable(deployment: Deployment, prompt: Prompt, plan: ServingPlan) -> None:
    if not deployment.answers.generated or plan.mode is not Mode.BEDROCK:
        raise UserError(
            "answers.prompt_management: only for deployments whose answers Bedrock alone writes"
        )
    if prompt.recipe != "zero-shot":
        raise UserError(
            f"answers.prompt_management: Bedrock has no place for the recipe of "
            f"{deployment.answers.prompt} ({prompt.recipe}); choose a zero-shot prompt"
        )
    texts = (prompt.content["template"], prompt.metadata["system"])
    if any("{{" in text or "}}" in text for text in texts):
        raise UserError(
            f"prompts/{deployment.answers.prompt}.yaml: braces mark variables in Bedrock; take "
            "them out of the text"
        )
