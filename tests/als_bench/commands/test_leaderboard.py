"""`als leaderboard` prints a table that can be read, and the same one for the same rows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from als_command import als
from made_results import make_store

AGENTS = ("random", "expert", "ppo", "ppo:encoder=attention", "dqn", "sac", "half")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_store(tmp_path_factory.mktemp("store") / "made.sqlite")


def test_every_name_is_whole_in_a_pipe_however_narrow_the_terminal(store: Path) -> None:
    result = als("leaderboard", "--store", store, columns=40)
    assert (result.code, result.err) == (0, "")
    lines = result.out.splitlines()
    for name in (*AGENTS, "steps-first@1a2b3c4d"):
        assert any(name in line.split() for line in lines)
    (header,) = (line for line in lines if line.split()[:1] == ["entry"])
    assert set(header.split()) == {"entry", *AGENTS, "steps-first@1a2b3c4d"}
    for entry in ("ALS/Tag-v0", "ALS/Diagnosis-v0", "ALS/Delivery-v0", "Tag in pairs"):
        assert any(line.strip().startswith(entry) for line in lines)


def test_the_table_says_rank_tier_score_and_what_is_wrong(store: Path) -> None:
    lines = als("leaderboard", "--store", store).out.splitlines()
    end = next(i for i, line in enumerate(lines) if line.split()[:1] == ["entry"])
    line = {words[1]: words for words in map(str.split, lines[:end]) if len(words) > 3}
    assert line["ppo:encoder=attention"][2] == "executed"
    assert line["ppo:encoder=attention"][0] == "1"
    assert line["steps-first@1a2b3c4d"][0] == "(1)*"
    assert line["dqn"][:3] == ["-", "dqn", "replayed"]
    assert line["sac"][:3] == ["-", "sac", "claimed"]
    assert line["half"][3] == "-"
    assert line["expert"][2:4] == ["yardstick", "1.00"]
    text = "\n".join(lines)
    assert "incomplete: 15 of 20 units missing" in text
    crash = "dqn crashed in ALS/Delivery-v0, seed 3: its process ended with signal 11 <b>at step"
    assert crash in text
    assert "fewer than 5 training seeds" in text


def test_two_runs_of_the_command_give_the_same_bytes(store: Path) -> None:
    first, second = (als("leaderboard", "--store", store).out for _ in range(2))
    assert first == second
    first, second = (als("leaderboard", "--store", store, "--json").out for _ in range(2))
    assert first == second


def test_json_has_everything(store: Path) -> None:
    found = json.loads(als("leaderboard", "--store", store, "--json").out)
    assert found["suite"] == "made"
    best = found["agents"][0]
    assert (best["label"], best["tier"], best["rank"]) == ("steps-first@1a2b3c4d", "executed", 1)
    assert best["provisional"]
    assert best["score"]["low"] <= best["score"]["value"] <= best["score"]["high"]
    assert len(best["cells"]["ALS/Tag-v0"]["scores"]) == 3
    assert {pair["partner"] for pair in found["cross_play"]["Tag in pairs"]} >= {"ppo", "random"}


def test_a_run_is_chosen_by_its_key(store: Path) -> None:
    found = json.loads(
        als("leaderboard", "--store", store, "--run", "made-executed-b", "--json").out
    )
    assert found["run"] == "made-executed-b"
    assert "sac" not in {row["agent"] for row in found["agents"]}


def test_pages_are_written(store: Path, tmp_path: Path) -> None:
    result = als("leaderboard", "--store", store, "--html", tmp_path / "board", "--no-films")
    assert (result.code, result.err) == (0, "")
    assert result.out == f"Wrote {tmp_path / 'board' / 'index.html'}\n"
    assert "these pages again" in (tmp_path / "board" / "index.html").read_text().lower()


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--run", "made-0123abce"], 'unknown run "made-0123abce"; did you mean "made-0123abcd"?'),
        (["--html", "{store}"], "is a file: name a folder"),
    ],
)
def test_mistakes_are_one_line(store: Path, words: list[str], line: str) -> None:
    result = als("leaderboard", "--store", store, *(word.format(store=store) for word in words))
    assert result.code == 2
    assert line in result.err
    assert result.err.count("\n") == 1
    assert result.out == ""


def test_a_store_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    result = als("leaderboard", "--store", tmp_path / "none.sqlite")
    assert (result.code, result.err.count("\n")) == (2, 1)
