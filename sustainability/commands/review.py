"""``review``: show what a change does to the infrastructure and footprint of deployments."""

from __future__ import annotations

import argparse
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = subparsers.add_parser(
        "review",
        help="show what your change does to infrastructure and footprint",
        description="Compares each deployment as it is now with a Git revision: the difference "
        "that `cdk diff` shows, and the difference in energy, carbon and cost. Needs no "
        "credentials.",
    )
    parser.add_argument(
        "deployments",
        nargs="*",
        metavar="NAME",
        help="names such as dev or examples/nap (default: all in deployments/, without examples)",
    )
    parser.add_argument(
        "--against", default="main", metavar="GIT_REF", help="the revision before (default: main)"
    )
    parser.add_argument(
        "--comment", action="store_true", help="print Markdown, as a comment on a pull request"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the difference; fail if a deployment is now refused."""
    from sustainability.errors import UserError
    from sustainability.report.console import status_line
    from sustainability.report.review import as_markdown, as_text
    from sustainability.versions.git import Git
    from sustainability.versions.review import review

    git = Git(_ROOT)
    listed = git("ls-tree", "--name-only", git.commit(options.against), "deployments/")
    former = [Path(name).stem for name in listed.splitlines() if name.endswith(".yaml")]
    present = [file.stem for file in sorted((_ROOT / "deployments").glob("*.yaml"))]
    names = [
        name.removesuffix(".yaml").removeprefix("deployments/") for name in options.deployments
    ]
    unknown = [name for name in names if not (_ROOT / "deployments" / f"{name}.yaml").exists()]
    if unknown:
        raise UserError(
            f"deployments/{unknown[0]}.yaml does not exist; there are {', '.join(present)}"
        )
    with status_line() as progress:
        chosen = names or sorted({*former, *present})
        reviewed = review(_ROOT, options.against, chosen, progress=progress)
    told = as_markdown if options.comment else as_text
    print(told(reviewed, options.against))
    return 1 if any(each.refused for each in reviewed) else 0
