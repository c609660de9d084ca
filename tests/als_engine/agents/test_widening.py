"""Rules that widen a scenario: only where validation says so, in worlds that learners go on in."""

from __future__ import annotations

import csv
import json
import re
import shutil

import numpy as np
import pytest
from als_command import als
from learn_worlds import ID, MIXED, learn
from places import ROOT

from als_engine import Rows, hookimpl
from als_engine.agents.curriculum.settings import parse
from als_engine.agents.curriculum.widening import Widening
from als_engine.agents.saving import make_agent
from als_engine.agents.training import resume_training, train_agent
from als_engine.agents.training_folder import Job
from als_engine.errors import ArgumentError, SavedFileError
from als_engine.plugins.registry import registry

__all__ = ["learn"]

pytestmark = pytest.mark.usefixtures("learn")

SENSED = {"sensors": ["proprioception", "entities"]}
SMALL = {"net_arch": [16], "batch_size": 64, "rollout": 256, "n_epochs": 1}
EASY, HOPELESS = {"reach": 5.0}, {"reach": 0.001}
"""The flag is always reached by the first step, or never."""


def rules(*stages, **changes):
    return {"stages": list(stages), "success": 0.8, "episodes": 4, "every": 256, **changes}


def trained(folder=None, steps=1_024, curriculum=None, agent="q-learning", scenario=ID, **changes):
    job = {"worlds": 8, "arguments": SENSED, "device": "cpu", **changes}
    return train_agent(scenario, agent, steps=steps, folder=folder, curriculum=curriculum, **job)


def table(folder):
    with (folder / "curriculum.csv").open(newline="") as file:
        return [
            (int(row["steps"]), int(row["stage"]), float(row["success"]), int(row["next_stage"]))
            for row in csv.DictReader(file)
        ]


def weights(agent):
    if hasattr(agent, "table"):
        return {"table": agent.table.copy()}
    return {name: tensor.numpy().copy() for name, tensor in agent.policy.state_dict().items()}


def same(one, other):
    return one.keys() == other.keys() and all(np.array_equal(one[k], other[k]) for k in one)


@pytest.mark.parametrize("agent", ["mappo", "ppo", "dqn"])
def test_a_stage_opens_when_validation_levels_are_solved_and_not_before(agent, tmp_path):
    config = {"net_arch": [16], "learning_starts": 64} if agent == "dqn" else SMALL
    trained(tmp_path / "run", 512, rules(EASY, HOPELESS), agent, config=config)
    found = table(tmp_path / "run")
    assert found[0][1:] == (1, 1.0, 2)
    assert len(found) > 1
    assert {line[1:] for line in found[1:]} == {(2, 0.0, 2)}


def test_after_the_last_stage_comes_the_scenario_as_the_training_names_it(tmp_path):
    done = trained(tmp_path / "run", 768, rules(EASY, {"shaped": True}))
    assert [line[1::2] for line in table(tmp_path / "run")][:2] == [(1, 2), (2, 3)]
    assert done.record.arguments.keys() == {"sensors", "action_mode"}


def test_a_difficulty_that_follows_the_learner_goes_back_as_well_and_on_exactly(tmp_path):
    places = [EASY, HOPELESS, HOPELESS, HOPELESS]
    settings = parse(rules(*places, success=0.5, follow=True, episodes=1))
    arguments = {**SENSED, "max_episode_steps": 5}
    job = Job(scenario=ID, agent="random", steps=100, arguments=arguments, curriculum=settings)
    agent, curriculum = make_agent("random", ID, arguments), Widening(settings, job)
    found = [curriculum.look(agent, lambda: False) for _ in range(5)]
    curriculum.save(tmp_path)
    again = Widening(settings, job)
    again.load(tmp_path)
    rest = [curriculum.look(agent, lambda: False) for _ in range(5)]
    assert [again.look(agent, lambda: False) for _ in range(5)] == rest
    found += rest
    assert all(success == (stage == 1) for stage, success, _ in found)
    ways = [after - stage for stage, _, after in found]
    assert min(ways) < 0 < max(ways)
    assert [after for *_, after in found][:-1] == [stage for stage, *_ in found][1:]
    plain = Widening(parse(rules(*places)), job)
    with pytest.raises(SavedFileError, match="one of them has a staircase"):
        plain.load(tmp_path)


def test_only_training_levels_are_trained_on_and_test_levels_are_never_met(tmp_path):
    class Listener:
        @hookimpl
        def als_episode_end(self, record):
            met.append((record.split, record.length))

    met: list[tuple[str, int]] = []
    plugin = registry.add(Listener(), distribution="listener")
    try:
        done = trained(tmp_path / "run", 768, rules(EASY, HOPELESS))
    finally:
        registry.remove(plugin)
    looks = len(table(tmp_path / "run"))
    counts = {split: sum(each == split for each, _ in met) for split in ("train", "validation")}
    assert {split for split, _ in met} == {"train", "validation"}
    # What is trained on is the first stage, whose episodes end at once, and then the second one.
    lengths = [length for split, length in met if split == "train"]
    assert lengths == sorted(lengths)
    assert set(lengths) == {1, 40}
    assert counts["validation"] >= 4 * looks
    assert counts["train"] >= done.progress.episodes > 0


def test_worlds_that_are_remade_are_an_end_of_time_for_whoever_steps_them():
    rows = Rows(ID, 3, reach=0.001, sensors=["proprioception"])
    rows.seed(1)
    rows.reset()
    for _ in range(4):
        rows.step(np.ones(3, int))
    seen = {key: array.copy() for key, array in rows.observations.items()}
    rewards = rows.rewards.copy()
    arguments = {"reach": 0.002, "sensors": ["proprioception"]}
    first = {k: a.copy() for k, a in rows.remake(arguments, [7, 8, 9]).items()}
    assert rows.ended.all()
    assert not rows.terminated.any()
    assert np.array_equal(rows.rewards, rewards)
    assert rows.final_lengths.tolist() == [4, 4, 4]
    for key, array in seen.items():
        assert np.array_equal(rows.final_observations[key], array)
    assert rows.arguments == arguments
    assert rows.recent.episodes == 0
    # The new worlds are those of their arguments and seeds, bit for bit.
    with_seeds = Rows(ID, 3, **arguments)
    with_seeds._seeds = [7, 8, 9]
    with_seeds.reset()
    assert all(np.array_equal(first[k], a) for k, a in with_seeds.observations.items())
    rows.step(np.ones(3, int))
    assert not rows.ended.any()
    rows.close()
    with_seeds.close()


def test_worlds_that_would_show_something_else_stay_as_they_are():
    rows = Rows(MIXED, 2, workers=2, sensors=["proprioception"])
    rows.seed(0)
    before = {key: array.copy() for key, array in rows.reset().items()}
    with pytest.raises(ArgumentError, match=r"actions would be others: Discrete\("):
        rows.remake({"sensors": ["proprioception"], "words": 3}, [0, 1])
    with pytest.raises(ArgumentError, match='observation "touch" would be another'):
        rows.remake({"sensors": ["proprioception", "touch"]}, [0, 1])
    assert all(np.array_equal(before[key], array) for key, array in rows.observations.items())
    rows.step(np.zeros(2, int))
    rows.close()


def test_the_same_seed_gives_the_same_bits_with_workers_too(tmp_path):
    asked = rules(EASY, HOPELESS)
    one, two = (trained(tmp_path / f"{n}", 512, asked, workers=n) for n in (1, 2))
    assert same(weights(one.agent), weights(two.agent))
    assert table(tmp_path / "1") == table(tmp_path / "2")


def test_the_rollout_that_is_played_ahead_makes_no_difference_from_run_to_run(tmp_path):
    config = {**SMALL, "rollout": 128, "overlap": True}
    asked = rules(EASY, HOPELESS, every=128)
    one, two = (trained(tmp_path / f"{n}", 384, asked, "mappo", config=config) for n in (1, 2))
    assert same(weights(one.agent), weights(two.agent))
    assert table(tmp_path / "1") == table(tmp_path / "2")


def test_a_training_that_is_taken_up_is_in_the_stage_that_it_had_come_to(tmp_path):
    trained(tmp_path / "one", 256, rules(EASY, HOPELESS))
    before = table(tmp_path / "one")
    assert before[-1][3] == 2
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    again = [resume_training(tmp_path / name, steps=512) for name in ("one", "two")]
    assert same(*(weights(each.agent) for each in again))
    after = table(tmp_path / "one")
    assert after == table(tmp_path / "two")
    assert after[: len(before)] == before
    assert {line[1:] for line in after[len(before) :]} == {(2, 0.0, 2)}


def test_a_look_that_is_interrupted_decides_nothing():
    settings = parse(rules(EASY, HOPELESS))
    job = Job(scenario=ID, agent="random", steps=100, arguments=SENSED, curriculum=settings)
    curriculum = Widening(settings, job)
    agent = make_agent("random", ID, SENSED)
    assert curriculum.look(agent, lambda: True) is None
    assert (curriculum.stage, curriculum._looks) == (0, 0)
    assert curriculum.look(agent, lambda: False) == [1, 1.0, 2]
    assert curriculum.look(agent, lambda: False) == [2, 0.0, 2]
    assert curriculum.arguments == {**SENSED, **HOPELESS}


def test_a_damaged_state_is_one_line(tmp_path):
    trained(tmp_path, 256, rules(EASY, HOPELESS))
    (path,) = tmp_path.glob("checkpoints/*/curriculum.json")
    for text in ('{"stage": 9, "looks": 1}', '{"stage": -1, "looks": 1}', "{}", "odd"):
        path.write_text(text)
        with pytest.raises(SavedFileError, match=r"curriculum\.json"):
            resume_training(tmp_path, steps=512)
    path.unlink()
    with pytest.raises(SavedFileError, match=r"curriculum\.json"):
        resume_training(tmp_path, steps=512)


@pytest.mark.parametrize(
    ("stage", "words"),
    [
        ({"words": 3}, "stage 1: the actions would be others: Discrete("),
        ({"reaches": 2.0}, "stage 1: Learn/Mixed-v0 got an unexpected keyword argument 'reaches'"),
        ({"split": "test"}, 'stage 1: "split" cannot be an argument'),
        ({"level": 3}, 'stage 1: "level" cannot be an argument'),
        ({"sensors": ["touch"]}, 'stage 1: "sensors" has to stay'),
        ({"action_mode": "continuous"}, 'stage 1: "action_mode" has to stay'),
        ({"num_avatars": 9}, "stage 1: Learn/Mixed-v0: num_avatars must be"),
        ({"max_episode_steps": 0}, "stage 1: max_episode_steps must be"),
        ({}, "stages.0"),
    ],
)
def test_a_stage_that_is_not_allowed_is_one_line(stage, words, tmp_path):
    with pytest.raises(ArgumentError) as caught:
        trained(tmp_path / "run", 256, rules(stage), scenario=MIXED)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_the_files_that_the_page_shows_are_curricula(tmp_path):
    page = (ROOT / "docs" / "curriculum.md").read_text(encoding="utf-8")
    found = []
    for number, text in enumerate(re.findall(r"```toml\n(.*?)```", page, re.DOTALL)):
        (tmp_path / f"{number}.toml").write_text(text, encoding="utf-8")
        found.append(parse(tmp_path / f"{number}.toml"))
    assert [settings.kind for settings in found] == ["plr", "rules"]
    arguments = {"sensors": ["lesson", "proprioception"], "num_avatars": 1}
    job = Job(scenario="ALS/Classroom-v0", steps=100, arguments=arguments, curriculum=found[1])
    stages = Widening(found[1], job).stages
    assert [stage.get("num_pads") for stage in stages] == [2, 3, 3, None]
    assert [stage.get("largest") for stage in stages] == [4, 4, 8, None]


def test_the_command_reads_its_file_and_keeps_what_it_says(tmp_path):
    (tmp_path / "rules.toml").write_text(
        "success = 0.9\nepisodes = 4\nevery = 200\n[[stages]]\nreach = 5.0\n[[stages]]\n"
        "reach = 0.001\n"
    )
    words = ["train", MIXED, "--agent", "q-learning", "--sensors", "proprioception,entities"]
    words += ["--worlds", 4, "--curriculum", tmp_path / "rules.toml", "--out", tmp_path / "run"]
    assert als(*words, "--steps", 600).code == 0
    (tmp_path / "rules.toml").unlink()  # It is in the record of the training.
    record = json.loads((tmp_path / "run" / "training.json").read_text())
    assert record["curriculum"]["stages"] == [{"reach": 5.0}, {"reach": 0.001}]
    assert als("train", "--resume", "--out", tmp_path / "run", "--steps", 900).code == 0
    assert [line[1] for line in table(tmp_path / "run")][:2] == [1, 2]
