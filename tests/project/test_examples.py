"""The examples run as they stand, are short, say what they need, and use what is public alone."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest
from example_files import EXAMPLES, FOLDER, RUN, SHOWS, TINY, Example
from places import ROOT

import als_engine

PAGE = (FOLDER / "README.md").read_text(encoding="utf-8")
every_example = pytest.mark.parametrize("example", EXAMPLES, ids=lambda each: each.name)


@every_example
def test_an_example_is_short_and_says_what_it_needs(example: Example) -> None:
    assert len(example.code.splitlines()) < 80
    metadata = example.metadata
    assert metadata["requires-python"] in (">=3.10", ">=3.11")
    if "als-engine" in metadata["dependencies"]:  # It is no package of an index.
        here = metadata["tool"]["uv"]["sources"]["als-engine"]["path"]
        assert (FOLDER / here).resolve() == ROOT


@every_example
def test_an_example_is_on_the_page_with_its_command_and_what_it_needs(example: Example) -> None:
    (row,) = [line for line in PAGE.splitlines() if line.startswith(f"| [{example.name}]")]
    for each in example.requirements:
        assert f"`{each}`" in row
    assert f"]({example.name})" in row


@every_example
def test_an_example_uses_nothing_private(example: Example) -> None:
    for node in ast.walk(ast.parse(example.code)):
        if isinstance(node, ast.Import):
            assert not [
                each for each in node.names if each.name.startswith(("als_engine.", "als_p"))
            ]
        if isinstance(node, ast.ImportFrom):
            assert not (node.module or "").startswith("als_")
        if isinstance(node, ast.Attribute):
            assert not node.attr.startswith("_")
            if isinstance(node.value, ast.Name) and node.value.id == "als_engine":
                assert node.attr in als_engine.__all__


def test_notebooks_carry_no_outputs() -> None:
    for example in EXAMPLES:
        if example.path.suffix == ".ipynb":
            for cell in example.notebook()["cells"]:
                assert not cell.get("outputs")
                assert cell.get("execution_count") is None


def test_every_example_can_be_run_small() -> None:
    assert {example.name for example in RUN} == {*TINY}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("example", RUN, ids=lambda each: each.name)
def test_an_example_runs(example: Example, tmp_path: Path) -> None:
    if missing := example.missing():
        pytest.skip(f"{example.name} needs {'; '.join(missing)}; `make examples` gets it")
    alone = {**os.environ, "OMP_NUM_THREADS": "1", "MPLBACKEND": "agg"}
    words = [sys.executable, *example.script(tmp_path)]
    done = subprocess.run(words, cwd=tmp_path, env=alone, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert SHOWS.search(done.stdout), done.stdout
    assert "Warning" not in done.stderr, done.stderr
