"""The reference of the rules, ``docs/rules.md``, written from their records."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator

from cfn_sustainability.acknowledgements import DEMANDS
from cfn_sustainability.practices import load_practices
from cfn_sustainability.rule import Rule
from cfn_sustainability.rules import ALL
from cfn_sustainability.settings import Profile, RuleSettings

_HEAD = f"""\
# Rules

Written by `python -m cfn_sustainability rules > docs/rules.md`; change the rules, not this page.

{len(ALL)} rules, in the files of `cfn_sustainability/rules/`. Each shows a template that fails and
one that passes.

- An **error** is certain waste: the same work is done with less, and nothing that was asked for is
  lost. A rule of this severity still gives a warning where AWS may refuse what it wants.
- A **warning** depends on the workload: look, then change the template or acknowledge the finding.
- Rules marked *{Profile.DEVELOPMENT}* or *{Profile.PRODUCTION}* hold in that profile alone.
- A value that only the deployment knows is never an error. `--strict` shows it.

They are listed by name, [by service](#by-service) and [by practice](#by-practice).
"""
_SETTINGS = (
    "The section `rules` of `cfn-sustainability.yaml` or of a deployment file, or"
    " `SustainabilityChecks(app, settings=…)`.\n"
)


def rules_markdown() -> str:
    """Return the page."""
    return "\n".join(
        [
            _HEAD,
            "## All rules\n",
            *_table(("Rule", "Severity", "Demand"), map(_row, ALL)),
            "\n## By service\n",
            *_table(("Service", "Rules"), _services()),
            "\n## Acknowledgements\n",
            *_table(
                ("Rule", "Severity", "Demand", "Fix"),
                ((d.id, d.severity.value, d.what, d.fix) for d in DEMANDS),
            ),
            "\n## Settings\n",
            _SETTINGS,
            *_table(("Setting", "Default", "Meaning"), _settings()),
            "\n## By practice\n",
            *_table(("Practice", "Title", "Enforced by"), _practices()),
            "",
            *map(_section, ALL),
        ]
    )


def explanation(rule: Rule) -> str:
    """Return what the reference says of one rule."""
    return _section(rule)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    for row in (head, ("---",) * len(head), *rows):
        yield f"| {' | '.join(row)} |"


def _row(rule: Rule) -> tuple[str, str, str]:
    return _named(rule), f"{rule.severity}{_profile(rule)}", rule.what


def _profile(rule: Rule) -> str:
    return f", *{rule.profiles[0]}*" if len(rule.profiles) == 1 else ""


def _settings() -> Iterator[tuple[str, str, str]]:
    defaults = RuleSettings().model_dump(mode="json")
    for name, field in RuleSettings.model_fields.items():
        yield f"`{name}`", f"`{defaults[name]}`", (field.description or "").replace("\n", " ")


def _services() -> Iterator[tuple[str, str]]:
    """Yield each service, as CloudFormation names it, with the rules on its resources."""
    found: dict[str, list[str]] = {}
    for rule in ALL:
        parts = (kind.split("::") for kind in rule.resources)
        for service in sorted({part[1] if part[0] == "AWS" else part[0] for part in parts}):
            found.setdefault(service, []).append(_named(rule))
    for service, rules in sorted(found.items(), key=lambda entry: entry[0].lower()):
        yield service, ", ".join(rules)


def _named(rule: Rule) -> str:
    return f"[{rule.name}](#{rule.id.lower()})"


def _practices() -> Iterator[tuple[str, str, str]]:
    for identifier, practice in load_practices().items():
        names = [_named(rule) for rule in ALL if identifier in rule.practices]
        enforced = ", ".join(names) or f"No rule. {practice.without_rule}"
        yield _link(identifier), practice.title, enforced


def _link(identifier: str) -> str:
    return f"[{identifier}]({load_practices()[identifier].url})"


def _section(rule: Rule) -> str:
    facts = [
        f"- **Severity**: {rule.severity}{_profile(rule)}",
        f"- **Resources**: {', '.join(f'`{kind}`' for kind in rule.resources)}",
        f"- **Why**: {rule.why}",
        f"- **Fix**: {rule.fix}",
        f"- **Note**: {rule.note}",
        f"- **Practices**: {', '.join(map(_link, rule.practices))}",
        f"- **Evidence**: {rule.evidence}",
    ]
    if rule.saving:
        facts.append(f"- **Saving**: {rule.saving}")
    return "\n".join(
        [
            f"### {rule.id}\n",
            f"{rule.what}\n",
            *facts,
            f"\nFails:\n\n```yaml\n{_case(rule.cases.non_compliant)}\n```",
            f"\nPasses:\n\n```yaml\n{_case(rule.cases.compliant)}\n```\n",
        ]
    )


def _case(text: str) -> str:
    return textwrap.dedent(text).strip()
