"""Runs a function in a forked process with a limit on its time and memory.

A hostile document can make any parser slow or use much memory. Without a sandbox it would stop the
whole function, and with it every other document of the batch.
"""

from __future__ import annotations

import multiprocessing
import resource
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import TypeVar, cast

from rag.errors import Rejected

T = TypeVar("T")

_TOO_COMPLEX = "reading it takes over {} s or {} MB; split the document"


def run(function: Callable[..., T], *args: object, seconds: float, memory_mb: int) -> T:
    """Call `function(*args)`, whose result must be picklable.

    Raises `Rejected` as the function does, with reason `too_complex` when it needs more than
    `seconds` or `memory_mb` of data, and with `malformed` when it fails in any other way.
    """
    # Fork: nothing is imported again, and Lambda has no /dev/shm for pools and queues.
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_call, args=(sender, memory_mb, function, args), daemon=True)
    process.start()
    sender.close()
    too_complex = Rejected("too_complex", _TOO_COMPLEX.format(seconds, memory_mb))
    try:
        if not receiver.poll(seconds):
            raise too_complex
        outcome = receiver.recv()
    except EOFError:
        raise too_complex from None  # killed before it could report anything
    finally:
        process.kill()
        process.join()
        receiver.close()
    if isinstance(outcome, MemoryError):
        raise too_complex
    if isinstance(outcome, Rejected):
        raise outcome
    if isinstance(outcome, Exception):
        raise Rejected("malformed", f"cannot be read ({type(outcome).__name__})")
    return cast(T, outcome)


def _call(
    sender: Connection, memory_mb: int, function: Callable[..., object], args: tuple[object, ...]
) -> None:
    resource.setrlimit(resource.RLIMIT_DATA, (memory_mb << 20, memory_mb << 20))
    try:
        sender.send(function(*args))
    except Rejected as error:
        sender.send(error)
    except MemoryError:
        sender.send(MemoryError())
    except Exception as error:  # parsers fail in ways of their own
        sender.send(Exception(type(error).__name__))
