"""Stepping and resetting, against the bare calls of Bullet."""

from __future__ import annotations

import gc
from functools import partial
from typing import Any

import gymnasium
from hand_written import HandWritten
from replay import Recording, record

from als_engine.physics.base import Physics
from als_engine.simulation import simulate
from measuring.timing import Measure, compared, in_turns, median_ratio, micro, seconds
from measuring.worlds import PROCEDURAL, RING, STATE, random_actions


def vector_against_bullet(repeats: int, worlds: int = 16, steps: int = 25) -> list[Measure]:
    """The vector environment against its own Bullet calls, and against bare `stepSimulation`.

    The loop is written in Python over the pybullet module: set the forces, step, read poses and
    contacts. Its calls are recorded in a first run and made again, call by call, in worlds that
    were built alike, so all three see the same states.
    """
    actions = random_actions(worlds, (repeats + 1) * steps)
    recording: Recording = record(RING, worlds, actions[..., None], steps)
    env = gymnasium.make_vec(RING, num_envs=worlds, sensors=STATE)
    env.reset(seed=0)
    loop, bare = recording.player(), recording.player()
    plan = iter(actions.reshape(-1, steps, worlds))
    # A hundred thousand recorded calls: the collector must not walk them while we measure.
    gc.collect()
    gc.freeze()

    def step_env() -> None:
        for action in next(plan):
            env.step(action)

    times: list[list[float]] = [[], [], []]
    for chunk in range(repeats + 1):
        taken = (seconds(step_env), seconds(partial(loop.play, chunk)), bare.time_steps(chunk))
        if chunk:  # The first one warms up.
            for column, value in zip(times, taken, strict=True):
                column.append(value)
    env.close()
    loop.close()
    bare.close()
    gc.unfreeze()
    ours, calls, physics = times
    count = worlds * steps
    return [
        compared("vector env / the same Bullet calls in a loop", ours, calls, 0.85, count),
        compared("vector env / bare stepSimulation", ours, physics, 0.65, count),
    ]


def resets(repeats: int) -> list[Measure]:
    """A procedural reset against `resetSimulation` and the same bodies made by hand in Python."""
    simulation = simulate(PROCEDURAL, 1, sensors=STATE)
    simulation.reset([0])
    physics: Any = simulation.moving.physics
    by_hand = HandWritten(1)

    def reset() -> None:
        for _ in range(5):
            simulation.reset()
            simulation.observe()

    def build(physics: Physics) -> None:
        for _ in range(5):
            physics.build(0, simulation.state)

    ours, bodies, inside = in_turns(
        repeats, reset, partial(build, by_hand), partial(build, physics)
    )
    simulation.close()
    by_hand.close()
    return [
        Measure(
            "reset of a procedural world / building its bodies",
            median_ratio(ours, bodies),
            1.3,
            at_most=True,
            detail=f"{micro(ours, 5)} and {micro(bodies, 5)}; {micro(inside, 5)} with our kernel",
        )
    ]
