"""The page on what was broken names every fault that the program knows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.chaos.__main__ import main
from tests.chaos.faults import FAULTS

PAGE = Path(__file__).parents[2] / "docs" / "chaos.md"


def test_the_page_has_a_row_for_each_fault_and_every_bar_held() -> None:
    _, *rows = re.findall(r"^\| (.+?) \| (.+) \| (.+) \|$", PAGE.read_text(), re.MULTILINE)
    assert [name for name, *_ in rows] == list(FAULTS)
    tried = [row for row in rows if not row[1].startswith("0 ")]
    assert tried
    for name, counts, back in tried:
        assert set(counts.split(" | ")[1:]) == {"0"}, name
        assert int(back.removesuffix(" s")) <= 120, name


def test_faults_can_be_listed_and_chosen(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["chaos", "--list", "--only", "killed, cut"])
    assert main() == 0
    assert {"emulator killed", "file of a service cut"} <= set(capsys.readouterr().out.splitlines())
    monkeypatch.setattr("sys.argv", ["chaos", "--only", "meteorite"])
    with pytest.raises(SystemExit):
        main()
