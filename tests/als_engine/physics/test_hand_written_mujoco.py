"""The kernels and the models that levels are written into, held against MuJoCo's own bindings.

Bit by bit: a level that is written into a model is the level that is compiled anew.
"""

from __future__ import annotations

import numpy as np
import pytest
from hand_written_mujoco import HandWritten, simulate_by_hand
from rooms import World, messy, play

from als_engine.plugins.registry import registry
from als_engine.simulation import simulate

SEEDS = (1, 2)


@pytest.mark.parametrize("id", [spec.id for spec in registry.scenarios()])
def test_every_scenario_is_the_same(id):
    """By chance and with the expert in turns; on the way, one world or all of them are reset."""
    rng = np.random.default_rng(0)
    given = {"sensors": ("proprioception",)}
    ours = simulate(id, len(SEEDS), physics="mujoco", **given)
    theirs = simulate_by_hand(id, len(SEEDS), **given)
    for step in range(120):
        if step % 60 == 0:
            for simulation in (ours, theirs):
                simulation.reset([seed + step for seed in SEEDS])
        if step // 20 % 2:
            actions = ours.expert_actions()
        elif step % 4 == 0:
            actions = rng.integers(ours.action_space.n, size=(len(SEEDS), ours.observers))
        for simulation in (ours, theirs):
            simulation.step(actions)
        for world in range(len(SEEDS)):
            assert ours.state.digest(world) == theirs.state.digest(world), (step, world)
    ours.close()
    theirs.close()


def test_a_room_where_things_are_carried_pushed_and_toppled_is_the_same():
    ours, theirs = (World(messy(), worlds=2, physics=each) for each in ("mujoco", HandWritten))
    for seed in (1, 2):
        assert play(ours, seed, steps=100) == play(theirs, seed, steps=100)
        ours.reset(1)
        theirs.reset(1)
