"""What avatars feel of their effectors: one observation for each effector, of its own columns."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import gymnasium
import numpy as np
from numpy.typing import NDArray

from als_engine.errors import ArgumentError
from als_engine.sensors import SENSORS
from als_engine.sensors.base import Sensor, Setup

if TYPE_CHECKING:
    from als_engine.world.body import Effector
    from als_engine.world.state import WorldState

__all__ = ["sensors_of"]


class EffectorSensor(Sensor):
    """The columns of an effector, float32 (n,), each from -1 to 1; 0 for who has none."""

    effector: ClassVar[Effector]

    def __init__(self, setup: Setup, enabled: Collection[str]) -> None:
        """Allocates the columns of all avatars."""
        super().__init__(setup, enabled)
        shape = (setup.num_worlds, setup.num_avatars, len(self.effector.columns))
        self._columns: NDArray[np.float32] = np.zeros(shape, np.float32)

    def spaces(self) -> Mapping[str, gymnasium.Space[Any]]:
        """One avatar's space."""
        shape = (len(self.effector.columns),)
        return {self.effector.name: gymnasium.spaces.Box(-1.0, 1.0, shape, np.float32)}

    def read(self, state: WorldState, out: Mapping[str, NDArray[Any]]) -> None:
        """Fills the observation, (worlds, observers, n)."""
        name = self.effector.name
        self._columns.fill(0.0)
        self.effector.observe(state, self._columns)
        has = state.bodies.has[name][:, None]
        out[name][:] = (self._columns * has)[:, : self.setup.observers]


def sensors_of(effectors: Iterable[Effector], taken: Collection[str]) -> dict[str, type[Sensor]]:
    """The sensors of effectors that have columns, by observation key.

    Raises:
        ArgumentError: there is a sensor of that name; `taken` are those beside the engine's own.
    """
    made: dict[str, type[Sensor]] = {}
    for effector in effectors:
        if not effector.columns:
            continue
        if effector.name in SENSORS or effector.name in taken:
            raise ArgumentError(
                f'the effector "{effector.name}" clashes: there is a sensor of that name'
            )
        own = {"provides": (effector.name,), "effector": effector}
        made[effector.name] = type(f"{type(effector).__name__}Sensor", (EffectorSensor,), own)
    return made
