"""``choose-model``: find the smallest model that answers a set of questions well enough."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = subparsers.add_parser(
        "choose-model",
        help="find the smallest model that is good enough",
        description="Asks each candidate model a set of questions with known answers, with the "
        "search and the prompt of a deployed stack. Begins with the candidate that uses the least "
        "energy and stops at the first one that meets the quality bar. With several prompts, "
        "temperatures, limits or lengths, each combination is a candidate. Answers are stored as "
        "files: after an interruption, run the same command again to continue. Exits with 1 if no "
        "candidate meets the quality bar.",
    )
    parser.add_argument("deployment", type=Path, help="deployment file")
    parser.add_argument(
        "--models",
        nargs="+",
        metavar="ID",
        help="Bedrock models or inference profiles; the model of the deployment's endpoint; or "
        "extractive, which quotes the documents without a model (default: extractive, the deployed "
        "generator and the endpoint's model)",
    )
    add_trial_options(parser, required=True)
    parser.set_defaults(run=run)


def add_trial_options(parser: argparse.ArgumentParser, *, required: bool = False) -> None:
    """Declare how candidates are asked and judged."""
    parser.add_argument(
        "--questions",
        type=Path,
        required=required,
        metavar="FILE",
        help="questions with known answers, in the format of samples/questions.yaml",
    )
    parser.add_argument(
        "--bar",
        action="append",
        default=[],
        metavar="SCORE=LEAST",
        help="lowest acceptable correctness, abstention or groundedness, 0 to 1; can be given "
        "several times (default: correctness=0.7, abstention=0.8, groundedness=0.8)",
    )
    parser.add_argument(
        "--split",
        choices=("tune", "report", "held", "all"),
        default="all",
        help="which questions to ask (default: all)",
    )
    parser.add_argument(
        "--limit",
        type=_positive,
        metavar="N",
        help="ask only N questions, both answerable and unanswerable ones",
    )
    parser.add_argument(
        "--prompt",
        type=Path,
        action="append",
        metavar="FILE",
        help="prompt file; can be given several times (default: that of the deployment)",
    )
    parser.add_argument(
        "--temperature",
        type=float,
        action="append",
        metavar="T",
        help="sampling temperature; can be given several times (default: as deployed)",
    )
    parser.add_argument(
        "--max-tokens",
        type=_positive,
        action="append",
        metavar="N",
        help="limit of an answer in tokens; can be given several times (default: as deployed)",
    )
    for flag, kind, metavar, what in (
        ("--passages", _positive, "N", "highest number of passages in the prompt"),
        ("--context-tokens", _positive, "N", "highest number of tokens of all passages"),
        ("--evidence-share", float, "S", "share of the best score that a passage needs"),
        ("--detail", str, "brief|full", "length of answers"),
    ):
        parser.add_argument(
            flag,
            type=kind,
            action="append",
            metavar=metavar,
            help=f"{what}; can be given several times (default: as deployed)",
        )
    parser.add_argument(
        "--budget",
        type=float,
        metavar="USD",
        help="ask only as many candidates as this pays for, drawn at random (default: all)",
    )
    parser.add_argument(
        "--seed", type=int, default=1, help="of the draw for --budget (default: %(default)s)"
    )
    parser.add_argument(
        "--all", action="store_true", help="ask every candidate, also those after the choice"
    )
    parser.add_argument(
        "--history",
        type=Path,
        default=Path(".model-choice"),
        metavar="DIR",
        help="folder for the stored answers (default: .model-choice)",
    )
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    parser.add_argument(
        "--html", type=Path, metavar="FILE", help="write the curve of correctness against energy"
    )


def run(options: argparse.Namespace) -> int:
    """Ask the candidates, score the answers and print the choice; return 1 if there is none."""
    import itertools
    import json
    import os

    from sustainability.decide.model_choice import golden
    from sustainability.decide.model_choice.candidates import Dimensions, candidates, within
    from sustainability.decide.model_choice.choice import Bar, choose
    from sustainability.decide.next_steps import generator_step
    from sustainability.deployment.prompts import Prompt
    from sustainability.deployment.schema import EXTRACTIVE, Deployment
    from sustainability.operate.account import Account
    from sustainability.operate.model_trials import AnswerPath, answered_by, documents_digest
    from sustainability.report import model_choice as report
    from sustainability.report import next_steps as next_report
    from sustainability.report.console import status_line
    from sustainability.report.page import write

    deployment, bar = Deployment.load(options.deployment), Bar.parse(options.bar)
    questions = golden.read(
        options.questions,
        split=None if options.split == "all" else options.split,
        limit=options.limit,
    )
    prompts = [Prompt.read(path) for path in options.prompt or ()]
    prompts = prompts or [Prompt.named(deployment.answers.prompt)]
    account = Account(deployment)
    environment = account.function_environment("rag.answer_handler.handler")
    deployed = json.loads(environment["ANSWER_SETTINGS"])
    endpoint = json.loads(environment.get("GENERATOR_ENDPOINT", "{}"))
    own = [endpoint["model"]] if endpoint else []
    found = candidates(
        deployment,
        models=options.models or [EXTRACTIVE, environment["GENERATOR_MODEL"], *own],
        prompts=prompts,
        temperatures=options.temperature or [deployed["temperature"]],
        max_tokens=options.max_tokens or [deployed["max_tokens"]],
        dimensions=[
            Dimensions(passages=passages, context_tokens=tokens, evidence_share=share, detail=long)
            for passages, tokens, share, long in itertools.product(
                *(
                    getattr(options, name) or [None]
                    for name in ("passages", "context_tokens", "evidence_share", "detail")
                )
            )
        ],
    )
    if options.budget is not None:
        found = within(
            found,
            deployment,
            questions=len(questions),
            budget_usd=options.budget,
            seed=options.seed,
        )
    with status_line() as progress:
        path = AnswerPath(
            environment=environment,
            region=deployment.region,
            documents=documents_digest(account.documents(), deployment.knowledge),
            answered_by=answered_by(deployment.region),
            history=options.history,
            progress=progress,
        )
        choice = choose(
            found,
            questions,
            deployment=deployment,
            bar=bar,
            answers=path.answers,
            ask_all=options.all,
        )
    embedded = "AWS_ENDPOINT_URL" in os.environ
    steps = []
    if choice.chosen and choice.chosen.candidate.model not in (deployment.answers.generator, *own):
        condition = "if it meets the quality bar in AWS, too" if embedded else ""
        steps = generator_step(deployment, choice.chosen.candidate.model, condition)
    if options.html:
        write(options.html, report.as_html(choice, bar, embedded=embedded))
    print(
        json.dumps(
            report.as_json(choice, bar, embedded=embedded)
            | {"next_steps": next_report.as_json(steps)},
            indent=2,
        )
        if options.json
        else report.as_text(choice, bar, embedded=embedded) + next_report.ending(steps)
    )
    return 0 if choice.chosen else 1


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value
