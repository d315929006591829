"""Bringing a fork to a newer template: in real Git repositories on this machine."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from sustainability.__main__ import main

MAKEFILE = "setup record review:\n\t@echo $@ $(AGAINST)\n"
SNAPSHOT = "tests/infrastructure/__snapshots__/dev-rag.json"


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", "-c", "user.name=a", "-c", "user.email=a@example.com", *arguments],
        cwd=folder, check=True, capture_output=True, text=True,
    ).stdout.strip()  # fmt: skip


def write(folder: Path, files: dict[str, str], message: str) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", message)


def version(number: str) -> str:
    return f'[project]\nname = "template"\nversion = "{number}"\n'


@pytest.fixture
def template(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A template with versions 0.1.0, 0.2.0 and 0.10.0."""
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{who}_NAME", "a")
        monkeypatch.setenv(f"GIT_{who}_EMAIL", "a@example.com")
    folder = tmp_path / "template"
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch=main")
    first = {
        "pyproject.toml": version("0.1.0"), "CHANGELOG.md": "# Changes\n\n## 0.1.0\n\nFirst.\n",
        "Makefile": MAKEFILE, "app.py": "old\n", SNAPSHOT: "{}\n",
        "deployments/dev.yaml": "name: dev\n\n\n\nregion: eu-north-1\n",
    }  # fmt: skip
    write(folder, first, "First")
    git(folder, "tag", "v0.1.0")
    for number, news in (("0.2.0", "Alarms."), ("0.10.0", "Stores.\n\n### To do\n\nDeploy.")):
        log = (folder / "CHANGELOG.md").read_text().replace("# Changes\n", "", 1)
        write(
            folder,
            {
                "pyproject.toml": version(number),
                "CHANGELOG.md": f"# Changes\n\n## {number}\n\n{news}\n{log}",
                "app.py": f"new {number}\n", SNAPSHOT: f'{{"template": "{number}"}}\n',
            },
            number,
        )  # fmt: skip
        git(folder, "tag", f"v{number}")
    return folder


@pytest.fixture(params=["clone", "copy"])
def fork(request: pytest.FixtureRequest, template: Path, tmp_path: Path) -> Path:
    """A fork of 0.1.0, with the template's history or without, and a deployment of its own."""
    folder = tmp_path / "fork"
    git(tmp_path, "clone", "--quiet", "--branch", "v0.1.0", str(template), str(folder))
    if request.param == "copy":
        subprocess.run(["rm", "-rf", folder / ".git"], check=True)
        git(folder, "init", "--quiet")
        write(folder, {}, "Begin from the template")
    git(folder, "switch", "--quiet", "--create", "ours")
    write(folder, {"deployments/ours.yaml": "name: ours\n"}, "Ours")
    return folder


def test_the_newest_version_is_merged_and_what_it_brings_is_told(
    fork: Path, template: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = git(fork, "rev-parse", "ours")

    assert main(["upgrade", str(template), "--root", str(fork)]) == 0

    told = capfd.readouterr().out
    assert "From 0.1.0 to 0.10.0" in told
    assert "Stores." in told
    assert "Alarms." in told
    assert "First." not in told
    assert f"setup\n$ make record\nrecord\n$ make review AGAINST={before[:12]}" in told
    assert git(fork, "branch", "--show-current") == "upgrade-v0.10.0"
    assert (fork / "app.py").read_text() == "new 0.10.0\n"
    assert (fork / "deployments/ours.yaml").exists()
    assert git(fork, "rev-parse", "ours") == before
    assert git(fork, "status", "--porcelain") == ""

    assert main(["upgrade", "--root", str(fork)]) == 0  # the source is remembered
    assert "already" in capfd.readouterr().out


def test_without_tags_the_newest_commit_is_the_version_that_its_files_name(
    fork: Path, template: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    git(template, "tag", "--delete", "v0.1.0", "v0.2.0", "v0.10.0")
    assert main(["upgrade", str(template), "--to", "0.2.0", "--root", str(fork)]) == 1
    assert "it has 0.10.0 (it has no tags" in capfd.readouterr().err

    for change in ("new 0.10.0\n", "newer, with the same version\n"):
        if change != "new 0.10.0\n":
            write(template, {"app.py": change}, "Between two versions")
        assert main(["upgrade", str(template), "--root", str(fork)]) == 0
        commit = git(template, "rev-parse", "HEAD")[:12]
        assert f"to 0.10.0 (commit {commit}: the template has no tags)" in capfd.readouterr().out
        assert git(fork, "branch", "--show-current") == f"upgrade-{commit}"
        assert (fork / "app.py").read_text() == change
        assert (fork / "deployments/ours.yaml").exists()

    assert main(["upgrade", "--root", str(fork)]) == 0
    assert "already" in capfd.readouterr().out


@pytest.mark.parametrize("fork", ["copy"], indirect=True)
def test_a_copy_of_nothing_that_the_template_had_is_told_how_to_begin(
    fork: Path, template: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    git(template, "tag", "--delete", "v0.1.0", "v0.2.0", "v0.10.0")
    write(fork, {"app.py": "ours from the beginning\n"}, "Change")
    git(fork, "checkout", "--quiet", "--orphan", "begun")
    git(fork, "commit", "--quiet", "--message", "Begin with other files")

    assert main(["upgrade", str(template), "--root", str(fork)]) == 1
    told = capfd.readouterr().err
    assert "version 0.1.0 (pyproject.toml), of which the template has no tag" in told
    assert "git merge --allow-unrelated-histories" in told


def test_what_both_changed_is_named_with_its_cure_and_nothing_is_lost(
    fork: Path, template: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write(fork, {"app.py": "ours\n", SNAPSHOT: '{"ours": 1}\n'}, "Change the app")
    before = git(fork, "rev-parse", "ours")

    assert main(["upgrade", str(template), "--to", "v0.2.0", "--root", str(fork)]) == 1

    told = capfd.readouterr().out
    assert "  app.py: you and the template both changed it" in told
    assert SNAPSHOT not in told  # made again, not merged by hand
    assert {"ours", "new 0.2.0"} <= set((fork / "app.py").read_text().splitlines())
    git(fork, "merge", "--abort")
    git(fork, "switch", "--quiet", "-")
    assert git(fork, "rev-parse", "HEAD") == before
    assert (fork / "app.py").read_text() == "ours\n"


@pytest.mark.parametrize("fork", ["clone"], indirect=True)
def test_a_file_that_one_side_deleted_has_its_own_cure(
    fork: Path, template: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    git(fork, "rm", "--quiet", "app.py")
    git(fork, "commit", "--quiet", "--message", "Without it")

    assert main(["upgrade", str(template), "--root", str(fork)]) == 1

    assert (
        "app.py: you deleted it, the template changed it: `git rm app.py`" in capfd.readouterr().out
    )


def test_recorded_templates_alone_are_no_conflict(fork: Path, template: Path) -> None:
    write(fork, {SNAPSHOT: '{"ours": 1}\n'}, "Record")

    assert main(["upgrade", str(template), "--root", str(fork)]) == 0
    assert "0.10.0" in (fork / SNAPSHOT).read_text()
    assert git(fork, "status", "--porcelain") == ""


@pytest.mark.parametrize("fork", ["copy"], indirect=True)
def test_what_stands_in_the_way_is_told_before_anything_changes(
    fork: Path, template: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(*arguments: str) -> str:
        assert main(["upgrade", *arguments, "--root", str(fork)]) == 1
        assert git(fork, "branch", "--show-current") == "ours"
        return capsys.readouterr().err

    assert "make upgrade FROM=" in refused()
    assert "cannot read" in refused(str(fork.parent / "nowhere"))
    assert "it has 0.10.0, 0.2.0, 0.1.0" in refused(str(template), "--to", "9.9")
    (fork / "app.py").write_text("not committed\n")
    assert "not committed" in refused(str(template))
    assert (fork / "app.py").read_text() == "not committed\n"
