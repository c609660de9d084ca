"""A disturbed agent is the same agent: what is disturbed depends on the episode's seed alone."""

from __future__ import annotations

import json

import gymnasium
import numpy as np
import pytest
from als_command import als
from gymnasium.spaces import Box, Discrete

from als_engine.agents.agent import Agent
from als_engine.agents.saving import load_agent, open_agent
from als_engine.agents.training import train_agent
from als_engine.errors import ArgumentError
from als_engine.evaluation.protocol import evaluate
from als_plugins.robustness.disturbed import Disturbance, Disturbed
from als_plugins.robustness.trials import _rest, parse_trials, relative, try_agent

ID = "ALS/Tag-v0"
SENSED = {
    "max_episode_steps": 20,
    "sensors": ["proprioception", "entities", "touch"],
    "action_mode": "continuous",
}
SMALL = {"net_arch": [16], "batch_size": 128, "rollout": 128, "n_epochs": 1, "memory": "gru"}
SIGHT = {"near": Box(0.0, 1.0, (3,), np.float32), "far": Box(-1.0, 1.0, (2,), np.float32)}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A trained agent that draws its actions, remembers, and is not good."""
    folder = tmp_path_factory.mktemp("robustness") / "run"
    job = {"worlds": 4, "arguments": SENSED, "config": SMALL, "device": "cpu"}
    train_agent(ID, "mappo", steps=128, folder=folder, **job)
    return str(folder)


def played(agent, episodes=5, worlds=5, **disturbed):
    if disturbed:
        rest = np.zeros(agent.action_space.shape, np.float32)
        agent = Disturbed(agent, Disturbance(**disturbed), rest)
    return evaluate(
        agent, ID, episodes, split="validation", seed=3, num_worlds=worlds, arguments=SENSED
    )


def test_undisturbed_it_is_the_agent_itself(saved):
    agent = load_agent(saved)[0]
    assert np.array_equal(played(agent, noise=0.0).returns, played(agent).returns)


@pytest.mark.parametrize(
    "disturbed",
    [{"noise": 0.2}, {"drop": 0.5}, {"missing": 0.5}, {"delay": 3}],
    ids=lambda disturbed: next(iter(disturbed)),
)
def test_the_number_of_worlds_makes_no_difference(saved, disturbed):
    agent = load_agent(saved)[0]
    five, two = (played(agent, worlds=worlds, **disturbed).returns for worlds in (5, 2))
    assert np.array_equal(five, two)
    assert not np.array_equal(five, played(agent).returns)


def test_without_a_sensor_is_acting_where_it_does_not_exist(saved):
    agent = load_agent(saved)[0]
    fewer = {**SENSED, "sensors": ["proprioception", "touch"]}
    there = evaluate(
        agent, ID, 3, split="validation", seed=3, num_worlds=3, arguments=fewer
    ).returns
    assert np.array_equal(played(agent, 3, without="entities").returns, there)


class Witness(Agent):
    """Notes what it sees, and answers with the number of the step."""

    bears_missing_sensors = True

    def __init__(self):
        super().__init__(gymnasium.spaces.Dict(SIGHT), Discrete(1_000))
        self.seen = []

    def act(self, observation, state=None, deterministic=True):
        self.seen.append({key: array.copy() for key, array in observation.items()})
        return np.full(len(next(iter(observation.values()))), len(self.seen)), None


def watched(rows=50, steps=40, restart_at=None, **disturbed):
    """What comes to an agent and from it: true sights, seen sights, actions."""
    witness = Witness()
    agent = Disturbed(witness, Disturbance(**disturbed), np.array(0))
    rng = np.random.default_rng(0)
    state = agent.restart(None, np.ones(rows, np.bool_), range(rows))
    true, actions = [], []
    for step in range(steps):
        if step == restart_at:
            first = np.arange(rows) == 0
            state = agent.restart(state, first, [99])
        true.append(
            {
                key: rng.uniform(box.low, box.high, (rows, *box.shape)).astype(np.float32)
                for key, box in SIGHT.items()
            }
        )
        action, state = agent.act(true[-1], state)
        actions.append(action)
    return true, witness.seen, np.array(actions)


def test_a_dropped_frame_is_the_last_one_again_and_the_first_one_is_never_dropped():
    true, seen, _ = watched(drop=0.4, restart_at=20)
    again = []
    for step in range(len(true)):
        fresh = np.all(seen[step]["near"] == true[step]["near"], axis=1)
        if step == 0:
            assert fresh.all()
            continue
        assert fresh[0] or step != 20
        stale = np.all(seen[step]["near"] == seen[step - 1]["near"], axis=1)
        assert np.array_equal(stale, ~fresh)
        # All sensors of a frame are dropped together.
        assert np.array_equal(stale, np.all(seen[step]["far"] == seen[step - 1]["far"], axis=1))
        again.append(stale.mean())
    assert np.mean(again) == pytest.approx(0.4, abs=0.05)


def test_an_action_has_its_effect_later_and_a_new_episode_begins_with_rest():
    _, _, actions = watched(rows=2, steps=10, restart_at=5, delay=3)
    assert actions[:, 1].tolist() == [0, 0, 0, 1, 2, 3, 4, 5, 6, 7]
    assert actions[:, 0].tolist() == [0, 0, 0, 1, 2, 0, 0, 0, 6, 7]


def test_missing_sensors_stay_away_for_an_episode_and_one_is_always_there():
    agent = Disturbed(Witness(), Disturbance(missing=0.9), np.array(0))
    state = agent.restart(None, np.ones(400, np.bool_), range(400))
    sets = list(state.left_out)
    assert max(map(len, sets)) == 1
    gone = np.mean([len(left) for left in sets])
    assert gone == pytest.approx(1 - 0.1**2, abs=0.03)  # All but where neither is missing.
    sight = {key: np.zeros((400, *box.shape), np.float32) for key, box in SIGHT.items()}
    for _ in range(3):
        _, state = agent.act(sight, state)
        assert state.left_out == sets
    again = agent.restart(state, np.arange(400) < 200, range(1000, 1200))
    assert again.left_out[200:] == sets[200:]
    assert again.left_out[:200] != sets[:200]


def test_noise_is_drawn_in_each_row_by_itself():
    seen = [watched(rows=rows, steps=1, noise=0.1)[1][0]["near"] for rows in (3, 6)]
    true = [watched(rows=rows, steps=1)[1][0]["near"] for rows in (3, 6)]
    noise = [a - b for a, b in zip(seen, true, strict=True)]
    # Only where it reaches no bound is it the same number whatever it is added to.
    inside = (seen[0] > 0) & (seen[0] < 1) & (seen[1][:3] > 0) & (seen[1][:3] < 1)
    assert inside.any()
    assert np.allclose(noise[0][inside], noise[1][:3][inside], atol=1e-6)


def test_a_relative_score_lies_between_random_and_the_undisturbed_agent():
    random, whole = np.zeros(50), np.full(50, 4.0)
    half = relative(np.full(50, 2.0), whole, random)
    assert (half.value, half.low, half.high) == (0.5, 0.5, 0.5)
    rng = np.random.default_rng(1)
    noisy = relative(rng.normal(1.0, 1.0, 50), rng.normal(4.0, 1.0, 50), random)
    assert noisy.low < noisy.value < noisy.high
    assert relative(whole, rng.normal(0.0, 1.0, 50), random) is None


def test_an_agent_that_needs_its_sensors_says_what_is_not_tried(saved):
    opened = open_agent("expert", ID, SENSED)
    tried = try_agent("expert", opened, parse_trials(["without", "delay=2"]), episodes=3, worlds=3)
    assert [each.trial.kind for each in tried.results] == ["none", "delay"]
    assert tried.notes == ("without is left out: it needs all its sensors",)
    assert tried.results[0].relative.value == 1.0
    assert not np.array_equal(tried.results[1].found.returns, tried.results[0].found.returns)
    assert _rest(opened).tolist() == [0.0] * 5 + [-1.0]  # Nothing is used.


def test_the_command_prints_json_and_draws_a_figure(saved, tmp_path):
    out = tmp_path / "robustness.svg"
    words = ["robustness", saved, "--episodes", 2, "--try", "noise=0.1,0.3", "--try", "without"]
    done = als(*words, "--out", out, "--json")
    assert done.code == 0, done.err
    (found,) = json.loads(done.out)
    tried = [(each["kind"], each["strength"], each["sensor"]) for each in found["results"]]
    assert tried == [
        ("none", 0.0, None), ("noise", 0.1, None), ("noise", 0.3, None),
        *(("without", 1.0, key) for key in sorted(SENSED["sensors"], key=["entities",
          "proprioception", "touch"].index)),
    ]  # fmt: skip
    assert found["split"] == "validation"
    assert out.read_text().startswith("<?xml")
    printed = als(*words[:4], "--try", "delay=1")
    assert printed.code == 0, printed.err
    assert "  delay 1 " in printed.out
    assert f"{saved} on {ID}, validation split, 2 episodes" in " ".join(printed.out.split())
    # Whatever is wrong is said before anything is played.
    refused = als("robustness", "expert", saved, "--on", ID, "--try", "without=rgb")
    assert refused.code == 2
    assert 'unknown sensor of the agent "rgb"' in refused.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nois=0.1"], 'unknown disturbance "nois"'),
        (["noise=0.1", "noise=0.2"], '"noise" is given twice'),
        (["noise=-1"], 'noise takes above 0, at most 10, got "-1"'),
        (["noise=nan"], 'noise takes above 0, at most 10, got "nan"'),
        (["drop=1.0"], 'drop takes above 0, below 1, got "1.0"'),
        (["delay=1.5"], 'delay takes whole steps, at least 1, got "1.5"'),
        (["missing=much"], 'missing takes above 0, below 1, got "much"'),
    ],
)
def test_what_cannot_be_tried_is_one_line(words, message):
    with pytest.raises(ArgumentError, match=message):
        parse_trials(words)
