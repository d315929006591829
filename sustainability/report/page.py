"""One self-contained HTML page: readable on a phone, in light and dark, and without its charts."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape
from pathlib import Path

from sustainability.errors import UserError

_ROOT = Path(__file__).parents[2]
_SHORT = 16
"""Cells of up to this many characters stay on one line."""
_STYLE = """
:root{color-scheme:light dark;--page:#fbfbf8;--card:#fff;--text:#1c2622;--muted:#56635d;
--edge:#d9dfdb;--s0:#2c6e5d;--s1:#a4551e;--s2:#44549c;--s3:#8a2f5f;--s4:#5c6a1f;--s5:#6a6a6a}
@media(prefers-color-scheme:dark){:root{--page:#111614;--card:#19201d;--text:#e7ede9;
--muted:#a3b0a9;--edge:#313b36;--s0:#71c3a9;--s1:#e2a173;--s2:#a3b1f2;--s3:#e59ac4;--s4:#c3cf82;
--s5:#b0b0b0}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:72rem;padding:1rem;background:var(--page);color:var(--text);
font:1rem/1.5 system-ui,sans-serif}
h1{font-size:1.5rem;line-height:1.2;margin:.5rem 0}h2{font-size:1.1rem;margin:0 0 .25rem}
h3{font-size:1rem;margin:.75rem 0 .25rem}
p,li,td,th,summary{overflow-wrap:anywhere}
p{margin:.25rem 0 .75rem}.muted,summary,small{color:var(--muted)}
main{display:grid;gap:1rem;align-items:start;grid-template-columns:repeat(auto-fit,minmax(min(100%,24rem),1fr))}
section{background:var(--card);border:1px solid var(--edge);border-radius:.5rem;padding:1rem;
min-width:0}
section.wide{grid-column:1/-1}
svg{display:block;width:100%;max-width:30rem;height:auto;font:13px system-ui,sans-serif}
svg text{fill:var(--text)}svg .value{text-anchor:end}svg .tick{text-anchor:middle}
svg .tick,svg .small{fill:var(--muted)}
.bar{fill:var(--s0)}.range,.centre{stroke:var(--text);fill:none;stroke-width:1.5}
.grid{stroke:var(--edge);fill:none}.range.thin{stroke-width:.8}.gap{fill:var(--edge);opacity:.6}.band{fill:var(--s0);opacity:.2}
.line{fill:none;stroke-width:2.2;stroke-linejoin:round}
.s0{stroke:var(--s0)}.s1{stroke:var(--s1);stroke-dasharray:7 3}
.s2{stroke:var(--s2);stroke-dasharray:2 3}.s3{stroke:var(--s3);stroke-dasharray:9 3 2 3}
.s4{stroke:var(--s4);stroke-dasharray:4 4}.s5{stroke:var(--s5);stroke-dasharray:1 4}
.legend{list-style:none;margin:.5rem 0;padding:0;display:flex;flex-wrap:wrap;gap:.25rem 1rem;
font-size:.9rem}
.legend svg{display:inline-block;width:2rem;vertical-align:middle;margin-right:.4rem}
dl{display:grid;grid-template-columns:repeat(auto-fit,minmax(max(8.5rem,20%),1fr));gap:.75rem;margin:0}
dt{color:var(--muted);font-size:.9rem}dd{margin:0;font-size:1.25rem;font-weight:600}
dd small{display:block;font-size:.85rem;font-weight:400}
.scroll{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:.9rem}
th,td{text-align:right;padding:.3rem .6rem .3rem 0;border-bottom:1px solid var(--edge);
vertical-align:top;overflow-wrap:normal}
th:first-child,td:first-child{text-align:left}table.words td,table.words th{text-align:left}
.short{white-space:nowrap}.words td:last-child:not(.short){min-width:15rem}
summary{cursor:pointer;padding:.4rem 0}
footer{margin-top:1rem;font-size:.85rem}
@media screen and (max-width:34rem){.scroll{overflow-x:visible}
table,tbody,tr,td{display:block}thead{position:absolute;left:-999em}
tr{padding:.5rem 0;border-bottom:1px solid var(--edge)}
td,table.words td{display:flex;justify-content:space-between;gap:1rem;border:0;padding:.1rem 0;
text-align:right;white-space:normal;min-width:0}
td::before{content:attr(data-name);color:var(--muted);text-align:left;flex:0 0 35%}
td:first-child,table.words td:first-child{font-weight:600;text-align:left}
td:first-child::before,td:empty{display:none}
.short{white-space:normal}.words td:last-child:not(.short){min-width:0}}
@media print{:root{color-scheme:light;--page:#fff;--card:#fff;--text:#000;--muted:#444;
--edge:#bbb;--s0:#2c6e5d;--s1:#a4551e;--s2:#44549c;--s3:#8a2f5f;--s4:#5c6a1f;--s5:#6a6a6a}
body{max-width:none;padding:0;font-size:10pt}main{display:block}
section{border:0;padding:0 0 1rem}h2,h2+p,h3{break-after:avoid}
h2+p,svg,dl,tr,.legend{break-inside:avoid}
svg{max-width:12cm}.scroll{overflow:visible}summary{display:none}
details::details-content{content-visibility:visible;height:auto}
*{print-color-adjust:exact}}
"""


def page(title: str, lead: str, sections: Sequence[str]) -> str:
    """Return the whole HTML document. ``lead`` is plain text, ``sections`` are HTML."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>"
        f'<header><h1>{escape(title)}</h1><p class="muted">{escape(lead)}</p></header>'
        f"<main>{''.join(sections)}</main>"
        f'<footer class="muted">{escape(_made())}</footer></body></html>\n'
    )


def _made() -> str:
    """Say when a page was made, and by which version and commit of the project."""
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    told = f"Made on {datetime.now(UTC):%d %B %Y at %H:%M UTC} by version {project['version']}"
    command = ["git", "-C", str(_ROOT), "describe", "--always", "--dirty=, changed", "--exclude=*"]
    try:
        commit = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):  # no checkout, or no Git
        return f"{told}."
    return f"{told}, commit {commit}."


def section(heading: str, explanation: str, body: str, *, wide: bool = False) -> str:
    """Return a card with a heading, a sentence of plain text, and HTML."""
    return (
        f"<section{' class=wide' if wide else ''}><h2>{escape(heading)}</h2>"
        f'<p class="muted">{escape(explanation)}</p>{body}</section>'
    )


def tiles(entries: Sequence[tuple[str, str, str]]) -> str:
    """Return key figures as HTML. An entry is a name, a value, and a range or remark."""
    return (
        "<dl>"
        + "".join(
            f"<div><dt>{escape(name)}</dt><dd>{escape(value)}<small>{escape(remark)}</small></dd></div>"
            for name, value, remark in entries
        )
        + "</dl>"
    )


def table(header: Sequence[str], rows: Sequence[Sequence[str]], *, words: bool = False) -> str:
    """Return a table, on a phone a list of its rows; ``words`` aligns all to the left."""
    head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in header)
    body = "".join(
        f"<tr>{''.join(_cell(name, cell) for name, cell in zip(header, row, strict=True))}</tr>"
        for row in rows
    )
    return (
        f'<div class="scroll" tabindex="0"><table{" class=words" if words else ""}>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _cell(name: str, text: str) -> str:
    short = " class=short" if len(text) <= _SHORT else ""
    return f'<td{short} data-name="{escape(name)}">{escape(text)}</td>'


def folded(summary: str, body: str) -> str:
    """Return HTML that opens with a click, for the table of a chart."""
    return f"<details><summary>{escape(summary)}</summary>{body}</details>"


def write(path: Path, document: str) -> None:
    """Write a page, and report its path on standard error.

    Raises
    ------
    UserError
        If the file cannot be written.
    """
    try:
        path.write_text(document, encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}") from error
    print(f"wrote {path}", file=sys.stderr)
