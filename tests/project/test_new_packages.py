"""What `als new` writes is built, installed, checked and played, as its author would."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from als_command import als
from installed import Site
from places import ROOT

from als_engine.scaffold import KINDS, Names

pytest.importorskip("torch", reason="the extra `learn` is not installed")

NAMES = {kind: Names(kind, f"made-{kind}", "Made", "made_here") for kind in KINDS}
"""One owner's five packages, which share a namespace."""

BUILD = """
import os, sys
from hatchling.build import build_wheel
for folder in sys.argv[2:]:
    os.chdir(folder)
    build_wheel(sys.argv[1])
"""


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a package of each kind."""
    folder = tmp_path_factory.mktemp("made")
    for kind, names in NAMES.items():
        given = ("--namespace", names.namespace, "--owner", names.owner)
        result = als("new", kind, names.name, *given, "--out", folder / names.name)
        assert result.code == 0, result.err
    return folder


@pytest.fixture(scope="module")
def site(packages: Path, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """All of them built as wheels by their own backend, and installed by pip."""
    site = Site(tmp_path_factory.mktemp("site"))
    wheels = tmp_path_factory.mktemp("wheels")
    folders = [str(packages / names.name) for names in NAMES.values()]
    subprocess.run([sys.executable, "-c", BUILD, str(wheels), *folders], check=True)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    pip += ["--no-deps", "--no-index", "--no-compile", "--target", str(site.folder)]
    subprocess.run([*pip, *map(str, sorted(wheels.glob("*.whl")))], check=True)
    return site


@pytest.mark.timeout(600)
def test_their_own_tests_pass_where_they_are_installed(packages: Path, site: Site) -> None:
    tests = [str(packages / names.name / "tests") for names in NAMES.values()]
    alone = {"OMP_NUM_THREADS": "1"}  # The tests beside this one have the other processors.
    words = ["-m", "pytest", "-q", "-p", "no:cacheprovider", f"--rootdir={packages}", *tests]
    result = site.process([sys.executable, *words], **alone)
    assert result.returncode == 0, result.stdout
    assert "skipped" not in result.stdout


ALS = """
import contextlib, io, json, sys
from als_engine.cli import main

said = {}
for words in json.loads(sys.argv[1]):
    sys.argv = ["als", *words]
    with contextlib.redirect_stdout(io.StringIO()) as out:
        try:
            main()
        except SystemExit as end:
            said[" ".join(words[:2])] = [end.code, out.getvalue()]
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def said(packages: Path, site: Site) -> dict[str, tuple[int, str]]:
    """What commands answer where the packages are installed: exit code and output."""
    made = NAMES["scenario"].id
    less = ["--levels", "4", "--episodes", "2", "--steps", "8", "--workers", "1", "--skip", "sb3"]
    points = ["--only", "loading", "--only", "offers", "--only", "classes"]
    commands = [
        ["plugins", "--strict"],
        ["list", "--json"],
        ["check", NAMES["scenario"].distribution, *less],
        *(["check", NAMES[kind].distribution, *points] for kind in KINDS if kind != "scenario"),
        ["play", made, "--agent", "expert", "--out", str(packages / "made-scenario" / "film.gif")],
    ]
    result = site.run(ALS.replace("sys.argv[1]", repr(json.dumps(commands))))
    assert result.returncode == 0, result.stderr
    return {name: (code, out) for name, (code, out) in json.loads(result.stdout).items()}


@pytest.mark.timeout(600)
def test_they_are_loaded_and_listed_with_who_ships_them(said: dict[str, tuple[int, str]]) -> None:
    assert said["plugins --strict"][0] == 0
    found = {item["id"]: item for item in json.loads(said["list --json"][1])}
    for kind, names in NAMES.items():
        item = found[names.id]
        assert item["kind"] == ("learner" if kind == "agent" else kind)
        assert (item["distribution"], item["version"]) == (names.distribution, "0.1.0")


@pytest.mark.timeout(600)
def test_the_scenario_keeps_every_promise_on_the_command_line(
    said: dict[str, tuple[int, str]],
) -> None:
    code, out = said[f"check {NAMES['scenario'].distribution}"]
    assert code == 0, out
    assert f"{NAMES['scenario'].distribution} keeps every promise (6 of 6 points" in out
    assert f"{NAMES['scenario'].id} keeps every promise" in out
    assert "3, 2 and 2 concepts" in out
    assert "either solves" in out


@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "scenario"])
def test_the_others_can_be_checked_as_packages(kind: str, said: dict[str, tuple[int, str]]) -> None:
    name = NAMES[kind].distribution
    code, out = said[f"check {name}"]
    assert code == 0, out
    assert f"{name} keeps every promise (3 of 3 points" in out


@pytest.mark.timeout(600)
def test_the_film_that_its_readme_shows_is_made(
    packages: Path, said: dict[str, tuple[int, str]]
) -> None:
    folder = packages / "made-scenario"
    assert said[f"play {NAMES['scenario'].id}"][0] == 0
    assert "![The expert plays](film.gif)" in (folder / "README.md").read_text(encoding="utf-8")
    assert (folder / "film.gif").read_bytes().startswith(b"GIF8")


@pytest.mark.timeout(900)
def test_they_are_typed(packages: Path) -> None:
    # With the project's own settings, so that what `make lint` has read need not be read again.
    sources = [str(packages / names.name / "src") for names in NAMES.values()]
    words = [sys.executable, "-m", "mypy", "--config-file", str(ROOT / "pyproject.toml")]
    files = [str(path) for source in sources for path in sorted(Path(source).rglob("*.py"))]
    done = subprocess.run(
        [*words, *files],
        cwd=ROOT,
        env={**os.environ, "MYPYPATH": os.pathsep.join(sources)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
