"""`--agent` names an agent and `--on` a scenario, in every command."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from als_command import als

from als_engine.cli.app import build_command
from als_engine.cli.train import learner
from als_engine.errors import ArgumentError, SavedFileError


def commands(group: Any, before: str = "") -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{before}{name} ")
        else:
            yield f"{before}{name}", command


COMMANDS = dict(commands(build_command()))


def options(command: Any) -> dict[str, Any]:
    return {flag: each for each in command.params for flag in each.opts if flag.startswith("--")}


@pytest.mark.parametrize("name", COMMANDS)
def test_what_stands_in_the_first_place_has_an_option_too(name: str) -> None:
    command = COMMANDS[name]
    places = {str(p.metavar) for p in command.params if p.param_type_name == "argument"}
    if "ID" in places:
        assert "--on" in options(command)
    if places & {"AGENT", "AGENT..."}:
        assert {"--on", "--agent"} <= set(options(command))


def test_other_words_for_them_are_only_kept_beside_them() -> None:
    for name, command in COMMANDS.items():
        found = options(command)
        assert "--scenario" not in found, name
        if "--policy" in found:
            assert found["--policy"] is found["--agent"], name


@pytest.mark.parametrize("word", ["--on=ALS/Nothing-v0", "ALS/Nothing-v0"])
@pytest.mark.parametrize("name", ["show", "play", "train", "collect", "imitate"])
def test_a_scenario_can_be_given_in_both_ways(name: str, word: str) -> None:
    more = ["--out", "x"] if name == "collect" else []
    result = als(name, word, *more)
    assert result.code == 2
    assert 'unknown scenario "ALS/Nothing-v0"' in result.err


@pytest.mark.parametrize("word", ["--agent=nobody", "nobody"])
@pytest.mark.parametrize(
    "name", ["evaluate", "adapt", "explain", "crossplay", "exploit", "pareto", "robustness"]
)
def test_an_agent_can_be_given_in_both_ways(name: str, word: str) -> None:
    result = als(name, word, "--on", "ALS/Tag-v0")
    assert result.code == 2
    assert "nobody" in result.err
    assert result.err.count("\n") == 1


def test_several_agents_can_be_given_in_both_ways() -> None:
    placed = als("crossplay", "random", "nobody", "--on", "ALS/Tag-v0")
    named = als("crossplay", "--agent", "random", "--agent", "nobody", "--on", "ALS/Tag-v0")
    assert placed == named
    assert 'unknown agent "nobody"' in named.err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["play"], "name a scenario; `als list` shows them"),
        (["evaluate"], "name an agent; `als list` shows them"),
        (["crossplay"], "name an agent; `als list` shows them"),
        (["play", "ALS/Tag-v0", "--on", "ALS/Tag-v0"], "ID and --on say the same: give one of"),
        (["evaluate", "random", "--agent", "random"], "AGENT and --agent say the same"),
    ],
)
def test_neither_or_both_is_one_line(words: list[str], says: str) -> None:
    result = als(*words)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith(f"Error: {says}")
    assert result.err.count("\n") == 1


def test_a_learner_is_named_with_its_hyperparameters_as_in_a_benchmark() -> None:
    assert learner("mappo:encoder=attention", ["width=32"]) == (
        "mappo",
        {"encoder": "attention", "width": 32},
    )
    assert learner(None, ["width=32"]) == (None, {"width": 32})
    with pytest.raises(ArgumentError, match="--agent mappo:width=1 and --set both say width"):
        learner("mappo:width=1", ["width=32"])


def test_a_saved_agent_is_no_learner(tmp_path) -> None:
    with pytest.raises(ArgumentError, match=f"go on from a saved agent: --begin {tmp_path}"):
        learner(str(tmp_path), None)
    with pytest.raises(SavedFileError):
        learner("./nowhere", None)
