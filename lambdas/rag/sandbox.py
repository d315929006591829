"""Runs a function on a document in a process of its own, with limits and without any secret.

A hostile document can make any parser slow, use much memory, or run code of its own through a fault
in native code. Such code finds no credentials here: readers are forked from a process that was
started anew, which has neither the environment nor the memory of the function. What a reader
returns may hold nothing but the classes of documents.
"""

from __future__ import annotations

import ctypes
import io
import json
import multiprocessing
import os
import pickle
import resource
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib import import_module
from multiprocessing.connection import Connection
from typing import Any, TypeVar, cast

from rag.errors import Rejected, Unavailable

T = TypeVar("T")

_TOO_COMPLEX = "reading it takes over {} s or {} MB; split the document"
_KEPT = ("LANG", "LC_ALL", "LD_LIBRARY_PATH", "PATH", "TZ")
"""What of the environment the interpreter needs."""
_RETURNED = ("rag.chunks", "rag.errors", "rag.extract")
_START = """\
import json, sys
sys.path[:] = json.loads(sys.argv[1])
from rag import sandbox
sandbox.serve(int(sys.argv[2]))
"""
_PATIENCE_S = 60
"""Beyond a reader's own limit, for starting it and for what it sends."""
_PR_SET_DUMPABLE = 4  # linux/prctl.h


def run(
    function: Callable[..., T],
    *args: object,
    seconds: float,
    memory_mb: int,
    imports: Sequence[str] = (),
) -> T:
    """Call `function(*args)` elsewhere. Function and arguments must be picklable.

    The modules of `imports` are loaded once for all documents. Of classes, the result may hold
    those of `rag.chunks` and `rag.extract` only.

    Raises `Rejected` as the function does, with reason `too_complex` when it needs more than
    `seconds` or `memory_mb` of data, and with `malformed` when it fails in any other way. Raises
    `Unavailable` if the process that forks readers has ended.
    """
    job = (tuple(imports), seconds, memory_mb, function, args)
    outcome = _readers.result(job, seconds + _PATIENCE_S)
    if isinstance(outcome, Rejected):
        raise outcome
    return cast(T, outcome)


class _Readers:
    """The process that forks readers, started when the first document comes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._owner = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection[Any, Any] | None = None

    def result(self, job: object, seconds: float) -> object:
        """Return what the job returns, or the `Rejected` that it ends with."""
        with self._lock:
            connection = self._connected()
            try:
                connection.send(job)
                if not connection.poll(seconds):
                    raise EOFError
                return _Plain(io.BytesIO(connection.recv_bytes())).load()
            except (EOFError, OSError) as error:
                self._end()
                raise Unavailable("the process that reads documents has ended") from error
            except pickle.UnpicklingError:
                return Rejected("malformed", "reading it returns what no reader returns")

    def _connected(self) -> Connection[Any, Any]:
        # A fork of this process may not talk to the readers of its parent.
        if self._connection is None or self._owner != os.getpid():
            _keep_private()
            ours, theirs = socket.socketpair()
            with theirs:
                self._process = subprocess.Popen(
                    [
                        *(sys.executable, "-I", "-S", "-c", _START),
                        json.dumps([os.path.abspath(path) for path in sys.path]),
                        str(theirs.fileno()),
                    ],
                    env={name: os.environ[name] for name in _KEPT if name in os.environ},
                    stdin=subprocess.DEVNULL,
                    pass_fds=[theirs.fileno()],
                )
            self._connection, self._owner = Connection(ours.detach()), os.getpid()
        return self._connection

    def _end(self) -> None:
        if self._process and self._connection:
            self._process.kill()
            self._process.wait()
            self._connection.close()
        self._process = self._connection = None


_readers = _Readers()


class _Plain(pickle.Unpickler):
    """Reads what a reader returned. A reader that was taken over could name any function."""

    def find_class(self, module: str, name: str) -> type:
        """Return a class of documents. Raises UnpicklingError for anything else."""
        found = getattr(import_module(module), name, None) if module in _RETURNED else None
        if not isinstance(found, type) or found.__module__ != module:
            raise pickle.UnpicklingError(f"{module}.{name}")
        return found


def _keep_private() -> None:
    """Forbid other processes of this user to read this one's environment and memory in /proc."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def serve(handle: int) -> None:
    """Fork a reader for each job that comes on a socket, until it is closed."""
    connection: Connection[Any, Any] = Connection(handle)
    with suppress(EOFError):
        while True:
            modules, seconds, memory_mb, function, args = connection.recv()
            for module in modules:
                import_module(module)
            connection.send_bytes(_read(connection, seconds, memory_mb, function, args))


def _read(
    requests: Connection[Any, Any],
    seconds: float,
    memory_mb: int,
    function: Callable[..., object],
    args: tuple[object, ...],
) -> bytes:
    """Fork a reader; return the bytes that it sends, or a pickled `Rejected`."""
    # Fork: nothing is imported again, and Lambda has no /dev/shm for pools and queues.
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(
        target=_call, args=(requests, sender, memory_mb, function, args), daemon=True
    )
    process.start()
    sender.close()
    too_complex = pickle.dumps(Rejected("too_complex", _TOO_COMPLEX.format(seconds, memory_mb)))
    try:
        return receiver.recv_bytes() if receiver.poll(seconds) else too_complex
    except EOFError:
        return too_complex  # killed before it could report anything
    finally:
        process.kill()
        process.join()
        receiver.close()


def _call(
    requests: Connection[Any, Any],
    sender: Connection[Any, Any],
    memory_mb: int,
    function: Callable[..., object],
    args: tuple[object, ...],
) -> None:
    requests.close()
    resource.setrlimit(resource.RLIMIT_DATA, (memory_mb << 20, memory_mb << 20))
    try:
        sender.send(function(*args))
    except Rejected as error:
        sender.send(error)
    except MemoryError:
        return  # as if it had been killed
    except Exception as error:  # parsers fail in ways of their own
        sender.send(Rejected("malformed", f"cannot be read ({type(error).__name__})"))
