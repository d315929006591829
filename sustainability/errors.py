"""Errors that the user can correct."""

from __future__ import annotations


class UserError(Exception):
    """An error in the input. The message names the place and the solution; no traceback."""
