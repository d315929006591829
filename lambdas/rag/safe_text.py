"""Takes out of a model's text what a page would load or follow, unless its passages have it.

A document can make a model write an image whose address carries what other documents say, or a link
that leads people astray. A link that stands in a cited passage tells nobody anything new.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_LEFT_OUT = "\u2026"
"""What stands in the place of an address."""

# [text](address "title") and ![text](address); the text has no brackets of its own.
_LINK = re.compile(
    r"!?\[(?P<text>[^\[\]]*)\]"
    r"\(\s*(?P<address><[^<>\n]*>|[^\s()]*(?:\([^\s()]*\)[^\s()]*)*)[^()]*\)?"
)
_TAG = re.compile(r"<!--.*?(?:-->|$)|<[A-Za-z/!?][^<>]*(?:>|$)", re.DOTALL)
_ADDRESS = re.compile(
    r"(?:[a-z0-9+.-]{0,30}:\\?/\\?/|\bwww\.|(?<![\w/:])//(?=\w[\w-]*\.)"
    r"|\b(?:data|javascript|mailto|tel|vbscript|file):(?=\S))[^\s<>\"'`\])}]*"
    r"|(?<![\w.+-])[\w.+-]{1,64}@[\w-]+(?:\.[\w-]+)+",
    re.IGNORECASE,
)
_END = ".,;:!?*_"
"""What ends a sentence, not an address."""


def without_markup(text: str, evidence: Sequence[str]) -> str:
    """Return a text without the links, images, addresses and HTML that no passage has.

    The text of a link stays, and so does everything that stands in the evidence letter by letter.
    """
    held = "\n".join(evidence)
    addresses = set(_addresses(held))

    def link(match: re.Match[str]) -> str:
        address = (match["address"] or "").strip("<>")
        if not match[0].startswith("!") and address in addresses:
            return match[0]
        if match[0] in held:
            return match[0]
        words = match["text"]
        return f"[{words}]" if words.isdigit() else words

    def tag(match: re.Match[str]) -> str:
        return match[0] if match[0] in held or match[0].strip("<>") in addresses else ""

    def address(match: re.Match[str]) -> str:
        found = match[0].rstrip(_END)
        return match[0] if found in addresses else _LEFT_OUT + match[0][len(found) :]

    before = None
    while text != before:  # what was taken out may have parted what is now together
        before = text
        text = _ADDRESS.sub(address, _TAG.sub(tag, _LINK.sub(link, text)))
    return text.strip()


def _addresses(text: str) -> list[str]:
    return [match[0].rstrip(_END) for match in _ADDRESS.finditer(text)]
