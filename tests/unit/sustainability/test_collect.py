from __future__ import annotations

from pathlib import Path

import pytest

from sustainability.errors import UserError
from sustainability.operate.account import collect


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("a/notes.md", "b/notes.md", "a/deep/x.docx", "a/picture.png", "#odd.md"):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_files_below_a_folder_are_named_from_there(folder: Path) -> None:
    assert set(collect([folder / "a"])) == {"notes.md", "deep/x.docx"}


@pytest.mark.parametrize("names", [("a/notes.md", "b/notes.md"), ("a", "b")])
def test_two_files_of_one_name_are_two_documents(folder: Path, names: tuple[str, ...]) -> None:
    found = collect([folder / name for name in names])
    assert {key: found[key].read_text() for key in ("a/notes.md", "b/notes.md")} == {
        "a/notes.md": "a/notes.md",
        "b/notes.md": "b/notes.md",
    }


def test_a_file_has_the_same_name_however_its_path_is_written(folder: Path) -> None:
    written = [Path("a/notes.md"), Path("./b/../a/notes.md"), folder / "a/notes.md"]
    assert [set(collect([path])) for path in written] == [{"a/notes.md"}] * 3
    assert set(collect([Path("#odd.md")])) == {"#odd.md"}


def test_a_format_that_is_not_taken_is_named_with_those_that_are(folder: Path) -> None:
    with pytest.raises(UserError, match=r"picture.png: known formats are .*\.docx.*\.pdf"):
        collect([folder / "a/picture.png"])
