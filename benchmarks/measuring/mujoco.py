"""MuJoCo as the physics: against Bullet, and against its own bare `mj_step`."""

from __future__ import annotations

import copy
import statistics
from functools import partial
from typing import Any

import gymnasium
import mujoco
import numpy as np

from als_engine.physics.memory import write_bytes
from als_engine.physics.mujoco import api
from als_engine.simulation import Simulation, simulate
from als_engine.system.compiling import kernel
from measuring.envs import step_costs
from measuring.timing import Measure, in_turns, median_ratio, micro, seconds
from measuring.worlds import PROCEDURAL, RING, STATE, random_actions, reset_batch, stepping

TAG = "ALS/Tag-v0"


@kernel
def step_bare(models, datas, pushes, forces, substeps):
    """Steps copies of some worlds: `forces` are (steps, worlds, avatars, 3)."""
    for step in range(forces.shape[0]):
        for w in range(models.size):
            force = forces[step, w]
            write_bytes(pushes[w], force.ctypes, 8 * force.size)
            for _ in range(substeps):
                api.step(models[w], datas[w])


class Bare:
    """What MuJoCo alone takes for the steps that a simulation makes."""

    def __init__(self, simulation: Simulation) -> None:
        self._physics: Any = simulation.moving.physics
        self._step = self._physics.step
        self._physics.step = self._note
        self._forces: list[np.ndarray] = []

    def _note(self, state: Any, force: np.ndarray) -> None:
        self._forces.append(force.copy())
        self._step(state, force)

    def begin(self) -> None:
        """Copies the worlds as they are."""
        self._forces.clear()
        self._copies = []
        for _, model, data in self._physics._worlds:
            own = copy.copy(model)
            moment = mujoco.MjData(own)
            mujoco.mj_copyData(moment, own, data)
            self._copies.append((own, moment))

    def play(self) -> float:
        """Makes the steps since then in the copies; returns how long that took, seconds."""
        addresses = [
            np.array(column, np.intp)
            for column in zip(
                *((m._address, d._address, d.qfrc_applied.ctypes.data) for m, d in self._copies),
                strict=True,
            )
        ]
        forces = np.array(self._forces)
        return seconds(partial(step_bare, *addresses, forces, self._physics.substeps))


def mujoco_vector(repeats: int, worlds: int = 16, steps: int = 25) -> list[Measure]:
    """The vector environment on MuJoCo against itself on Bullet, and against `mj_step` alone.

    The bare steps go from copies of the same worlds with the same forces.
    """
    given = {"num_envs": worlds, "sensors": STATE, "num_avatars": 4}
    ours, other = (
        gymnasium.make_vec(TAG, physics=engine, **given) for engine in ("mujoco", "bullet")
    )
    for env in (ours, other):
        env.reset(seed=0)
    bare = Bare(ours.unwrapped.worlds.simulation)
    plan = random_actions(worlds, (repeats + 1) * steps).reshape(-1, steps, worlds)
    times: list[list[float]] = [[], [], []]
    for chunk, actions in enumerate(plan):
        bare.begin()
        taken = (
            seconds(stepping(ours, actions)),
            seconds(stepping(other, actions)),
            bare.play(),
        )
        if chunk:  # The first one warms up.
            for column, value in zip(times, taken, strict=True):
                column.append(value)
    for env in (ours, other):
        env.close()
    here, there, alone = times
    count = worlds * steps
    shown = f"{micro(here, count)}, {micro(there, count)} and {micro(alone, count)} a world step"
    return [
        Measure(
            "vector env of Tag on MuJoCo / on Bullet",
            median_ratio(there, here),
            2.2,
            detail=f"{shown} on MuJoCo, on Bullet and of mj_step alone",
        ),
        Measure(
            "vector env of Tag on MuJoCo / bare mj_step",
            median_ratio(alone, here),
            0.6,
            detail=shown,
        ),
    ]


def mujoco_flatness(
    repeats: int, counts: tuple[int, ...] = (1, 4, 16, 64), steps: int = 64
) -> list[Measure]:
    """The cost of a world step on MuJoCo from 1 to 64 worlds; see `flatness`."""
    make = partial(simulate, physics="mujoco")
    plan = np.random.default_rng(0).integers(0, 7, (steps, 1, 4))
    bare = []
    for n in counts:
        batch = reset_batch(RING, n, STATE, seed_step=0, make=make)
        alone = Bare(batch.simulation)
        times = []
        for _ in range(5):
            alone.begin()
            stepping(batch, np.repeat(plan, n, axis=1))()
            times.append(alone.play())
        batch.close()
        bare.append(statistics.median(times) / n / steps * 1e6)
    batches = {n: reset_batch(RING, n, STATE, seed_step=0, make=make) for n in counts}
    costs = step_costs(batches, plan, repeats)
    shown = ", ".join(
        f"{n}: {whole:.0f} µs ({alone:.0f} µs)"
        for n, whole, alone in zip(counts, costs, bare, strict=True)
    )
    return [
        Measure(
            "MuJoCo, cost of a world step, dearest of 1 to 64 worlds / cheapest",
            max(costs) / min(costs),
            1.15,
            at_most=True,
            detail=f"{shown}; in brackets mj_step alone, {max(bare) / min(bare):.2f}",
        )
    ]


def mujoco_resets(repeats: int) -> list[Measure]:
    """A procedural reset on MuJoCo against one on Bullet."""
    both = [simulate(PROCEDURAL, 1, sensors=STATE, physics=e) for e in ("mujoco", "bullet")]
    for simulation in both:
        simulation.reset([0])

    def reset(simulation: Simulation) -> None:
        for _ in range(5):
            simulation.reset()
            simulation.observe()

    ours, other = in_turns(repeats, *(partial(reset, simulation) for simulation in both))
    for simulation in both:
        simulation.close()
    return [
        Measure(
            "reset of a procedural world on MuJoCo / on Bullet",
            median_ratio(ours, other),
            1.0,
            at_most=True,
            detail=f"{micro(ours, 5)} and {micro(other, 5)}",
        )
    ]


def snapshots(repeats: int, worlds: int = 16) -> list[Measure]:
    """Snapshot and restore of Tag on MuJoCo, against a step of the same worlds with its sensors."""
    simulation = simulate(TAG, worlds, physics="mujoco", sensors=STATE)
    simulation.reset(range(worlds))
    actions = random_actions(worlds, 1).reshape(worlds, 1).repeat(simulation.observers, 1)
    moment = simulation.snapshot()

    def step() -> None:
        simulation.step(actions)
        simulation.observe()

    times = in_turns(repeats, step, simulation.snapshot, partial(simulation.restore, moment))
    simulation.close()
    return [
        Measure(
            f"{name} of a world on MuJoCo / a step",
            median_ratio(taken, times[0]),
            2.0,
            at_most=True,
            detail=f"{micro(taken, worlds)} and {micro(times[0], worlds)} a world",
        )
        for name, taken in zip(("snapshot", "restore"), times[1:], strict=True)
    ]
