"""`als preview` draws a level, says what is out of reach, and draws again at every save."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from als_command import als
from installed import Site
from PIL import Image

from als_engine.cli.preview.watching import sources
from als_engine.plugins.registry import registry

SUPPORT = Path(__file__).parents[3] / "support" / "acme_cellar.py"
CODE = (
    SUPPORT.read_text(encoding="utf-8")
    + """

from als_engine import hookimpl


@hookimpl
def als_scenarios():
    return [CELLAR]
"""
)
WATCH = (
    "import sys; sys.argv[0] = 'als'; import als_engine.cli.preview.watching as w; w.EVERY = 0.05; "
    "from als_engine.cli import main; main()"
)


def test_it_draws_the_level_and_says_what_is_out_of_reach(tmp_path: Path) -> None:
    path = tmp_path / "plan.png"
    result = als("preview", "ALS/Tag-v0", "--split", "test", "--out", path)
    assert (result.code, result.err) == (0, "")
    assert result.out.splitlines() == ["Nothing is out of reach.", f"Wrote {path}, level 10000"]
    with Image.open(path) as picture:
        assert picture.size == (1760, 990)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["ALS/Tga-v0"], 'did you mean "ALS/Tag-v0"?'),
        (["ALS/Tag-v0", "--split", "tset"], 'did you mean "test"?'),
        (["ALS/Tag-v0", "--level", "3", "--split", "test"], "give one of them"),
        (["ALS/Tag-v0", "--arg", "level=3"], "use --level"),
        (["ALS/Tag-v0", "--out", "plan.gif"], "a figure ends in .svg or .png"),
        (["ALS/Tag-v0", "--level", "30000"], "level must be a whole number from 0 to 29999"),
    ],
)
def test_a_mistake_is_one_line(words: list[str], line: str) -> None:
    result = als("preview", *words)
    assert result.code == 2
    assert result.err.startswith("Error: ")
    assert line in result.err
    assert result.err.count("\n") == 1


def test_all_files_of_a_package_are_watched_and_one_of_a_module() -> None:
    files = sources(registry.scenario("ALS/Tag-v0"))
    names = {file.name for file in files}
    assert {"tag.py", "plugin.py", "model.csv"} <= names
    assert not [file for file in files if "__pycache__" in file.parts]


def _until(true: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + 100
    while not true():
        assert process.poll() is None, "it has ended"
        assert time.monotonic() < end, "nothing has happened"
        time.sleep(0.05)


@pytest.mark.timeout(330)
def test_a_save_draws_again_and_a_broken_one_is_shown_and_ends_nothing(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    site = Site(tmp_path / "site")
    site.install("acme-cellar", {"acme_cellar.py": CODE}, "acme_cellar")
    module, path, told = site.folder / "acme_cellar.py", tmp_path / "p.png", tmp_path / "told"
    command = [sys.executable, "-c", WATCH, "preview", "Acme/Cellar-v0", "--watch", "--out", path]

    def save(text: str) -> None:
        module.write_text(text, encoding="utf-8")

    with told.open("w") as file:
        process = subprocess.Popen(
            command, env=site.environment(), stdout=file, stderr=file, text=True
        )
        try:
            _until(lambda: "Wrote" in told.read_text(), process)
            first = path.read_bytes()
            save(CODE.replace("(1.0, 1.5)", "(1.0, 1.5"))
            _until(lambda: "waiting for the next save" in told.read_text(), process)
            assert path.read_bytes() == first
            save(CODE.replace("(1.0, 1.5)", "(-1.0, 1.5)"))
            _until(lambda: told.read_text().count("Wrote") == 2, process)
        finally:
            process.kill()
            process.wait()
    assert path.read_bytes() != first
    lines = told.read_text().splitlines()
    assert lines[0].startswith("Watching ")
    assert lines[0].endswith("acme_cellar.py; Ctrl-C ends it.")
    assert any("SyntaxError" in line or "was never closed" in line for line in lines)
