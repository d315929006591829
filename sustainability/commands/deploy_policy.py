"""``deploy-policy``: print a template of the roles that deploy, with no more rights than needed."""

from __future__ import annotations

import argparse
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = subparsers.add_parser(
        "deploy-policy",
        help="print a template of the roles that deploy, with no more rights than needed",
        description="Synthesizes the deployment, and prints a CloudFormation template: a role "
        "that deploys and one that only reads, both for workflows of one GitHub repository (OIDC), "
        "and the policies that CloudFormation needs for exactly these resource types.",
    )
    parser.add_argument("deployment", type=Path, help="deployment file in deployments/")
    parser.add_argument("--repository", required=True, metavar="OWNER/NAME", help="on GitHub")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the template as JSON."""
    import json
    import tempfile

    from sustainability.deployment.schema import Deployment
    from sustainability.errors import UserError
    from sustainability.operate.deploy_access import Repository, access_template
    from sustainability.versions.checkout import Checkout

    repository = Repository(options.repository)
    deployment = Deployment.load(options.deployment)
    file, folder = options.deployment.resolve(), _ROOT / "deployments"
    if not file.is_relative_to(folder):
        raise UserError(f"{options.deployment}: must be in deployments/")
    name = file.relative_to(folder).with_suffix("").as_posix()
    with tempfile.TemporaryDirectory() as place:
        templates = Checkout(_ROOT).synthesize(name, Path(place, "cdk.out"))
    print(json.dumps(access_template(deployment, templates, repository), indent=2))
    return 0
