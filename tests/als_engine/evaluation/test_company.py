"""Agents as company: they do what they would do themselves, and remember within an episode."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from als_engine.agents.saving import AgentRecord, load_agent, make_agent, save_agent
from als_engine.errors import ArgumentError, CopyError, SnapshotError
from als_engine.evaluation.company import keep_company
from als_engine.seeding import row_seeds, spread
from als_engine.simulation import simulate

TAG = "ALS/Tag-v0"
SENSED = {"sensors": ["entities", "proprioception"], "action_mode": "discrete"}
AS_EVADER = {**SENSED, "role": "evader"}
SMALL = {"net_arch": [16], "memory": "gru", "memory_size": 8, "device": "cpu"}


@pytest.fixture(scope="module")
def evader(tmp_path_factory):
    """An agent with a memory, as it begins to learn to evade."""
    import torch

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("evader") / "agent"
    agent = make_agent("mappo", TAG, AS_EVADER, {k: v for k, v in SMALL.items() if k != "device"})
    save_agent(agent, folder, AgentRecord(agent="mappo", scenario=TAG, arguments=AS_EVADER))
    return folder


def played(reference, seeds, steps=25):
    """Where everybody is after some steps, (worlds, avatars, 3)."""
    world = simulate(TAG, len(seeds), 1, **SENSED)
    keep_company(world, reference)
    world.reset(seeds)
    for step in range(steps):
        world.step(np.full((len(seeds), 1), 1 + step % 2))
    found = world.state.avatars.position.copy()
    world.close()
    return found


def test_an_agent_as_company_does_what_it_would_do_in_its_own_place(evader):
    agent, _ = load_agent(evader)
    world = simulate(TAG, 1, None, **SENSED)
    world.reset([7])
    world.observe()
    agent.seed(spread("company", 0))
    seeds = row_seeds(spread("company", int(world.state.key[0])), 2)[1:]
    memory = agent.restart(None, np.ones(1, np.bool_), seeds)
    for step in range(25):
        seen = {key: array[0, 1:] for key, array in world.observations.items()}
        theirs, memory = agent.act(seen, memory, False)
        world.step(np.array([[1 + step % 2, theirs[0]]]))
    expected = world.state.avatars.position.copy()
    world.close()
    assert np.array_equal(played(evader, [7]), expected)


def test_a_guided_agent_as_company_is_walked_to_where_it_is_sent(tmp_path):
    """It acts in another mode than the caller; the same steps as where it is the caller's own."""
    guided = {**SENSED, "action_mode": "guided", "role": "evader"}
    config = {"net_arch": [8], "hold": 5, "use_masks": True}
    agent = make_agent("mappo", TAG, guided, config)
    save_agent(
        agent, tmp_path / "agent", AgentRecord(agent="mappo", scenario=TAG, arguments=guided)
    )
    with_it = played(tmp_path / "agent", [7])
    agent, _ = load_agent(tmp_path / "agent")
    world = simulate(TAG, 1, None, **{**guided, "role": "chaser"})
    world.reset([7])
    world.observe()
    agent.seed(spread("company", 0))
    seeds = row_seeds(spread("company", int(world.state.key[0])), 2)[1:]
    memory = agent.restart(None, np.ones(1, np.bool_), seeds)
    for step in range(25):
        seen = {key: array[0, 1:] for key, array in world.observations.items()}
        seen["action_mask"] = world.acting.own_masks()[1]
        theirs, memory = agent.act(seen, memory, False)
        world.step(np.array([[[1 + step % 2, 0, 0], theirs[0]]]))
    assert np.array_equal(world.state.avatars.position, with_it)
    world.close()


def test_how_many_worlds_there_are_makes_no_difference(evader):
    together = played(evader, [3, 4])
    assert np.array_equal(together[1:], played(evader, [4]))
    assert not np.array_equal(together[:1], played("random", [3]))


def test_it_forgets_with_the_episode(evader):
    world = simulate(TAG, 1, 1, **SENSED)
    keep_company(world, evader)
    found = []
    for _ in range(2):
        world.reset([5])
        for _ in range(12):
            world.step(np.full((1, 1), 1))
        found.append(world.state.avatars.position.copy())
    world.close()
    assert np.array_equal(*found)


def test_the_expert_and_heuristics_keep_company_too():
    expert, straight = (played(name, [11]) for name in ("expert", "heuristic:rule=straight"))
    assert not np.array_equal(expert, straight)


def test_no_snapshot_and_no_copy_is_made_of_what_it_remembers(evader):
    world = simulate(TAG, 1, 1, **SENSED)
    keep_company(world, evader)
    with pytest.raises(CopyError, match="an agent keeps company"):
        copy.deepcopy(world)
    world.reset([0])
    with pytest.raises(SnapshotError, match="no snapshot holds what it remembers"):
        world.snapshot()
    world.close()


@pytest.mark.parametrize(
    ("scenario", "arguments", "words"),
    [
        (TAG, {"role": "evader"}, "was trained as evader, and the others here are chaser"),
        ("ALS/Classroom-v0", {"num_avatars": 2}, "acts in ALS/Tag-v0, not ALS/Classroom-v0"),
        ("ALS/Classroom-v0", {"num_avatars": 1}, "has no company here"),
    ],
)
def test_an_agent_that_can_drive_nobody_is_refused(scenario, arguments, words, evader):
    with pytest.raises(ArgumentError, match=words):
        keep_company(simulate(scenario, 1, 1, **arguments), evader)
