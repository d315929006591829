"""The CDK CLI, run for one deployment: the same way to an account and to the embedded AWS."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import boto3
import botocore.exceptions

from sustainability.deployment.schema import Deployment
from sustainability.errors import UserError

_ROOT = Path(__file__).resolve().parents[2]


class Cdk:
    """The CDK CLI for one deployment file, which must lie in ``deployments/`` or below.

    Raises
    ------
    UserError
        From every method that runs the CLI, when it fails; it has said why by then.
    """

    def __init__(self, path: Path) -> None:
        self.deployment = Deployment.load(path)
        folder, file = _ROOT / "deployments", path.resolve()
        if not file.is_relative_to(folder) or file.name != f"{self.deployment.name}.yaml":
            raise UserError(
                f"{path}: to be deployed it must be deployments/{self.deployment.name}.yaml"
            )
        self._assembly = f"cdk.out/{self.deployment.name}"
        name = file.relative_to(folder).with_suffix("")
        self._app = ["--context", f"deployment={name}", "--output", self._assembly]
        self._session = boto3.Session(region_name=self.deployment.region)

    def account(self) -> str:
        """Return the id of the account that the credentials belong to."""
        try:
            return str(self._session.client("sts").get_caller_identity()["Account"])
        except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as error:
            raise UserError(
                f"no usable AWS credentials ({error}); run `aws sso login`, or set AWS_PROFILE"
            ) from error

    def is_bootstrapped(self) -> bool:
        """Whether the account and Region have the CDK's own bucket and roles."""
        try:
            self._session.client("cloudformation").describe_stacks(StackName="CDKToolkit")
        except botocore.exceptions.ClientError as error:
            if "does not exist" in str(error):
                return False
            raise UserError(f"CloudFormation refused: {error}") from error
        return True

    def bootstrap(self) -> None:
        """Make the CDK's own bucket and roles."""
        self._run("bootstrap", f"aws://{self.account()}/{self.deployment.region}")

    def diff(self) -> None:
        """Print what deploying would change."""
        self._run("diff")

    def deploy(self) -> None:
        """Deploy every stack."""
        self._run("deploy", "--all", "--require-approval", "never", "--progress", "events")

    def destroy(self) -> None:
        """Destroy every stack."""
        self._run("destroy", "--all", "--force")

    def _run(self, *arguments: str) -> None:
        # Node and the CLI are those that this project pins, whatever else is installed.
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
        outcome = subprocess.run(
            [
                str(_ROOT / "node_modules" / ".bin" / "cdk"),
                *arguments,
                *self._app,
                "--no-notices",
            ],
            cwd=_ROOT,
            env={**os.environ, "PATH": path},
            check=False,
        )
        if outcome.returncode:
            raise UserError(f"cdk {arguments[0]} failed")
        # Further commands take what the first one synthesized: what is deployed is what was shown.
        self._app = ["--app", self._assembly]
