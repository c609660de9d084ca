"""An evaluation depends on the agent and the seed, not on how it is run; its numbers are right."""

from __future__ import annotations

import math

import numpy as np
import pytest
from learn_worlds import ID, NO_EXPERT, learn
from scipy import stats

from als_engine.agents.agent import Agent
from als_engine.agents.saving import make_agent
from als_engine.envs.single import SingleEnv
from als_engine.errors import ArgumentError, UnknownIdError
from als_engine.evaluation.protocol import evaluate, normalise, reference
from als_engine.evaluation.statistics import (
    RESAMPLES,
    interquartile_interval,
    interquartile_mean,
    mean_interval,
)
from als_engine.seeding import row_seeds, spread

__all__ = ["learn"]

pytestmark = pytest.mark.usefixtures("learn")

ARGUMENTS = {"sensors": ["entities", "proprioception"], "shaped": True}


class Forward(Agent):
    """Walks on, and notes what it is asked, and the seeds of its rows."""

    def __init__(self, observation_space, action_space):
        super().__init__(observation_space, action_space)
        self.rows = set()
        self.seeds = []

    def restart(self, state, rows, seeds=None):
        self.seeds += seeds
        return state

    def act(self, observation, state=None, deterministic=True):
        rows = len(observation["proprioception"])
        self.rows.add(rows)
        return np.ones(rows, np.int64), state


def run(name="random", episodes=11, arguments=ARGUMENTS, **how):
    config = {"net_arch": [16]} if "ppo" in name else {}
    agent = make_agent(name, ID, arguments, config)
    if "ppo" in name:
        # Whatever it does, it has to depend on what it sees.
        import torch

        torch.manual_seed(2)
        agent = make_agent(name, ID, arguments, config)
        for parameter in agent.policy.parameters():
            torch.nn.init.normal_(parameter, std=0.5)
    return evaluate(agent, ID, episodes, arguments=arguments, **how)


def equal(one, other):
    return (
        np.array_equal(one.returns, other.returns)
        and np.array_equal(one.lengths, other.lengths)
        and one.metrics.keys() == other.metrics.keys()
        and all(np.array_equal(one.metrics[name], other.metrics[name]) for name in one.metrics)
    )


@pytest.mark.parametrize(
    ("name", "mode", "avatars"),
    [
        ("random", "discrete", 1),
        ("expert", "discrete", 2),
        ("random", "continuous", 2),
        ("ppo", "discrete", 2),
        ("ppo", "continuous", 1),
        ("recurrent-ppo", "continuous", 2),
        ("multi-objective", "discrete", 1),
        ("sac", "continuous", 2),
    ],
)
def test_the_result_is_the_same_in_any_number_of_worlds(name, mode, avatars):
    arguments = {**ARGUMENTS, "action_mode": mode, "num_avatars": avatars}
    given = {"episodes": 5, "arguments": arguments, "observers": avatars}
    one = run(name, num_worlds=1, **given)
    for num_worlds in (2, 6):
        many = run(name, num_worlds=num_worlds, **given)
        assert equal(one, many)
    if name != "expert":
        assert len(np.unique(one.metrics["walked"])) > 3


def test_a_longer_evaluation_begins_with_the_shorter_one():
    short, long = run(episodes=4), run(episodes=9)
    assert np.array_equal(long.returns[:4], short.returns)


def test_another_seed_is_another_set_of_episodes():
    first = run(seed=0).returns
    assert len(np.unique(first)) == len(first)
    assert np.array_equal(run(seed=0).returns, first)
    for seed in (1, 2, 100):
        assert not np.isin(run(seed=seed).returns, first).any()


@pytest.mark.parametrize("split", ["train", "test"])
def test_an_episode_is_the_one_that_gymnasium_would_play(split):
    agent = Forward(None, None)
    found = evaluate(agent, ID, 5, split=split, seed=3, arguments=ARGUMENTS, num_worlds=2)
    assert agent.rows == {2}
    seeds = [spread("evaluation", 3, episode) for episode in range(5)]
    assert set(agent.seeds) == {row for seed in seeds for row in row_seeds(seed, 1)}
    env = SingleEnv(ID, split=split, **ARGUMENTS)
    for episode, seed in enumerate(seeds):
        _, info = env.reset(seed=seed)
        assert (info["level"] >= 10_000) == (split == "test")
        total, steps, ended = 0.0, 0, False
        while not ended:
            _, reward, terminated, truncated, info = env.step(1)
            total, steps, ended = total + reward, steps + 1, terminated or truncated
        assert found.returns[episode] == pytest.approx(total, abs=1e-12)
        assert found.lengths[episode] == steps
        assert found.metrics["level"][episode] == info["level"]
        assert found.metrics["success"][episode] == info["success"]
        assert found.metrics["walked"][episode] == info["walked"]
    env.close()


def test_random_is_0_and_the_expert_is_1():
    assert normalise(run("random")).score.value == pytest.approx(0.0, abs=1e-12)
    assert normalise(run("expert")).score.value == pytest.approx(1.0, abs=1e-12)
    assert run("expert").success.value == 1.0


def test_the_yardsticks_are_measured_once_and_do_not_look():
    found = run()
    assert reference(found) is reference(run("expert"))
    assert reference(found).expert.arguments["sensors"] == ["proprioception"]
    assert reference(run(seed=7)) is not reference(found)


def test_without_an_expert_there_is_no_normalized_score():
    found = evaluate(make_agent("random", NO_EXPERT), NO_EXPERT, 3)
    assert normalise(found) is None
    assert reference(found).expert is None


def test_an_expert_that_is_no_better_than_random_is_no_yardstick():
    arguments = {"reach": 100.0}
    found = run(arguments=arguments)
    assert normalise(found) is None


@pytest.mark.parametrize(
    ("given", "kind", "words"),
    [
        ({"episodes": 0}, ArgumentError, "episodes must be"),
        ({"episodes": True}, ArgumentError, "episodes must be"),
        ({"split": "tset"}, ArgumentError, 'did you mean "test"'),
        ({"num_worlds": 0}, ArgumentError, "num_worlds"),
        ({"observers": 9}, ArgumentError, "observers"),
        ({"arguments": {"reech": 1}}, ArgumentError, '"reach"'),
        ({"scenario": "Learn/Rich-v0"}, UnknownIdError, ID),
    ],
)
def test_a_wrong_argument_is_named(given, kind, words):
    agent = make_agent("random", ID)
    with pytest.raises(kind, match=words):
        evaluate(agent, **{"scenario": ID, "episodes": 1, **given})


# Statistics


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    covered = [
        interval.low <= 1.0 <= interval.high
        for interval in (mean_interval(rng.exponential(1.0, 40)) for _ in range(200))
    ]
    assert 0.88 <= np.mean(covered) <= 0.99


@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.99])
@pytest.mark.parametrize("size", [2, 8, 60])
def test_the_interval_is_that_of_scipys_bootstrap(size, confidence):
    rng = np.random.default_rng(size)
    for values in (rng.normal(size=size), rng.exponential(size=size), rng.permutation(size) < 2):
        if np.ptp(values * 1.0):
            found = mean_interval(values, confidence)
            theirs = stats.bootstrap(
                (values * 1.0,), np.mean, n_resamples=RESAMPLES, confidence_level=confidence,
                rng=np.random.default_rng(0),
            ).confidence_interval  # fmt: skip
            assert (found.low, found.high) == pytest.approx(theirs, rel=1e-9, abs=1e-12)


def test_the_interval_is_the_same_every_time_and_holds_the_mean():
    values = np.random.default_rng(1).normal(size=30)
    first = mean_interval(values)
    assert first == mean_interval(values)
    assert first.low < first.value == values.mean() < first.high
    wide, narrow = mean_interval(values, 0.99), mean_interval(values, 0.5)
    assert wide.low < first.low < narrow.low
    assert narrow.high < first.high < wide.high


@pytest.mark.parametrize("values", [[3.0], [2.0] * 50, [0.0] * 5])
def test_where_nothing_varies_the_interval_is_the_value(values):
    interval = mean_interval(values)
    assert interval.low == interval.value == interval.high == values[0]


def test_one_success_in_many_has_an_interval():
    interval = mean_interval([1.0] + [0.0] * 99)
    assert 0.0 <= interval.low <= 0.01 < interval.high < 0.1


def test_of_nothing_nothing_is_known():
    assert math.isnan(mean_interval([]).value)
    assert math.isnan(interquartile_mean([]))


@pytest.mark.parametrize("size", [1, 3, 4, 10, 101])
def test_the_interquartile_mean_is_scipys_trimmed_mean(size):
    values = np.random.default_rng(size).normal(size=size)
    assert interquartile_mean(values) == pytest.approx(stats.trim_mean(values, 0.25))


@pytest.mark.filterwarnings("ignore")  # About rliable's own dependencies.
def test_the_interquartile_interval_is_rliables():
    pytest.importorskip("rliable", reason="it needs Python 3.11")
    from rliable import library, metrics

    scores = np.random.default_rng(1).normal(size=(7, 3)) * [1.0, 2.0, 0.5] + [0.0, 1.0, 2.0]
    ours = interquartile_interval(list(scores.T))
    points, intervals = library.get_interval_estimates(
        {"agent": scores},
        lambda runs: np.array([metrics.aggregate_iqm(runs)]),
        reps=5_000,
        random_state=np.random.RandomState(0),
    )
    assert ours.value == pytest.approx(points["agent"][0])
    assert [ours.low, ours.high] == pytest.approx(intervals["agent"].ravel(), abs=0.03)


def test_an_interquartile_interval_keeps_scenarios_apart():
    alike = interquartile_interval([[1.0] * 5, [3.0] * 5])
    assert (alike.low, alike.value, alike.high) == (2.0, 2.0, 2.0)
