"""``new``: write a deployment file from a few answers, after showing its plan and footprint."""

from __future__ import annotations

import argparse
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sustainability.decide.new_deployment import NewDeployment, Wishes

_QUESTIONS = {
    "region": "AWS Region",
    "within": "area or country that the data may not leave, such as EU (empty: any)",
    "answer_within": "how long an answer may take: 12s while somebody waits, 6h in the background",
    "per_hour": "questions in a usual working hour",
    "peak_per_hour": "questions in the busiest hour",
    "timezone": "time zone of the people who ask",
    "documents": "number of documents",
    "generator": "Bedrock model that writes the answers",
    "email": "e-mail address for alarms and budget (empty: none)",
    "account": "AWS account, 12 digits (empty: any)",
}
_DEFAULTS: dict[str, Any] = {
    "region": "eu-north-1",
    "within": "",
    "answer_within": "12s",
    "per_hour": 20.0,
    "timezone": "UTC",
    "documents": 500,
    "generator": "mistral.ministral-3-3b-instruct",
    "email": "",
    "account": "",
}
_DEPLOYMENTS = Path(os.path.relpath(Path(__file__).parents[2] / "deployments"))
_PEAK = 6
"""The busiest hour has about this many times the questions of a usual one, unless said."""
_PLANNED = ("region", "peak_per_hour", "generator")
"""Answers after which a plan is tried; the others are checked by themselves."""
_TOKENS = {
    "input_tokens": {"mean": 1200.0, "p95": 1800.0},
    "output_tokens": {"mean": 150.0, "p95": 300.0},
}
"""Of a new file, unless its traffic is measured; metrics do not have the spread in any case."""
_OF_TRAFFIC = ("per_hour", "peak_per_hour")


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = subparsers.add_parser(
        "new",
        help="write a new deployment file, after showing its plan, footprint and cost",
        description="Asks what a deployment needs, shows how it would be served, what it would "
        "use and cost, and writes deployments/NAME.yaml. What an option states is not asked. "
        "Without a terminal, or with --yes, nothing is asked.",
    )
    parser.add_argument("name", help="name of the environment, such as dev")
    for key, words in _QUESTIONS.items():
        number = {"per_hour": float, "peak_per_hour": float, "documents": int}.get(key, str)
        parser.add_argument(f"--{key.replace('_', '-')}", type=number, help=words)
    parser.add_argument(
        "--availability",
        choices=["best_effort", "standard", "high"],
        default="best_effort",
        help="spare copies for failures (default: best_effort)",
    )
    parser.add_argument("--production", action="store_true", help="apply the stricter rules")
    parser.add_argument(
        "--trace", type=Path, metavar="FILE", help="fit the traffic to a trace of single questions"
    )
    parser.add_argument(
        "--from-account",
        metavar="MODEL",
        help="fit the traffic to four weeks of calls of a Bedrock model in your account, from its "
        "CloudWatch metrics; needs --region and --timezone",
    )
    parser.add_argument("--yes", action="store_true", help="ask nothing, and write")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Ask, show, write. Nothing is written before the last question is answered."""
    import sys

    from sustainability.decide.new_deployment import compose, write
    from sustainability.errors import UserError

    file = _DEPLOYMENTS / f"{options.name}.yaml"
    if file.exists():
        raise UserError(f"{file} exists; choose another name, or edit that file")
    asks = sys.stdin.isatty() and not options.yes
    stated = _stated(options)
    try:
        new = compose(_asked(stated, options) if asks else _wishes(stated))
        print(_shown(new, file))
        written = not asks or input(f"Write {file}? [Y/n] ").strip().lower() in ("", "y", "yes")
    except EOFError:
        written = False
    if not written:
        print("nothing was written")
        return 1
    write(new, file)
    print(
        f"Wrote {file}. Next:\n"
        f"  make up DEPLOYMENT={options.name}      on this machine, without an account\n"
        f"  make deploy DEPLOYMENT={options.name}  in your account"
    )
    return 0


def _stated(options: argparse.Namespace) -> dict[str, Any]:
    """Return what the options say."""
    stated = {key: value for key in _QUESTIONS if (value := getattr(options, key)) is not None}
    stated |= {key: getattr(options, key) for key in ("name", "availability", "production")}
    if options.trace:
        from sustainability.report.trace_fit import comments
        from sustainability.simulation.trace_fit import fit
        from sustainability.simulation.traces import recorded

        found = fit(recorded(options.trace))
        stated |= {
            "traffic": found.traffic,
            "fit": tuple(comments(options.trace.name, found, cached=0)),
        }
    if options.from_account:
        from sustainability.errors import UserError
        from sustainability.operate.measured_traffic import Source, measured_traffic
        from sustainability.report.trace_fit import counted_comments

        if options.trace:
            raise UserError("give --trace or --from-account, not both")
        if not (options.region and options.timezone):
            raise UserError(
                "--from-account needs --region, where the metrics are, and --timezone, in which "
                "the hours of the week are written"
            )
        counted = measured_traffic(
            options.region,
            Source.of_model(options.from_account),
            timezone=options.timezone,
            spread={name: usual["p95"] / usual["mean"] for name, usual in _TOKENS.items()},
        )
        name = f"the metrics of {options.from_account} in {options.region}"
        stated |= {
            "traffic": _TOKENS | counted.traffic,
            "fit": tuple(counted_comments(name, counted, cached=0)),
        }
    return stated


def _asked(stated: dict[str, Any], options: argparse.Namespace) -> Wishes:
    """Ask for what is not stated; ask again if the answer is not possible."""
    from sustainability.decide.new_deployment import check, compose
    from sustainability.errors import UserError

    answers = dict(stated)
    compose(_wishes(answers))  # what the options say must be possible
    for key, words in _QUESTIONS.items():
        if key in answers or ("traffic" in answers and key in _OF_TRAFFIC):
            continue
        while key not in answers:
            default = getattr(_wishes(answers, fitting=key == "generator"), key)
            shown = f"{default:g}" if isinstance(default, float) else str(default)
            said = input(f"{words}{f' [{shown}]' if shown else ''}: ").strip() or shown
            try:
                tried = {**answers, key: type(default)(said)}
                if key in _PLANNED:
                    compose(_wishes(tried))
                else:
                    check(_wishes(tried, fitting=False))
            except UserError as error:
                print(f"  {error}")
            except ValueError:
                print(f"  {said!r}: write a number")
            else:
                answers = tried
    return _wishes(answers)


def _wishes(stated: dict[str, Any], *, fitting: bool = True) -> Wishes:
    """Return what is stated, and what is usual for all else, with a generator that fits."""
    from sustainability.decide.new_deployment import Wishes, fitting_generator

    per_hour = stated.get("per_hour", _DEFAULTS["per_hour"])
    wishes = Wishes(**{**_DEFAULTS, "peak_per_hour": _PEAK * per_hour, **stated})
    if "generator" in stated or not fitting:
        return wishes
    return replace(wishes, generator=fitting_generator(wishes))


def _shown(new: NewDeployment, file: Path) -> str:
    """Return plan, footprint and cost as text."""
    from sustainability.report import plan as plan_report
    from sustainability.report.text import amount, spread

    estimate, monitoring = new.estimate, new.deployment.monitoring
    month, idle = estimate.traffic, estimate.idle
    budget = monitoring.monthly_budget_usd
    return "\n".join(
        [
            plan_report.as_text(new.deployment, new.plan, []),
            "",
            f"A month with {estimate.answers_per_month:,.0f} answers takes "
            f"{spread(month.kwh * 1000)} Wh, {spread(month.carbon_g)} gCO2e and "
            f"${spread(month.usd)}.",
            f"A month without questions takes {amount(idle.kwh.mid * 1000)} Wh and "
            f"${amount(idle.usd.mid)}.",
            *([f"The budget is ${budget:g}, the high end of the cost."] if budget else []),
            *(f"Note: {warning}." for warning in estimate.warnings),
            "",
            f"--- {file}",
            new.text.rstrip(),
            "---",
            "",
        ]
    )
