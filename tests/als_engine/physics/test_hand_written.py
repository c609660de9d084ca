"""The kernels that call Bullet's C functions, held against the same calls over pybullet's module.

Bit by bit: Bullet does the same sums whoever calls it, so any difference is a wrong call.
"""

from __future__ import annotations

import numpy as np
import pytest
from hand_written import HandWritten, simulate_by_hand
from rooms import World, messy, play

from als_engine.errors import PhysicsError
from als_engine.physics.bullet.backend import Bullet
from als_engine.plugins.registry import registry
from als_engine.simulation import simulate

SEEDS = (1, 2, 3)


@pytest.mark.parametrize("id", [spec.id for spec in registry.scenarios()])
def test_every_scenario_is_the_same(id):
    """By chance and with the expert in turns; on the way, one world or all of them are reset."""
    rng = np.random.default_rng(0)
    ours, theirs = both = [
        make(id, len(SEEDS), sensors=("proprioception",)) for make in (simulate, simulate_by_hand)
    ]
    for step in range(150):
        if step % 50 == 0:
            worlds = [1] if step == 50 else [0, 1, 2]
            for simulation in both:
                simulation.reset([SEEDS[world] + step for world in worlds], worlds)
        if step // 10 % 2:
            actions = ours.expert_actions()
        elif step % 4 == 0:
            actions = rng.integers(ours.action_space.n, size=(len(SEEDS), ours.observers))
        for simulation in both:
            simulation.step(actions)
        for world in range(len(SEEDS)):
            assert ours.state.digest(world) == theirs.state.digest(world), (step, world)
    for simulation in both:
        simulation.close()


def test_a_room_where_things_are_carried_pushed_and_toppled_is_the_same():
    ours, theirs = World(messy(), worlds=2), World(messy(), worlds=2, physics=HandWritten)
    for seed in (1, 2):
        assert play(ours, seed, steps=150) == play(theirs, seed, steps=150)
        ours.reset(1)
        theirs.reset(1)
    ours.physics.close()
    theirs.physics.close()


def test_what_is_broken_is_the_same_error():
    messages = []
    for physics in (Bullet, HandWritten):
        world = World(messy(), worlds=2, physics=physics)
        world.state.move("ball", [1], (np.nan, 0.0, 0.2))
        with pytest.raises(PhysicsError) as error:
            world.step(2)
        messages.append(str(error.value))
        world.physics.close()
    assert messages[0] == messages[1]
