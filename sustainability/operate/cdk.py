"""The CDK CLI, run for one deployment: the same way to an account and to the embedded AWS."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3
import botocore.exceptions

from sustainability.deployment.schema import Deployment
from sustainability.errors import UserError

EMBEDDED_ACCOUNT = "000000000000"
"""The account of the embedded AWS; no account of AWS's has this number."""
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
        self.session = boto3.Session(region_name=self.deployment.region)

    @cached_property
    def account(self) -> str:
        """The id of the account that the credentials belong to.

        Raises
        ------
        UserError
            If there are none, or the deployment states another account.
        """
        try:
            account = str(self.session.client("sts").get_caller_identity()["Account"])
        except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as error:
            raise UserError(
                f"no usable AWS credentials ({error}); run `aws sso login`, or set AWS_PROFILE"
            ) from error
        if self.deployment.account not in (None, account) and account != EMBEDDED_ACCOUNT:
            raise UserError(
                f"{self.deployment.name} belongs to account {self.deployment.account}, and these "
                f"credentials are for {account}; set AWS_PROFILE, or change account in its file"
            )
        return account

    @property
    def copies(self) -> int:
        """Copies of the deployed inference component, which an update shall leave; 0 without."""
        outputs = (self._stack("inference") or {}).get("Outputs", [])
        named = [each["OutputValue"] for each in outputs if each["OutputKey"] == "EndpointName"]
        try:
            component = self.session.client("sagemaker").describe_inference_component(
                InferenceComponentName=named[0]
            )
        except (botocore.exceptions.ClientError, IndexError):
            return 0  # not deployed yet, or an endpoint without components
        return int(component["RuntimeConfig"]["DesiredCopyCount"])

    @property
    def stacks(self) -> str:
        """A digest of the stacks that others read from: another one if one was made again."""
        found = [(self._stack(name) or {}).get("StackId", "") for name in ("rag", "inference")]
        return hashlib.sha256(" ".join(found).encode()).hexdigest()[:16] if any(found) else ""

    def _stack(self, name: str) -> dict[str, Any] | None:
        client = self.session.client("cloudformation")
        try:
            found: dict[str, Any] = client.describe_stacks(
                StackName=f"{self.deployment.name}-{name}"
            )["Stacks"][0]
        except botocore.exceptions.ClientError:
            return None
        return found

    def is_bootstrapped(self) -> bool:
        """Whether the account and Region have the CDK's own bucket and roles."""
        try:
            self.session.client("cloudformation").describe_stacks(StackName="CDKToolkit")
        except botocore.exceptions.ClientError as error:
            if "does not exist" in str(error):
                return False
            raise UserError(f"CloudFormation refused: {error}") from error
        return True

    def bootstrap(self) -> None:
        """Make the CDK's own bucket and roles."""
        self._run("bootstrap", f"aws://{self.account}/{self.deployment.region}")

    def diff(self) -> None:
        """Print what deploying would change."""
        self._run("diff")

    def deploy(self, stack: str | None = None) -> None:
        """Deploy one stack, or all.

        A bucket of compiled models that an earlier deployment left is taken over, not made.
        """
        self._run(
            "deploy",
            *(["--all"] if stack is None else [stack, "--exclusively"]),
            *("--require-approval", "never", "--progress", "events"),
            "--import-existing-resources",
        )

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
                # CloudFormation can import an existing resource only if the template names it.
                *("--context", f"account={self.account}"),
                *("--context", f"copies={self.copies}"),
                *("--context", f"stacks={self.stacks}"),
                "--no-notices",
            ],
            cwd=_ROOT,
            env={**os.environ, "PATH": path},
            check=False,
        )
        if outcome.returncode:
            raise UserError(f"cdk {arguments[0]} failed")
        # Further commands use the first one's assembly, so that what was shown is deployed.
        self._app = ["--app", self._assembly]
