"""E-mail: who wrote what to whom and when; attachments are named, not read."""

from __future__ import annotations

import email
import email.policy

from rag.chunks import Block
from rag.errors import Rejected
from rag.extract import html
from rag.extract.encodings import decode
from rag.extract.outline import Outline
from rag.extract.text import paragraphs

_SHOWN = ("From", "To", "Cc", "Date")


def read(data: bytes) -> tuple[str, list[Block]]:
    """Title (the subject) and blocks. Raises `Rejected`."""
    message = email.message_from_bytes(data, policy=email.policy.default)
    if not any(message[name] for name in ("From", "Subject", "Date")):
        raise Rejected("malformed", "not an e-mail: it has no sender, subject or date")
    subject, outline = str(message["Subject"] or ""), Outline()
    outline.heading(1, subject)
    outline.add("\n".join(f"{name}: {message[name]}" for name in _SHOWN if message[name]))
    body = message.get_body(("plain", "html"))
    if body is not None:
        content = body.get_payload(decode=True)
        assert isinstance(content, bytes)  # it is no container of others
        charset = body.get_content_charset()
        if body.get_content_subtype() == "html":
            html.add(outline, decode(content, charset))
        else:
            for paragraph in paragraphs(decode(content, charset)):
                outline.add(paragraph)
    names = [part.get_filename() for part in message.iter_attachments()]
    outline.add("\n".join(f"Attachment: {name}" for name in names if name))
    return subject, outline.close()
