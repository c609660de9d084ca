"""Edited levels: their numbers, what an edit keeps, and levels made for an agent."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from als_command import als
from hypothesis import given, settings
from hypothesis import strategies as st

from als_engine import Rows
from als_engine.agents.agent import RandomAgent
from als_engine.agents.curriculum.level_scores import LevelScores
from als_engine.agents.curriculum.settings import ReplaySettings, label, parse
from als_engine.errors import ArgumentError, LayoutError, SavedFileError
from als_engine.simulation import simulate
from als_engine.task import (
    EDITS,
    LAST_LEVEL,
    MOST_EDITS,
    block_of,
    drawn_level,
    edited_level,
    split_of,
    unedited_level,
)
from als_plugins.making.levels import LevelsRecord, Wish, displaced, make_levels, parents_of

TAG = "ALS/Tag-v0"
DRAWN = st.integers(0, 29_999)
EDIT = st.integers(1, EDITS - 1)


@settings(max_examples=30)
@given(DRAWN, st.lists(EDIT, max_size=MOST_EDITS))
def test_a_number_tells_the_drawn_level_and_its_edits(drawn: int, edits: list[int]) -> None:
    line = [drawn]
    for edit in edits:
        line.append(edited_level(line[-1], edit))
    assert len(set(line)) == len(line)
    assert [unedited_level(after) for after in line[1:]] == line[:-1]
    assert unedited_level(drawn) is None
    assert {drawn_level(each) for each in line} == {drawn}
    assert {split_of(each) for each in line} == {split_of(drawn)}
    assert block_of(line[-1], 7) == block_of(drawn, 7)
    assert line[-1] <= LAST_LEVEL < 1 << 53, "exact as a number of JavaScript"
    if len(edits) == MOST_EDITS:
        with pytest.raises(ArgumentError, match=f"has {MOST_EDITS} edits already"):
            edited_level(line[-1], 1)


@pytest.mark.parametrize("edit", [0, EDITS])
def test_there_are_so_many_edits(edit: int) -> None:
    with pytest.raises(ArgumentError, match="edit must be from 1 to"):
        edited_level(3, edit)


def test_an_edit_of_tag_changes_one_thing_and_leaves_room() -> None:
    simulation = simulate(TAG, 1)
    changed = set()
    for number in range(16):
        level = number
        for edit in range(1, 4):
            before, level = simulation.lay_out(level), edited_level(level, edit * 7 + number)
            after = simulation.lay_out(level)
            again = simulation.lay_out(level)
            assert (after.props, after.walls) == (again.props, again.walls), "one number, one level"
            assert after.spawns == again.spawns
            moved = [name for name in before.props if before.props[name] != after.props[name]]
            walls, players = before.walls != after.walls, before.spawns != after.spawns
            assert list(after.props) == list(before.props)
            assert len(moved) + walls + players <= 1
            changed |= {*moved, *(["walls"] * walls), *(["players"] * players)}
            chaser, evader = (np.array(spawn.position) for spawn in after.spawns)
            assert np.linalg.norm(chaser - evader) >= 3.5
            things = [*after.props.values(), *after.walls[4:]]
            for player in (chaser, evader):
                assert min(np.linalg.norm(player - t.position[:2]) for t in things) > 0.3
            assert 0 <= len(after.walls) - 4 <= 3
    simulation.reset([0], level=level)
    assert simulation.state.level[0] == level
    simulation.close()
    assert changed == {*before.props, "walls", "players"}


def test_a_scenario_without_edits_says_so() -> None:
    with pytest.raises(LayoutError, match=r"ALS/Ward-v0, level 32775: .*has no method edit"):
        simulate("ALS/Ward-v0", 1, level=edited_level(7, 1))


def test_level_replay_draws_the_chosen_levels_alone() -> None:
    chosen = [edited_level(7, 3), 4, edited_level(7, 4), 9_999]
    levels = LevelScores(ReplaySettings(chosen=chosen, anneal=2), seed=0)
    drawn = []
    for _ in range(60):
        drawn.append(levels.draw(np.array(drawn[-1:], np.int64)))
        levels.judge(drawn[-1], float(drawn[-1] == chosen[0]))
    assert set(drawn) == set(chosen)
    assert drawn.count(chosen[0]) > 20, "the only one with a score"
    assert label(ReplaySettings(levels=20)) == label(parse({"kind": "plr", "levels": 20}))


@pytest.mark.parametrize(
    ("chosen", "says"),
    [
        ([10_000], "level 10000 is none of the train split"),
        ([edited_level(20_000, 1)], "is none of the train split"),
        ([30_000], "is in no split"),
        ([4, 4], "a level is there twice"),
        ([], "at least 1 item"),
        ([LAST_LEVEL + 1], "less than or equal to"),
    ],
)
def test_what_cannot_be_trained_on_is_refused(chosen: list[int], says: str) -> None:
    with pytest.raises(ArgumentError, match=says):
        parse({"kind": "plr", "chosen": chosen})


@pytest.fixture(scope="module")
def worlds():
    """Rows of Tag, and an agent that acts at random in them."""
    rows = Rows(TAG, 4, observers=1, sensors=["proprioception"], max_episode_steps=12)
    yield rows, RandomAgent(rows.observation_space, rows.action_space)
    rows.close()


def test_made_levels_are_unlike_each_other_and_the_same_again(worlds) -> None:
    rows, agent = worlds
    wish = Wish(target=0.0, count=4, parents=3, rounds=1, episodes=2, apart=0.2)
    made, drawn, steps = make_levels(agent, rows, [5, 6, 7], wish)
    assert [each.level for each in drawn] == [5, 6, 7]
    assert steps == 3 * 2 * 2 * 12
    assert len(made) == 4
    assert sum(each.edited_from is not None for each in made) >= 1
    layouts = [rows.worlds.simulation.lay_out(each.level) for each in made]
    for place, one in enumerate(layouts):
        assert displaced(one, one) == 0.0
        assert all(displaced(one, other) >= 0.2 for other in layouts[:place])
    assert make_levels(agent, rows, [5, 6, 7], wish)[0] == made
    with pytest.raises(KeyboardInterrupt):
        make_levels(agent, rows, [5], wish, should_stop=lambda: True)


def test_parents_are_the_levels_of_the_highest_scores(tmp_path: Path) -> None:
    (tmp_path / "levels.csv").write_text(
        "level,drawn,last_draw,score\n4,1,1,0.5\n8,2,3,0.9\n9,1,2,\n"
    )
    assert parents_of(tmp_path, 5, 0) == [8, 4]
    assert parents_of(tmp_path, 1, 0) == [8]
    without = parents_of(tmp_path / "none", 5, 0)
    assert len(set(without)) == 5
    assert {split_of(level) for level in without} == {"train"}
    for text, says in (("level,score\nx,1\n", "no list of levels"), ("level,score\n", "no level")):
        (tmp_path / "levels.csv").write_text(text)
        with pytest.raises(SavedFileError, match=says):
            parents_of(tmp_path, 5, 0)


def test_the_command_makes_a_curriculum(tmp_path: Path) -> None:
    run = als(
        "train", TAG, "--agent", "q-learning", "--worlds", 2, "--steps", 40,
        "--sensors", "proprioception,entities", "--arg", "max_episode_steps=10",
        "--out", tmp_path / "run",
    )  # fmt: skip
    assert run.code == 0, run.err
    out = tmp_path / "made"
    few = ["--parents", 2, "--count", 2, "--rounds", 1, "--episodes", 1, "--target", 0]
    run = als("make", "levels", tmp_path / "run", *few, "--out", out, "--json")
    assert run.code == 0, run.err
    found = json.loads(run.out)
    record = LevelsRecord.model_validate_json((out / "levels.json").read_bytes())
    numbers = [each.level for each in record.levels]
    assert found["made"] == len(numbers) == 2
    assert found["steps"] == record.steps == 4 * 10
    assert list(parse(out / "levels.toml").chosen) == numbers
    assert (out / "levels.png").read_bytes().startswith(b"\x89PNG")
