"""``scan``: judge CloudFormation templates and CDK assemblies by the sustainability rules."""

from __future__ import annotations

import argparse
import difflib
import os
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from sustainability.errors import UserError

if TYPE_CHECKING:
    from cfn_sustainability.assembly import Sources
    from cfn_sustainability.report import Report
    from cfn_sustainability.rule import Rule
    from cfn_sustainability.settings import RuleSettings

_SUFFIXES = (".json", ".yaml", ".yml", ".template")


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = subparsers.add_parser(
        "scan",
        help="judge CloudFormation templates by the sustainability rules",
        description="Judge CloudFormation templates, without AWS or Node. Exit code: 0 when nothing"
        " is certainly wasted, 1 when something is, 2 when a template cannot be read.",
    )
    parser.add_argument(
        "templates",
        nargs="*",
        metavar="TEMPLATE",
        help="a template in JSON or YAML, a cdk.out or other folder, or - for standard input",
    )
    form = parser.add_mutually_exclusive_group()
    for name, what in (
        ("json", "one JSON document"),
        ("sarif", "SARIF 2.1.0, for code scanning"),
        ("junit", "JUnit XML, for continuous integration"),
        ("rules-markdown", "the reference of all rules, instead of a scan"),
    ):
        form.add_argument(
            f"--{name}", dest="form", action="store_const", const=name, help=f"print {what}"
        )
    parser.add_argument(
        "--rule", action="append", default=[], metavar="ID", help="judge by this rule alone"
    )
    parser.add_argument(
        "--ignore", action="append", default=[], metavar="ID", help="leave out this rule"
    )
    parser.add_argument(
        "--reason", action="append", default=[], metavar="TEXT", help="why; one for each --ignore"
    )
    parser.add_argument(
        "--profile", choices=("development", "production"), help="which environment"
    )
    parser.add_argument("--region", help="where plain templates are to stand, such as eu-north-1")
    parser.add_argument(
        "--settings",
        type=Path,
        metavar="FILE",
        help="a deployment file, or one with its section rules alone",
    )
    parser.add_argument("--strict", action="store_true", help="show also what could not be judged")
    parser.add_argument("--warn-only", action="store_true", help="report errors as warnings")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Scan and print; return 1 on errors, 2 when a template cannot be read or the call is wrong."""
    from cfn_sustainability.reader import TemplateError
    from cfn_sustainability.reference import rules_markdown
    from cfn_sustainability.report import FORMATS
    from cfn_sustainability.rule import Severity

    if options.form == "rules-markdown":
        sys.stdout.write(rules_markdown())
        return 0
    try:
        report = _scan(options)
    except (UserError, TemplateError) as error:
        print(error, file=sys.stderr)
        return 2
    for unreadable in report.unreadable:
        print(unreadable, file=sys.stderr)
    sys.stdout.write(FORMATS[options.form or "text"](report))
    if report.unreadable:
        return 2
    return 1 if report.count(Severity.ERROR) else 0


def _scan(options: argparse.Namespace) -> Report:
    from cfn_sustainability.engine import judge
    from cfn_sustainability.finding import softened
    from cfn_sustainability.reader import NotATemplateError, TemplateError
    from cfn_sustainability.report import Report

    if not options.templates:
        raise UserError("name a template, a folder or - for standard input")
    if len(options.ignore) != len(options.reason):
        raise UserError("give one --reason for each --ignore")
    settings = _settings(options)
    ignored = {
        _named(name).name: reason
        for name, reason in zip(options.ignore, options.reason, strict=True)
    }
    rules = [rule for rule in _chosen(options.rule) if rule.name not in ignored]
    report = Report(
        judgements=[], documents={}, unreadable=[], ignored=ignored, strict=options.strict
    )
    places = [place for argument in options.templates for place in _places(argument)]
    with _progress(len(places)) as show:
        for number, place in enumerate(places, 1):
            show(f"{number} of {len(places)}: {place.name}")
            try:
                sources = _read(place, options.region)
            except NotATemplateError as error:
                if str(place) in options.templates:
                    report.unreadable.append(error)
            except TemplateError as error:
                report.unreadable.append(error)
            else:
                judgement = judge(tuple(sources), settings=settings, rules=rules)
                report.judgements.append(softened(judgement) if options.warn_only else judgement)
                report.documents.update(sources)
    return report


def _places(argument: str) -> list[Path]:
    """Return what an argument names; of a folder, the files that look like templates."""
    from cfn_sustainability.assembly import is_assembly

    path = Path(argument)
    if argument == "-" or not path.is_dir() or is_assembly(path):
        return [path]
    found = []
    for folder, folders, files in os.walk(path):
        folders[:] = sorted(name for name in folders if name[0] != "." and name != "node_modules")
        found += [Path(folder, name) for name in sorted(files) if name.endswith(_SUFFIXES)]
    return [file for file in found if _looks_like_template(file)]


def _looks_like_template(file: Path) -> bool:
    from cfn_sustainability.reader import BYTES_MAX

    try:
        with file.open("rb") as content:
            return b"AWS::" in content.read(BYTES_MAX)
    except OSError:
        return True  # reading it as a template says what is wrong


def _read(place: Path, region: str | None) -> Sources:
    from cfn_sustainability import reader
    from cfn_sustainability.assembly import read_assembly
    from cfn_sustainability.template import Template

    if place.is_dir():
        return read_assembly(place)
    if str(place) == "-":
        document = reader.read("-", sys.stdin.buffer.read(reader.BYTES_MAX + 1))
    else:
        document = reader.read_file(place)
    return {Template(document.body, source=document.source, region=region): document}


def _chosen(names: list[str]) -> list[Rule]:
    from cfn_sustainability.rules import ALL

    return [_named(name) for name in names] if names else list(ALL)


def _named(name: str) -> Rule:
    from cfn_sustainability.rule import PACK
    from cfn_sustainability.rules import ALL

    by_name = {rule.name: rule for rule in ALL}
    bare = name.removeprefix(f"{PACK}-")
    if bare not in by_name:
        near = difflib.get_close_matches(bare, by_name)
        raise UserError(
            f"no rule {name}" + (f"; did you mean {' or '.join(near)}?" if near else "")
        )
    return by_name[bare]


def _settings(options: argparse.Namespace) -> RuleSettings:
    """Return the settings of a deployment file, or of a file that has only a ``rules`` section."""
    from pydantic import ValidationError

    from cfn_sustainability.settings import RuleSettings
    from sustainability.deployment.yaml_source import YamlSource

    file: Path | None = options.settings
    chosen: dict[str, object] = {}
    if file:
        try:
            source = YamlSource.read(file)
        except (OSError, ValueError) as error:
            raise UserError(f"{file}: {error}") from error
        if "service_level" in source.data:
            from sustainability.deployment.schema import Deployment

            chosen = Deployment.load(file).rule_settings.model_dump()
        elif isinstance(source.data.get("rules"), dict):
            chosen = source.data["rules"]
        else:
            raise UserError(f"{file}: neither a deployment nor a section rules")
    if options.profile:
        chosen["profile"] = options.profile
    try:
        return RuleSettings.model_validate(chosen)
    except ValidationError as error:
        raise UserError(
            "\n".join(
                f"{file}:{source.line(('rules', *fault['loc']))}:"
                f" rules.{'.'.join(map(str, fault['loc']))}: {fault['msg']}"
                for fault in error.errors(include_url=False)
            )
        ) from error


def _progress(count: int) -> AbstractContextManager[Callable[[str], None]]:
    """Return a line of progress where somebody watches and there is something to wait for."""
    from sustainability.report.console import status_line

    if count > 1 and sys.stderr.isatty():
        return status_line()
    return nullcontext(lambda text: None)
