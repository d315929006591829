"""The CDK CLI for one deployment, for an account and for the embedded AWS alike."""

from __future__ import annotations

import hashlib
import json
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
from sustainability.stores.generation import SERVING, Generation

EMBEDDED_ACCOUNT = "000000000000"
"""The account id of the embedded AWS. No AWS account has this id."""
_OPTIONAL = ("inference", "customization", "models", "budget")
"""Stacks that not every deployment has, each before the one that it needs."""
_ROOT = Path(__file__).resolve().parents[2]


class Cdk:
    """The CDK CLI for one deployment file in ``deployments/`` or below.

    Raises
    ------
    UserError
        From every method that runs the CLI, if it fails. The CLI has then printed why.
    """

    def __init__(self, path: Path) -> None:
        self.deployment = Deployment.load(path)
        folder, file = _ROOT / "deployments", path.resolve()
        if not file.is_relative_to(folder) or file.name != f"{self.deployment.name}.yaml":
            raise UserError(
                f"{path}: must be deployments/{self.deployment.name}.yaml to be deployed"
            )
        self._assembly = f"cdk.out/{self.deployment.name}"
        name = file.relative_to(folder).with_suffix("")
        self._app = self._source = [
            *("--context", f"deployment={name}"),
            *("--output", self._assembly),
        ]
        self._context: list[str] = []
        self.session = boto3.Session(region_name=self.deployment.region)

    @cached_property
    def account(self) -> str:
        """The id of the AWS account of the credentials.

        Raises
        ------
        UserError
            If there are no credentials, or the deployment names another account.
        """
        try:
            account = str(self.session.client("sts").get_caller_identity()["Account"])
        except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as error:
            raise UserError(
                f"no usable AWS credentials ({error}); run `aws sso login` or set AWS_PROFILE"
            ) from error
        if self.deployment.account not in (None, account) and account != EMBEDDED_ACCOUNT:
            raise UserError(
                f"{self.deployment.name} belongs to account {self.deployment.account}, and these "
                f"credentials are for {account}; set AWS_PROFILE, or change account in its file"
            )
        return account

    @property
    def copies(self) -> int:
        """Current copies of the inference component, which an update keeps; 0 if there is none."""
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

    @property
    def _toolkit(self) -> str:
        """The stack of the CDK's own bucket and roles; a company may have one of its own."""
        qualifier = self.deployment.company.qualifier
        return "CDKToolkit" if qualifier is None else f"CDKToolkit-{qualifier}"

    def is_bootstrapped(self) -> bool:
        """Whether account and Region are bootstrapped: the CDK's own bucket and roles exist."""
        try:
            self.session.client("cloudformation").describe_stacks(StackName=self._toolkit)
        except botocore.exceptions.ClientError as error:
            if "does not exist" in str(error):
                return False
            raise UserError(f"CloudFormation refused: {error}") from error
        return True

    def keep(self, generation: Generation) -> None:
        """Keep the index that answers now, beside another that the deployment asks for."""
        self._context = ["--context", f"{SERVING}={generation.described()}"]

    def bootstrap(self) -> None:
        """Bootstrap: create the CDK's own bucket and roles."""
        company = self.deployment.company
        own = ["--qualifier", company.qualifier] if company.qualifier else []
        if company.permissions_boundary:
            own += ["--custom-permissions-boundary", company.permissions_boundary]
        self._run(
            "bootstrap",
            f"aws://{self.account}/{self.deployment.region}",
            *("--toolkit-stack-name", self._toolkit),
            *own,
        )

    def diff(self, *, reads_only: bool = False) -> None:
        """Print what a deployment would change; without a change set if a role only reads."""
        self._run("diff", *(["--method", "template"] if reads_only else []))

    def deploy(self, stack: str | None = None) -> None:
        """Deploy one stack or all stacks.

        If an earlier deployment left a bucket of compiled models, the stack imports it.
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

    def left(self) -> list[str]:
        """Return the stacks that exist and that the assembly, made by a command before, lacks.

        CloudFormation leaves them as they are: an endpoint would run on that nobody calls.
        """
        manifest = json.loads((_ROOT / self._assembly / "manifest.json").read_text())
        names = [f"{self.deployment.name}-{part}" for part in _OPTIONAL if self._stack(part)]
        return [name for name in names if name not in manifest["artifacts"]]

    def delete_left(self, stacks: list[str]) -> None:
        """Delete stacks that the deployment had before, in this order."""
        for stack in stacks:
            self._app = [*self._source, "--context", f"left={stack}"]
            self._run("destroy", stack, "--exclusively", "--force")

    def _run(self, *arguments: str) -> None:
        # Node and the CLI in the versions that this project pins.
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
        outcome = subprocess.run(
            [
                str(_ROOT / "node_modules" / ".bin" / "cdk"),
                *arguments,
                *self._app,
                # CloudFormation can import only a resource with an explicit name.
                *("--context", f"account={self.account}"),
                *("--context", f"copies={self.copies}"),
                *("--context", f"stacks={self.stacks}"),
                *self._context,
                "--no-notices",
            ],
            cwd=_ROOT,
            env={**os.environ, "PATH": path},
            check=False,
        )
        if outcome.returncode:
            raise UserError(f"cdk {arguments[0]} failed")
        # Later commands use the first one's templates: what was shown is what is deployed.
        self._app = ["--app", self._assembly]
