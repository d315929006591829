"""Git, asked for one thing at a time."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from sustainability.errors import UserError


class Git:
    """The Git repository of one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def __call__(self, *arguments: str) -> str:
        """Return what a Git command prints.

        Raises
        ------
        UserError
            If Git is missing, or the command fails; with what Git says.
        """
        outcome = self._run(*arguments)
        if outcome.returncode:
            said = (outcome.stderr or outcome.stdout).strip()
            raise UserError(f"git {arguments[0]} failed: {said}")
        return outcome.stdout.strip()

    def succeeds(self, *arguments: str) -> bool:
        """Whether a Git command ends without an error."""
        return self._run(*arguments).returncode == 0

    def commit(self, revision: str) -> str:
        """Return the commit that a revision names.

        Raises
        ------
        UserError
            If Git knows no such revision.
        """
        outcome = self._run("rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
        if outcome.returncode:
            raise UserError(f"Git knows no revision {revision!r} here; `git branch -a` lists them")
        return outcome.stdout.strip()

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        # A hook that runs us has set GIT_DIR and others for its own repository.
        environment = {k: v for k, v in os.environ.items() if not k.startswith("GIT_DIR")}
        try:
            return subprocess.run(
                ["git", *arguments],
                cwd=self.root,
                env={**environment, "LC_ALL": "C"},
                capture_output=True,
                text=True,
                check=False,
            )
        except FileNotFoundError as error:
            raise UserError("this needs Git; install it first") from error
