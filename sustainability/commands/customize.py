"""``customize``: which rung of customization to climb to next; and experiments with prompts."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = subparsers.add_parser(
        "customize",
        help="say which rung of customization to climb to next, and what it takes",
        description="Estimates energy, carbon and cost of every way to adapt the model: staying, "
        "prompts, RAG, parameter-efficient tuning (PEFT), distillation, full tuning, and training "
        "from scratch. Says after how many answers each is paid back, which one to try next, and "
        "what would make that wrong. The deployment's section customization declares what the "
        "model lacks.",
    )
    parser.add_argument("deployment", type=Path, help="deployment file")
    parser.add_argument("--advise", action="store_true", required=True, help="print the advice")
    parser.add_argument(
        "--score",
        type=_share,
        metavar="S",
        help="share of the golden questions that are answered right today, 0 to 1 (default: "
        "customization.score of the deployment)",
    )
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a page with a chart")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the ladder and the advice."""
    import json

    from sustainability.decide.customization.advice import advise
    from sustainability.decide.customization.ladder import climb
    from sustainability.decide.next_steps import next_steps
    from sustainability.deployment.schema import Deployment
    from sustainability.plan.serving import plan_serving
    from sustainability.report import customization as report
    from sustainability.report import next_steps as next_report
    from sustainability.report.page import write

    deployment = Deployment.load(options.deployment)
    ladder = climb(deployment, plan_serving(deployment))
    score = options.score if options.score is not None else ladder.answers.wishes.score
    advice = advise(ladder, score)
    steps = next_steps(deployment)
    if options.html:
        write(options.html, report.as_html(ladder, advice, score, steps))
    print(
        json.dumps(
            report.as_json(ladder, advice, score) | {"next_steps": next_report.as_json(steps)},
            indent=2,
        )
        if options.json
        else report.as_text(ladder, advice, score) + next_report.ending(steps)
    )
    return 0


def _share(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError("must be from 0 to 1")
    return value
