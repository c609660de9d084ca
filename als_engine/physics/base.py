"""What the simulation asks of a physics engine: one object moves the bodies of all worlds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from als_engine.errors import PhysicsError
from als_engine.world.arrays import BoolArray, FloatArray
from als_engine.world.state import WorldState


class Physics(Protocol):
    """Moves the bodies of every world; a backend may loop over worlds inside or batch them."""

    def build(self, world: int, state: WorldState) -> None:
        """Builds one world anew from what `state` holds: walls, props and avatars."""

    def step(self, state: WorldState, force: FloatArray) -> None:
        """Takes over moved props, advances every world by one time step and reads it back.

        Args:
            state: `state.moved` props are placed; then poses, velocities and contacts are written.
            force: (worlds, avatars, 3), newtons, held constant over the substeps.

        Raises:
            PhysicsError: a world's state is not finite or has exploded; the others have made their
                step.
        """

    def snapshot(self, worlds: NDArray[np.intp]) -> dict[str, NDArray[Any]]:
        """The arrays that some worlds need to go on from here, beside those of `WorldState`.

        Args:
            worlds: their indices.

        Returns:
            Arrays by name, copies, whose first axis is these worlds; where a longer world needs
            more numbers than another, the rest is 0.

        Raises:
            PhysicsError: a world's moment cannot be kept; the message says why.
        """

    def restore(
        self, worlds: NDArray[np.intp], state: WorldState, saved: Mapping[str, NDArray[Any]]
    ) -> None:
        """Puts worlds where `snapshot` found them: every later step is, bit for bit, the same.

        Args:
            worlds: their indices, as many as `saved` has.
            state: already holds the moment; it is only read.
            saved: as `snapshot` returned it, perhaps by way of somebody else's file.

        Raises:
            SnapshotError: `saved` is not of such worlds; nothing has changed.
            PhysicsError: `saved` does not lead to the moment that `state` holds; these worlds are
                to be built or restored anew before the next step.
        """

    def close(self) -> None:
        """Frees what the engine holds; calling it twice is fine."""


def broken_error(state: WorldState, broken: BoolArray) -> PhysicsError:
    """Returns the error about the worlds that a step has broken; `broken` is a mask of them."""
    which = np.flatnonzero(broken)
    first = int(which[0])
    world = state.first_world + first
    return PhysicsError(
        f"the physics of world {world} (level {state.level[first]}, step {state.step[first]}) "
        f"is not finite or has exploded; reset that world",
        world=world,
        worlds=tuple((which + state.first_world).tolist()),
    )
