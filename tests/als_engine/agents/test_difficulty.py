"""A difficulty that follows its player: whoever plays ends at the rate that was asked for."""

from __future__ import annotations

import math

import numpy as np
import pytest

from als_engine.agents.curriculum.difficulty import Difficulty, difficulty_of
from als_engine.agents.curriculum.staircase import LEAST, Staircase, StaircaseState
from als_engine.errors import ArgumentError
from als_engine.seeding import spread
from als_engine.simulation import simulate


def chance(strength, stage):
    """Of a player of that strength in a stage: the logistic curve of item response theory."""
    return 1.0 / (1.0 + math.exp(stage - strength))


def rate(strengths, target, stages=10):
    """How many of the second half of the episodes succeed."""
    rng = np.random.default_rng(3)
    difficulty = Difficulty([{"stage": i} for i in range(stages)], target, seed=0)
    for strength in strengths:
        stage = difficulty.choose("player")["stage"]
        difficulty.note("player", rng.random() < chance(strength, stage))
    found = difficulty.successes["player"]
    return np.mean(found[len(found) // 2 :])


@pytest.mark.parametrize("target", [0.3, 0.6, 0.8])
@pytest.mark.parametrize("strength", [2.0, 5.0, 7.0])
def test_a_player_of_any_strength_ends_at_the_target_rate(strength, target):
    assert rate([strength] * 600, target) == pytest.approx(target, abs=0.05)


def test_the_difficulty_follows_a_player_who_learns():
    assert rate(np.linspace(1.0, 8.0, 600), 0.6) == pytest.approx(0.6, abs=0.05)


def test_who_always_wins_ends_in_the_hardest_stage_and_who_never_does_in_the_easiest():
    for always, last in ((True, 4), (False, 0)):
        difficulty = Difficulty([{"stage": i} for i in range(5)], 0.6, seed=0)
        for _ in range(40):
            difficulty.choose("player")
            difficulty.note("player", always)
        assert difficulty.choose("player")["stage"] == last


def test_between_two_stages_both_are_played_in_proportion():
    staircase = Staircase(5, 0.5, StaircaseState(position=0.3))
    drawn = [staircase.draw(np.random.default_rng([0, i])) for i in range(400)]
    assert set(drawn) == {1, 2}
    assert np.mean(drawn) == pytest.approx(1.2, abs=0.07)


def test_steps_shrink_when_the_direction_turns_and_no_further_than_they_should():
    staircase = Staircase(10, 0.5)
    for i in range(40):
        staircase.note(i % 2)
    before = staircase.state.position
    staircase.note(1.0)
    assert staircase.state.position - before == pytest.approx(LEAST * 0.5)


def test_players_do_not_share_a_staircase():
    difficulty = Difficulty([{"stage": i} for i in range(10)], 0.6, seed=0)
    for _ in range(20):
        difficulty.note("agent", True)
    assert difficulty.choose("agent")["stage"] == 9
    assert difficulty.choose("person")["stage"] in (4, 5)
    assert difficulty.says("agent").endswith("agent: 20 of 20 succeeded")


def test_in_tag_a_scripted_player_ends_at_the_target_rate():
    place = {"role": "evader", "sensors": ["proprioception"], "max_episode_steps": 80}
    difficulty = difficulty_of("0.6", "ALS/Tag-v0", 1, place)
    # Who runs straight gets away from slow chasers in each episode, and from fast ones in none.
    worlds, paces = {}, []
    for episode in range(32):
        arguments = difficulty.choose("straight")
        paces.append(arguments["pace"])
        if paces[-1] not in worlds:
            worlds[paces[-1]] = simulate("ALS/Tag-v0", 1, 1, **arguments)
        world = worlds[paces[-1]]
        world.reset([spread("an episode", episode)])
        while not (world.terminated[0] or world.truncated[0]):
            world.advance(world.expert_actions("straight"))
        difficulty.note("straight", world.metrics()["success"][0])
    for world in worlds.values():
        world.close()
    assert np.mean(difficulty.successes["straight"][8:]) == pytest.approx(0.6, abs=0.1)
    assert min(paces) < np.mean(paces[8:]) < 2.0


def test_a_file_of_a_curriculum_says_the_stages_as_well(tmp_path):
    path = tmp_path / "stages.toml"
    path.write_text("success = 0.7\n[[stages]]\nside = 12.0\n[[stages]]\npace = 0.5\n")
    found = difficulty_of(str(path), "ALS/Tag-v0", 1, {"role": "evader"})
    assert found.target == 0.7
    both = {"role": "evader", "side": 12.0, "pace": 0.5}
    assert found.stages == [{"role": "evader", "side": 12.0}, both, {"role": "evader"}]


@pytest.mark.parametrize(
    ("given", "scenario", "words"),
    [
        ("1.0", "ALS/Tag-v0", "above 0 and below 1, such as 0.6; got 1"),
        ("nan", "ALS/Tag-v0", "above 0 and below 1"),
        ("0.6", "ALS/Commons-v0", r"no stages of its own: .* TOML file with \[\[stages\]\]"),
        ("plr", "ALS/Tag-v0", r"a rate such as 0.6, or a TOML file with \[\[stages\]\]"),
        ("hard", "ALS/Tag-v0", "neither"),
    ],
)
def test_what_is_no_difficulty_is_one_line(given, scenario, words):
    with pytest.raises(ArgumentError, match=words):
        difficulty_of(given, scenario, 1, {})
