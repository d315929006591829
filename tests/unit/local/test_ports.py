"""Taken ports are all named at once, and the command that the message gives works."""

from __future__ import annotations

import re
import socket
from contextlib import ExitStack
from pathlib import Path

import pytest

from local import processes
from local.embedded import EmbeddedAws, free_ports
from sustainability.errors import UserError


def test_all_taken_ports_are_named_with_free_ones(tmp_path: Path) -> None:
    ports = free_ports()
    embedded = EmbeddedAws(tmp_path, ports)
    with ExitStack() as others:
        for name in ("opensearch", "emulator"):
            listener = others.enter_context(socket.socket())
            listener.bind(("127.0.0.1", ports[name]))
            listener.listen()
        with pytest.raises(UserError) as refused:
            embedded.start(lambda _: None, command="make up DEPLOYMENT=examples/nap")
        said = str(refused.value)
        chosen = {name.lower(): int(port) for name, port in re.findall(r"(\w+)_PORT=(\d+)", said)}

        assert f"{ports['opensearch']} (opensearch), {ports['emulator']} (emulator)" in said
        assert "make up DEPLOYMENT=examples/nap OPENSEARCH_PORT=" in said
        assert set(chosen) == {"opensearch", "emulator"}
        assert len({*chosen.values(), ports["models"]}) == 3
        assert all(processes.is_free(port) for port in chosen.values())


def test_a_server_that_is_not_needed_needs_no_port(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ports = free_ports()
    monkeypatch.setattr(processes, "is_free", lambda port: port != ports["opensearch"])
    embedded = EmbeddedAws(tmp_path, ports)
    embedded._require_ports(("opensearch",), "make up")
    with pytest.raises(UserError, match=f"taken: port {ports['opensearch']} \\(opensearch\\)"):
        embedded._require_ports((), "make up")
