"""A scenario that is learnt in seconds, for the tests of whatever learns, saves and evaluates.

In this process the fixture `learn` registers it; in others it is installed, as `site` does.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import gymnasium
import learn_plugin
import pytest
from learn_plugin import ID, MIXED, NO_EXPERT, TRADE

from als_engine.plugins.registry import registry

__all__ = ["ID", "MIXED", "NO_EXPERT", "TRADE", "learn", "learn_in_sandboxes", "site"]


@pytest.fixture(scope="module")
def learn() -> Iterator[str]:
    """Registers the scenarios, and takes them back: nobody else's tests may see them."""
    plugin = registry.add(learn_plugin, distribution="learn-worlds")
    yield ID
    registry.remove(plugin)
    for scenario in (ID, TRADE, MIXED, NO_EXPERT):
        gymnasium.registry.pop(scenario, None)


@pytest.fixture(scope="module")
def learn_in_sandboxes(learn: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """As `learn`, and the processes that agents live in find what is installed."""
    folder = tmp_path_factory.mktemp("site")
    site(folder)
    sys.path.append(str(folder))
    yield
    sys.path.remove(str(folder))


def site(folder: Path) -> dict[str, str]:
    """Installs the scenarios into a folder; returns the environment of a process that sees them."""
    info = folder / "learn_worlds-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: learn-worlds\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[als_engine]\nmain = learn_plugin\n")
    others = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    path = os.pathsep.join(filter(None, [str(folder), str(Path(__file__).parent), *others]))
    return {**os.environ, "PYTHONPATH": path, "COLUMNS": "120"}
