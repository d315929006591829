"""What went wrong that the user can put right."""

from __future__ import annotations


class UserError(Exception):
    """A fault in what the user gave. The message names the place and the cure; no traceback."""
