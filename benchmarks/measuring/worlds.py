"""The worlds that are measured, and the actions in them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import scene  # noqa: F401 - registers Bench/Ring-v0 and Bench/Procedural-v0
from gymnasium.vector import AutoresetMode

from als_engine.envs.batch import Batch
from als_engine.simulation import Simulation, simulate

RING, PROCEDURAL = "Bench/Ring-v0", "Bench/Procedural-v0"
STATE = ("proprioception", "entities")


def random_actions(worlds: int, steps: int) -> np.ndarray:
    """(steps, worlds), one discrete action each; the same in every call."""
    return np.random.default_rng(0).integers(0, 7, (steps, worlds))


def stepping(env: Any, plan: Iterable[Any]) -> Callable[[], None]:
    """Work to time: the planned actions, one step after the other."""

    def step() -> None:
        for actions in plan:
            env.step(actions)

    return step


def reset_batch(
    scenario: str,
    worlds: int,
    sensors: tuple[str, ...],
    seed_step: int = 1,
    make: Callable[..., Simulation] = simulate,
) -> Batch:
    """A batch whose world `i` was reset with seed `i * seed_step`."""
    batch = Batch(make(scenario, worlds, sensors=sensors), AutoresetMode.NEXT_STEP)
    batch.reset([world * seed_step for world in range(worlds)])
    return batch
