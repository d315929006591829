"""Run a Python script in which, and in whose Node, nobody can open a connection."""

from __future__ import annotations

import os
import runpy
import socket
import sys


def _refuse(*_: object) -> None:
    raise OSError("this process may not use the network")


socket.socket.connect = socket.socket.connect_ex = _refuse  # type: ignore[method-assign,assignment]
sys.argv = sys.argv[1:]
sys.path.insert(0, os.getcwd())
runpy.run_path(sys.argv[0], run_name="__main__")
