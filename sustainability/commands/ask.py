"""``ask``: one question to a deployed API, answered with citations and what it cost."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

from sustainability.console import status_line


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = subparsers.add_parser("ask", help="ask a question of a deployed stack")
    parser.add_argument("deployment", type=Path, help="deployment file")
    parser.add_argument("question")
    parser.add_argument("--document", help="only this document")
    parser.add_argument("--collection", help="only documents of this folder")
    parser.add_argument("--max-tokens", type=int, help="shorter answers cost less")
    parser.add_argument("--json", action="store_true", help="print the API's answer as it came")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Ask, wait while the store wakes, print."""
    from sustainability.account import Account
    from sustainability.deployment import Deployment

    account = Account(Deployment.load(options.deployment))
    filters = {
        name: value for name in ("document", "collection") if (value := getattr(options, name))
    }
    with status_line() as progress:
        answer = account.ask(
            options.question, filters=filters, max_tokens=options.max_tokens, progress=progress
        )
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
        source = f"by {answer['model']}"
    energy, carbon = answer["energy_wh"], answer["carbon_gco2e"]
    lines += [
        f"Answered {source}. {tokens}.",
        f"Estimated energy {energy['mid']:.2g} Wh ({energy['low']:.2g} to {energy['high']:.2g}), "
        f"carbon {carbon['mid']:.2g} gCO2e ({carbon['low']:.2g} to {carbon['high']:.2g}).",
    ]
    if answer["model"] and os.environ.get("AWS_ENDPOINT_URL"):
        lines.append(
            "Here a tiny local model plays the cloud's: judge what it found, not how it talks. "
            "The estimate is for the cloud's model."
        )
    return "\n".join(lines)
