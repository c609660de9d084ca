"""Several rooms joined by doors: offices, wards, mazes.

Lengths are metres; north is +y and east is +x.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from als_engine.errors import LayoutError
from als_engine.world.layout import Color, Prop
from als_engine.world.room import Door, Room, straight_wall

__all__ = ["RoomGrid", "grid_of_rooms"]


class RoomGrid:
    """Rooms in rows and columns, joined by doors.

    Attributes:
        rows, columns: how many.
        rooms: row by row from the south, each row from the west.
        doors: pairs of indices into `rooms`, one for each door.
    """

    def __init__(
        self,
        rows: int,
        columns: int,
        rooms: Sequence[Room],
        doors: Sequence[tuple[int, int]],
    ) -> None:
        """Use `grid_of_rooms`."""
        self.rows, self.columns = rows, columns
        self.rooms, self.doors = tuple(rooms), tuple(doors)

    def room(self, row: int, column: int) -> Room:
        """The room of a row and a column."""
        return self.rooms[row * self.columns + column]

    def room_at(self, position: Sequence[float]) -> int | None:
        """The index of the room whose floor a point is above, or None."""
        return next((i for i, room in enumerate(self.rooms) if room.contains(position)), None)

    def walls(self) -> list[Prop]:
        """All walls; two neighbours share one."""
        first = self.rooms[0]
        across, along = first.width + first.thickness, first.depth + first.thickness
        length = self.columns * across + first.thickness
        x = (first.center[0] + self.rooms[-1].center[0]) / 2
        pieces = []
        for line in range(self.rows + 1):
            row = self.rooms[line * self.columns :][: self.columns]
            y = first.center[1] + (line - 0.5) * along
            pieces += straight_wall((x, y), length, True, _gaps(row, "south", x), first)
        for i, room in enumerate(self.rooms):
            middle = (room.center[0] - across / 2, room.center[1])
            pieces += straight_wall(middle, room.depth, False, _gaps([room], "west", 0.0), first)
            if i % self.columns == self.columns - 1:
                middle = (room.center[0] + across / 2, room.center[1])
                pieces += straight_wall(middle, room.depth, False, (), first)
        return pieces


def grid_of_rooms(
    rows: int,
    columns: int,
    width: float = 4.0,
    depth: float = 4.0,
    height: float = 2.4,
    center: Sequence[float] = (0.0, 0.0),
    thickness: float = 0.15,
    color: Color = "beige",
    door_width: float = 1.2,
    rng: np.random.Generator | None = None,
    extra_doors: float = 0.5,
) -> RoomGrid:
    """Returns equal rooms in a grid, every one of which can be reached from every other.

    Args:
        rows: how many rooms along y.
        columns: how many rooms along x.
        width: of each room's floor along x, metres.
        depth: of each room's floor along y, metres.
        height: of the walls, metres.
        center: (x, y) of the middle of the whole.
        thickness: of the walls, metres.
        color: of the walls.
        door_width: metres.
        rng: draws which walls have doors and where; without it each inner wall has one, centred.
        extra_doors: with `rng`, the chance of a door that no connection needs.

    Raises:
        LayoutError: there is no room in the grid, or a door is wider than a wall.
    """
    if rows < 1 or columns < 1:
        raise LayoutError(f"a grid of rooms needs rows and columns, got {rows} x {columns}")
    joined = _joins(rows, columns, rng, extra_doors)
    doors: list[list[Door]] = [[] for _ in range(rows * columns)]
    for one, two in joined:
        beside = columns > 1 and two == one + 1
        near, far, wall = ("east", "west", depth) if beside else ("north", "south", width)
        slack = max(0.0, (wall - door_width) / 2 - 0.2)
        offset = 0.0 if rng is None else slack * (2.0 * rng.random() - 1.0)
        doors[one].append(Door(near, offset, door_width))
        doors[two].append(Door(far, offset, door_width))
    rooms = []
    for i, gaps in enumerate(doors):
        x = center[0] + (i % columns - (columns - 1) / 2) * (width + thickness)
        y = center[1] + (i // columns - (rows - 1) / 2) * (depth + thickness)
        rooms.append(Room(width, depth, height, (x, y), thickness, color, gaps))
    return RoomGrid(rows, columns, rooms, joined)


def _joins(
    rows: int, columns: int, rng: np.random.Generator | None, extra: float
) -> list[tuple[int, int]]:
    """Which neighbours have a door: a spanning tree (Kruskal's), and some more."""
    cells = range(rows * columns)
    pairs = [(i, i + 1) for i in cells if i % columns < columns - 1]
    pairs += [(i, i + columns) for i in cells if i // columns < rows - 1]
    if rng is None:
        return pairs
    group = list(cells)
    chosen = []
    for k in rng.permutation(len(pairs)).tolist():
        one, two = pairs[k]
        if group[one] != group[two]:
            old, new = group[two], group[one]
            group = [new if g == old else g for g in group]
            chosen.append(pairs[k])
        elif rng.random() < extra:
            chosen.append(pairs[k])
    return chosen


def _gaps(rooms: Sequence[Room], side: str, middle: float) -> list[tuple[float, float]]:
    """The doors of a line of rooms, (offset from `middle`, width)."""
    return [
        (door.offset + (room.center[0] - middle if side == "south" else 0.0), door.width)
        for room in rooms
        for door in room.doors
        if door.side == side
    ]
