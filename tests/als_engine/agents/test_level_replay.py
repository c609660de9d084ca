"""Prioritised level replay: it draws as the paper says, from training levels alone, and resumes."""

from __future__ import annotations

import csv
import shutil
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
from als_command import als
from hypothesis import given, settings
from hypothesis import strategies as st
from learn_worlds import ID, MIXED, learn
from safetensors.numpy import load_file, save_file
from scipy import stats

from als_engine import Rows
from als_engine.agents.agent import RandomAgent
from als_engine.agents.curriculum.level_scores import (
    LevelScores,
    rank_weights,
    replay_distribution,
    stale_weights,
)
from als_engine.agents.curriculum.replay import STATE, LevelReplay
from als_engine.agents.curriculum.settings import ReplaySettings, parse
from als_engine.agents.training import resume_training, train_agent
from als_engine.agents.training_folder import Job
from als_engine.errors import ArgumentError, SavedFileError
from als_engine.task import LEVELS

__all__ = ["learn"]

pytestmark = pytest.mark.usefixtures("learn")

SENSED = {"sensors": ["proprioception", "entities"], "shaped": True}
SMALL = {"net_arch": [16], "batch_size": 64, "rollout": 256, "n_epochs": 2}
FEW = {"kind": "plr", "levels": 24, "anneal": 8, "every": 256}

LISTS = st.lists(st.floats(0.0, 10.0), min_size=1, max_size=60)


def trained(folder=None, steps=1_024, scenario=ID, agent="mappo", curriculum=FEW, **changes):
    job = {"worlds": 8, "arguments": SENSED, "config": SMALL, "device": "cpu", **changes}
    return train_agent(scenario, agent, steps=steps, folder=folder, curriculum=curriculum, **job)


def table(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def weights(agent):
    if hasattr(agent, "table"):
        return {"table": agent.table.copy()}
    return {name: tensor.numpy().copy() for name, tensor in agent.policy.state_dict().items()}


def same(one, other):
    return one.keys() == other.keys() and all(np.array_equal(one[k], other[k]) for k in one)


def replay(told=True, worlds=4, scenario=ID, **changes):
    """A curriculum and the rows that it stands around."""
    arguments = {"sensors": ["proprioception"]}
    job = Job(scenario=scenario, steps=100, worlds=worlds, arguments=arguments)
    learner = SimpleNamespace(tells_advantages=told)
    curriculum = LevelReplay(ReplaySettings(**changes), job, learner)
    rows = Rows(scenario, worlds, **arguments)
    rows.seed(0)
    return curriculum, curriculum.around(rows)


def played(rows, steps, each=lambda rows: None):
    """The levels that are played after each of some steps of random actions, (steps, worlds)."""
    agent = RandomAgent(rows.observation_space, rows.action_space)
    rows.reset()
    found, state = [rows.worlds.metrics["level"].copy()], None
    for _ in range(steps):
        actions, state = agent.act(rows.observations, state)
        rows.step(actions)
        each(rows)
        found.append(rows.worlds.metrics["level"].copy())
    return np.array(found)


# -- the distribution ------------------------------------------------------------------------------


@given(scores=LISTS, temperature=st.floats(0.05, 10.0))
def test_a_level_weighs_by_its_rank_alone(scores, temperature):
    array = np.array(scores)
    found = rank_weights(array, temperature)
    assert found.sum() == pytest.approx(1.0)
    # Whoever scores more weighs at least as much, and equals weigh the same.
    order = np.argsort(-array)
    assert (np.diff(found[order]) <= 1e-12).all()
    for score in set(scores):
        assert len(set(found[array == score].round(12))) == 1
    # Another scale makes no difference.
    assert np.allclose(found, rank_weights(2.0 * array, temperature))


@given(n=st.integers(1, 60), temperature=st.floats(0.1, 10.0), seed=st.integers(0, 99))
def test_levels_of_different_scores_have_the_papers_weights(n, temperature, seed):
    scores = np.random.default_rng(seed).permutation(n).astype(float)
    rank = np.array([1 + (scores > score).sum() for score in scores])
    paper = (1.0 / rank) ** (1.0 / temperature)
    assert np.allclose(rank_weights(scores, temperature), paper / paper.sum())


@given(last=st.lists(st.integers(0, 100), min_size=1, max_size=40), later=st.integers(0, 50))
def test_a_level_is_as_stale_as_draws_have_passed_since_its_own(last, later):
    array, now = np.array(last), max(last) + later
    found, ages = stale_weights(array, now), now - array
    assert found.sum() == pytest.approx(1.0)
    assert np.allclose(found, ages / ages.sum() if ages.sum() else 1.0 / len(last))


@pytest.mark.parametrize("staleness", [0.0, 0.3, 1.0])
def test_levels_are_drawn_by_that_distribution(staleness):
    settings_ = ReplaySettings(levels=6, temperature=0.7, staleness=staleness)
    levels = LevelScores(settings_, seed=3)
    for level, score in enumerate((5.0, 1.0, 3.0, 3.0, 0.0, 2.0)):
        levels.judge(level, score)
    levels.draws, last = 100, np.array([90, 40, 99, 70, 10, 60])
    by_age = stale_weights(last, 100)
    wanted = replay_distribution(rank_weights(levels.score, 0.7), by_age, staleness)
    counts = np.zeros(6)
    for number in range(4_000):
        # The same moment again and again, each time with the generator of another draw.
        levels._root, levels.draws, levels.last[:] = number, 100, last
        counts[levels.draw(np.zeros(0, np.int64))] += 1
    assert stats.chisquare(counts, 4_000 * wanted).pvalue > 1e-3


@settings(deadline=None)
@given(seen=st.integers(0, 40))
def test_the_probability_of_a_replay_rises_with_the_levels_that_have_a_score(seen):
    levels = LevelScores(ReplaySettings(levels=40, replay=0.8, anneal=20), seed=0)
    for level in range(seen):
        levels.judge(level, 1.0)
    count = 300
    for number in range(count):
        levels._root, levels.draws = number, 0
        levels.draw(np.zeros(0, np.int64))
    chance = 1.0 if seen == 40 else 0.8 * min(1.0, seen / 20)
    deviation = np.sqrt(count * chance * (1.0 - chance))
    assert abs(levels.replays - count * chance) <= 5.0 * deviation


# -- around worlds ---------------------------------------------------------------------------------


def test_only_training_levels_are_met_and_new_ones_once_each():
    curriculum, rows = replay(told=False, scenario=MIXED, replay=0.0)
    found = played(rows, 150)
    rows.close()
    assert curriculum.levels.seen > 10
    assert set(found.ravel().tolist()) <= set(LEVELS["train"])
    begun = [found[0].tolist(), *(b[a != b].tolist() for a, b in pairwise(found))]
    levels = [level for some in begun for level in some]
    assert len(levels) == len(set(levels)) == curriculum.levels.draws - 4


def test_the_score_of_an_episode_is_the_mean_magnitude_of_its_advantages():
    curriculum, rows = replay(levels=500)
    kept: list[np.ndarray] = []
    episodes: dict[int, list[float]] = {}
    running: list[list[float]] = [[] for _ in range(4)]
    rng = np.random.default_rng(0)

    def each(rows):
        kept.append(rng.normal(size=4))
        for world in range(4):
            running[world].append(abs(kept[-1][world]))
            if rows.ended_worlds[world]:
                level = int(rows.worlds.final_metrics["level"][world])
                episodes[level], running[world] = running[world], []
        if len(kept) == 25:  # Episodes of up to 40 steps go on from one rollout to the next.
            rows.note_advantages(np.array(kept))
            kept.clear()

    played(rows, 150, each)
    rows.close()
    levels = curriculum.levels
    assert len(episodes) >= 12
    assert levels.seen == len(episodes)
    for level, magnitudes in episodes.items():
        assert levels.score[level] == pytest.approx(np.mean(magnitudes))


def test_where_nobody_tells_advantages_the_score_is_how_far_a_return_lies_from_the_mean():
    curriculum, rows = replay(told=False, levels=3, scenario=MIXED)
    returns: dict[int, list[float]] = {}

    def each(rows):
        for world in np.flatnonzero(rows.ended_worlds):
            level = int(rows.worlds.final_metrics["level"][world])
            returns.setdefault(level, []).append(float(rows.final_returns[world].mean()))

    played(rows, 200, each)
    rows.close()
    for level, totals in returns.items():
        assert len(totals) > 1
        assert curriculum.levels.mean[level] == pytest.approx(np.mean(totals))
        score = abs(totals[-1] - np.mean(totals[:-1]))
        assert curriculum.levels.score[level] == pytest.approx(score)


# -- in trainings ----------------------------------------------------------------------------------


@pytest.mark.parametrize("agent", ["mappo", "q-learning"])
def test_levels_that_still_teach_are_drawn_more_often_than_those_that_are_solved(agent, tmp_path):
    """Every other level is solved whatever is done, which a learner has to find out first."""
    config = {"mappo": {**SMALL, "net_arch": [32], "rollout": 512, "learning_rate": 3e-3}}
    few = {**FEW, "temperature": 0.3}
    drawn = []
    trained(tmp_path, 2_560, MIXED, agent, few, config=config.get(agent, {}))
    for steps in (2_560, 4_608):
        if steps > 2_560:
            resume_training(tmp_path, steps=steps)
        levels = {int(row["level"]): int(row["drawn"]) for row in table(tmp_path / "levels.csv")}
        assert len(levels) == 24
        drawn.append([sum(levels[i] for i in range(first, 24, 2)) for first in (1, 0)])
    teaching, solved = np.subtract(drawn[1], drawn[0])
    assert teaching > 2 * solved


@pytest.mark.parametrize("agent", ["mappo", "ppo", "dqn"])
def test_every_kind_of_learner_takes_it(agent, tmp_path):
    config = {"mappo": {**SMALL, "memory": "gru", "overlap": True}, "ppo": SMALL}
    steps = 768
    few = {"net_arch": [16], "learning_starts": 64}
    trained(tmp_path / "run", steps, MIXED, agent, config=config.get(agent, few))
    rows = table(tmp_path / "run" / "curriculum.csv")
    assert int(rows[-1]["steps"]) == steps
    assert int(rows[-1]["replayed"]) > 0
    assert {int(row["level"]) for row in table(tmp_path / "run" / "levels.csv")} <= set(range(24))


def test_the_same_seed_gives_the_same_bits_with_workers_too(tmp_path):
    how = {"steps": 512, "agent": "q-learning", "config": {}}
    one, two = (trained(tmp_path / f"{n}", workers=n, **how) for n in (1, 2))
    assert same(weights(one.agent), weights(two.agent))
    assert not same(weights(one.agent), weights(trained(seed=1, **how).agent))
    for name in ("curriculum.csv", "levels.csv"):
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()


def test_a_training_that_is_taken_up_goes_on_exactly(tmp_path):
    trained(tmp_path / "one", steps=768)
    before = table(tmp_path / "one" / "curriculum.csv")
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    with (tmp_path / "two" / "curriculum.csv").open("a") as file:
        file.write("900,1,1,1,1.0\r\n")  # A run that was killed after its checkpoint.
    again = [resume_training(tmp_path / name, steps=1_280) for name in ("one", "two")]
    assert same(*(weights(each.agent) for each in again))
    for name in ("curriculum.csv", "levels.csv"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    after = table(tmp_path / "one" / "curriculum.csv")
    assert after[: len(before)] == before
    # Nothing was forgotten: counts and scores go on from where they were.
    assert int(after[len(before)]["drawn"]) > int(before[-1]["drawn"])
    assert int(after[len(before)]["seen"]) >= int(before[-1]["seen"])


def test_what_is_drawn_next_does_not_depend_on_a_resume(tmp_path):
    job = Job(scenario=ID, steps=100, seed=5)
    learner = SimpleNamespace(tells_advantages=True)
    settings_ = ReplaySettings(levels=50, anneal=5)
    one, other = (LevelReplay(settings_, job, learner) for _ in range(2))
    nobody = np.zeros(0, np.int64)
    for number in range(60):
        one.levels.judge(one.levels.draw(nobody), number % 7)
    one.save(tmp_path)
    other.load(tmp_path)
    drawn = [[each.levels.draw(nobody) for _ in range(60)] for each in (one, other)]
    assert drawn[0] == drawn[1]
    assert len(set(drawn[0])) > 5


@pytest.mark.parametrize("name", ["drawn", "last", "counts", "score", "played"])
def test_a_damaged_state_is_one_line(name, tmp_path):
    trained(tmp_path, steps=256, agent="q-learning", config={})
    (path,) = tmp_path.glob(f"checkpoints/*/{STATE}")
    arrays = load_file(path)
    arrays[name] = np.full_like(arrays[name], np.nan if name == "score" else -7)
    save_file(arrays, path)
    with pytest.raises(SavedFileError, match=STATE):
        resume_training(tmp_path, steps=512)
    path.unlink()
    with pytest.raises(SavedFileError, match=STATE):
        resume_training(tmp_path, steps=512)


# -- the command -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("kind = 'plr'\nlevels = 0", "levels: Input should be greater than or equal to 1"),
        ("kind = 'plr'\nlevels = 10001", "less than or equal to 10000"),
        ("kind = 'plr'\nbeta = 1.0", "beta: Extra inputs"),
        ("kind = 'plr'\nreplay = 'often'", "replay: Input should be a valid number"),
        ("kind = 'odd'", "kind"),
        ("levels = 3", "has stages, or kind"),
        ("", "has stages, or kind"),
        ("kind =", "is not TOML"),
    ],
)
def test_a_wrong_file_is_one_line(text, words, tmp_path):
    (tmp_path / "rules.toml").write_text(text)
    found = als("train", ID, "--curriculum", tmp_path / "rules.toml", "--out", tmp_path / "run")
    assert found.code == 2
    assert words in " ".join(found.err.split())
    assert not (tmp_path / "run").exists()


def test_a_name_that_is_none_is_one_line(tmp_path):
    found = als("train", ID, "--curriculum", "prl", "--out", tmp_path / "run")
    assert found.code == 2
    assert '"prl" is neither "plr" nor a TOML file' in " ".join(found.err.split())


@pytest.mark.parametrize("given", [3, ["plr"], b"plr", "x" * 5_000, "a\0b", {}, {1: 2}])
def test_what_is_no_curriculum_is_one_line(given):
    with pytest.raises(ArgumentError, match="curriculum"):
        train_agent(ID, "q-learning", steps=100, arguments=SENSED, curriculum=given)
    assert parse(ReplaySettings(levels=9)) == parse({"kind": "plr", "levels": 9})


def test_the_command_trains_and_another_curriculum_cannot_be_gone_on_with(tmp_path):
    words = ["train", ID, "--agent", "q-learning", "--sensors", "proprioception,entities"]
    words += ["--worlds", 4, "--curriculum", "plr", "--out", tmp_path / "run", "--steps"]
    assert als(*words, 400).code == 0
    assert table(tmp_path / "run" / "levels.csv")
    (tmp_path / "few.toml").write_text("kind = 'plr'\nlevels = 8")
    others = ["train", "--resume", "--out", tmp_path / "run", "--steps", 800, "--curriculum"]
    assert "which --resume cannot change" in als(*others, tmp_path / "few.toml").err
    assert als(*others, "plr").code == 0
