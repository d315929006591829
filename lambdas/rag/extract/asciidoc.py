"""AsciiDoc: sections, paragraphs, listings and tables, each as it was written."""

from __future__ import annotations

import re

from rag.chunks import Block
from rag.extract.encodings import plain
from rag.extract.outline import Outline

_HEADING = re.compile(r"(={1,6}|#{1,6})\s+(\S.*?)(?:\s+\1)?\s*")
# Attributes, comments, conditions, anchors and the styles of blocks are for the processor.
_UNSEEN = re.compile(r":!?[\w-]+!?:.*|//(?!/).*|(?:ifn?def|ifeval|endif|include)::.*|\[.*\]")
_LISTING = re.compile(r"-{4,}|\.{4,}|`{3,}.*|\+{4,}")
_FRAME = re.compile(r"={4,}|\*{4,}|_{4,}|--|[|,:!]={3,}")
_COMMENT = re.compile(r"/{4,}")


def read(data: bytes) -> tuple[str, list[Block]]:
    """Title (the first heading) and blocks."""
    outline = Outline()
    paragraph: list[str] = []
    until = ""
    for line in [*plain(data).split("\n"), ""]:
        bare = line.rstrip()
        if until:
            if bare == until or (until == "```" and bare.startswith(until)):
                listing = "\n".join(paragraph)
                if not _COMMENT.fullmatch(until):
                    outline.add(listing, before="```", after="```")
                paragraph, until = [], ""
            else:
                paragraph.append(line)
        elif _LISTING.fullmatch(bare) or _COMMENT.fullmatch(bare):
            outline.add("\n".join(paragraph))
            paragraph, until = [], "```" if bare.startswith("```") else bare
        elif heading := _HEADING.fullmatch(bare):
            outline.add("\n".join(paragraph))
            paragraph = []
            outline.heading(len(heading[1]), heading[2])
        elif not bare or _FRAME.fullmatch(bare):
            outline.add("\n".join(paragraph))
            paragraph = []
        elif not _UNSEEN.fullmatch(bare):
            paragraph.append(line)
    outline.add("\n".join(paragraph))  # a listing block without an end
    return outline.title, outline.close()
