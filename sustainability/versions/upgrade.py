"""Brings a fork to a newer version of the template, by a merge in a branch of its own."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sustainability.errors import UserError
from sustainability.versions.git import Git

RECORDED = "tests/infrastructure/__snapshots__/"
"""Recorded templates: made from the rest, so no one merges them by hand."""
_KEPT = "refs/template/"
"""Where the template's tags and its newest commit are kept here: apart from those of the fork."""
_NEWEST = f"{_KEPT}newest"
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
    commit: str
    """The commit that was merged, if the template has no tags; else empty."""
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
        Version such as ``0.2.0``. The default is the newest tag, or the newest commit of a
        template that has no tags.

    Raises
    ------
    UserError
        If the merge cannot begin. Nothing has changed then.
    """
    git = Git(root)
    if git("status", "--porcelain", "--untracked-files=no"):
        raise UserError("you have changes that are not committed; commit them, then upgrade")
    source = source or _remembered(git)
    fetched = f"+HEAD:{_NEWEST}", f"+refs/tags/v*:{_KEPT}v*"
    if not git.succeeds("fetch", "--quiet", "--no-tags", source, *fetched):
        raise UserError(f"cannot read {source}; FROM is the URL or the path of the template")
    git("config", _REMEMBERED, source)
    was, versions = _version((root / "pyproject.toml").read_text()), _versions(git)
    version = _chosen(versions, source, wanted)
    revision = versions[version]
    related = git.succeeds("merge-base", "HEAD", revision)
    first = "HEAD" if related else _first(git, was, versions)
    if git.succeeds("merge-base", "--is-ancestor", revision, first):
        return None
    commit = git("rev-parse", "--short=12", _NEWEST) if revision == _NEWEST else ""
    before, branch = git("rev-parse", "HEAD"), f"upgrade-{commit or f'v{version}'}"
    news = _news(git("show", f"{revision}:CHANGELOG.md"), after=was, until=version)
    _begin(git, branch)
    if not related:
        # A copy without the template's history: note where it began, changing no file.
        git(
            *("merge", "--quiet", "--strategy=ours", "--allow-unrelated-histories"),
            *("-m", f"Note that this repository began as version {was} of the template", first),
        )
    merged = git.succeeds("merge", "--no-ff", "-m", f"Upgrade the template to {version}", revision)
    conflicts = {} if merged else _conflicts(git)
    if not merged and not conflicts:  # all that was left is made again
        git("commit", "--quiet", "--no-edit")
    return Upgrade(was, version, commit, before, branch, news, conflicts)


def _remembered(git: Git) -> str:
    if not git.succeeds("config", _REMEMBERED):
        raise UserError("say once where the template is: make upgrade FROM=<its URL or path>")
    return git("config", _REMEMBERED)


def _version(project: str) -> str:
    return str(tomllib.loads(project)["project"]["version"])


def _versions(git: Git) -> dict[str, str]:
    """Return the revision of each version of the template, the newest first.

    Tags do not always travel with a repository. Without any, the newest commit is the only version.
    """
    listed = git("for-each-ref", "--format=%(refname)", "--sort=-version:refname", f"{_KEPT}v*")
    tags = {name.removeprefix(f"{_KEPT}v"): name for name in listed.splitlines()}
    return tags or {_version(git("show", f"{_NEWEST}:pyproject.toml")): _NEWEST}


def _chosen(versions: Mapping[str, str], source: str, wanted: str | None) -> str:
    chosen = next(iter(versions)) if wanted is None else wanted.removeprefix("v")
    if chosen not in versions:
        untagged = " (it has no tags: this is its newest commit)" * (_NEWEST in versions.values())
        raise UserError(f"{source} has no version {chosen}; it has {', '.join(versions)}{untagged}")
    return chosen


def _first(git: Git, was: str, versions: Mapping[str, str]) -> str:
    """Return the template's commit with which a repository without its history began."""
    began = set(git("log", "--max-parents=0", "--format=%T", "HEAD").splitlines())
    log = (line.split() for line in git("log", "--format=%H %T", _NEWEST).splitlines())
    if copied := next((commit for commit, files in log if files in began), None):
        return copied
    tag = versions.get(was)
    if tag in (None, _NEWEST):
        raise UserError(
            f"your files say that they are version {was} (pyproject.toml), of which the template "
            "has no tag; write there the version that you began with, commit, and upgrade again; "
            f"or merge once by hand: git merge --allow-unrelated-histories {_NEWEST}"
        )
    return str(tag)


def _begin(git: Git, branch: str) -> None:
    if git.succeeds("rev-parse", "--verify", "--quiet", f"refs/heads/{branch}"):
        raise UserError(
            f"branch {branch} is there already, from an earlier try; go on in it "
            f"(git switch {branch}), or delete it (git branch -D {branch}) and begin anew"
        )
    git("switch", "--quiet", "--create", branch)


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
