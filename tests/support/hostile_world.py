"""Installs the hostile agents, in this process and for those that it starts."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import hostile_agents
import pytest

from als_engine.plugins.registry import registry


def install(folder: Path) -> None:
    """Installs the agents into a folder that is, or will be, on the path."""
    info = folder / "hostile_agents-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: hostile-agents\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[als_engine]\nmain = hostile_agents\n")


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Offers `hostile/...`; takes them back afterwards, like `learn_worlds.learn`."""
    folder = tmp_path_factory.mktemp("site")
    install(folder)
    plugin = registry.add(hostile_agents, distribution="hostile-agents")
    sys.path.append(str(folder))
    yield
    sys.path.remove(str(folder))
    registry.remove(plugin)
