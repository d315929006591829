"""The documents of ``../shared/cases/documents``, each of which was once read wrongly.

The other tests of this folder write documents of the same kinds themselves.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from rag.extract import extract

GIVEN = Path(__file__).resolve().parents[4] / "shared" / "cases" / "documents"
PUMP = ["The pump starts at 12 bar."]
SERVICE = [*PUMP, "Change the oil each year."]
CALIBRATION = ["The calibration of the thermocouple lasts nine days."]
EXPECTED: dict[str, tuple[str, list[str]]] = {
    "html/cp1252.txt": ("cp1252", ["The valve costs \u20ac 40 \u2014 don't open it."]),
    "html/gb2312-declared-gbk.html": ("泵手册", ["朱镕基说泵的压力是十二巴。"]),
    "html/latin1-declared-cp1252.html": (
        "Café",
        ["Don't open the \u201cred\u201d valve \u2013 it costs \u20ac 40 ... per day."],
    ),
    "html/minimal-html5.html": ("Pump manual", [*PUMP, "Second paragraph."]),
    "html/mixed.html": (
        "Pump",
        [
            "| Size | Pressure |  |\n| --- | --- | --- |\n|  | min | max |\n| S | 3 |  |\n"
            "| L | 4 | 16 |",
            *("- one", "- two", "- two a"),
            "E\u00b2 a\nb flow chart of the pump 圧力(あつりょく)",
            "```\n  # code\n    x = 1\n```",
            *("bar", "unit", "Written by the valve team"),
        ],
    ),
    "html/nul.html": ("Pump", ["The pumpstarts at 12 bar."]),  # as a browser shows it
    "html/omitted-head-end.html": ("Pump manual", PUMP),
    "html/sjis-declared-cp932.html": ("ポンプ説明書", ["①圧力は十二バールです。(株)ポンプ"]),
    "html/sjis.txt": ("sjis", ["ポンプの圧力は十二バールです。"]),
    "html/undeclared-cp1252.html": ("Café", ["The price is £ 40."]),
    "html/utf16-bom.txt": ("utf16-bom", ["The valve costs \u20ac 40."]),
    "html/utf16le-nobom.txt": ("utf16le-nobom", ["The valve costs \u20ac 40."]),
    "html/x-sjis.html": ("ポンプ説明書", ["ポンプ説明書"]),
    "markdown/blank-then-front-matter.md": ("Pump", ["Pump manual"]),
    "markdown/bom-crlf.md": ("Pump", ["The pump\nstarts.", "text"]),
    "markdown/dots-front-matter.md": ("Pump", PUMP),
    "markdown/empty-front-matter.md": ("Pump manual", SERVICE),
    "markdown/html-h1.md": ("Pump manual", [*PUMP, "Bolt it down."]),
    "markdown/html-in-md.md": ("Pump manual", ["The pump starts.", "End."]),
    "markdown/nospace.md": ("nospace", ["#Pump", "no space heading", "##Service", "text"]),
    "markdown/starts-with-rule.md": ("Pump manual", SERVICE),
    "markdown/structure.md": (
        "Pump",
        [
            "```bash\n# not a heading\nmake\n```",
            "~~~\n## also not\n~~~",
            "# indented code",
            "| a | b |\n|---|---|\n| 1 | x \\| y |",
            "1. one\n   - nested\n     ```\n     # code in list\n     ```\n2. two",
            "> # quoted heading\n> text",
            "Text[^1] here.",
            "[^1]: The footnote says 42 bar.",
            '[ref]: https://example.org "The ref title"',
            "under setext",
        ],
    ),
    "markdown/toml-front-matter.md": ("Pump", PUMP),
    "markdown/trailing-space-front-matter.md": ("Pump", PUMP),
    "pdf/form-values.pdf": ("form-values", ["Serial number of the pump:\nZX-81-PUMP-77"]),
    "pdf/hyphenated.pdf": ("hyphenated", CALIBRATION),
    "pdf/japan1-no-tounicode.pdf": ("japan1-no-tounicode", ["あいうえお"]),
    "pdf/owner-password-only-aes.pdf": ("owner-password-only-aes", CALIBRATION),
    "pdf/owner-password-only.pdf": ("owner-password-only", CALIBRATION),
    "pdf/pump-manual-title-junk.pdf": ("pump-manual-title-junk", CALIBRATION),
    "pdf/table-painted-right-to-left.pdf": (
        "table-painted-right-to-left",
        ["BAIN, J DIRECTOR 37,499.96\nSMITH, A CLERK 21,000.00"],
    ),
    "pdf/tex-kerned-spaces.pdf": (
        "tex-kerned-spaces",
        ["The pump starts at twelve bar and stops at three bar."],
    ),
    "pdf/words-placed-singly.pdf": (
        "words-placed-singly",
        ["The pump starts at twelve bar."],
    ),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_a_given_document_is_read_as_a_person_sees_it(name: str) -> None:
    file = GIVEN / name
    if not file.exists():
        pytest.skip(f"there is no {file}")
    title, texts = EXPECTED[name]
    found = extract(file.name, file.read_bytes())
    assert found.title == title
    assert [block.text.strip() for block in found.blocks] == texts
