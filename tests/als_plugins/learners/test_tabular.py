"""Tables: states have numbers that can be foretold, both learners solve a task and come back."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from learn_worlds import ID, learn

from als_engine.agents.agent import Training
from als_engine.agents.saving import load_agent, make_agent, spaces
from als_engine.agents.training import resume_training, train_agent
from als_engine.envs.rows import Rows
from als_engine.errors import ArgumentError, SavedFileError
from als_engine.evaluation.protocol import evaluate, normalise
from als_engine.sensors.columns import ENTITIES as COLUMNS
from als_plugins.learners.discretisation import Discretisation, Tiles
from als_plugins.learners.tabular import QLearning

__all__ = ["learn"]

pytestmark = pytest.mark.usefixtures("learn")

SENSED = {"sensors": ["proprioception", "entities"], "shaped": True}
FLAG = {"things": {"fixed": {"sectors": 8, "rings": [0.6, 1.0, 2.0, 10.0]}}, "body": {}}
BOTH = pytest.mark.parametrize("name", ["q-learning", "sarsa"])


def space():
    return spaces(ID, SENSED)[0]


def trained(name, steps=640, folder=None, **changes):
    job = {"worlds": 8, "arguments": SENSED, "config": FLAG, "folder": folder, **changes}
    return train_agent(ID, name, steps=steps, **job)


def row(**columns):
    """An observation of one avatar with things in sight, nearest first."""
    entities = np.zeros((1, 16, len(COLUMNS)), np.float32)
    for column, values in columns.items():
        entities[0, : len(values), COLUMNS.index(column)] = values
    return {"entities": entities, "proprioception": np.zeros((1, 11), np.float32)}


@pytest.mark.parametrize(
    ("forward", "left", "state"),
    [
        (0.05, 0.0, 1 + 0),  # Straight ahead, in the first ring.
        (0.0, 0.05, 1 + 1),
        (-0.05, 0.0, 1 + 2),
        (0.0, -0.05, 1 + 3),
        (0.04, 0.03, 1 + 0),  # Not yet 45 degrees aside.
        (0.15, 0.0, 1 + 4),  # In the second ring.
        (0.9, 0.0, 0),  # Beyond the last one.
    ],
)
def test_a_state_tells_the_sector_and_the_ring_of_a_thing(forward, left, state):
    index = Discretisation(space(), {"avatar": Tiles(sectors=4, rings=[1.0, 2.0])}, {})
    seen = row(
        present=[1], avatar=[1], forward=[forward], left=[left], distance=[np.hypot(forward, left)]
    )
    assert index.states == 1 + 4 * 2
    assert index(seen).tolist() == [state]


def test_the_nearest_thing_of_the_kind_counts_and_others_do_not():
    index = Discretisation(space(), {"avatar": Tiles(sectors=4, rings=[10.0])}, {})
    seen = row(present=[1, 1, 1], avatar=[0, 1, 1], forward=[0.1, 0, 0.3], left=[0, 0.2, 0],
               distance=[0.1, 0.2, 0.3])  # fmt: skip
    assert index(seen).tolist() == [1 + 1]
    assert index(row()).tolist() == [0]


def test_every_combination_has_a_number_of_its_own():
    index = Discretisation(
        space(), {"avatar": Tiles(sectors=2, rings=[10.0])}, {"forward_velocity": [-0.5, 0.5]}
    )
    found = set()
    for forward in (None, 0.1, -0.1):
        for speed in (-1.0, 0.0, 1.0):
            seen = row() if forward is None else row(avatar=[1], forward=[forward], distance=[0.1])
            seen["proprioception"][0, 0] = speed
            found |= set(index(seen).tolist())
    assert found == set(range(index.states)) == set(range(9))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"things": {"avtar": {}}}, 'kind of thing "avtar"; did you mean "avatar"'),
        ({"things": {"avatar": {"rings": [2.0, 1.0]}}}, "rising"),
        ({"things": {"avatar": {"sectors": 0}}}, "things.*greater than or equal to 1"),
        ({"body": {"holding": [0.5, 0.5]}}, "must rise"),
        ({"things": {}, "body": {}}, "needs things or columns"),
        ({"things": {kind: {"sectors": 64} for kind in ("avatar", "fixed", "movable", "sign")}},
         "more than 16777216 entries"),
        ({"epsilon": 2.0}, "epsilon"),
    ],
)  # fmt: skip
def test_what_cannot_be_a_table_is_one_line(given, words):
    with pytest.raises(ArgumentError, match=words) as error:
        make_agent("q-learning", ID, SENSED, given)
    assert "\n" not in str(error.value)


@BOTH
def test_a_sensor_that_is_missing_and_actions_that_are_not_discrete_are_named(name):
    with pytest.raises(ArgumentError, match='needs the sensor "entities"'):
        make_agent(name, ID, {"sensors": ["proprioception"]})
    with pytest.raises(ArgumentError, match='use action_mode="discrete"'):
        make_agent(name, ID, {**SENSED, "action_mode": "continuous"})


@BOTH
def test_it_solves_the_task_on_levels_that_it_has_not_seen(name):
    agent = trained(name, 8_000, worlds=16).agent
    found = evaluate(agent, ID, 30, arguments=SENSED)
    assert found.success.value == 1.0
    assert normalise(found).score.value > 0.9


def test_rows_that_do_the_same_move_an_entry_as_often_as_one_row_would():
    agent = make_agent("q-learning", ID, SENSED, FLAG)
    agent._update(np.array([3, 3, 5]), np.array([1, 1, 0]), np.array([1.0, 1.0, 2.0]), 0.5)
    assert agent.table[3, 1] == pytest.approx(0.75)
    assert agent.table[5, 0] == pytest.approx(1.0)
    assert np.count_nonzero(agent.table) == 2


def test_the_two_differ_in_what_they_expect_next():
    tables = {name: make_agent(name, ID, SENSED, FLAG) for name in ("q-learning", "sarsa")}
    for agent in tables.values():
        agent.table[7] = np.arange(agent.actions)
    states, actions = np.array([7]), np.array([2])
    assert tables["q-learning"]._value_of(states, actions) == tables["q-learning"].actions - 1
    assert tables["sarsa"]._value_of(states, actions) == 2.0


@BOTH
def test_the_same_seed_fills_the_same_table(name):
    one, other, third = (trained(name, seed=seed).agent.table for seed in (3, 3, 4))
    assert np.array_equal(one, other)
    assert not np.array_equal(one, third)


@BOTH
def test_it_comes_back_from_its_folder_and_goes_on_from_where_it_was(name, tmp_path):
    run = tmp_path / "run"
    first = trained(name, folder=run, checkpoint_every=320)
    loaded, record = load_agent(run)
    assert record.config["things"]["fixed"]["sectors"] == 8
    assert np.array_equal(loaded.table, first.agent.table)
    again = make_agent(name, ID, record.arguments, record.config)
    newest = sorted((run / "checkpoints").iterdir())[-1]
    again._load_training(newest)
    assert again._steps == first.progress.steps == 640
    assert again._rng.bit_generator.state == first.agent._rng.bit_generator.state
    second = resume_training(run, steps=1_280)
    assert second.progress.steps == 1_280
    assert not np.array_equal(second.agent.table, first.agent.table)


def test_a_table_of_another_shape_or_a_damaged_state_is_refused(tmp_path):
    trained("sarsa", folder=tmp_path / "run")
    other = make_agent("sarsa", ID, SENSED, {"things": {"fixed": {"sectors": 4}}})
    with pytest.raises(SavedFileError, match="table"):
        other.load_weights(tmp_path / "run" / "agent")
    path = next((tmp_path / "run" / "checkpoints").iterdir()) / "training.safetensors"
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(SavedFileError, match=r"training\.safetensors"):
        resume_training(tmp_path / "run", steps=1_280)


def test_a_truncated_episode_goes_on_in_value_and_a_terminated_one_does_not():
    agent = make_agent("q-learning", ID, SENSED, FLAG)
    assert isinstance(agent, QLearning)
    agent.table[:] = 5.0
    rows = Rows(ID, 1, observers=1, **SENSED, max_episode_steps=1)
    rows.seed(0)
    rows.reset()
    rows.step([0])
    assert rows.ended[0]
    assert not rows.terminated[0]
    assert agent._last_value(rows, 0, Training(steps=10)) == 5.0
    rows.worlds.terminated[0] = True
    assert agent._last_value(rows, 0, Training(steps=10)) == 0.0
    rows.close()


def test_a_table_that_only_acts_brings_in_neither_torch_nor_numba():
    """In a sandbox, which keeps no compiled kernels, they cost eight seconds."""
    code = (
        "import sys; from als_engine.plugins.registry import registry; "
        "registry.load(registry.agent('q-learning')); "
        "sys.exit('torch' in sys.modules or 'numba' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
