"""A plan has each unit once, trains what is the same once, and pairs whom it should."""

from __future__ import annotations

import pytest

from als_bench.contestants import find_contestant, find_contestants
from als_bench.running.plan import CHUNK, chunks, plan
from als_engine.errors import ArgumentError, SavedFileError, UnknownIdError
from als_engine.plugins.specs import SuiteEntry, SuiteSpec

TAG = {"sensors": ["entities", "proprioception"]}
SUITE = SuiteSpec(
    id="mine",
    entries=(
        SuiteEntry("ALS/Tag-v0", arguments=TAG),
        SuiteEntry("ALS/Tag-v0", name="hide", arguments=TAG, held_out={"background": "hide"}),
        SuiteEntry(
            "ALS/Tag-v0",
            name="pairs",
            arguments={**TAG, "num_avatars": 3, "num_chasers": 2},
            cross_play=True,
        ),
    ),
)


def units(*agents: str, seeds: int = 3):
    return plan(SUITE, "run", find_contestants(agents), seeds)


def test_those_who_learn_have_every_seed_and_the_others_one() -> None:
    items = [item for item in units("random", "ppo") if item.partner is None]
    seeds = {
        agent: sorted(i.unit.seed for i in items if i.unit.agent == agent)
        for agent in ("random", "ppo")
    }
    assert seeds == {"random": [0] * 3, "ppo": [0, 0, 0, 1, 1, 1, 2, 2, 2]}
    assert len({item.unit for item in items}) == len(items)


def test_entries_that_train_alike_share_a_training_and_others_do_not() -> None:
    trainings = {
        (item.entry.name, item.unit.agent): item.training
        for item in units("ppo", "ppo:gamma=0.9", "random", seeds=1)
        if item.partner is None
    }
    assert trainings["ALS/Tag-v0", "ppo"] == trainings["hide", "ppo"] != ""
    assert trainings["pairs", "ppo"] != trainings["hide", "ppo"]
    assert trainings["hide", "ppo:gamma=0.9"] != trainings["hide", "ppo"]
    assert trainings["hide", "random"] == ""


def test_what_is_held_out_holds_in_evaluation_alone() -> None:
    hide = next(item for item in units("ppo") if item.entry.name == "hide")
    assert "background" not in hide.contestant.in_training(hide.entry)
    assert hide.arguments["background"] == "hide"


def test_agents_act_in_the_mode_of_the_entry_if_they_can() -> None:
    entry = SuiteEntry("ALS/Tag-v0", arguments={"action_mode": "continuous"})
    modes = {
        word: find_contestant(word).in_evaluation(entry)["action_mode"]
        for word in ("random", "ppo", "sac", "dqn", "ppo:action_mode=discrete")
    }
    assert modes == {
        "random": "continuous",
        "ppo": "continuous",
        "sac": "continuous",
        "dqn": "discrete",
        "ppo:action_mode=discrete": "discrete",
    }


def test_everybody_is_paired_with_everybody_and_a_learner_with_another_training_of_itself() -> None:
    pairs = {item.unit: item for item in units("random", "ppo") if item.partner is not None}
    names = {(unit.agent, unit.entry, unit.seed) for unit in pairs}
    assert names == {
        ("random", "pairs + random", 0),
        *(("random", "pairs + ppo", seed) for seed in range(3)),
        *(("ppo", "pairs + random", seed) for seed in range(3)),
        *(("ppo", "pairs + ppo", seed) for seed in range(3)),
    }
    for unit, item in pairs.items():
        assert item.entry.observers == 2
        if unit.entry == "pairs + ppo" and unit.agent == "ppo":
            assert item.partner.unit.seed == (unit.seed + 1) % 3
        assert item.unit_alone.entry == "pairs"


def test_two_kinds_of_action_are_not_paired_but_a_yardstick_acts_like_its_partner() -> None:
    pairs = {
        (item.unit.agent, item.unit.entry): item.arguments["action_mode"]
        for item in units("random", "ppo", "sac", seeds=1)
        if item.partner is not None
    }
    assert ("ppo", "pairs + sac") not in pairs
    assert pairs["random", "pairs + sac"] == pairs["sac", "pairs + random"] == "continuous"
    assert pairs["random", "pairs + ppo"] == pairs["ppo", "pairs + ppo"] == "discrete"


def test_chunks_cover_what_is_missing_and_are_always_the_same_ones() -> None:
    end = 2 * CHUNK + 20
    assert [*chunks(end, set())] == [range(CHUNK), range(CHUNK, 2 * CHUNK), range(2 * CHUNK, end)]
    assert [*chunks(end, set(range(CHUNK)))] == [*chunks(end, set())][1:]
    # Part of a chunk is as good as nothing: the whole of it is played again.
    assert [*chunks(end, {0, 1, 2 * CHUNK})] == [*chunks(end, set())]


@pytest.mark.parametrize(
    ("word", "label", "agent", "config", "arguments"),
    [
        ("random", "random", "random", {}, {}),
        ("ppo", "ppo", "ppo", {}, {}),
        (
            "ppo:encoder=attention,learning_rate=5e-4",
            "ppo:encoder=attention,learning_rate=5e-4",
            "ppo",
            {"encoder": "attention", "learning_rate": 5e-4},
            {},
        ),
        ("mine=ppo:gamma=0.9", "mine", "ppo", {"gamma": 0.9}, {}),
        ("mine=dqn", "mine", "dqn", {}, {}),
        (
            "ppo:net_arch=[64,64],action_mode=continuous",
            "ppo:net_arch=[64,64],action_mode=continuous",
            "ppo",
            {"net_arch": [64, 64]},
            {"action_mode": "continuous"},
        ),
    ],
)
def test_a_word_names_an_agent(word, label, agent, config, arguments) -> None:
    found = find_contestant(word)
    assert (found.label, found.agent, found.config, found.arguments) == (
        label,
        agent,
        config,
        arguments,
    )


@pytest.mark.parametrize(
    ("word", "error", "message"),
    [
        ("pppo", UnknownIdError, 'unknown agent "pppo"; did you mean "ppo"'),
        ("runs/none", SavedFileError, "there is no folder runs/none"),
        ("ppo:gamma", ArgumentError, "--agent ppo: takes key=value"),
        ("random:gamma=1", ArgumentError, '"random" is not trained, so it takes no "gamma"'),
    ],
)
def test_a_wrong_word_is_one_line(word, error, message) -> None:
    with pytest.raises(error, match=message):
        find_contestant(word)


def test_two_agents_of_one_name_are_refused_and_one_named_twice_counts_once() -> None:
    assert len(find_contestants(["ppo", "ppo"])) == 1
    with pytest.raises(ArgumentError, match='two agents are called "a"'):
        find_contestants(["a=ppo", "a=dqn"])
