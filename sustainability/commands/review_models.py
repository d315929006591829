"""``review-models``: which models to try, and how long those in use are offered."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sustainability.deployment.schema import Deployment
    from sustainability.offers.lifecycle import Lifecycle


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    from sustainability.commands.choose_model import add_trial_options

    parser = subparsers.add_parser(
        "review-models",
        help="say which newer or smaller models to try, and whether those in use end",
        description="Lists the generators that the Region offers, with size, context, card, energy "
        "and cost, and the lifecycle of the models in use. Says which to try, what asking them "
        "takes, and when it is worth repeating. Asks nothing without --ask, which runs "
        "choose-model with them. Exits with 1 if a model in use is legacy.",
    )
    parser.add_argument("deployment", type=Path, help="deployment file")
    parser.add_argument(
        "--ask", action="store_true", help="ask the models to try the golden questions; costs money"
    )
    parser.add_argument(
        "--offline",
        action="store_true",
        help="do not ask the account: the lifecycle of the models is then unknown",
    )
    add_trial_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the review; with ``--ask``, run the trial."""
    import json
    import sys

    from sustainability.commands import choose_model
    from sustainability.decide.model_choice import golden
    from sustainability.decide.model_review import review_models
    from sustainability.deployment.prompts import Prompt
    from sustainability.deployment.schema import Deployment
    from sustainability.errors import UserError
    from sustainability.report.model_review import as_json, as_text
    from sustainability.report.text import fitted

    if options.ask and options.questions is None:
        raise UserError("--ask needs --questions FILE, such as samples/questions.yaml")
    deployment = Deployment.load(options.deployment)
    named = deployment.answers.prompt
    prompt = Prompt.read(options.prompt[0]) if options.prompt else Prompt.named(named)
    known = {} if options.offline else _lifecycles(deployment)
    review = review_models(deployment, known, prompt)
    questions = deployment.customization.golden_questions if deployment.customization else 100
    if options.questions is not None:
        split = None if options.split == "all" else options.split
        questions = len(golden.read(options.questions, split=split, limit=options.limit))
    if options.ask and review.to_try:
        print(fitted(as_text(review, questions)), file=sys.stderr)
        options.models = [each.model for each in (*review.to_try, review.present) if each]
        return choose_model.run(options)
    told = as_json(review, questions)
    print(json.dumps(told, indent=2) if options.json else fitted(as_text(review, questions)))
    return int(any(each.is_legacy for each in review.in_use.values()))


def _lifecycles(deployment: Deployment) -> dict[str, Lifecycle]:
    import boto3
    import botocore.exceptions

    from sustainability.errors import UserError
    from sustainability.operate.lifecycles import lifecycles

    try:
        return lifecycles(boto3.Session(region_name=deployment.region))
    except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as error:
        raise UserError(
            f"{error}; give credentials that may call bedrock:ListFoundationModels, or --offline"
        ) from error
