"""Every block of Python in the guides runs as it stands, page by page, from above to below."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import gymnasium
import pytest
from places import ROOT

from als_engine.plugins.registry import registry

GUIDES = {path.stem: path for path in sorted((ROOT / "docs" / "guides").glob("*.md"))}
LONGEST = 150
"""Lines; what needs more is two guides."""


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Takes back what a guide adds: nobody else's tests may see it."""
    plugins, ids = set(map(id, registry.plugins())), set(gymnasium.registry)
    yield
    for plugin in registry.plugins():
        if id(plugin) not in plugins:
            registry.remove(plugin)
    for name in set(gymnasium.registry) - ids:
        del gymnasium.registry[name]


def blocks(path: Path) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", path.read_text(encoding="utf-8"), re.S | re.M)


@pytest.mark.parametrize("name", GUIDES)
def test_the_code_of_a_guide_runs(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = ModuleType(f"guide_{name}")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.chdir(tmp_path)
    found = blocks(GUIDES[name])
    assert found
    for number, block in enumerate(found):
        exec(compile(block, f"{name}.md, block {number}", "exec"), vars(module))


@pytest.mark.parametrize("name", GUIDES)
def test_a_guide_is_short_and_is_found_from_the_first_page_of_plugins(name: str) -> None:
    assert len(GUIDES[name].read_text(encoding="utf-8").splitlines()) <= LONGEST
    assert f"guides/{name}.md" in (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
