"""The rules, one module for each AWS service or group of services.

Every ``Rule`` in a module of this package takes part: adding a rule is adding it to its file.
"""

from __future__ import annotations

import importlib
import pkgutil

from cfn_sustainability.rule import Rule


def _discover() -> tuple[Rule, ...]:
    found = [
        value
        for module in pkgutil.iter_modules(__path__)
        for value in vars(importlib.import_module(f"{__name__}.{module.name}")).values()
        if isinstance(value, Rule)
    ]
    return tuple(sorted(found, key=lambda rule: rule.name))


ALL = _discover()
"""All rules, by name."""
