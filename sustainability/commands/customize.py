"""``customize``: which rung of customization to climb to next; and experiments with prompts."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sustainability.decide.customization.advice import Drift
    from sustainability.deployment.schema import Deployment

_ROOT = Path(__file__).resolve().parents[2]


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = subparsers.add_parser(
        "customize",
        help="say which rung of customization to climb to next, and what it takes",
        description="With --advise: estimates energy, carbon and cost of every way to adapt the "
        "model: staying, prompts, RAG, parameter-efficient tuning (PEFT), distillation, full "
        "tuning, and training from scratch. Says after how many answers each is paid back, which "
        "one to try next, and what would make that wrong. The deployment's section customization "
        "declares what the model lacks. With prompts: lists the prompts of prompts/ with what an "
        "answer takes by each; compares them on golden questions; or searches for a better one. "
        "Experiments are kept in a file and not made twice: after an interruption, run the same "
        "command again.",
    )
    parser.add_argument("deployment", type=Path, help="deployment file")
    parser.add_argument(
        "rung", nargs="?", choices=("prompts",), help="list, compare or search prompts"
    )
    parser.add_argument("--advise", action="store_true", help="print the advice")
    parser.add_argument(
        "--score",
        type=_share,
        metavar="S",
        help="share of the golden questions that are answered right today, 0 to 1 (default: "
        "customization.score of the deployment)",
    )
    parser.add_argument(
        "--drift",
        action="store_true",
        help="read from the deployed record whether the quality of answers fell",
    )
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    parser.add_argument(
        "--html", type=Path, metavar="FILE", help="of the advice: write a page with a chart"
    )
    prompts = parser.add_argument_group("prompts")
    does = prompts.add_mutually_exclusive_group()
    does.add_argument(
        "--compare", metavar="A,B", help="ask the golden questions with each of these prompts"
    )
    does.add_argument(
        "--search",
        metavar="PROMPT",
        help="change a prompt by the proposals in prompts/search/PROMPT.yaml, as long as it gets "
        "better",
    )
    prompts.add_argument(
        "--energy-wh",
        type=_positive(float),
        default=1.0,
        metavar="E",
        help="energy that the answers of a search may take, in Wh (default: 1)",
    )
    prompts.add_argument(
        "--seed", type=int, default=0, help="of a search: the order of its trials (default: 0)"
    )
    prompts.add_argument(
        "--write", metavar="NAME", help="of a search: write what it found to prompts/NAME.yaml"
    )
    prompts.add_argument(
        "--questions",
        type=Path,
        default=_ROOT / "samples" / "questions.yaml",
        metavar="FILE",
        help="questions with known answers (default: samples/questions.yaml)",
    )
    prompts.add_argument(
        "--split",
        choices=("tune", "report", "all"),
        help="which questions to ask (default: tune for a search, else report)",
    )
    prompts.add_argument(
        "--limit", type=_positive(int), metavar="N", help="ask only N questions of both kinds"
    )
    prompts.add_argument(
        "--model", metavar="ID", help="model to ask (default: the deployed generator)"
    )
    prompts.add_argument(
        "--experiments",
        type=Path,
        default=_ROOT / "prompts" / "experiments.jsonl",
        metavar="FILE",
        help="where experiments are kept (default: prompts/experiments.jsonl)",
    )
    prompts.add_argument(
        "--history",
        type=Path,
        default=Path(".model-choice"),
        metavar="DIR",
        help="folder for the answers of an experiment (default: .model-choice)",
    )
    parser.set_defaults(run=run, refuse=parser.error)


def run(options: argparse.Namespace) -> int:
    """Print the advice, or what was found of prompts."""
    if options.rung == "prompts":
        if options.advise:
            options.refuse("--advise is not for prompts")
        return _prompts(options)
    if options.compare or options.search:
        options.refuse("--compare and --search need the word prompts after the deployment file")
    if not options.advise:
        options.refuse("say --advise, or prompts")
    return _advise(options)


def _advise(options: argparse.Namespace) -> int:
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
    advice = advise(ladder, score, _drift(deployment) if options.drift else None)
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


def _prompts(options: argparse.Namespace) -> int:
    import json
    import os

    from sustainability.decide.prompts.price import price
    from sustainability.decide.prompts.search import Proposals, Space, climb
    from sustainability.deployment.prompts import FOLDER, Prompt, names, write
    from sustainability.deployment.schema import EXTRACTIVE, Deployment
    from sustainability.errors import UserError
    from sustainability.operate.prompt_trials import open_bench
    from sustainability.report import prompts as report
    from sustainability.report.console import status_line

    deployment = Deployment.load(options.deployment)
    model = options.model or deployment.answers.generator
    if model == EXTRACTIVE:
        raise UserError("the extractive generator reads no prompt; name a model with --model")
    if options.search:
        chosen = [Prompt.named(options.search)]
        space = Space.of(chosen[0], Proposals.read(FOLDER / "search" / f"{options.search}.yaml"))
    else:
        wanted = options.compare.split(",") if options.compare else names()
        chosen = [Prompt.named(name.strip()) for name in dict.fromkeys(wanted)]
    prices = {prompt: price(prompt, deployment, model) for prompt in chosen}
    if not options.json:
        print(report.prices_as_text(prices, model), flush=True)
    answer: dict[str, object] = {"model": model, "prices": report.prices_as_json(prices)}
    if options.compare or options.search:
        with status_line() as progress:
            bench = open_bench(
                deployment,
                model,
                questions=options.questions,
                split=options.split or ("tune" if options.search else "report"),
                limit=options.limit,
                experiments=options.experiments,
                history=options.history,
                progress=progress,
            )
            if options.search:
                found = climb(
                    space,
                    seed=options.seed,
                    budget_wh=options.energy_wh,
                    expected_wh=bench.expected_wh,
                    experiment=bench.experiment,
                )
                rows = list(found.tried)
            else:
                rows = [bench.experiment(prompt) for prompt in chosen]
        if not options.json:
            print()
            embedded = "AWS_ENDPOINT_URL" in os.environ
            print(report.experiments_as_text(rows, bench.stood, embedded=embedded))
        answer |= {"experiments": rows, "stood": bench.stood}
        if options.search:
            best = space.prompt(found.state)
            if options.write and found.state != space.start:
                write(options.write, best)
            answer["search"] = report.found_as_json(found, best)
            if not options.json:
                print(report.found_as_text(found, best))
    if options.json:
        print(json.dumps(answer, indent=2))
    return 0


def _drift(deployment: Deployment) -> Drift:
    from sustainability.decide.customization.advice import Drift
    from sustainability.operate.account import Account

    course = Account(deployment).course()
    return Drift(course["day"], course["quality"]) if course else Drift("", {})


def _share(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError("must be from 0 to 1")
    return value


def _positive(kind: Callable[[str], float]) -> Callable[[str], float]:
    def number(text: str) -> float:
        value = kind(text)
        if not value > 0:
            raise argparse.ArgumentTypeError("must be above 0")
        return value

    return number
