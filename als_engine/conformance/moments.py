"""Checks snapshots: the same actions after a restore give the same future."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from als_engine.conformance.case import Case, Player
from als_engine.sensors import SENSORS
from als_engine.simulation import Simulation

_SEED: Final = 17
_MOMENTS: Final = 2
_FRAME: Final = 16

Seen = tuple[dict[str, bytes], list[bytes]]


def snapshot(case: Case) -> Iterator[str]:
    """The same actions after a restore give the same future, in the same and in new worlds.

    Such as: restored to steps [6, 6] in the same worlds, reward differs after 1 steps
    """
    every = tuple(dict.fromkeys((*SENSORS, *case.task_class().extra_sensors)))
    given: dict[str, Any] = {"sensors": every, "frame_size": _FRAME}
    simulation, other = case.simulate(2, **given), case.simulate(2, **given)
    try:
        yield from futures(simulation, other, _MOMENTS, case.options.steps)
    finally:
        simulation.close()
        other.close()


def futures(simulation: Simulation, other: Simulation, moments: int, steps: int) -> Iterator[str]:
    """Compares what follows random moments with what follows after a restore.

    Args:
        simulation: plays, and goes back.
        other: of the same arguments; it is restored without ever having been reset.
        moments: how many.
        steps: how far ahead is compared, and how far apart moments are at most.
    """
    rng, player = np.random.default_rng(_SEED), Player(_SEED)
    simulation.reset(range(_SEED, _SEED + simulation.num_worlds))
    for _ in range(moments):
        for _ in range(int(rng.integers(1, steps + 1))):
            _step(simulation, player.act(simulation))
        taken, at = simulation.snapshot(), simulation.state.step.tolist()
        ahead: list[tuple[NDArray[Any], Seen]] = []
        for _ in range(steps):
            actions = np.array(player.act(simulation))
            ahead.append((actions, _step(simulation, actions)))
        for where, worlds in (("the same worlds", simulation), ("new worlds", other)):
            worlds.restore(taken)
            for step, (actions, then) in enumerate(ahead):
                if difference := _difference(_step(worlds, actions), then):
                    yield (
                        f"restored to steps {at} in {where}, {difference} differs after "
                        f"{step + 1} steps: does the task or a sensor keep something of a world?"
                    )
                    return


def _step(simulation: Simulation, actions: NDArray[Any]) -> Seen:
    """A step, and a reset of what ended; all that was seen, and the digests."""
    simulation.advance(actions)
    told: dict[str, Any] = {
        "reward": simulation.rewards,
        "reward_terms": simulation.terms,
        "terminated": simulation.terminated,
        "truncated": simulation.truncated,
        **simulation.metrics(),
    }
    seen = {name: array.tobytes() for name, array in told.items()}
    if (ended := simulation.terminated | simulation.truncated).any():
        simulation.reset(worlds=ended)
    simulation.observe()
    seen.update({f'"{key}"': array.tobytes() for key, array in simulation.observations.items()})
    return seen, [simulation.state.digest(world) for world in range(simulation.num_worlds)]


def _difference(one: Seen, two: Seen) -> str:
    """The names of what differs, or ''."""
    names = [name for name, value in one[0].items() if two[0].get(name) != value]
    return ", ".join(names) or ("" if one[1] == two[1] else "the state")
