"""`als new` writes a package, or one line that says why not, and then nothing is lost."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from als_command import als
from places import ROOT

import als_engine
from als_engine import AgentSpec, hookimpl
from als_engine.errors import ArgumentError
from als_engine.plugins.registry import registry
from als_engine.scaffold import KINDS, Names, files

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

LONG = "a" + "b" * 31


@pytest.fixture(autouse=True)
def _inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def about(folder: Path) -> dict[str, Any]:
    return tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("kind", KINDS)
def test_a_package_has_all_that_it_needs(kind: str, tmp_path: Path) -> None:
    result = als("new", kind, "fetch-kettle", "--author", "Ada Lovelace")
    assert result.code == 0, result.err
    folder = tmp_path / "fetch-kettle"
    thing = "suite.toml" if kind == "suite" else f"{kind}.py"
    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert found == {
        ".github/workflows/test.yml",
        ".gitignore",
        "LICENSE",
        "README.md",
        "pyproject.toml",
        "src/fetch_kettle/__init__.py",
        f"src/fetch_kettle/{thing}",
        "src/fetch_kettle/py.typed",
        "tests/test_fetch_kettle.py",
    }
    project = about(folder)["project"]
    assert project["entry-points"]["als_engine"] == {"fetch_kettle": "fetch_kettle"}
    assert "Ada Lovelace" in (folder / "LICENSE").read_text(encoding="utf-8")
    assert project["authors"] == [{"name": "Ada Lovelace"}]
    readme = (folder / "README.md").read_text(encoding="utf-8")
    assert "als play " in readme
    assert "--out film.gif" in readme
    for path in folder.rglob("*"):
        assert not path.is_file() or not re.search(
            r"(?<!\$){{|{%", path.read_text(encoding="utf-8")
        ), path


def test_what_is_written_is_short() -> None:
    for kind in KINDS:
        made = files(Names(kind, "fetch-kettle"))
        code = made[f"src/fetch_kettle/{'suite.toml' if kind == 'suite' else f'{kind}.py'}"]
        text = re.sub(r'"""(.|\n)*?"""', "", code)
        lines = [line for line in text.splitlines() if line.strip()]
        assert len(lines) <= 60, f"{kind} has {len(lines)} lines of code"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["x", "FetchKettle", LONG])
def test_what_is_written_is_tidy_whatever_it_is_called(
    kind: str, name: str, tmp_path: Path
) -> None:
    assert als("new", kind, name, "--namespace", LONG, "--out", "it").code == 0
    for words in (["check"], ["format", "--check"]):
        ruff = [sys.executable, "-m", "ruff", *words, "--no-cache", "."]
        done = subprocess.run(ruff, cwd=tmp_path / "it", capture_output=True, text=True)
        assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", ["fetch-kettle", "fetch_kettle", "FetchKettle", "Fetch-Kettle"])
def test_a_name_can_be_written_in_any_way(name: str) -> None:
    names = Names("scenario", name)
    assert (names.distribution, names.module) == ("fetch-kettle", "fetch_kettle")
    assert names.title == "FetchKettle"


@pytest.mark.parametrize(
    ("kind", "namespace", "id", "declared"),
    [
        ("scenario", "", "FetchKettle/FetchKettle-v0", "FetchKettle"),
        ("scenario", "Acme", "Acme/FetchKettle-v0", "Acme"),
        ("sensor", "", "fetch-kettle/fetch-kettle", "fetch-kettle"),
        ("agent", "", "fetch-kettle", ""),
        ("encoder", "Acme", "Acme/fetch-kettle", "Acme"),
        ("suite", "", "fetch-kettle", ""),
    ],
)
def test_a_namespace_is_declared_for_who_writes_it(
    kind: str, namespace: str, id: str, declared: str
) -> None:
    names = Names(kind, "fetch-kettle", namespace)
    assert names.id == id
    points = tomllib.loads(files(names)["pyproject.toml"])["project"]["entry-points"]
    expected = {declared: "fetch_kettle"} if declared else None
    assert points.get("als_engine.namespaces") == expected


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["scenaro", "x"], 'unknown kind "scenaro"; did you mean "scenario"?'),
        (["agent", "1x"], "the name must begin with a letter"),
        (["agent", "x/y"], "the name must begin with a letter"),
        (["agent", "../x"], "the name must begin with a letter"),
        (["agent", "x\ny"], "the name must begin with a letter"),
        (["agent", 'x"+y'], "the name must begin with a letter"),
        (["agent", "x-"], "the name must begin with a letter"),
        (["agent", "mañana"], "the name must begin with a letter"),
        (["agent", "x" * 33], "the name must have at most 32 letters, got 33"),
        (["agent", "class"], '"class" is a word of Python'),
        (["agent", "none"], '"none" is a word of Python'),
        (["agent", "random"], 'there is a module "random" already'),
        (["agent", "numpy"], "is installed already"),
        (["agent", "als-engine"], "is installed already"),
        (["agent", "als-bench"], 'there is a module "als_bench" already'),
        (["agent", "x", "--namespace", "A/b"], "--namespace must begin with a letter"),
        (["agent", "x", "--namespace", "als"], 'the namespace "ALS/" belongs to als-engine'),
        (["agent", "x", "--owner", "a b"], "--owner must begin with a letter"),
        (["agent", "x", "--author", "a\nb"], "--author must be one line"),
        (["agent", "x", "--author", "a" * 101], "--author must be one line of at most 100"),
    ],
)
def test_a_wrong_or_a_taken_name_is_one_line(words: list[str], says: str, tmp_path: Path) -> None:
    result = als("new", *words)
    assert (result.code, result.out) == (2, "")
    assert says in result.err
    assert result.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


class Walker:
    @hookimpl
    def als_agents(self) -> list[AgentSpec]:
        return [AgentSpec("Acme/walker", "acme:Walker"), AgentSpec("runner", "acme:Runner")]


def test_what_an_installed_package_offers_is_taken() -> None:
    plugin = registry.add(Walker(), distribution="acme-kitchen")
    try:
        with pytest.raises(ArgumentError, match='"acme/" belongs to acme-kitchen; choose another'):
            Names("sensor", "lidar", "acme").check_free()
        with pytest.raises(ArgumentError, match='there is an installed agent "runner"; choose'):
            Names("agent", "runner").check_free()
    finally:
        registry.remove(plugin)


def test_a_namespace_is_shared_with_who_names_the_same_owner(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from als_engine.plugins.discovery import Installed
    from als_engine.scaffold import names

    installed = Installed(declared=[("acme-kitchen", "Acme", "acme_kitchen")])
    monkeypatch.setattr(names, "find_installed", lambda group: installed)
    with pytest.raises(ArgumentError, match="or share it with --owner acme_kitchen"):
        Names("scenario", "garden", "Acme").check_free()
    mine = Names("scenario", "garden", "Acme", owner="acme_kitchen")
    mine.check_free()
    points = tomllib.loads(files(mine)["pyproject.toml"])["project"]["entry-points"]
    assert points["als_engine.namespaces"] == {"Acme": "acme_kitchen"}


@pytest.mark.parametrize("what", ["folder", "file", "link"])
def test_a_folder_that_is_there_stays_as_it_is(what: str, tmp_path: Path) -> None:
    there = tmp_path / "kettle"
    if what == "folder":
        there.mkdir()
        (there / "mine.txt").write_text("kept")
    elif what == "file":
        there.write_text("kept")
    else:
        there.symlink_to("nowhere")
    result = als("new", "agent", "kettle")
    assert result.code == 2
    assert result.err == 'Error: "kettle" exists already; name another folder with --out\n'
    assert [path.name for path in tmp_path.iterdir()] == ["kettle"]
    if what == "folder":
        assert (there / "mine.txt").read_text() == "kept"


def test_a_package_that_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")
    result = als("new", "agent", "kettle", "--out", "file/kettle")
    assert result.code == 2
    assert result.err.startswith('Error: cannot write "file/kettle"')
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_an_author_with_quotes_is_no_code(tmp_path: Path) -> None:
    author = 'Ada "\\" Lovelace\'s {{ 7 * 7 }}'
    assert als("new", "agent", "kettle", "--author", author).code == 0
    assert about(tmp_path / "kettle")["project"]["authors"] == [{"name": author}]


def test_it_needs_this_version_of_the_engine_or_a_later_one() -> None:
    for kind in KINDS:
        project = tomllib.loads(files(Names(kind, "kettle"))["pyproject.toml"])["project"]
        (needs,) = project["dependencies"]
        assert needs.startswith("als-engine")
        assert needs.endswith(f">={als_engine.__version__}")


def test_the_yardsticks_of_a_suite_are_those_of_core() -> None:
    core = tomllib.loads((ROOT / "benchmarks/suites/core.toml").read_text(encoding="utf-8"))
    known = {entry["scenario"]: entry for entry in core["entries"]}
    made = tomllib.loads(files(Names("suite", "kettle"))["src/kettle/suite.toml"])
    for entry in made["entries"]:
        for field in ("arguments", "random", "expert"):
            assert entry[field] == known[entry["scenario"]][field]
