"""``ask``: ask a deployed API one question; print the answer, its citations and its footprint."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from sustainability.report.console import status_line


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = subparsers.add_parser("ask", help="ask a deployed stack a question")
    parser.add_argument("deployment", type=Path, help="deployment file")
    parser.add_argument("question", nargs="?", help="what to ask")
    parser.add_argument("--id", help="instead of a question: fetch the answer to an earlier one")
    parser.add_argument("--document", help="search only this document")
    parser.add_argument("--collection", help="search only documents in this folder")
    parser.add_argument(
        "--detail",
        choices=("brief", "full"),
        help="how long the answer is; without it, answers.detail holds",
    )
    parser.add_argument(
        "--max-tokens", type=int, help="limit of the answer in tokens; shorter answers cost less"
    )
    parser.add_argument("--json", action="store_true", help="print the API response as JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Ask and print. Wait while the store starts, or until a later answer is ready."""
    from sustainability.deployment.schema import Deployment
    from sustainability.errors import UserError
    from sustainability.operate.account import Account

    if (options.question is None) == (options.id is None):
        raise UserError("give either a question in quotes, or --id ID of an earlier one")
    account = Account(Deployment.load(options.deployment))
    filters = {
        name: value for name in ("document", "collection") if (value := getattr(options, name))
    }
    id_ = options.id
    try:
        with status_line() as progress:
            if id_ is None:
                answer = account.ask(
                    options.question,
                    filters=filters,
                    detail=options.detail,
                    max_tokens=options.max_tokens,
                    progress=progress,
                )
                id_ = answer["id"]
            if options.id or "status" in answer:
                answer = account.fetch(id_, progress=progress)
    except KeyboardInterrupt:
        if id_ is None:
            raise
        command = f"python -m sustainability ask {options.deployment} --id {id_}"
        print(f"The question is queued. To get its answer later: {command}", file=sys.stderr)
        return 130
    print(json.dumps(answer, indent=2) if options.json else describe(answer))
    return 0


def describe(answer: dict[str, Any]) -> str:
    """Return an answer as text, with its citations and its footprint."""
    lines = [answer["answer"], ""]
    marked = any(citation["cited"] for citation in answer["citations"])
    for citation in answer["citations"]:
        place = " > ".join(part for part in (citation["document"], citation["section"]) if part)
        note = "  (used in the prompt, not cited)" if marked and not citation["cited"] else ""
        lines.append(f"  [{citation['number']}] {place}{note}")
    if answer["citations"]:
        lines.append("")
    usage = answer["usage"]
    tokens = f"{usage['input_tokens']} input tokens, {usage['output_tokens']} output tokens"
    if answer["cached"]:
        source = "from the cache"
    elif not answer["model"]:
        source = "without a generator: nothing relevant was found"
    else:
        own = " on the endpoint" if answer["served_by"] == "endpoint" else ""
        source = f"by {answer['model']}{own}"
    lines += [
        f"Answered {source}. {tokens}.",
        f"Estimate: this question added {_footprint(answer['added'])}.",
    ]
    if "energy_wh" in answer["share"]:
        lines.append(
            f"Its share of the whole deployment, at {answer['share']['answers_per_month']:,.0f} "
            f"answers a month: {_footprint(answer['share'])}."
        )
    if answer["model"] and os.environ.get("AWS_ENDPOINT_URL"):
        lines.append(
            "In the embedded AWS, a small local model replaces this model. By default it quotes "
            "the passages. Look at the passages that were found, not at the style of the "
            "answer. The estimate is for the model on AWS."
        )
    return "\n".join(lines)


def _footprint(stated: dict[str, Any]) -> str:
    return ", ".join(
        f"{value['mid']:.2g} {unit} ({value['low']:.2g} to {value['high']:.2g})"
        for value, unit in ((stated["energy_wh"], "Wh"), (stated["carbon_gco2e"], "gCO2e"))
    )
