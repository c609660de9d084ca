"""Learners that read action masks never do what is not possible, wherever they act."""

from __future__ import annotations

import numpy as np
import pytest
from learn_worlds import ID, learn

from als_bench.running.pairing import Pair
from als_bench.running.playing import Setting, play, replay
from als_bench.sandbox.agent import SandboxedAgent
from als_bench.sandbox.confinement import confinement
from als_engine import Agent
from als_engine.agents.agent import ExpertAgent, RandomAgent
from als_engine.agents.masks import ACTION_MASK, mask_size, with_masks
from als_engine.agents.saving import AgentRecord, load_agent, make_agent, save_agent
from als_engine.agents.training import train_agent
from als_engine.errors import ArgumentError
from als_engine.evaluation.film import Film
from als_engine.evaluation.protocol import evaluate
from als_engine.plugins.registry import registry
from als_engine.plugins.specs import SensorSpec, SuiteEntry
from als_engine.simulation import Simulation, simulate
from als_plugins.adaptation.adapt import adapt
from als_plugins.experience.collect import collect
from als_plugins.explaining.recording import record

__all__ = ["learn"]

pytestmark = pytest.mark.usefixtures("learn")

SENSED = {"sensors": ["proprioception"]}
SMALL = {"net_arch": [8], "batch_size": 32, "n_steps": 8, "n_epochs": 1}
CONFIG = {"mappo": {**SMALL, "use_masks": True}, "maskable-ppo": SMALL}
LEARNERS = pytest.mark.parametrize("name", CONFIG)
MODES = pytest.mark.parametrize("mode", ["discrete", "factored"])
SCENARIOS = [spec.id for spec in registry.scenarios()]


class Watch:
    """Counts all actions of a simulation, and those that were not possible."""

    def __init__(self):
        self.taken = self.impossible = 0

    def look(self, simulation, actions):
        masks = simulation.action_masks()
        parts = simulation.codec.choices.values() if simulation.codec.mode == "factored" else [0]
        sizes = [len(part) if part else masks.shape[-1] for part in parts]
        chosen = np.asarray(actions).reshape(*masks.shape[:2], len(sizes))
        columns = chosen + np.cumsum([0, *sizes[:-1]])
        possible = np.take_along_axis(masks, columns, axis=-1)
        self.taken += possible.size
        self.impossible += int((~possible).sum())


@pytest.fixture
def watch(monkeypatch):
    watch, advance = Watch(), Simulation.advance

    def watched(self, actions):
        watch.look(self, actions)
        advance(self, actions)

    monkeypatch.setattr(Simulation, "advance", watched)
    return watch


def made(name, mode="discrete", scenario=ID, **arguments):
    return make_agent(name, scenario, {**SENSED, "action_mode": mode, **arguments}, CONFIG[name])


def saved(folder, name, mode="discrete"):
    arguments = {**SENSED, "action_mode": mode}
    agent = made(name, mode)
    save_agent(agent, folder, AgentRecord(agent=name, scenario=ID, arguments=arguments))
    return folder


@LEARNERS
@MODES
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_in_every_scenario_only_what_is_possible_is_learnt_and_played(name, mode, scenario, watch):
    arguments = {**SENSED, "action_mode": mode, "max_episode_steps": 12}
    job = {"steps": 32, "worlds": 4, "arguments": arguments, "config": CONFIG[name]}
    agent = train_agent(scenario, name, device="cpu", **job).agent
    learnt = watch.taken
    assert learnt >= 32
    evaluate(agent, scenario, 2, arguments=arguments)
    evaluate(agent, scenario, 2, arguments=arguments, deterministic=True)
    assert watch.taken > learnt
    assert watch.impossible == 0


@MODES
def test_an_agent_that_reads_no_masks_does_what_is_not_possible(mode, watch):
    """Otherwise the tests here would show nothing."""
    config = {**SMALL, "use_masks": False}
    agent = make_agent("mappo", ID, {**SENSED, "action_mode": mode}, config)
    evaluate(agent, ID, 4, arguments={**SENSED, "action_mode": mode})
    assert watch.impossible > 0


# Wherever they act


@LEARNERS
def test_in_a_film(name, watch):
    simulation = simulate(ID, 1, 1, **SENSED, max_episode_steps=20)
    assert len(list(Film(simulation, made(name)).episodes([3]))) >= 20
    simulation.close()
    assert (watch.taken, watch.impossible) == (20, 0)


@LEARNERS
@MODES
def test_while_collecting_experience(name, mode, watch, tmp_path):
    agent = saved(tmp_path / "agent", name, mode)
    collect(ID, tmp_path / "data", policy=str(agent), episodes=3)
    assert watch.taken > 0
    assert watch.impossible == 0


def test_while_it_is_explained(watch, tmp_path):
    recording = record(str(saved(tmp_path / "agent", "maskable-ppo")), steps=10)
    assert (watch.taken, watch.impossible) == (10, 0)
    for moment in recording.moments:
        chances = np.exp(moment.numbers)
        assert chances.sum() == pytest.approx(1.0)
        assert (chances[~moment.masks[0]] == 0.0).all()


def test_while_it_is_adapted(watch, tmp_path):
    agent = saved(tmp_path / "agent", "maskable-ppo")
    settings = {"worlds": 2, "evaluate_every": 64, "episodes": 2, "feedback": "simulated:0.1"}
    adapt(agent, folder=tmp_path / "run", steps=64, device="cpu", **settings)
    assert watch.taken > 64
    assert watch.impossible == 0


def benchmark():
    arguments = {**SENSED, "num_avatars": 2}
    return Setting(SuiteEntry(ID, observers=2), arguments, "test", bytes(32), num_worlds=2)


@LEARNERS
def test_in_a_benchmark_whose_episodes_can_be_replayed(name, watch):
    chunk = play(made(name, num_avatars=2), benchmark(), range(2))
    assert watch.taken > 0
    assert watch.impossible == 0
    assert replay(benchmark(), chunk) == []


def test_two_agents_in_one_world_are_each_told_their_own_masks(watch):
    play(Pair(made("mappo", num_avatars=2), made("maskable-ppo", num_avatars=2)), benchmark(),
         range(2))  # fmt: skip
    assert watch.taken > 0
    assert watch.impossible == 0


@pytest.mark.skipif(not confinement().complete, reason=str(confinement()))
def test_in_the_sandbox_as_outside(watch, tmp_path):
    folder = saved(tmp_path / "agent", "mappo")
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    arguments = {**SENSED, "action_mode": "discrete"}
    with SandboxedAgent(files, "mappo", "ALS/Tag-v0", arguments) as agent:
        assert agent.reads_masks
        inside = evaluate(agent, "ALS/Tag-v0", 2, arguments=arguments, deterministic=True)
    assert watch.impossible == 0
    outside = evaluate(
        load_agent(folder)[0], "ALS/Tag-v0", 2, arguments=arguments, deterministic=True
    )
    assert np.array_equal(inside.returns, outside.returns)


# Who is told what


def noted(agent_class, scenario=ID, **arguments):
    """What an agent of this class was shown."""
    seen = []

    class Noting(agent_class):
        def act(self, observation, state=None, deterministic=True):
            seen.append(set(observation))
            return super().act(observation, state, deterministic)

    arguments = {**SENSED, **arguments}
    simulation = simulate(scenario, 1, 1, **arguments)
    simulation.close()
    agent = Noting(simulation.observation_space, simulation.action_space)
    evaluate(agent, scenario, 1, arguments={**arguments, "max_episode_steps": 3})
    return seen


class Reader(RandomAgent):
    reads_masks = True


@pytest.mark.parametrize("agent", [RandomAgent, ExpertAgent])
def test_an_agent_that_reads_no_masks_sees_its_sensors_alone(agent):
    assert noted(agent) == [{"proprioception"}] * 3


@MODES
def test_an_agent_that_reads_masks_finds_them_beside_its_sensors(mode):
    assert noted(Reader, action_mode=mode) == [{"proprioception", ACTION_MASK}] * 3


def test_numbers_have_no_masks():
    assert noted(Reader, action_mode="continuous") == [{"proprioception"}] * 3


@LEARNERS
def test_a_learner_that_is_told_no_masks_acts_as_if_all_were_possible(name):
    agent = made(name)
    rng = np.random.default_rng(0)
    space = agent.observation_space["proprioception"]
    sensed = {"proprioception": rng.normal(size=(40, *space.shape)).astype(np.float32)}
    free, _ = agent.act(sensed)
    every = np.ones((40, mask_size(agent.action_space)), np.bool_)
    told, _ = agent.act(with_masks(agent, sensed, lambda: every))
    assert np.array_equal(free, told)
    every[np.arange(40), free] = False
    others, _ = agent.act(with_masks(agent, sensed, lambda: every))
    assert (others != free).all()


def test_maskable_ppo_takes_no_numbers():
    with pytest.raises(ArgumentError, match='use action_mode="discrete"'):
        made("maskable-ppo", "continuous")


def test_no_sensor_is_called_as_the_masks_are():
    with pytest.raises(ArgumentError, match="another name"):
        SensorSpec(id=ACTION_MASK, sensor="acme:Sensor")
    assert not Agent.reads_masks
