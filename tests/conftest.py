"""What every test needs: Node of the virtual environment, the same examples, a fair process."""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path

import pytest
from hypothesis import settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

# jsii starts the first `node` on the path; this project brings its own.
os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

# Examples are judged by what they show, not by how long they take on a busy machine, and are the
# same in every run: `pytest --hypothesis-profile explore` tries others.
settings.register_profile("project", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None)
settings.load_profile("project")


class _ByFile(LoadScopeScheduling):
    """Gives a process whole files, and one of them all that synthesizes: the CDK starts slowly."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return "CDK" if file.startswith("tests/infrastructure/") else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> _ByFile:
    """Have pytest-xdist distribute the tests so."""
    return _ByFile(config, log)


def pytest_collection_finish() -> None:
    """Spare the garbage collector what lives to the end anyway: modules, and what they loaded."""
    gc.collect()
    gc.freeze()
