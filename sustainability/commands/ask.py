"""``ask``: one question to a deployed API, answered with citations and what it cost."""

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
    parser = subparsers.add_parser("ask", help="ask a question of a deployed stack")
    parser.add_argument("deployment", type=Path, help="deployment file")
    asked = parser.add_mutually_exclusive_group(required=True)
    asked.add_argument("question", nargs="?")
    asked.add_argument("--id", help="fetch the answer to a question that was asked before")
    parser.add_argument("--document", help="only this document")
    parser.add_argument("--collection", help="only documents of this folder")
    parser.add_argument("--max-tokens", type=int, help="shorter answers cost less")
    parser.add_argument("--json", action="store_true", help="print the API's answer as it came")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Ask, wait while the store wakes or until an answer has come that comes later, print."""
    from sustainability.deployment.schema import Deployment
    from sustainability.operate.account import Account

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
        print(f"The question was taken. For its answer, later: {command}", file=sys.stderr)
        return 130
    print(json.dumps(answer, indent=2) if options.json else describe(answer))
    return 0


def describe(answer: dict[str, Any]) -> str:
    """Return an answer as text: what it says, what it rests on, what it cost."""
    lines = [answer["answer"], ""]
    marked = any(citation["cited"] for citation in answer["citations"])
    for citation in answer["citations"]:
        place = " > ".join(part for part in (citation["document"], citation["section"]) if part)
        note = "  (read, not cited)" if marked and not citation["cited"] else ""
        lines.append(f"  [{citation['number']}] {place}{note}")
    if answer["citations"]:
        lines.append("")
    usage = answer["usage"]
    tokens = f"{usage['input_tokens']} tokens in, {usage['output_tokens']} out"
    if answer["cached"]:
        source = "from the cache"
    elif not answer["model"]:
        source = "without a generator: nothing relevant was found"
    else:
        own = ", on instances of one's own" if answer["served_by"] == "endpoint" else ""
        source = f"by {answer['model']}{own}"
    energy, carbon = answer["energy_wh"], answer["carbon_gco2e"]
    lines += [
        f"Answered {source}. {tokens}.",
        f"Estimated energy {energy['mid']:.2g} Wh ({energy['low']:.2g} to {energy['high']:.2g}), "
        f"carbon {carbon['mid']:.2g} gCO2e ({carbon['low']:.2g} to {carbon['high']:.2g}).",
    ]
    if answer["model"] and os.environ.get("AWS_ENDPOINT_URL"):
        lines.append(
            "Here a small stand-in plays the cloud's model, and by default it quotes: judge what "
            "it found, not how it talks. The estimate is for the cloud's model."
        )
    return "\n".join(lines)
