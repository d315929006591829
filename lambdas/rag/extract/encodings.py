"""Bytes to text, as browsers do it: by mark, by declaration, else by what the bytes look like."""

from __future__ import annotations

import codecs
import re

import webencodings

from rag.errors import Rejected

# What the WHATWG's encodings are called in Python, where its own of that name knows fewer signs.
# https://encoding.spec.whatwg.org
_CODECS = {
    "big5": "big5hkscs",
    "euc-kr": "cp949",
    "gbk": "gb18030",
    "shift_jis": "cp932",
    "utf-16be": "utf-8",  # as a declaration inside the page, which could not be read otherwise
    "utf-16le": "utf-8",
}
_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_KANA = re.compile("[\u3040-\u30ff]")


def decode(data: bytes, declared: str | None = None) -> str:
    """Decode text, with line ends as newlines.

    A declaration is believed, and its bad bytes become U+FFFD, one by one. Without one the text
    has to be valid in what it looks like. Raises `Rejected`.
    """
    encoding = next((name for mark, name in _MARKS.items() if data.startswith(mark)), None)
    known = webencodings.lookup(declared) if declared and not encoding else None
    if known:
        encoding = _CODECS.get(known.name, known.codec_info.name)
    text = data.decode(encoding, "replace") if encoding else _guessed(data)
    return "\n".join(text.splitlines())


def plain(data: bytes) -> str:
    """Decode text that declares no encoding. Raises `Rejected`, also for what is no text."""
    text = decode(data)
    if "\0" in text:
        raise Rejected("encoding", "the file is binary, not text")
    return text


def _guessed(data: bytes) -> str:
    zeros = [data[start::2].count(0) for start in (0, 1)]
    if len(data) >= 8 and max(zeros) > len(data) / 6 and min(zeros) <= len(data) / 100:
        wide = data.decode("utf-16-le" if zeros[1] > zeros[0] else "utf-16-be", "replace")
        if all(sign.isprintable() or sign.isspace() for sign in wide):
            return wide
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        position = error.start
    repaired = data.decode("utf-8", "replace")
    if 10 * repaired.count("\ufffd") < sum(not sign.isascii() for sign in repaired):
        return repaired
    japanese = data.decode("cp932", "replace")
    foreign = [sign for sign in japanese if not sign.isascii()]
    if "\ufffd" not in japanese and 5 * len(_KANA.findall(japanese)) > len(foreign):
        return japanese
    western = data.decode("cp1252", "replace")
    if not data.count(0) and sum(byte > 0x7F for byte in data) < len(data) / 4:
        return western
    raise Rejected("encoding", f"not UTF-8 at byte {position}; save it as UTF-8")
