"""What is read of PDF and HTML documents, against other readers.

The samples are read, and what lies in the folders that ``BENCH_DOCUMENTS`` names (with a colon
between them). The worst document of each kind is named on standard error.
"""

from __future__ import annotations

import itertools
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element

import html5lib

from benchmarks.measurement import Measurement
from rag import sandbox, unicode_text
from rag.errors import Rejected
from rag.extract import extract, format_of, html, reader_of

_SAMPLES = Path("samples")
_FEWEST_WORDS = 200
"""Below this a document is a picture with labels, and one word weighs too much."""
_UNSPACED = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
_WORD = re.compile(rf"[{_UNSPACED}]|[^\W_{_UNSPACED}]+")
_SPACED = re.compile(r"(?<!\S)(?:[^\W\d_] ){4,}[^\W\d_](?!\S)")
_HIDDEN = re.compile(r"display:\s*none|visibility:\s*hidden", re.IGNORECASE)


@dataclass(frozen=True)
class Comparison:
    """Words of one document that another reader sees, and how many of them ours lost or split."""

    file: Path
    words: int
    lost: int
    split: int


def run() -> list[Measurement]:
    """Read each document as ingest does, and compare its words with the other reader's."""
    folders = [_SAMPLES, *map(Path, filter(None, os.environ.get("BENCH_DOCUMENTS", "").split(":")))]
    if len(folders) == 1:
        _skip("other people's documents", "BENCH_DOCUMENTS names no folders of PDF or HTML files")
    found = [file for folder in folders for file in sorted(folder.rglob("*")) if file.is_file()]
    pages = [file for file in found if file.suffix.lower() in (".html", ".htm")]
    measurements = _measure("HTML", pages, _visible, "≤ 0.02")
    if shutil.which("pdftotext"):
        papers = [file for file in found if file.suffix.lower() == ".pdf"]
        measurements += _measure("PDF", papers, _pdftotext, "≤ 0.03")
    else:
        _skip("PDF", "there is no pdftotext; on Debian or Ubuntu: apt-get install poppler-utils")
    return measurements


def _measure(
    kind: str, files: list[Path], other: Callable[[Path], str], target: str
) -> list[Measurement]:
    comparisons: list[Comparison] = []
    rejected: Counter[str] = Counter()
    for file in files:
        try:
            ours = sandbox.run(
                _text,
                file,
                seconds=60,
                memory_mb=2048,
                imports=[reader_of(format_of(file.name))],
            )
        except Rejected as rejection:
            rejected[rejection.reason] += 1
            continue
        comparisons.append(_compare(file, other(file), ours))
    long = [item for item in comparisons if item.words >= _FEWEST_WORDS]
    if not long:
        _skip(kind, f"no document of it has {_FEWEST_WORDS} words")
        return []
    words = sum(item.words for item in long)
    worst = max(long, key=lambda item: item.lost / item.words)
    print(f"worst {kind}: {worst.file}", file=sys.stderr)
    return [
        Measurement(f"{kind} documents indexed", len(comparisons), ""),
        *(Measurement(f"{kind} rejected: {why}", n, "") for why, n in sorted(rejected.items())),
        Measurement(f"{kind} words compared", words, ""),
        Measurement(f"{kind} words lost", sum(item.lost for item in long) / words, "", target),
        Measurement(f"{kind} words lost, worst document", worst.lost / worst.words, ""),
        Measurement(
            f"{kind} documents that lost over {target[2:]}",
            sum(item.lost > float(target[2:]) * item.words for item in long) / len(long),
            "of them",
        ),
        Measurement(f"{kind} words split", sum(i.split for i in long) / words, "", "≤ 0.001"),
    ]


def _compare(file: Path, other: str, ours: str) -> Comparison:
    theirs, mine = (_WORD.findall(unicode_text.normal(text)) for text in (other, ours))
    missing = Counter(theirs) - Counter(mine)
    lost, split = missing.total(), 0
    for first, second in itertools.pairwise(mine):
        if len(first) > 1 and len(second) > 1 and missing[first + second] > 0:
            missing[first + second] -= 1
            split += 1
    return Comparison(file, len(theirs), lost, split)


def _text(file: Path) -> str:
    """Return what of a document is indexed: each heading once, and all blocks."""
    blocks = extract(file.name, file.read_bytes()).blocks
    paths = {
        block.headings[:depth]: None
        for block in blocks
        for depth in range(1, len(block.headings) + 1)
    }
    return "\n".join([*(path[-1] for path in paths), *(block.text for block in blocks)])


def _pdftotext(file: Path) -> str:
    command = ["pdftotext", "-q", "-enc", "UTF-8", str(file), "-"]
    read = subprocess.run(command, capture_output=True, check=False).stdout
    # It reads letters with wide spaces as words, and loses where the words end.
    return _SPACED.sub(lambda run: run[0].replace(" ", ""), read.decode("utf-8", "replace"))


def _visible(file: Path) -> str:
    """Return what a browser shows of a page but its menu and footer, by html5lib's own tree."""
    return "".join(_shown(html5lib.parse(file.read_bytes(), namespaceHTMLElements=False)))


def _shown(element: Element) -> Iterator[str]:
    name = element.tag
    hidden = "hidden" in element.attrib or _HIDDEN.search(element.get("style", ""))
    if not isinstance(name, str) or hidden or name in (*html.UNSEEN, "footer"):
        return
    edge = "" if name in html.INLINE else " "
    yield edge + (element.text or "")
    for child in element:
        yield from _shown(child)
        yield child.tail or ""
    yield edge


def _skip(part: str, reason: str) -> None:
    print(f"skipped: {part}: {reason}", file=sys.stderr)
