"""What the caller of the tool can put right."""

from __future__ import annotations


class CallError(Exception):
    """A call, or a file of settings, that is wrong. The message names the place and the cure."""
