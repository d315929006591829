"""``footprint``: estimate energy, carbon and cost of a deployment, or compare two versions."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = subparsers.add_parser(
        "footprint",
        help="estimate energy, carbon and cost before you deploy",
        description="Estimates energy, carbon and cost of a deployment: for an idle month, for a "
        "month of the declared traffic, and per 1,000 answers. Shows ranges, assumptions, and the "
        "most influential numbers. With --template: the idle floor of any CloudFormation template.",
    )
    parser.add_argument("deployment", type=Path, nargs="?", help="deployment file in deployments/")
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    parser.add_argument(
        "--format",
        choices=["sci.json", "manifest.yaml"],
        help="print the score by SCI for AI (Software Carbon Intensity) for other tools: as JSON, "
        "or as a manifest of the Impact Framework",
    )
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a page with charts")
    parser.add_argument(
        "--answered",
        type=Path,
        metavar="FILE",
        help="what choose-model --all --json printed: states what the generator answers beyond "
        "search",
    )
    other = parser.add_mutually_exclusive_group()
    other.add_argument(
        "--compare", type=Path, metavar="OTHER", help="compare with another deployment file"
    )
    other.add_argument(
        "--against", metavar="GIT_REF", help="compare with the same file at a Git revision"
    )
    parser.add_argument(
        "--fail-if",
        action="append",
        default=[],
        metavar="LIMIT",
        help="with --compare or --against: exit with 1 if a limit is exceeded, such as "
        "'carbon>+10%%' or 'idle.cost>+5%%'; can be given several times",
    )
    parser.add_argument(
        "--template", type=Path, nargs="+", metavar="FILE", help="CloudFormation templates"
    )
    parser.add_argument(
        "--region", default="us-east-1", help="Region of the templates (default: us-east-1)"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the estimate."""
    from sustainability.errors import UserError

    if (options.deployment is None) == (options.template is None):
        raise UserError("give either a deployment file or --template FILE ...")
    if options.template:
        refused = options.compare, options.against, options.fail_if, options.html, options.format
        if any((*refused, options.answered)):
            raise UserError("with --template, only --region and --json are allowed")
        return _templates(options)
    if options.compare or options.against:
        if options.answered:
            raise UserError(
                "--answered belongs to one deployment; leave out --compare or --against"
            )
        return _compare(options)
    if options.fail_if:
        raise UserError("--fail-if needs --compare OTHER or --against GIT_REF")
    return _report(options)


def _report(options: argparse.Namespace) -> int:
    import json

    import yaml

    from sustainability.decide.next_steps import next_steps
    from sustainability.decide.region_requirements import checked_plan
    from sustainability.deployment.schema import Deployment
    from sustainability.footprint.answered import Answered
    from sustainability.footprint.baseline import baseline
    from sustainability.footprint.footprint import footprint, influences
    from sustainability.footprint.sci import manifest, score
    from sustainability.footprint.targets import estimated
    from sustainability.report.footprint import as_html, as_json, as_text
    from sustainability.report.next_steps import as_json as steps_as_json
    from sustainability.report.text import fitted

    deployment = Deployment.load(options.deployment)
    generator = deployment.answers.generator
    answered = Answered.read(options.answered, generator) if options.answered else None
    plan = checked_plan(deployment)
    sci = score(deployment, plan)
    if options.format == "sci.json":
        print(json.dumps(sci, indent=2))
        return 0
    result = footprint(deployment, plan)
    if options.format == "manifest.yaml":
        print(yaml.safe_dump(manifest(sci, result), sort_keys=False), end="")
        return 0
    found = influences(deployment, plan)
    steps = next_steps(deployment)
    least, aims = baseline(deployment, result, answered), estimated(deployment, result)
    if options.html:
        from sustainability.decide.service_levels import service_levels
        from sustainability.report.page import write
        from sustainability.report.plan import as_section

        levels, served = service_levels(deployment), as_section(deployment, plan)
        write(options.html, as_html(result, found, levels, sci, served, steps, least, aims))
    if options.json:
        told = as_json(result, found, least, aims)
        print(json.dumps(told | {"sci": sci, "next_steps": steps_as_json(steps)}, indent=2))
    else:
        print(fitted(as_text(result, found, sci, steps, least, aims)))
    return 0


def _compare(options: argparse.Namespace) -> int:
    import json
    from dataclasses import asdict

    from sustainability.deployment.schema import Deployment
    from sustainability.footprint.change import Limit, compare, load_revision
    from sustainability.footprint.footprint import footprint
    from sustainability.plan.serving import plan_serving
    from sustainability.report.change import as_markdown

    limits = [Limit.parse(text) for text in options.fail_if]
    deployment = Deployment.load(options.deployment)
    if options.against:
        name, other = options.against, load_revision(options.deployment, options.against)
    else:
        name, other = str(options.compare), Deployment.load(options.compare)
    before = footprint(other, plan_serving(other))
    after = footprint(deployment, plan_serving(deployment))
    changes = compare(before, after)
    broken = [(limit, change) for limit in limits if (change := limit.broken_by(changes))]
    if options.json:
        print(
            json.dumps(
                [
                    {
                        **asdict(change),
                        "share": change.share,
                        "too_close_to_call": change.is_noise,
                    }
                    for change in changes
                ]
            )
        )
    else:
        print(as_markdown((name, str(options.deployment)), before, after, changes, broken))
    return 1 if broken else 0


def _templates(options: argparse.Namespace) -> int:
    import json

    from sustainability.footprint.idle_floor import idle_floor
    from sustainability.report.template import as_json, as_text

    floor = idle_floor(options.template, options.region)
    print(json.dumps(as_json(floor), indent=2) if options.json else as_text(floor))
    return 0
