"""``scan``: the rules of ``cfn_sustainability`` with the settings of a deployment file."""

from __future__ import annotations

import argparse
from pathlib import Path

from cfn_sustainability import scan


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = subparsers.add_parser("scan", help="judge templates by the sustainability rules")
    scan.add_arguments(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Scan; a deployment file as ``--settings`` also states the profile and the Region."""
    from sustainability.deployment.schema import Deployment

    settings = None
    if options.settings and _is_deployment(options.settings):
        settings = Deployment.load(options.settings).rule_settings
    return scan.run(options, settings)


def _is_deployment(file: Path) -> bool:
    from sustainability.deployment.yaml_source import YamlSource

    try:
        return "service_level" in YamlSource.read(file).data
    except (OSError, ValueError):
        return False  # the scan reports what is wrong with the file
