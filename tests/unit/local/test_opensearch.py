from __future__ import annotations

import copy
import fcntl
import hashlib
import io
import json
import os
import socket
import sys
import zipfile
from email.message import Message
from functools import partial
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from local import processes
from local.opensearch import __main__ as command
from local.opensearch import artifacts, home, local_mapping
from local.opensearch.artifacts import OPENSEARCH_VERSION, Artifact, fetch, repository_url
from sustainability.errors import UserError

KNN = "plugins/opensearch-knn"


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(artifacts, "_RETRY_DELAYS", ())
    folder = tmp_path / "repository"
    folder.mkdir()
    monkeypatch.setenv("MAVEN_CENTRAL_URL", folder.as_uri())
    return folder


def publish(repository: Path, path: str, content: bytes, directory: str = "lib") -> Artifact:
    file = repository / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    return Artifact(directory, path, len(content), hashlib.sha256(content).hexdigest())


def files(folder: Path) -> set[str]:
    return {file.name for file in folder.rglob("*") if file.is_file()}


def test_what_was_fetched_once_needs_no_repository(repository: Path, tmp_path: Path) -> None:
    wanted = [publish(repository, f"group/{n}/{n}.jar", n.encode()) for n in ("a", "b", "c")]
    fetch(wanted, tmp_path / "home", repository.as_uri())
    fetch(wanted, tmp_path / "home", "file:///nowhere")
    assert (tmp_path / "home" / "lib" / "b.jar").read_bytes() == b"b"


def test_a_damaged_file_is_fetched_again(repository: Path, tmp_path: Path) -> None:
    jar = publish(repository, "a.jar", b"right")
    fetch([jar], tmp_path / "home", repository.as_uri())
    jar.target(tmp_path / "home").write_bytes(b"wrong")
    fetch([jar], tmp_path / "home", repository.as_uri())
    assert jar.target(tmp_path / "home").read_bytes() == b"right"


@pytest.mark.parametrize(
    ("served", "reason"),
    [
        pytest.param(b"other", "another sha256", id="same length, other content"),
        pytest.param(b"right and more", "another sha256", id="longer"),
        pytest.param(b"rig", "ended after 3 of 5 bytes", id="connection lost"),
        pytest.param(None, "cannot download", id="missing"),
    ],
)
def test_a_bad_download_is_refused_and_leaves_nothing(
    served: bytes | None, reason: str, repository: Path, tmp_path: Path
) -> None:
    jar = publish(repository, "a.jar", b"right")
    if served is None:
        (repository / "a.jar").unlink()
    else:
        (repository / "a.jar").write_bytes(served)
    with pytest.raises(UserError, match=reason) as raised:
        fetch([jar], tmp_path / "home", repository.as_uri())
    assert f"{repository.as_uri()}/a.jar" in str(raised.value)
    assert "\n" not in str(raised.value)
    assert files(tmp_path / "home") == set()


def test_what_arrived_before_a_failure_is_kept(repository: Path, tmp_path: Path) -> None:
    good, bad = publish(repository, "a.jar", b"a"), publish(repository, "b.jar", b"b")
    fetch([good], tmp_path / "home", repository.as_uri())
    (repository / "b.jar").unlink()
    with pytest.raises(UserError):
        fetch([good, bad], tmp_path / "home", repository.as_uri())
    assert files(tmp_path / "home") == {"a.jar"}


def test_too_small_a_disk_is_told_before_the_download(repository: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="free some space"):
        fetch([Artifact("lib", "a.jar", 10**18, "")], tmp_path / "home", repository.as_uri())


@pytest.mark.parametrize(
    ("mirrored", "used"),
    [
        ("central", True),
        ("*", True),
        ("external:*", True),
        ("internal, central", True),
        ("*,!central", False),
        ("external:http:*", False),
        ("somewhere-else", False),
    ],
)
@pytest.mark.parametrize("namespace", ["", ' xmlns="http://maven.apache.org/SETTINGS/1.2.0"'])
def test_a_mirror_of_central_in_mavens_settings_is_used(
    mirrored: str, used: bool, namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MAVEN_CENTRAL_URL", raising=False)
    settings = tmp_path / "settings.xml"
    settings.write_text(
        f"<settings{namespace}><mirrors><mirror><id>ours</id><mirrorOf>{mirrored}</mirrorOf>"
        "<url>https://mirror.example/maven/</url></mirror></mirrors></settings>"
    )
    mirror = "https://mirror.example/maven"
    assert repository_url(settings) == (mirror if used else artifacts.MAVEN_CENTRAL)
    monkeypatch.setenv("MAVEN_CENTRAL_URL", "https://chosen.example/")
    assert repository_url(settings) == "https://chosen.example"


def test_broken_maven_settings_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MAVEN_CENTRAL_URL", raising=False)
    (tmp_path / "settings.xml").write_text("<settings>")
    with pytest.raises(UserError, match=r"settings\.xml is not valid XML"):
        repository_url(tmp_path / "settings.xml")


def test_pins_are_those_of_the_version_and_one_per_place() -> None:
    pins = artifacts.read_pins(artifacts.PINS)
    names = {Path(pin.path).name for pin in pins}
    assert names >= {
        f"opensearch-{OPENSEARCH_VERSION}.jar",
        f"opensearch-knn-{OPENSEARCH_VERSION}.0.zip",
    }
    assert len({pin.target(Path()) for pin in pins}) == len(pins)
    assert {pin.directory for pin in pins} == {"lib", KNN, *home.MODULES}


def test_the_home_is_complete_and_stays_untouched_the_second_time(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as members:
        members.writestr("plugin-descriptor.properties", "extended.plugins=x,transport-grpc\n")
        members.writestr("knn.jar", "classes")
    pinned = [
        publish(repository, "a.jar", b"a"),
        publish(repository, "knn.zip", archive.getvalue(), KNN),
    ]
    pins = tmp_path / "pins.csv"
    rows = [f"{pin.directory},{pin.path},{pin.size},{pin.sha256}" for pin in pinned]
    pins.write_text("\n".join(["directory,path,size,sha256", *rows]))
    monkeypatch.setattr(home, "PINS", pins)

    prepared = home.prepare(tmp_path / "cache")
    descriptor = prepared / KNN / "plugin-descriptor.properties"
    assert descriptor.read_text() == "extended.plugins=x\n"
    assert (prepared / KNN / "knn.jar").read_text() == "classes"
    written = {file: file.stat().st_ino for file in prepared.rglob("*")}
    (prepared / "lib" / "b.jar.part").touch()
    assert home.prepare(tmp_path / "cache") == prepared
    assert {file: file.stat().st_ino for file in prepared.rglob("*")} == written


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["local.opensearch", *arguments])
    return command.main()


def test_a_taken_port_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert run(monkeypatch, "serve", "--port", port, "--state", str(tmp_path)) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert port in line
    assert "--port" in line


def test_one_folder_serves_one_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = str(probe.getsockname()[1])
    with (tmp_path / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert run(monkeypatch, "serve", "--port", port, "--state", str(tmp_path)) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert str(tmp_path) in line
    assert "--state" in line


def vector(**changes: Any) -> dict[str, Any]:
    return {"type": "knn_vector", "dimension": 256, "space_type": "innerproduct", **changes}


@pytest.mark.parametrize(
    ("cloud", "local"),
    [
        pytest.param(
            {"mode": "on_disk", "compression_level": "32x"},
            {"mode": "on_disk", "compression_level": "32x", "engine": "lucene"},
            id="faiss by default, 32x",
        ),
        pytest.param(
            {"mode": "on_disk", "compression_level": "16x"},
            {"mode": "on_disk", "compression_level": "4x", "engine": "lucene"},
            id="a level that Lucene lacks",
        ),
        pytest.param(
            {"mode": "on_disk", "compression_level": "2x"},
            {"compression_level": "1x", "engine": "lucene"},
            id="no compression excludes the mode",
        ),
        pytest.param(
            {
                "method": {
                    "name": "ivf",
                    "engine": "faiss",
                    "parameters": {"m": 24, "nlist": 8, "encoder": {"name": "sq"}},
                }
            },
            {"engine": "lucene", "method": {"name": "hnsw", "parameters": {"m": 24}}},
            id="explicit faiss method",
        ),
    ],
)
def test_vectors_move_to_lucene(cloud: dict[str, Any], local: dict[str, Any]) -> None:
    def body(field: dict[str, Any]) -> dict[str, Any]:
        chunks = {"type": "nested", "properties": {"embedding": vector(**field)}}
        properties = {"text": {"type": "text"}, "embedding": vector(**field), "chunks": chunks}
        return {"settings": {"index": {"knn": True}}, "mappings": {"properties": properties}}

    given_body = body(cloud)
    before = copy.deepcopy(given_body)
    assert local_mapping(given_body) == body(local)
    assert given_body == before


@given(
    st.fixed_dictionaries(
        {"text": st.just({"type": "text"})},
        optional={
            "embedding": st.fixed_dictionaries(
                {"type": st.just("knn_vector"), "dimension": st.integers(1, 4096)},
                optional={
                    "mode": st.sampled_from(["on_disk", "in_memory"]),
                    "compression_level": st.sampled_from(["1x", "2x", "4x", "8x", "16x", "32x"]),
                    "engine": st.sampled_from(["faiss", "lucene"]),
                },
            )
        },
    )
)
def test_what_fits_already_comes_back_as_it_is(properties: dict[str, Any]) -> None:
    once = local_mapping({"mappings": {"properties": properties}})
    assert local_mapping(once) == once
    field = once["mappings"]["properties"].get("embedding", {})
    assert field.get("compression_level") in {None, "1x", "4x", "32x"}
    assert (field.get("mode"), field.get("compression_level")) != ("on_disk", "1x")


def test_a_body_without_mappings_is_fine() -> None:
    assert local_mapping({"settings": {"index": {"knn": True}}}) == {
        "settings": {"index": {"knn": True}}
    }


def red(**counts: int) -> bytes:
    return json.dumps({"status": "red", "unassigned_shards": 2, **counts}).encode()


@pytest.mark.parametrize(
    ("answers", "ready"),
    [
        ([red(number_of_pending_tasks=1)] * 5, True),
        ([red(initializing_shards=1)] * 3 + [red()], True),
        ([b"<html>"], True),
        ([red()] * 9, False),
    ],
)
def test_a_slow_opensearch_is_waited_for_and_one_that_cannot_read_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answers: list[bytes], ready: bool
) -> None:
    """However late it answers first: only who has nothing left to do cannot read its data."""
    left = list(answers)

    class Response(io.BytesIO):
        status = 200

    def answer(url: str, timeout: float) -> Response:
        if not left:
            return Response()
        raise HTTPError(url, 408, "Request Timeout", Message(), io.BytesIO(left.pop(0)))

    (tmp_path / "logs").mkdir()
    (tmp_path / "logs/opensearch.log").write_text("Node started\n")
    monkeypatch.setattr("urllib.request.urlopen", answer)
    monkeypatch.setattr("time.sleep", lambda _: None)
    monkeypatch.setattr(processes, "_READING_S", -1)
    server = processes.Server("opensearch", os.getpid(), psutil.Process().create_time(), 1)
    wait = partial(processes.wait_until_ready, tmp_path, server, "/", seconds=60)
    if ready:
        wait(progress=lambda _: None)
    else:
        with pytest.raises(processes.ServerError, match="delete the folder"):
            wait(progress=lambda _: None)
