"""Registered ids win over files and folders of the same name, and a path is written as one."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path

import pytest
from als_command import als

from als_bench.contestants import find_contestant
from als_bench.suites import find_suite
from als_engine.agents.saving import AgentRecord, make_agent, open_agent, save_agent
from als_engine.errors import ArgumentError, SavedFileError, UnknownIdError
from als_engine.plugins.references import resolve
from als_engine.plugins.registry import registry
from als_plugins.experience.policies import Policies

TAG = "ALS/Tag-v0"
IDS = [spec.id for spec in registry.agents() if not spec.made_by]


@pytest.fixture(autouse=True)
def shadows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a saved agent under the name of everything that is registered."""
    monkeypatch.chdir(tmp_path)
    save_agent(make_agent("random", TAG), "mine", AgentRecord(agent="random", scenario=TAG))
    suites = [spec.id for spec in registry.suites()]
    for name in (*IDS, *suites, "mix", "turns", TAG):
        shutil.copytree("mine", name)
    return tmp_path


@pytest.mark.parametrize("id", IDS)
def test_a_contestant_of_a_registered_id_is_never_a_folder(id: str) -> None:
    assert not find_contestant(id).files
    with pytest.raises(ArgumentError, match=r'"random" is a yardstick: it takes .* no files'):
        find_contestant(f"./{id}")


@pytest.mark.parametrize("id", [spec.id for spec in registry.agents() if spec.made_by])
def test_an_agent_that_a_command_makes_is_named_by_its_folder(id: str) -> None:
    for find in (find_contestant, partial(open_agent, scenario=TAG)):
        with pytest.raises(ArgumentError, match=f'"{id}" is made by `als .*`: name the folder'):
            find(id)


def test_an_agent_of_a_registered_id_is_never_a_folder() -> None:
    for name in ("random", "expert"):
        assert open_agent(name, TAG).record is None
        assert open_agent(f"./{name}").record is not None
        assert open_agent(Path(name)).record is not None


def test_the_policies_of_a_dataset_are_never_folders() -> None:
    for policy in ("expert", "mix", "turns", "random"):
        assert Policies(policy, TAG, {}, 1).digest is None
    assert Policies("./expert", TAG, {}, 1).digest is not None


def test_a_suite_of_a_registered_id_is_never_a_file() -> None:
    for spec in registry.suites():
        assert find_suite(spec.id) is registry.suite(spec.id)


@pytest.mark.parametrize(
    "words",
    [
        ["evaluate", "mine"],
        ["play", TAG, "--agent", "mine"],
        ["explain", "mine"],
        ["pareto", "mine"],
        ["adapt", "mine"],
        ["bench", "run", "smoke", "--agent", "mine"],
        ["collect", TAG, "--policy", "mine", "--out", "data"],
        ["bench", "run", "mine"],
    ],
    ids=" ".join,
)
def test_a_bare_name_that_is_a_folder_is_told_how_to_write_it(words: list[str]) -> None:
    result = als(*words)
    assert (result.code, result.out) == (2, "")
    assert 'no agent "mine"' in result.err or 'no suite "mine"' in result.err
    assert "write ./mine" in result.err
    assert result.err.count("\n") == 1


@pytest.mark.parametrize("word", ["runs/none", "./none", "/none", "../none"])
def test_a_path_that_is_not_there(word: str) -> None:
    for find in (open_agent, find_contestant):
        with pytest.raises(SavedFileError, match=f"there is no folder {word}"):
            find(word)


def test_a_word_that_is_nothing(tmp_path: Path) -> None:
    for word in ("", "non\0sense", "x" * 5_000):
        with pytest.raises(UnknownIdError, match="unknown thing"):
            resolve(word, "thing", ["known"])
    (tmp_path / "a b").mkdir()
    with pytest.raises(UnknownIdError, match=r"write '\./a b'$"):
        resolve("a b", "thing", [])
