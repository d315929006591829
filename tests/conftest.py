"""What every test needs: Node from the virtual environment, and Hypothesis without deadlines."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from hypothesis import settings

# jsii starts the first `node` on the path; this project brings its own.
os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

# Examples are judged by what they show, not by how long they take on a busy machine, and are the
# same in every run: `pytest --hypothesis-profile explore` tries others.
settings.register_profile("project", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None)
settings.load_profile("project")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the files in one process that share what is dear, and the tests of any other file."""
    sharing = {item.path for item in items if "templates_of" in getattr(item, "fixturenames", ())}
    for item in items:
        group = "deployments" if item.path in sharing else str(item.path)
        item.add_marker(pytest.mark.xdist_group(group))
