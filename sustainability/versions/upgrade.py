"""Brings a fork to a newer version of the template, by a merge in a branch of its own."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

from sustainability.errors import UserError
from sustainability.versions.git import Git

RECORDED = "tests/infrastructure/__snapshots__/"
"""Recorded templates: made from the rest, so no one merges them by hand."""
_TAGS = "refs/template/"
"""Where the template's tags are kept here: apart from those of the fork."""
_REMEMBERED = "template.source"
_ADVICE = {
    "deployments/": "keep your own values; take over what the template added",
    "requirements": "take the template's (`git checkout --theirs FILE`), then `make lock`",
    "lambdas/": "if it is a lock file, `git checkout --theirs FILE`, then `make lock`",
    "package-lock.json": "take the template's: `git checkout --theirs FILE`",
}
_ELSEWHERE = "you and the template both changed it; keep what you need of each"


@dataclass(frozen=True)
class Upgrade:
    """The outcome of a merge."""

    was: str
    """Version of the fork before."""
    version: str
    """Version of the template that was merged."""
    before: str
    """The commit before the merge."""
    branch: str
    """The branch of the merge."""
    news: str
    """Of the template's change log: what is new between the two versions."""
    conflicts: dict[str, str] = field(default_factory=dict)
    """Advice for each file that both sides changed. Without any, the merge is committed."""


def upgrade(root: Path, source: str | None, wanted: str | None) -> Upgrade | None:
    """Merge a version of the template into a new branch; None if the fork has it already.

    Parameters
    ----------
    source
        URL or path of the template's repository. The last one is remembered.
    wanted
        Version such as ``0.2.0``. The default is the newest.

    Raises
    ------
    UserError
        If the merge cannot begin. Nothing has changed then.
    """
    git = Git(root)
    if git("status", "--porcelain", "--untracked-files=no"):
        raise UserError("you have changes that are not committed; commit them, then upgrade")
    source = source or _remembered(git)
    if not git.succeeds("fetch", "--quiet", "--no-tags", source, f"+refs/tags/v*:{_TAGS}v*"):
        raise UserError(f"cannot read {source}; FROM is the URL or the path of the template")
    git("config", _REMEMBERED, source)
    was, version = _version(root), _chosen(git, source, wanted)
    tag = f"{_TAGS}v{version}"
    if git.succeeds("merge-base", "--is-ancestor", tag, "HEAD"):
        return None
    before, branch = git("rev-parse", "HEAD"), f"upgrade-v{version}"
    news = _news(git("show", f"{tag}:CHANGELOG.md"), after=was, until=version)
    _begin(git, was, tag, branch)
    merged = git.succeeds("merge", "--no-ff", "-m", f"Upgrade the template to {version}", tag)
    conflicts = {} if merged else _conflicts(git)
    if not merged and not conflicts:  # all that was left is made again
        git("commit", "--quiet", "--no-edit")
    return Upgrade(was, version, before, branch, news, conflicts)


def _remembered(git: Git) -> str:
    if not git.succeeds("config", _REMEMBERED):
        raise UserError("say once where the template is: make upgrade FROM=<its URL or path>")
    return git("config", _REMEMBERED)


def _version(root: Path) -> str:
    return str(tomllib.loads((root / "pyproject.toml").read_text())["project"]["version"])


def _chosen(git: Git, source: str, wanted: str | None) -> str:
    listed = git("for-each-ref", "--format=%(refname)", "--sort=-version:refname", _TAGS)
    versions = [name.removeprefix(f"{_TAGS}v") for name in listed.splitlines()]
    if not versions:
        raise UserError(f"{source} has no version yet: no tag such as v0.2.0")
    chosen = versions[0] if wanted is None else wanted.removeprefix("v")
    if chosen not in versions:
        raise UserError(f"{source} has no version {chosen}; it has {', '.join(versions)}")
    return chosen


def _begin(git: Git, was: str, tag: str, branch: str) -> None:
    """Make the branch, and see to it that both sides know the version where they parted."""
    if git.succeeds("rev-parse", "--verify", "--quiet", f"refs/heads/{branch}"):
        raise UserError(
            f"branch {branch} is there already, from an earlier try; go on in it "
            f"(git switch {branch}), or delete it (git branch -D {branch}) and begin anew"
        )
    first = f"{_TAGS}v{was}"
    related = git.succeeds("merge-base", "HEAD", tag)
    if not related and not git.succeeds("rev-parse", "--verify", "--quiet", first):
        raise UserError(
            f"your files say that they are version {was} (pyproject.toml), which the template "
            "never had; write there the version that you began with, commit, and upgrade again"
        )
    git("switch", "--quiet", "--create", branch)
    if not related:
        # A copy without the template's history: note where it began, changing no file.
        git(
            *("merge", "--quiet", "--strategy=ours", "--allow-unrelated-histories"),
            *("-m", f"Note that this repository began as version {was} of the template", first),
        )


def _conflicts(git: Git) -> dict[str, str]:
    """Return the advice for each conflict; recorded templates are the template's until renewed."""
    unmerged = git("diff", "--name-only", "--diff-filter=U").splitlines()
    recorded = [name for name in unmerged if name.startswith(RECORDED)]
    for name in recorded:
        if git.succeeds("checkout", "--theirs", "--", name):
            git("add", "--", name)
        else:  # the template deleted it
            git("rm", "--quiet", "--", name)
    return {name: _advice(git, name) for name in unmerged if name not in recorded}


def _advice(git: Git, name: str) -> str:
    stages = {line.split()[2] for line in git("ls-files", "--unmerged", "--", name).splitlines()}
    if "2" not in stages:
        return f"you deleted it, the template changed it: `git rm {name}`, or take it: `git add`"
    if "3" not in stages:
        return f"the template deleted it, you changed it: `git rm {name}`, or keep it: `git add`"
    for start, advice in _ADVICE.items():
        if name.startswith(start):
            return advice.replace("FILE", name)
    return _ELSEWHERE


def _news(log: str, *, after: str, until: str) -> str:
    """Return the sections of a change log for the versions above ``after``, up to ``until``."""
    sections = re.split(r"^(?=## )", log, flags=re.MULTILINE)
    return "".join(
        section
        for section in sections
        if (match := re.match(r"## (\d+(?:\.\d+)*)", section))
        and _number(after) < _number(match[1]) <= _number(until)
    ).strip()


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))
