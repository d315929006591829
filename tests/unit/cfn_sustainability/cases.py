"""The templates that stand beside each rule, ready to be judged."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from typing import Any

from cfn_sustainability.reader import read
from cfn_sustainability.rule import Outcome, Rule
from cfn_sustainability.rules import ALL
from cfn_sustainability.settings import RuleSettings


@dataclass(frozen=True)
class Case:
    """One template of a rule, with the outcome that it must have."""

    rule: Rule
    name: str
    body: dict[str, Any]
    region: str | None
    outcome: Outcome

    def __str__(self) -> str:
        return f"{self.rule.name}{self.name.title().replace('_', '')}"

    @property
    def settings(self) -> RuleSettings:
        """Settings under which the rule says something."""
        return RuleSettings.model_validate(
            {"profile": self.rule.profiles[-1], **self.rule.cases.settings}
        )


def _case(rule: Rule, name: str, text: str, outcome: Outcome) -> Case:
    text = textwrap.dedent(text)
    if not re.search(r"\bResources:", text):
        text = "Resources:\n" + textwrap.indent(text, "  ")
    body = read(f"{rule.name}.{name}", text.encode()).body
    region = body.pop("Region", "eu-west-1")
    return Case(rule, name, body, region, outcome)


def _cases(rule: Rule) -> list[Case]:
    return [
        _case(rule, "compliant", rule.cases.compliant, Outcome.COMPLIANT),
        _case(rule, "non_compliant", rule.cases.non_compliant, Outcome.NON_COMPLIANT),
        _case(rule, "not_applicable", rule.cases.not_applicable, Outcome.NOT_APPLICABLE),
        *(
            _case(rule, f"edge_{number}", text, outcome)
            for number, (outcome, text) in enumerate(rule.cases.edges, 1)
        ),
    ]


CASES = [case for rule in ALL for case in _cases(rule)]
