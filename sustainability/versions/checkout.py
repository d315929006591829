"""The files of one revision of this repository, and what they make of a deployment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sustainability.errors import UserError
from sustainability.versions.git import Git

_SHARED = (".build", "node_modules")
"""What a set-up makes, and another revision may use as well."""


class Checkout:
    """A folder with the files of this repository at one revision.

    Its own code reads its own deployment files, in a process of its own, with the packages of this
    environment.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    @classmethod
    @contextmanager
    def of(cls, root: Path, revision: str) -> Iterator[Checkout]:
        """Yield the files of ``revision``, in a folder that is gone afterwards.

        Raises
        ------
        UserError
            If Git knows no such revision.
        """
        git = Git(root)
        commit = git.commit(revision)
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder).resolve() / "checkout"
            git("worktree", "add", "--detach", "--quiet", str(place), commit)
            try:
                for name in _SHARED:
                    if (root / name).exists() and not (place / name).exists():
                        (place / name).symlink_to(root / name)
                yield cls(place)
            finally:
                git("worktree", "remove", "--force", str(place))

    def has(self, deployment: str) -> bool:
        """Whether the revision has this deployment file."""
        return (self.root / "deployments" / f"{deployment}.yaml").is_file()

    def footprint(self, deployment: str) -> dict[str, Any]:
        """Return the estimate of a deployment, as ``footprint --json`` prints it.

        Raises
        ------
        UserError
            If the revision refuses the deployment.
        """
        file = f"deployments/{deployment}.yaml"
        printed = self._run([sys.executable, "-m", "sustainability", "footprint", file, "--json"])
        estimate: dict[str, Any] = json.loads(printed)
        return estimate

    def synthesize(self, deployment: str, assembly: Path) -> dict[str, Any]:
        """Write the templates of a deployment to ``assembly``; return them by stack name.

        Raises
        ------
        UserError
            If the revision refuses the deployment.
        """
        self._run(
            self.cdk(
                *("synth", "--quiet", "--app", f"{sys.executable} app.py"),
                *("--context", f"deployment={deployment}", "--output", str(assembly)),
            )
        )
        return {
            file.name.removesuffix(".template.json"): json.loads(file.read_text())
            for file in sorted(assembly.glob("*.template.json"))
        }

    def difference(self, stack: str, assembly: Path, template: Path) -> str:
        """Return what ``cdk diff`` says of a stack in ``assembly`` and its former template."""
        # The CLI writes differences to its error stream.
        return self._run(
            self.cdk(
                *("diff", stack, "--exclusively", "--no-color", "--app", str(assembly)),
                *("--template", str(template)),
            ),
            errors=subprocess.STDOUT,
        ).strip()

    def cdk(self, *arguments: str) -> Sequence[str]:
        """Return a command of the CDK CLI in the version that this project pins."""
        return [str(self.root / "node_modules" / ".bin" / "cdk"), *arguments, "--no-notices"]

    def _run(self, command: Sequence[str], errors: int = subprocess.PIPE) -> str:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
        outcome = subprocess.run(
            command,
            cwd=self.root,
            env={**os.environ, "PATH": path},
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            check=False,
        )
        if outcome.returncode:
            raise UserError(((outcome.stderr or "").strip() or outcome.stdout.strip())[-2000:])
        return outcome.stdout
