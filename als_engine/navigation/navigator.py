"""Ways around obstacles, for every avatar of every world at once: experts and background walkers.

A `Navigator` says which way to walk; `steering` turns that into commands. Nothing here is random,
and what is cached never changes a result. Lengths are metres.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from als_engine.errors import ArgumentError, SnapshotError
from als_engine.navigation.grid import Maps, Ways, look_up, rasterise, refresh
from als_engine.navigation.pathfinding import BUCKETS, FAR, direct
from als_engine.navigation.steering import as_goals, note, steer
from als_engine.world.arrays import NOTHING, BoolArray, FloatArray
from als_engine.world.state import WorldState

if TYPE_CHECKING:
    from als_engine.bodies.avatar import Commands

__all__ = ["Navigator"]

MAX_CELLS: Final = 1 << 20


class Navigator:
    """Finds ways around the walls and fixed props of all worlds of a state.

    Passages narrower than `2 * clearance + cell` may count as closed.

    Attributes:
        state: the worlds.
        cell: edge of a grid cell, metres.
        clearance: how far the middle of an avatar keeps from obstacles, metres.
        arrive: how near to its goal an avatar has arrived, metres.
    """

    def __init__(
        self,
        state: WorldState,
        cell: float = 0.25,
        clearance: float = 0.3,
        blockers: Sequence[str] = (),
        arrive: float = 0.1,
        through_doors: bool = False,
    ) -> None:
        """Makes a navigator that has seen no world yet: call `refresh` after each reset.

        Args:
            state: the worlds.
            cell: see above.
            clearance: see above.
            blockers: props that count as obstacles although they can be moved, where they stand
                when `refresh` is called.
            arrive: see above.
            through_doors: whether ways lead through closed doors, for who opens them on the way. A
                door that is more than half open, and without this every door, is an obstacle where
                it stands when `refresh` is called.

        Raises:
            ArgumentError: a blocker's name is unknown, or a measure is not positive.
        """
        if not (cell > 0 and clearance > 0 and arrive > 0):
            raise ArgumentError(
                f"cell, clearance and arrive must be above 0, got {cell}, {clearance}, {arrive}"
            )
        self.state, self.cell, self.clearance, self.arrive = state, cell, clearance, arrive
        self._through_doors = through_doors
        self._movable: BoolArray = np.zeros(len(state.props.names), np.bool_)
        self._movable[[state.prop(name) for name in blockers]] = True
        worlds, avatars = state.num_worlds, state.num_avatars
        self._maps = Maps(
            origin=np.zeros((worlds, 2)),
            size=np.zeros((worlds, 2), np.int32),
            blocked=np.zeros((worlds, 0), np.bool_),
            things=np.zeros((worlds, 0, 7)),
            counts=np.zeros((worlds, 2), np.int32),
        )
        self._ways = Ways(
            field=np.zeros((worlds, avatars, 0), np.int32),
            known=np.zeros((worlds, avatars), np.int32),
            goal_cell=np.full((worlds, avatars), -1, np.int64),
            goal=np.zeros((worlds, avatars, 2)),
            bucket=np.zeros((BUCKETS, 0), np.int32),
        )
        state.attach(self)

    def remembered(self, worlds: NDArray[np.intp]) -> dict[str, NDArray[Any]]:
        """The things of some worlds as last seen; the rest follows from them."""
        most = int(self._maps.counts[worlds].max(initial=0))
        return {"things": self._maps.things[worlds, :most], "counts": self._maps.counts[worlds]}

    def remember(self, worlds: NDArray[np.intp], saved: Mapping[str, NDArray[Any]]) -> None:
        """Goes by what stood where at another moment; their bounds are those of `state` now.

        Raises:
            SnapshotError: it is not of such worlds.
        """
        things, counts = saved.get("things"), saved.get("counts")
        if (
            things is None or counts is None
            or things.dtype != self._maps.things.dtype or things.ndim != 3 or things.shape[2] != 7
            or counts.dtype != self._maps.counts.dtype or counts.shape != (worlds.size, 2)
            or len(things) != worlds.size or not np.isfinite(things).all()
            or counts.min(initial=0) < 0 or (counts[:, 0] > counts[:, 1]).any()
            or counts.max(initial=0) > things.shape[1]
        ):  # fmt: skip
            raise SnapshotError("the snapshot's map of a navigator is none of these worlds")
        self.refresh(worlds)
        used = min(things.shape[1], int(counts.max(initial=0)))
        if used > self._maps.things.shape[1]:
            raise SnapshotError("the snapshot's map of a navigator is none of these worlds")
        self._maps.things[worlds, :used], self._maps.counts[worlds] = things[:, :used], counts
        rasterise(worlds.astype(np.int64), self._measures(), tuple(self._maps))

    def refresh(self, worlds: ArrayLike | None = None) -> None:
        """Looks at some worlds anew: after their reset, or when a blocker has been moved.

        Args:
            worlds: indices or a mask; None for all.

        Raises:
            ArgumentError: a world is too large for cells of this size.
        """
        state = self.state
        which = np.arange(state.num_worlds) if worlds is None else np.asarray(worlds)
        if which.dtype == np.bool_:
            which = np.flatnonzero(which)
        if not which.size:
            return
        bounds = state.bounds[which]
        edge = math.ceil(self.clearance / self.cell) + 2  # Leaves a way around the outside.
        self._maps.origin[which] = bounds[:, :2] - edge * self.cell
        size = np.ceil((bounds[:, 2:] - bounds[:, :2]) / self.cell) + 2 * edge
        if size.prod(axis=1).max() > MAX_CELLS:
            world = which[int(size.prod(axis=1).argmax())]
            raise ArgumentError(f"world {world} is too large for cells of {self.cell} metres")
        self._maps.size[which] = size
        self._make_room(int(size.prod(axis=1).max()))
        props = state.props
        stands = props.present & props.solid & (props.holder == NOTHING)
        hinges, walls = state.hinges, state.walls
        if self._through_doors and hinges.in_use:
            stands &= ~(hinges.hinged & (2 * np.abs(hinges.angle) < np.abs(hinges.limit)))
        refresh(
            which.astype(np.int64), self._measures(), float(state.bodies.height.max()),
            (walls.count, *walls.rows()[1:]),  # Doors stand here as props.
            (
                props.position, props.orientation, props.half, props.shape, props.mass, stands,
                self._movable,
            ),
            state.parts.rows(), tuple(self._maps), self._ways.goal_cell,
        )  # fmt: skip

    def _measures(self) -> tuple[float, float, float]:
        return float(self.cell), float(self.clearance), float(self.arrive)

    def _make_room(self, cells: int) -> None:
        things = self.state.walls.position.shape[1] + len(self.state.props.names)
        things += self.state.parts.owner.shape[1]
        if things > self._maps.things.shape[1]:
            grown = np.zeros((self.state.num_worlds, things, 7))
            grown[:, : self._maps.things.shape[1]] = self._maps.things
            self._maps = self._maps._replace(things=grown)
        old = self._maps.blocked.shape[1]
        if cells > old:
            shape = (*self._ways.goal_cell.shape, cells)
            blocked = np.zeros((self.state.num_worlds, cells), np.bool_)
            blocked[:, :old] = self._maps.blocked
            field = np.full(shape, FAR, np.int32)
            field[..., :old] = self._ways.field
            self._maps = self._maps._replace(blocked=blocked)
            bucket = np.zeros((BUCKETS, cells), np.int32)
            self._ways = self._ways._replace(field=field, bucket=bucket)

    def free(self, world: int = 0) -> tuple[FloatArray, BoolArray]:
        """The grid of a world: (x, y) of its lower corner, and (rows, columns) of its free cells.

        A cell is free where the middle of an avatar may be in its middle.
        """
        columns, rows = self._maps.size[world].tolist()
        blocked = self._maps.blocked[world, : rows * columns].reshape(rows, columns)
        return self._maps.origin[world].copy(), ~blocked

    def blocked(self, points: ArrayLike) -> BoolArray:
        """Whether points (worlds, ..., 2) are in blocked cells: (worlds, ...)."""
        where = np.asarray(points, np.float64)
        flat = np.ascontiguousarray(where).reshape(self.state.num_worlds, -1, 2)
        out: BoolArray = np.zeros(flat.shape[:2], np.bool_)
        look_up(flat, self._measures(), tuple(self._maps), out)
        return out.reshape(where.shape[:-1])

    def direction(self, goals: ArrayLike, who: BoolArray | None = None) -> FloatArray:
        """Which way to walk now.

        Args:
            goals: (worlds, avatars, 2), or (worlds, 2) for all avatars of a world; NaN for none.
                A goal inside an obstacle leads to the nearest free place on its side of the wall.
            who: (worlds, avatars), the avatars that ask; None for all.

        Returns:
            (worlds, avatars, 2): unit vectors in the world's frame, shorter within the last 0.6
            metres; zero where an avatar has arrived or has no goal. Where there is no way at all
            they point straight at the goal.
        """
        state = self.state
        out: FloatArray = np.zeros((state.num_worlds, state.num_avatars, 2))
        everyone = np.ones(out.shape[:2], np.bool_) if who is None else who
        direct(
            state.avatars.position, as_goals(state, goals), everyone, self._measures(),
            tuple(self._maps), tuple(self._ways), out,
        )  # fmt: skip
        return out

    def walk(
        self,
        goals: ArrayLike,
        commands: Commands,
        who: BoolArray,
        speed: ArrayLike = 1.0,
        avoid: ArrayLike = 0.4,
    ) -> FloatArray:
        """Lets avatars walk to their goals: `direction`, then `steer`; returns the directions."""
        directions = self.direction(goals, who)
        note(self.state, goals, commands, who)
        steer(self.state, directions, commands, who, speed, avoid)
        return directions
