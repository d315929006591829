"""``upgrade``: bring a fork to a newer version of the template."""

from __future__ import annotations

import argparse
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sustainability.versions.upgrade import Upgrade


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = subparsers.add_parser(
        "upgrade",
        help="bring your fork to a newer version of the template",
        description="Merges a version of the template into a new branch, and says what is new and "
        "what you must do. Then records the templates again, and shows what changes in your "
        "deployments. Your own branch stays as it is.",
    )
    parser.add_argument(
        "source", nargs="?", help="URL or path of the template; the last one is remembered"
    )
    parser.add_argument(
        "--to", metavar="VERSION", help="default: the newest tag; without tags, the newest commit"
    )
    parser.add_argument(
        "--root", type=Path, default=Path.cwd(), help="your repository (default: this folder)"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Merge, say what is new, and show what it does; fail if files must be merged by hand."""
    from sustainability.versions.upgrade import upgrade

    done = upgrade(options.root.resolve(), options.source, options.to)
    if done is None:
        print("You have this version already.")
        return 0
    told = f" (commit {done.commit}: the template has no tags)" if done.commit else ""
    news = done.news or "CHANGELOG.md has no newer section: read the commits of the branch."
    print(f"From {done.was} to {done.version}{told}, in the new branch {done.branch}.\n\n{news}\n")
    follow = ("make setup", "make record", f"make review AGAINST={done.before[:12]}")
    if done.conflicts:
        _explain(done, follow)
        return 1
    for command in follow:  # of the new version, in processes of their own
        print(f"$ {command}", flush=True)
        make = ["make", "--no-print-directory", *command.split()[1:]]  # also within make upgrade
        code = subprocess.run(make, cwd=options.root, check=False).returncode
        if code:
            print(f"This failed. The merge is committed; mend it in {done.branch}.")
            return 1
    print(
        "\nIf recorded templates changed (git status), read and commit them: they are the new "
        f"infrastructure.\nThen `make test`, and merge {done.branch} into your branch.\n"
        f"To leave it: git switch - && git branch -D {done.branch}"
    )
    return 0


def _explain(done: Upgrade, follow: tuple[str, ...]) -> None:
    print(
        "You and the template both changed these files. Where both are in a file, look for <<<<<<<:"
    )
    for name, advice in done.conflicts.items():
        print(f"  {name}: {advice}")
    print(
        "Then: git add each file, git commit, and\n  "
        + "\n  ".join(follow)
        + f"\nTo leave it: git merge --abort && git switch - && git branch -D {done.branch}\n"
        "Nothing of yours is lost: your branch is as it was."
    )
