"""What the roles of functions were granted, and which of their calls were allowed or refused.

So that a test can compare the two: a permission that no call uses should not be granted.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from ministack.core import iam_evaluator
from ministack.core.responses import get_account_id

_SESSION = "ASIA"
"""How the keys of temporary credentials begin, which functions have."""

_granted: dict[str, set[tuple[str, str]]] = {}
_allowed: defaultdict[str, set[tuple[str, str]]] = defaultdict(set)
_refused: defaultdict[str, set[tuple[str, str]]] = defaultdict(set)


def record() -> None:
    """Note each decision of IAM about a call of a role."""
    decide = iam_evaluator.enforce

    def decide_and_note(
        key: str,
        action: str,
        service: str,
        region: str,
        resource_arn: str = "*",
        *rest: Any,
        **options: Any,
    ) -> Any:
        refusal = decide(key, action, service, region, resource_arn, *rest, **options)
        if key and key.startswith(_SESSION):
            _note(key, action, resource_arn, refused=refusal is not None)
        return refusal

    iam_evaluator.enforce = decide_and_note


def recorded() -> list[dict[str, Any]]:
    """Return for each role that called: pairs of action and resource, granted, used, refused."""
    return [
        {
            "role": role,
            "granted": sorted(_granted[role]),
            "used": sorted(_allowed[role]),
            "refused": sorted(_refused[role]),
        }
        for role in sorted(_granted)
    ]


def _note(key: str, action: str, resource: str, *, refused: bool) -> None:
    principal = iam_evaluator.resolve_principal(key, get_account_id())
    if isinstance(principal, iam_evaluator.AuthError) or principal.policies is None:
        return
    role = principal.arn.split("/")[1]
    _granted[role] = {
        (allowed, over)
        for statements in principal.policies
        for statement in statements
        if statement.effect == "Allow"
        for allowed in statement.actions
        for over in statement.resources
    }
    (_refused if refused else _allowed)[role].add((action, resource))
