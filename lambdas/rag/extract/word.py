"""Word documents, through the HTML that mammoth makes of them."""

from __future__ import annotations

import io

import mammoth

from rag.chunks import Block
from rag.extract import html
from rag.extract.archive import Archive
from rag.extract.outline import Outline


def read(data: bytes) -> tuple[str, list[Block]]:
    """Title (from the properties, else the first heading) and blocks. Raises `Rejected`."""
    archive, outline = Archive(data), Outline()
    archive.read("word/document.xml")
    # Pictures would become part of the HTML, in base64.
    converted = mammoth.convert_to_html(
        io.BytesIO(data),
        style_map="p[style-name='Title'] => h1:fresh\nu => u",
        convert_image=mammoth.images.img_element(lambda image: {"src": ""}),
    )
    html.add(outline, converted.value)
    return archive.office_title() or outline.title, outline.close()
