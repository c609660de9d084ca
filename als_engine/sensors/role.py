"""The avatar's own role: whoever learns several of them is told which one it has."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import gymnasium
import numpy as np
from numpy.typing import NDArray

from als_engine.sensors.base import Setup, WorldwiseSensor

if TYPE_CHECKING:
    from als_engine.world.state import WorldState


class Role(WorldwiseSensor):
    """Which role the avatar has, float32 (roles,): 1 for its own, 0 for the others.

    The roles are all that there are in the scenario, in alphabetical order.
    """

    provides: ClassVar[tuple[str, ...]] = ("role",)

    def __init__(self, setup: Setup, enabled: Collection[str]) -> None:
        """Counts the roles."""
        super().__init__(setup, enabled)
        roles = setup.roles or ("avatar",) * setup.num_avatars
        names = sorted(set(roles))
        self._rows: NDArray[np.float32] = np.zeros((setup.observers, len(names)), np.float32)
        for avatar, role in enumerate(roles[: setup.observers]):
            self._rows[avatar, names.index(role)] = 1.0

    def spaces(self) -> Mapping[str, gymnasium.Space[Any]]:
        """One avatar's space."""
        return {"role": gymnasium.spaces.Box(0.0, 1.0, self._rows.shape[1:], np.float32)}

    def read_some(
        self, state: WorldState, out: Mapping[str, NDArray[Any]], worlds: NDArray[np.intp]
    ) -> None:
        """Fills `role`, (worlds, observers, roles), of some worlds."""
        out["role"][worlds] = self._rows
