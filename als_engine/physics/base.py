"""What the simulation asks of a physics engine: one object moves the bodies of all worlds."""

from __future__ import annotations

from typing import Protocol

from als_engine.world.arrays import FloatArray
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

    def close(self) -> None:
        """Frees what the engine holds; calling it twice is fine."""
