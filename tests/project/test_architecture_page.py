"""What `docs/architecture.md` draws is there: the layers in their order, and the files."""

from __future__ import annotations

import re

from places import ROOT

PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
FOLDERS = ("", "docs", "als_engine", "plugins/als_bench", "plugins/als_plugins")


def test_the_layers_are_those_that_the_linter_holds() -> None:
    tree = PAGE.partition(" als_engine/\n")[2].partition("\n\n")[0]
    drawn = [re.split(r"  +", line.strip()) for line in tree.splitlines() if line[3] != " "]
    setup = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    block = (
        setup.partition('containers = ["als_engine"]')[2]
        .partition("layers = [")[2]
        .partition("]")[0]
    )
    layers = [set(line.split(" | ")) for line in re.findall(r'^    "(.*)",$', block, re.M)]
    assert len(layers) > 15
    for words, layer in zip(drawn, layers, strict=True):
        assert set(words[: len(layer)]) == layer


def test_the_files_that_it_names_are_there() -> None:
    named = set(re.findall(r"`([\w./]+/[\w./]+\.\w+|\w+\.(?:py|toml|json))`", PAGE))
    assert len(named) > 30
    saved = {"agent.json"}  # In the folder of an agent.
    tests = {path.name for path in (ROOT / "tests").rglob("*.py")}
    lost = {
        name
        for name in named - saved - tests
        if not any((ROOT / folder / name).exists() for folder in FOLDERS)
    }
    assert lost == set()
