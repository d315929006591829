"""``scan``: judge CloudFormation templates and CDK assemblies."""

from __future__ import annotations

import argparse
import difflib
import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from cfn_sustainability.errors import CallError

if TYPE_CHECKING:
    from cfn_sustainability.assembly import Sources
    from cfn_sustainability.configuration import Configuration
    from cfn_sustainability.finding import Judgement
    from cfn_sustainability.reader import Document
    from cfn_sustainability.report import Report
    from cfn_sustainability.rule import Rule
    from cfn_sustainability.settings import RuleSettings
    from cfn_sustainability.template import Template

_SUFFIXES = (".json", ".yaml", ".yml", ".template")
_SETTINGS = "cfn-sustainability.yaml"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    parser.description = (
        "Judge CloudFormation templates, without AWS or Node. Templates of one call may refer to"
        " each other. Exit code: 0 when nothing is certainly wasted, 1 when something is or when"
        " there was nothing to judge, 2 when a template cannot be read."
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
        ("github", "annotations of GitHub workflows"),
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
    parser.add_argument(
        "--region",
        help="where plain templates are to stand, such as eu-north-1; where a --stack stands; with"
        " --account, the Regions to read, with commas between them",
    )
    parser.add_argument(
        "--account",
        action="store_true",
        help="judge what runs in the account of your credentials; it only reads, and needs boto3",
    )
    parser.add_argument(
        "--stack",
        action="append",
        default=[],
        metavar="NAME",
        help="judge a deployed stack and those that it nests; it only reads, and needs boto3",
    )
    parser.add_argument(
        "--settings",
        type=Path,
        metavar="FILE",
        help=f"a YAML file with sections rules, severity, ignore and paths; {_SETTINGS} in the"
        " current folder, if it is there",
    )
    parser.add_argument(
        "--estimate",
        action="store_true",
        help="say how much electricity is at stake where facts allow it, the most first",
    )
    parser.add_argument(
        "--strict",
        action="store_true",
        help="show also what could not be judged, and fail when a part was not seen at all",
    )
    parser.add_argument(
        "--baseline", type=Path, metavar="FILE", help="known findings, which do not fail"
    )
    parser.add_argument(
        "--write-baseline",
        action="store_true",
        help="write what is found to the baseline, and take out what was fixed",
    )
    parser.add_argument("--warn-only", action="store_true", help="report errors as warnings")


@contextmanager
def _without_collector() -> Iterator[None]:
    """Keep Python from looking for garbage: a scan makes hardly any."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@_without_collector()
def run(options: argparse.Namespace, settings: RuleSettings | None = None) -> int:
    """Scan and print; return 1 on errors, 2 when a template cannot be read or the call is wrong.

    ``settings`` stand in place of the file that ``--settings`` names.
    """
    from cfn_sustainability import baseline
    from cfn_sustainability.reader import TemplateError
    from cfn_sustainability.report import FORMATS
    from cfn_sustainability.rule import Severity

    try:
        report = _scan(options, settings)
        if options.baseline and not options.write_baseline:
            baseline.apply(options.baseline, report)
    except (CallError, TemplateError) as error:
        print(error, file=sys.stderr)
        return 2
    if options.write_baseline:
        print(baseline.write(options.baseline, report), file=sys.stderr)
        return 2 if report.unreadable else 0
    for remark in (*report.unreadable, *report.remarks()):
        print(remark, file=sys.stderr)
    sys.stdout.write(FORMATS[options.form or "text"](report))
    if report.unreadable:
        return 2
    numbers = report.summary()
    blind = numbers["not_seen"] and (options.strict or not numbers["resources"])
    return 1 if report.count(Severity.ERROR) or blind else 0


def _scan(options: argparse.Namespace, given: RuleSettings | None) -> Report:
    from cfn_sustainability.engine import judge
    from cfn_sustainability.finding import softened
    from cfn_sustainability.reader import NotATemplateError, TemplateError
    from cfn_sustainability.report import Report

    if not (options.templates or options.account or options.stack):
        raise CallError("name a template, a folder, - for standard input, or a --stack")
    if len(options.ignore) != len(options.reason):
        raise CallError("give one --reason for each --ignore")
    if options.write_baseline and not options.baseline:
        raise CallError("name the file to write with --baseline")
    configuration = _configuration(options, given)
    ignored = {
        rule_named(name).name: reason
        for name, reason in zip(options.ignore, options.reason, strict=True)
    }
    rules = [rule for rule in _chosen(options.rule) if rule.name not in ignored]
    report = Report(ignored=ignored, strict=options.strict, estimate=options.estimate)
    plain: Sources = {}
    programs = [plain]
    for argument in options.templates:
        places = list(_places(argument))
        if not places:
            report.empty.append(argument)
        for place in places:
            try:
                sources = _read(place, options.region)
            except NotATemplateError as error:
                if str(place) in options.templates:
                    report.unreadable.append(error)
            except TemplateError as error:
                report.unreadable.append(error)
            else:
                if place.is_dir():
                    programs.append(sources)
                else:
                    plain.update(sources)
    for name in options.stack:
        plain.update(_stack(name, options.region))

    def add(judgement: Judgement, documents: Sources) -> None:
        judgement = configuration.applied(judgement)
        report.judgements.append(softened(judgement) if options.warn_only else judgement)
        report.documents.update(documents)

    for sources in programs:
        if sources:
            judgement = judge(
                _linked(sources),
                settings=configuration.base.settings,
                settings_of=lambda template: configuration.of(template).settings,
                rules=rules,
            )
            add(judgement, sources)
    for document, template, judgement in _running(options, configuration.base.settings, rules):
        add(judgement, {template: document})
    return report


def _stack(name: str, region: str | None) -> Sources:
    try:
        from cfn_sustainability.stacks import read_stack
    except ModuleNotFoundError as error:
        raise _needs_boto3("--stack", error) from None
    return read_stack(name, region)


def _needs_boto3(option: str, error: ModuleNotFoundError) -> CallError:
    return CallError(f"scan {option} needs {error.name}: python -m pip install boto3")


def _running(
    options: argparse.Namespace, settings: RuleSettings, rules: list[Rule]
) -> Iterator[tuple[Document, Template, Judgement]]:
    """Yield what runs in each Region of the account, judged."""
    if not options.account:
        return
    try:
        from cfn_sustainability.usage import judge_regions
    except ModuleNotFoundError as error:
        raise _needs_boto3("--account", error) from None
    yield from judge_regions(options.region, settings=settings, rules=rules)


def _linked(sources: Sources) -> Sources:
    from cfn_sustainability.program import link

    link(sources)
    return sources


def _places(argument: str) -> Iterator[Path]:
    """Yield what an argument names; of a folder, the assemblies and what looks like a template."""
    from cfn_sustainability.assembly import is_assembly

    path = Path(argument)
    if argument == "-" or not path.is_dir():
        yield path
        return
    for name, folders, files in os.walk(path):
        folder = Path(name)
        if is_assembly(folder):
            folders.clear()
            yield folder
            continue
        folders[:] = sorted(name for name in folders if name[0] != "." and name != "node_modules")
        for file in sorted(files):
            if file.endswith(_SUFFIXES) and _looks_like_template(folder / file):
                yield folder / file


def _looks_like_template(file: Path) -> bool:
    from cfn_sustainability.reader import BYTES_MAX

    try:
        with file.open("rb") as content:
            text = content.read(BYTES_MAX)
    except OSError:
        return True  # reading it as a template says what is wrong
    return b"AWS::" in text or b"Fn::" in text


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

    return [rule_named(name) for name in names] if names else list(ALL)


def rule_named(name: str) -> Rule:
    """Return a rule by its name or id; raise ``CallError`` with those that are near."""
    from cfn_sustainability.rule import PACK
    from cfn_sustainability.rules import ALL

    by_name = {rule.name: rule for rule in ALL}
    bare = name.removeprefix(f"{PACK}-")
    if bare not in by_name:
        near = difflib.get_close_matches(bare, by_name)
        raise CallError(
            f"no rule {name}" + (f"; did you mean {' or '.join(near)}?" if near else "")
        )
    return by_name[bare]


def _configuration(options: argparse.Namespace, given: RuleSettings | None) -> Configuration:
    from cfn_sustainability.configuration import Configuration, Local, load
    from cfn_sustainability.rules import ALL
    from cfn_sustainability.settings import RuleSettings

    more = {"profile": options.profile} if options.profile else {}
    file: Path | None = options.settings
    if file is None and given is None and Path(_SETTINGS).is_file():
        file = Path(_SETTINGS)
    if file and given is None:
        return load(file, (rule.name for rule in ALL), more)
    chosen = {**(given.model_dump() if given else {}), **more}
    return Configuration(Local(RuleSettings.model_validate(chosen), {}, {}))
