"""The tutorial is followed to its end: every command and every change of a file, as they stand."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from installed import Site
from places import ROOT
from tutorial import Block, blocks, put_in

pytest.importorskip("torch", reason="the extra `learn` is not installed")

PAGE = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")

LESS = {
    "play": ["--seed", "1"],
    "check": [
        "--levels",
        "4",
        "--episodes",
        "4",
        "--steps",
        "6",
        "--workers",
        "1",
        "--skip",
        "sb3",
    ],
    "train": ["--steps", "600", "--worlds", "4"],
    "evaluate": ["--episodes", "4", "--worlds", "4"],
}
"""All that is not as it stands: options behind a command, so that it takes seconds."""

RUN = """
import contextlib, io, json, sys
from als_engine.cli import main

said = []
for words in json.loads(sys.argv[1]):
    sys.argv = ["als", *words]
    with contextlib.redirect_stdout(io.StringIO()) as out:
        try:
            main()
        except SystemExit as end:
            said.append([words, end.code, out.getvalue()])
print(json.dumps(said))
"""


class Said(NamedTuple):
    """What a command has answered."""

    words: list[str]
    code: int
    out: str


class Reader:
    """Somebody who follows the page, in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "site").mkdir()
        self.site = Site(folder / "site")
        self.said: list[Said] = []
        self._waiting: list[list[str]] = []

    def follow(self, block: Block) -> None:
        """Does what a block says; commands wait until a file is changed, and then run together."""
        if block.language == "bash":
            for line in block.text.splitlines():
                self._command(shlex.split(line))
            return
        self.run()
        if block.path:
            put_in(block, self.folder)
        else:
            done = self.site.run(f"import os; os.chdir({str(self.folder)!r})\n{block.text}")
            assert done.returncode == 0, done.stderr
            assert done.stdout in {
                f"walk to the {color} mat\n" for color in ("red", "green", "blue")
            }

    def run(self) -> None:
        """Runs what waits, in one process, since importing takes longer than most commands."""
        if not self._waiting:
            return
        code = f"import os; os.chdir({str(self.folder)!r})\n{RUN}"
        given = repr(json.dumps(self._waiting))
        done = self.site.run(code.replace("sys.argv[1]", given), OMP_NUM_THREADS="1")
        assert done.returncode == 0, done.stderr
        self.said += [Said(*each) for each in json.loads(done.stdout)]
        assert {each.code for each in self.said} == {0}, f"{self.said}\n{done.stderr}"
        self._waiting = []

    def _command(self, words: list[str]) -> None:
        if words[:2] == ["pip", "install"]:
            self.run()
            self._install(words)
        elif words[:2] == ["pip", "wheel"]:
            self._build(self.folder / words[words.index("--wheel-dir") + 1], words[-1])
        elif words[0] == "pytest":
            assert (self.folder / words[1] / "tests").is_dir()  # test_new_packages.py runs it.
        else:
            assert words[0] == "als"
            self._waiting.append([*words[1:], *LESS.get(words[1], [])])

    def _install(self, words: list[str]) -> None:
        """Installs a package where it lies, as pip would with a network at hand."""
        name = Path(words[-1].partition("[")[0]).name
        root = self.folder / name
        module = name.replace("-", "_")
        self.site.install(name, {}, module, "[als_engine.namespaces]\nAcme = " + module)
        (self.site.folder / module).symlink_to(root / "src" / module)

    def _build(self, dist: Path, package: str) -> None:
        code = "import sys; from hatchling.build import build_wheel; build_wheel(sys.argv[1])"
        dist.mkdir()
        words = [sys.executable, "-c", code, str(dist)]
        subprocess.run(words, cwd=self.folder / package, check=True)


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Reader:
    """Whoever has followed the page to its end."""
    reader = Reader(tmp_path_factory.mktemp("tutorial"))
    for block in blocks(PAGE):
        reader.follow(block)
    reader.run()
    return reader


@pytest.mark.timeout(900)
def test_every_command_of_the_tutorial_does_what_the_page_says(reader: Reader) -> None:
    ran = [words[0] for words, _, _ in reader.said]
    assert ran.count("check") == 3
    assert {"new", "list", "play", "train", "evaluate", "plugins"} <= set(ran)
    out = "\n".join(said.out for said in reader.said)
    assert "Acme/MatWalk-v0 keeps every promise" in out
    for name in ("mat-walk/film.gif", "trained.gif", "runs/mat-walk/agent/agent.json"):
        assert (reader.folder / name).is_file(), name
    assert [path.name for path in (reader.folder / "dist").iterdir()] == [
        "mat_walk-0.1.0-py3-none-any.whl"
    ]


@pytest.mark.timeout(900)
def test_what_has_become_of_the_scenario_is_still_tidy(reader: Reader) -> None:
    for words in (["check"], ["format", "--check"]):
        ruff = [sys.executable, "-m", "ruff", *words, "--no-cache", "mat-walk"]
        done = subprocess.run(ruff, cwd=reader.folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout


def test_every_block_of_the_tutorial_is_one_that_is_run() -> None:
    found = blocks(PAGE)
    assert len(found) == PAGE.count("```") // 2
    assert {block.language for block in found} == {"bash", "python"}
