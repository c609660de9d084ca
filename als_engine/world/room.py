"""Procedural rooms: walls with doors, corridors, and free spots that never overlap.

A `Room` remembers what stands in it, as footprints seen from above. A spot that it hands out is at
least the wanted distance from everything that it remembers; a room that says it is full is full.
Lengths are metres, angles radians; north is +y and east is +x.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeAlias

import numpy as np

from als_engine.errors import LayoutError, unknown
from als_engine.geometry import portable_math as pmath
from als_engine.geometry.footprint import Footprint, clear, search
from als_engine.world.layout import Box, Color, Hinge, Prop
from als_engine.world.shapes import form_of

__all__ = ["SIDES", "Door", "Room", "corridor", "straight_wall"]

SIDES = ("north", "east", "south", "west")

Point: TypeAlias = "tuple[float, float]"

# The heading at which a thing's back is at that wall and its local -y looks into the room.
_HEADING = {"north": 0.0, "east": -math.pi / 2, "south": math.pi, "west": math.pi / 2}
_OUTWARD = {"north": (0.0, 1.0), "east": (1.0, 0.0), "south": (0.0, -1.0), "west": (-1.0, 0.0)}

_BATCH = 8
_BATCHES = 4


@dataclass(frozen=True, slots=True)
class Door:
    """A gap in a wall.

    Attributes:
        side: "north", "east", "south" or "west".
        offset: of its middle from the middle of that wall, along +x or +y, metres.
        width: metres.
    """

    side: str
    offset: float = 0.0
    width: float = 1.2


class _Want(NamedTuple):
    """What kind of spot is wanted; the fields are the arguments of `Room.free_spot`."""

    radius: float
    margin: float
    near: Sequence[float] | None
    within: float
    away_from: Sequence[float] | Sequence[Sequence[float]] | None
    beyond: float

    def disc(self) -> tuple[float, float, float] | None:
        """The (x, y, radius) that the centre must lie in, if any."""
        return None if self.near is None else (self.near[0], self.near[1], self.within)

    def area(self, bounds: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
        """Where the centre can be: least x and y, greatest x and y."""
        reach = self.radius + self.margin - 1e-9  # A disc as wide as the room fits.
        x0, y0, x1, y1 = bounds
        x0, y0, x1, y1 = x0 + reach, y0 + reach, x1 - reach, y1 - reach
        if self.near is not None:
            (x, y), r = self.near[:2], self.within
            x0, y0, x1, y1 = max(x0, x - r), max(y0, y - r), min(x1, x + r), min(y1, y + r)
        return x0, y0, x1, y1


class Room:
    """A rectangular room, and what stands in it.

    Attributes:
        width, depth: of the floor between the walls, along x and y, metres.
        height, thickness: of the walls, metres; the walls stand outside the floor.
        center: (x, y) of the middle of the floor.
        color: of the walls.
        doors: gaps in the walls; the floor before a door is kept free.
    """

    def __init__(
        self,
        width: float,
        depth: float,
        height: float = 2.4,
        center: Sequence[float] = (0.0, 0.0),
        thickness: float = 0.15,
        color: Color = "beige",
        doors: Sequence[Door | tuple[str, float, float]] = (),
    ) -> None:
        """Makes an empty room.

        Raises:
            LayoutError: a measure is not positive, or a door does not fit into its wall.
        """
        sizes = {"width": width, "depth": depth, "height": height, "thickness": thickness}
        for name, value in sizes.items():
            if not (math.isfinite(value) and value > 0):
                raise LayoutError(f"room {name} must be above 0 metres, got {value}")
        self.width, self.depth, self.height = float(width), float(depth), float(height)
        self.thickness, self.color = float(thickness), color
        self.center: Point = (float(center[0]), float(center[1]))
        self.doors = tuple(door if isinstance(door, Door) else Door(*door) for door in doors)
        self._footprints: list[Footprint] = []
        for door in self.doors:
            self._check_door(door)
            self._footprints.append(Footprint(*self._middle(door), radius=door.width / 2))

    def _check_door(self, door: Door) -> None:
        length = self._length(door.side)
        if door.width <= 0 or abs(door.offset) + door.width / 2 > length / 2 + 1e-9:
            raise LayoutError(
                f"{door.side} door of width {door.width:g} m at offset {door.offset:g} m does not "
                f"fit into a wall of {length:g} m"
            )

    def _length(self, side: str) -> float:
        if side not in SIDES:
            raise LayoutError(unknown("side", side, SIDES))
        return self.width if side in ("north", "south") else self.depth

    def _middle(self, door: Door) -> Point:
        position, _ = self.on_wall(door.side, door.offset)
        return position[0], position[1]

    # -- walls ----------------------------------------------------------------------------------

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """The floor's least x and y, then its greatest x and y."""
        (x, y), w, d = self.center, self.width / 2, self.depth / 2
        return (x - w, y - d, x + w, y + d)

    def contains(self, position: Sequence[float]) -> bool:
        """Whether a point is above the floor of this room."""
        x0, y0, x1, y1 = self.bounds
        return x0 <= position[0] <= x1 and y0 <= position[1] <= y1

    def walls(self) -> list[Prop]:
        """The four walls, in more pieces where there are doors."""
        pieces = []
        for side in SIDES:
            gaps = [(door.offset, door.width) for door in self.doors if door.side == side]
            corner = self.thickness if side in ("north", "south") else 0.0
            out_x, out_y = _OUTWARD[side]
            pieces += straight_wall(
                (
                    self.center[0] + out_x * (self.width + self.thickness) / 2,
                    self.center[1] + out_y * (self.depth + self.thickness) / 2,
                ),
                self._length(side) + 2 * corner,
                out_x == 0.0,
                gaps,
                self,
            )
        return pieces

    def hang(
        self,
        door: Door | int = 0,
        hinge: Hinge | None = None,
        color: Color = "brown",
        thickness: float = 0.05,
    ) -> Prop:
        """Returns a door that fills one of the gaps: as high as the wall, its front to the room.

        Args:
            door: the gap, or its number in `doors`.
            hinge: by default on the left, seen from the room, opened outwards by who uses it.
            color: of the leaf.
            thickness: of the leaf, metres.
        """
        gap = self.doors[door] if isinstance(door, int) else door
        hinge = Hinge() if hinge is None else hinge
        (x, y, _), _ = self.on_wall(gap.side, gap.offset, out=-self.thickness / 2)
        leaf = Box(gap.width, thickness, self.height)
        usable = hinge.opens == "use"
        return Prop(leaf, (x, y), _HEADING[gap.side], color=color, usable=usable, hinge=hinge)

    def on_wall(
        self, side: str, offset: float = 0.0, z: float = 1.5, out: float = 0.0
    ) -> tuple[tuple[float, float, float], float]:
        """A place on the inner face of a wall, for a sign or a sound.

        Args:
            side: "north", "east", "south" or "west".
            offset: from the middle of the wall, along +x or +y, metres.
            z: height of the place, metres.
            out: how far it stands out from the wall, metres.

        Returns:
            Its position (x, y, z), and the heading that looks from there into the room.
        """
        self._length(side)
        out_x, out_y = _OUTWARD[side]
        x = self.center[0] + out_x * (self.width / 2 - out) + abs(out_y) * offset
        y = self.center[1] + out_y * (self.depth / 2 - out) + abs(out_x) * offset
        return (x, y, z), pmath.atan2(0.0 - out_y, 0.0 - out_x)

    # -- what stands in the room ------------------------------------------------------------------

    def occupy(
        self,
        position: Sequence[float],
        radius: float = 0.0,
        box: Sequence[float] | None = None,
        heading: float = 0.0,
    ) -> None:
        """Keeps a disc, or a box (width, depth) at a heading, free of everything to come."""
        half_x, half_y = (box[0] / 2, box[1] / 2) if box is not None else (0.0, 0.0)
        x, y = float(position[0]), float(position[1])
        self._footprints.append(Footprint(x, y, half_x, half_y, radius, heading))

    def add(self, prop: Prop) -> Prop:
        """Remembers a prop where it stands, and returns it."""
        form = form_of(prop.shape)
        half_x, half_y, _ = form.half
        if form.is_round:
            self.occupy(prop.position, half_x)
        else:
            self.occupy(prop.position, 0.0, (2 * half_x, 2 * half_y), prop.heading)
        return prop

    def place(
        self,
        rng: np.random.Generator,
        prop: Prop,
        margin: float = 0.1,
        near: Sequence[float] | None = None,
        within: float = 2.0,
        away_from: Sequence[float] | Sequence[Sequence[float]] | None = None,
        beyond: float = 2.0,
    ) -> Prop:
        """Returns the prop, moved to a free spot that is large enough for it at any heading.

        The arguments, and the error for a full room, are those of `free_spot`.
        """
        form = form_of(prop.shape)
        half_x, half_y, _ = form.half
        radius = half_x if form.is_round else pmath.hypot(half_x, half_y)
        want = _Want(radius, margin, near, within, away_from, beyond)
        return self.add(replace(prop, position=(*self._find(rng, want), *prop.position[2:])))

    def place_along(
        self, rng: np.random.Generator, side: str, prop: Prop, margin: float = 0.1
    ) -> Prop:
        """Returns the prop, moved with its back to a wall, as `along_wall` has it."""
        half_x, half_y, _ = prop.shape.half
        spot, heading = self.along_wall(rng, side, 2 * half_x, 2 * half_y, margin)
        return replace(prop, position=(*spot, *prop.position[2:]), heading=heading)

    # -- free spots -------------------------------------------------------------------------------

    def free_spot(
        self,
        rng: np.random.Generator,
        radius: float = 0.4,
        margin: float = 0.1,
        near: Sequence[float] | None = None,
        within: float = 2.0,
        away_from: Sequence[float] | Sequence[Sequence[float]] | None = None,
        beyond: float = 2.0,
    ) -> Point:
        """Draws a place for a disc that touches neither a wall nor anything in the room.

        The room remembers the disc, so that no later spot overlaps it.

        Args:
            rng: the world's generator.
            radius: of the disc, metres.
            margin: kept free around it, towards walls and things alike, metres.
            near: (x, y) that the spot is at most `within` metres from.
            within: see `near`.
            away_from: (x, y), or several, that the spot is at least `beyond` metres from.
            beyond: see `away_from`.

        Returns:
            (x, y) of its centre.

        Raises:
            LayoutError: the room has no such place left.
        """
        x, y = self._find(rng, _Want(radius, margin, near, within, away_from, beyond))
        self._footprints.append(Footprint(x, y, radius=radius))
        return x, y

    def spots(
        self, rng: np.random.Generator, n: int, radius: float = 0.4, margin: float = 0.1
    ) -> list[Point]:
        """Draws `n` free spots.

        Raises:
            LayoutError: the room is full before all of them are placed.
        """
        return [self.free_spot(rng, radius, margin) for _ in range(n)]

    def along_wall(
        self,
        rng: np.random.Generator,
        side: str,
        width: float,
        depth: float,
        margin: float = 0.1,
    ) -> tuple[Point, float]:
        """Draws a free place for a thing with its back to a wall, and remembers it.

        Args:
            rng: the world's generator.
            side: "north", "east", "south" or "west".
            width: of the thing along the wall, metres.
            depth: of the thing away from the wall, metres.
            margin: kept free between it and other things, metres.

        Returns:
            (x, y) of its centre, and the heading at which a `Box(width, depth, ...)` stands with
            its back (local +y) to the wall.

        Raises:
            LayoutError: nothing that large fits there any more.
        """
        length, (out_x, out_y) = self._length(side), _OUTWARD[side]
        x = self.center[0] + out_x * (self.width - depth) / 2
        y = self.center[1] + out_y * (self.depth - depth) / 2
        thing = Footprint(x, y, width / 2, depth / 2, 0.0, _HEADING[side])
        fits = width <= length and depth <= (self.depth if out_x == 0.0 else self.width)
        for t in _offsets(rng, (length - width) / 2) if fits else ():
            thing.x, thing.y = x + abs(out_y) * t, y + abs(out_x) * t
            if all(thing.gap(other) >= margin for other in self._footprints):
                self._footprints.append(thing)
                return (thing.x, thing.y), _HEADING[side]
        raise LayoutError(
            f"{self} is full along its {side} wall: {width:.2f} x {depth:.2f} m do not fit "
            f"(margin {margin:.2f} m); {self._tally()}"
        )

    def _find(self, rng: np.random.Generator, want: _Want) -> Point:
        """A spot as `free_spot` has it: a few random tries, then a search that misses none."""
        reach, disc = want.radius + want.margin, want.disc()
        x0, y0, x1, y1 = area = want.area(self.bounds)
        avoid = self._footprints
        if want.away_from is not None:
            # The spot's centre, not its rim, keeps clear of these discs.
            far = want.beyond - reach
            avoid = [*avoid, *(Footprint(x, y, radius=far) for x, y in _points(want.away_from))]
        if x0 > x1 or y0 > y1:
            raise LayoutError(self._full(want))
        for _ in range(_BATCHES):
            draws = rng.random(2 * _BATCH).tolist()
            for u, v in zip(draws[::2], draws[1::2], strict=True):
                x, y = x0 + u * (x1 - x0), y0 + v * (y1 - y0)
                close = disc is None or pmath.hypot(x - disc[0], y - disc[1]) <= disc[2]
                if close and clear(avoid, x, y, reach):
                    return x, y
        found = search(rng, area, avoid, reach, disc)
        if found is None:
            raise LayoutError(self._full(want))
        return found

    def _full(self, want: _Want) -> str:
        where = ""
        if want.near is not None:
            where = f" within {want.within:g} m of ({want.near[0]:.2f}, {want.near[1]:.2f})"
        if want.away_from is not None:
            every = " and ".join(f"({x:.2f}, {y:.2f})" for x, y in _points(want.away_from))
            where += f" beyond {want.beyond:g} m from {every}"
        return (
            f"{self} is full: no free spot of radius {want.radius:.2f} m "
            f"(margin {want.margin:.2f} m){where}; {self._tally()}"
        )

    def _tally(self) -> str:
        floor, taken = self.width * self.depth, sum(f.area() for f in self._footprints)
        return f"{len(self._footprints)} things occupy {taken:.1f} of {floor:.1f} square metres"

    def __repr__(self) -> str:
        return f"room of {self.width:g} x {self.depth:g} m"


def corridor(
    length: float,
    width: float = 2.0,
    height: float = 2.4,
    center: Sequence[float] = (0.0, 0.0),
    thickness: float = 0.15,
    color: Color = "beige",
    open_ends: bool = False,
) -> Room:
    """Returns a long room along x; with `open_ends` it lacks its west and east walls."""
    ends = [Door("west", 0.0, width), Door("east", 0.0, width)] if open_ends else []
    return Room(length, width, height, center, thickness, color, ends)


def _offsets(rng: np.random.Generator, reach: float) -> Iterator[float]:
    """Where to try along a wall: at random, then from end to end in steps of 2 cm."""
    yield from (reach * (2.0 * rng.random(_BATCH) - 1.0)).tolist()
    sweep = np.append(np.arange(-reach, reach, 0.02), reach)
    yield from np.roll(sweep, int(rng.integers(len(sweep)))).tolist()


def _points(where: Sequence[float] | Sequence[Sequence[float]]) -> list[Point]:
    """One point or several, as a list."""
    rows = np.atleast_2d(np.asarray(where, np.float64))[:, :2].tolist()
    return [(x, y) for x, y in rows]


def straight_wall(
    middle: Point,
    length: float,
    along_x: bool,
    gaps: Sequence[tuple[float, float]],
    room: Room,
) -> list[Prop]:
    """Returns a wall like those of `room`, as the pieces that its gaps (offset, width) leave."""
    start, pieces = -length / 2, []
    for offset, width in [*sorted(gaps), (length / 2 + 1.0, 2.0)]:
        end = offset - width / 2
        if end - start > 1e-6:
            at, size = (start + end) / 2, end - start
            x, y = (at, 0.0) if along_x else (0.0, at)
            w, d = (size, room.thickness) if along_x else (room.thickness, size)
            position = (middle[0] + x, middle[1] + y)
            pieces.append(Prop(Box(w, d, room.height), position, color=room.color))
        start = max(start, offset + width / 2)
    return pieces
