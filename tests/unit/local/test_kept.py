"""What an embedded AWS held outlives an end without notice, and a person reads what is true."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from local import __main__ as command
from local import kept, processes
from local.embedded import EmbeddedAws, free_ports
from sustainability.deployment.schema import Deployment
from sustainability.operate.account import Account, AccountError, DocumentState

BUCKET = "local-rag-documentsbucket9ec9-7a0b"


def write(state: Path, key: str, text: str, bucket: str = BUCKET, **about: Any) -> None:
    content = state / "objects" / "000000000000" / bucket / key
    content.parent.mkdir(parents=True, exist_ok=True)
    content.write_text(text)
    content.with_name(f"{content.name}.meta.json").write_text(json.dumps({"key": key, **about}))


def test_a_clean_end_is_told_from_one_without_notice(tmp_path: Path) -> None:
    assert not kept.ended_without_notice(tmp_path)
    (tmp_path / "services").mkdir()
    (tmp_path / "services/sqs.json").write_text('{"queues": []}')
    (tmp_path / "services/key.pem").write_text("a file of another form")
    assert not kept.ended_without_notice(tmp_path)
    (tmp_path / "services/sqs.json").write_text('{"queues": [')
    assert kept.ended_without_notice(tmp_path)
    (tmp_path / "services/sqs.json").unlink()
    (tmp_path / "running").touch()
    assert kept.ended_without_notice(tmp_path)


def test_tables_do_not_outlive_the_index_that_they_tell_of(tmp_path: Path) -> None:
    embedded = EmbeddedAws(tmp_path, free_ports())
    for folder in ("emulator/services", "opensearch", "logs"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "logs/opensearch.log").touch()
    assert not embedded.ended_without_notice
    (tmp_path / "opensearch").rmdir()
    assert embedded.ended_without_notice


def test_documents_outlive_several_ends_and_the_last_state_counts(tmp_path: Path) -> None:
    write(tmp_path, "guides/a.md", "old")
    write(tmp_path, "b.md", "gone")
    write(tmp_path, "c.md", "other", bucket="other-rag-documentsbucket1-2")
    write(tmp_path, "asset.zip", "code", bucket="cdk-assets")
    kept.set_aside(tmp_path)
    write(tmp_path, "guides/a.md", "new")
    write(tmp_path, "b.md", "gone", is_delete_marker=True)
    kept.set_aside(tmp_path)
    write(tmp_path, "guides/cut.md", "whole")
    (cut,) = tmp_path.rglob("cut.md.meta.json")
    cut.write_text('{"key": "gui')
    kept.set_aside(tmp_path)
    assert not list(tmp_path.rglob("asset.zip")), "the next deployment makes it again"
    found = kept.documents(tmp_path, "local")
    texts = {key: file.read_text() for key, file in found.items()}
    assert texts == {"guides/a.md": "new", "guides/cut.md": "whole"}
    kept.forget(tmp_path, "local")
    assert kept.documents(tmp_path, "local") == {}
    assert set(kept.documents(tmp_path, "other")) == {"c.md"}


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[Callable[[], psutil.Process]]:
    code = "import time; time.sleep(600)"
    command = [sys.executable, "-c", code, "--port", "4999", "--state", str(tmp_path / "models")]
    process = subprocess.Popen(command)
    yield lambda: psutil.Process(process.pid)
    process.kill()
    process.wait()


def test_a_server_is_found_although_its_file_was_cut(
    tmp_path: Path, sleeper: Callable[[], psutil.Process]
) -> None:
    (tmp_path / "models.json").write_text('{"name": "mod')
    found = processes.find(tmp_path, "models")
    assert found is not None
    assert (found.pid, found.port, found.alive) == (sleeper().pid, 4999, True)
    (tmp_path / "emulator.json").write_text("")
    assert processes.find(tmp_path, "emulator") is None


class Standing(Account):
    """A deployment with this bucket and these rows of its table."""

    def __init__(self, bucket: dict[str, str], rows: dict[str, tuple[str, str]]) -> None:
        super().__init__(Deployment.load(command.DEPLOYMENTS / "local.yaml"))
        self.bucket, self.rows = bucket, rows

    def stored(self) -> dict[str, str]:
        return self.bucket

    def documents(self) -> Iterator[DocumentState]:
        for key, (status, etag) in self.rows.items():
            yield DocumentState(key, status, "", etag, 1, "", 0)


def test_documents_that_an_interrupted_call_uploaded_are_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    account = Standing({"a.md": "1", "b.md": "2"}, {"a.md": ("indexed", "1")})
    monkeypatch.setattr(command, "_DOCUMENTS_PATIENCE_S", 0)
    said = command._wait_for_documents(account, lambda _: None)
    assert "1 of 2 documents wait to be indexed: b.md" in said
    assert "within 2 minutes" in said
    account.rows["b.md"] = ("indexed", "2")
    assert command._wait_for_documents(account, lambda _: None) == "2 documents are indexed."
    account.rows["b.md"] = ("rejected", "2")
    assert "1 documents are indexed, 1 rejected" in command._wait_for_documents(
        account, lambda _: None
    )


def test_what_ingest_has_not_done_yet_is_listed_as_waiting() -> None:
    account = Standing(
        {"new.md": "1", "changed.md": "2", "same.md": "3"},
        {"changed.md": ("indexed", "1"), "same.md": ("indexed", "3"), "gone.md": ("indexed", "4")},
    )
    assert {state.key: state.status for state in account.present()} == {
        "changed.md": "waiting",
        "gone.md": "waiting",
        "new.md": "waiting",
        "same.md": "indexed",
    }
    with pytest.raises(AccountError, match="None is lost"):
        account.wait_until_settled(account.stored(), seconds=0, progress=lambda _: None)
