"""Moving: the physics of all worlds, and which of them are whole.

The engine is opened when somebody first wants to see a world: that takes 45 ms. A world that is in
the middle of a step or a reset is marked before it is touched, so that nobody goes on from there.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from als_engine.errors import PhysicsError, ResetNeededError
from als_engine.physics.base import Physics
from als_engine.physics.engines import check_physics, make_physics
from als_engine.system.ownership import Owner
from als_engine.world.arrays import BoolArray, FloatArray
from als_engine.world.state import WorldState

__all__ = ["Moving"]


class Moving(Owner):
    """Moves the bodies of all worlds with one engine.

    Attributes:
        name: of the engine.
        physics: the engine, once it is open.
        ready: (worlds,) bool, which may be stepped: none in the middle of a step or a reset.
        closed: whether `close` was called.
    """

    def __init__(self, name: str, state: WorldState) -> None:
        """Opens nothing yet.

        Raises:
            ArgumentError: there is no such engine, or it is not installed.
        """
        super().__init__()
        self.name = check_physics(name)
        self.physics: Physics | None = None
        self.ready: BoolArray = np.zeros(state.num_worlds, np.bool_)
        self.closed = False
        self._state = state

    def open(self) -> Physics:
        """The engine; opened now if it is not yet."""
        self.check_open()
        if self.physics is None:
            self.physics = make_physics(self.name, self._state.num_worlds)
            self.own()
        return self.physics

    def close(self) -> None:
        """Frees the engine; calling it twice is fine."""
        self.closed = True
        if self.physics is not None:
            self.physics.close()
            self.physics = None

    def check_open(self) -> None:
        """Refuses to go on with what is closed, or belongs to another process.

        Raises:
            ResetNeededError: it is closed.
            CopyError: this process was forked from the one that reset it.
        """
        if self.closed:
            raise ResetNeededError("the environment is closed; make a new one")
        if self.physics is not None:
            self.check_owner()

    def check_ready(self) -> None:
        """Refuses to step worlds that are not whole.

        Raises:
            ResetNeededError: one is not reset, or broke off in the middle.
        """
        self.check_open()
        if self.physics is None:
            raise ResetNeededError("call reset() before step()")
        if np.count_nonzero(self.ready) < self.ready.size:
            raise self._broken_off("step()", int(self.ready.argmin()))

    def whole(self, what: str, worlds: NDArray[np.intp]) -> Physics:
        """The physics of some worlds, which are whole.

        Raises:
            ResetNeededError: one is not reset, or broke off in the middle; names `what`.
        """
        self.check_open()
        if self.physics is None or not self.ready[worlds].all():
            raise self._broken_off(what, int(worlds[int(self.ready[worlds].argmin())]))
        return self.physics

    def _broken_off(self, what: str, world: int) -> ResetNeededError:
        return ResetNeededError(
            f"call reset() before {what}: world {self._state.first_world + world} is not reset, or "
            "its last step or reset broke off in the middle"
        )

    def move(self, force: FloatArray) -> PhysicsError | None:
        """Moves the bodies; a world in which that failed stands still, and the others go on.

        Args:
            force: (worlds, avatars, 3), newtons.
        """
        assert self.physics is not None
        try:
            self.physics.step(self._state, force)
        except PhysicsError as error:
            props = self._state.props
            broken = np.array(error.worlds) - self._state.first_world
            props.position[broken] = props.velocity[broken] = 0.0
            props.orientation[broken] = (0.0, 0.0, 0.0, 1.0)
            return error
        return None
