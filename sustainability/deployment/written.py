"""Text with a form, such as an e-mail address: one description for files, editors and errors."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema


@dataclass(frozen=True)
class Written:
    """A form of text, to annotate a pydantic field with."""

    pattern: str
    """Regular expression of the whole text. No message shows it."""
    words: str
    """The same in words, to follow *write*."""
    example: str

    def check(self, text: str) -> str:
        """Return ``text`` if it has the form.

        Raises
        ------
        ValueError
            Says in words what to write.
        """
        if not re.fullmatch(self.pattern, text):
            raise ValueError(f"{text!r}: {self._cure}")
        return text

    @property
    def _cure(self) -> str:
        return f"write {self.words}, such as {self.example}"

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Check after pydantic has made sure that it is text."""
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """Describe the form; editors show ``patternErrorMessage`` in place of the pattern."""
        return handler(schema) | {
            "pattern": f"^{self.pattern}$",
            "patternErrorMessage": self._cure,
            "examples": [self.example],
        }
