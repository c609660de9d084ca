"""What a level holds: its things with their sizes, and what nobody can reach.

Out of reach is what no avatar that is there at the start can walk to, as a `Navigator` finds ways:
a prop that no hand can touch, a sign that nobody can read, floor that is walled in.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from als_engine.bodies.interaction import REACH
from als_engine.geometry import portable_math as pmath
from als_engine.geometry.footprint import Footprint
from als_engine.geometry.sight import EYE_HEIGHT, visible
from als_engine.navigation.grid import STEP_OVER
from als_engine.navigation.ground import Ground
from als_engine.navigation.navigator import Navigator
from als_engine.sensors.text import READING_RANGE
from als_engine.simulation import Simulation
from als_engine.world.arrays import SHAPE_BOX, SHAPE_COMPOUND, FloatArray
from als_engine.world.state import WorldState

__all__ = ["Plan", "Thing", "together"]

_CHEST: Final = 0.62
"""The height, as a share of an avatar's, from which a hand reaches out."""


@dataclass(frozen=True)
class Thing:
    """A thing of a level.

    Attributes:
        name: as the layout has it. kind: "prop", "sign", "screen" or "sound".
        what: "fixed", "2 kg", "portable, 0.5 kg", "door", ...
        size: width, depth and height, metres; of a round one the diameter and the height, of a ball
            the diameter, of a sign its width and height; empty for a sound.
        round: seen from above. position: (x, y, z) of the centre. heading: radians.
        color: red, green, blue. reachable: whether it can be touched, or read.
        overhead: whether avatars walk under it. flat: whether they step over it.
    """

    name: str
    kind: str
    what: str
    size: tuple[float, ...]
    round: bool
    position: tuple[float, float, float]
    heading: float
    color: tuple[int, int, int]
    reachable: bool = True
    overhead: bool = False
    flat: bool = False

    @property
    def measures(self) -> str:
        """Its size as people write it, metres."""
        if not self.size:
            return ""
        figures = " × ".join(f"{round(side, 2):g}" for side in self.size)
        return f"⌀ {figures}" if self.round else figures


class Plan:
    """A level as it is after a reset.

    Attributes:
        state: the world. names: of its avatars.
        ground: where avatars can walk. things: what is there. absent: names of what is not there.
    """

    def __init__(self, simulation: Simulation) -> None:
        """Looks at world 0 of a simulation that has been reset."""
        self.state = simulation.state
        self.names: Sequence[str] = simulation.agents
        navigator = Navigator(self.state, through_doors=True)
        navigator.refresh()
        self.ground = Ground.of(navigator)
        self.things = [*self._props(), *self._boards(), *self._sounds()]
        present = self.state.props.present[0].tolist()
        self.absent = [
            name for name, is_there in zip(self.state.props.names, present, strict=True)
            if not is_there
        ]  # fmt: skip

    def out_of_reach(self) -> str:
        """What nobody can reach, in a line."""
        lost = [thing for thing in self.things if not thing.reachable]
        parts = [
            together([thing.name for thing in lost if thing.kind == kind], kind)
            for kind in ("prop", "sign", "screen")
        ]
        floor = float(self.ground.cut_off.sum()) * self.ground.cell**2
        if floor > 0:
            parts.append(f"{floor:.1f} m² of floor")
        parts += self._apart()
        found = "; ".join(part for part in parts if part)
        return f"Out of reach: {found}" if found else "Nothing is out of reach."

    def _apart(self) -> list[str]:
        """Says so where avatars start in areas that no way connects."""
        areas = self.ground.areas
        groups = [
            [self.names[i] for i in np.flatnonzero(areas == number).tolist()]
            for number in dict.fromkeys(areas[areas > 0].tolist())
        ]
        if len(groups) < 2:
            return []
        return ["no way between " + " and ".join(together(group) for group in groups)]

    # -- things ---------------------------------------------------------------------------------

    def _props(self) -> Iterable[Thing]:
        props, hinges = self.state.props, self.state.hinges
        for i in np.flatnonzero(props.present[0]).tolist():
            half, shape = props.half[0, i], int(props.shape[0, i])
            x, y, z, w = props.orientation[0, i].tolist()
            heading = float(pmath.atan2(2 * (x * y + z * w), 1 - 2 * (y * y + z * z)))
            is_round = shape not in (SHAPE_BOX, SHAPE_COMPOUND)
            size = [2 * side for side in half.tolist()]
            low = float(props.position[0, i, 2] - half[2])
            thing = Thing(
                props.names[i],
                "prop",
                "door" if hinges.hinged[0, i] else _what(self.state, i),
                tuple(size[1:] if is_round else size),
                is_round,
                (*props.position[0, i].tolist(),),
                heading,
                (*props.color[0, i].tolist(),),
                overhead=low >= float(self.state.bodies.height.max()),
                flat=low + size[2] <= STEP_OVER,
            )
            yield replace(thing, reachable=self._touchable(thing))

    def _boards(self) -> Iterable[Thing]:
        signs, screens = self.state.signs, self.state.screens
        for kind, boards in (("sign", signs), ("screen", screens)):
            for i, name in enumerate(boards.names):
                present = signs.present[0, i] if kind == "sign" else True
                if present:
                    width, height = (2 * boards.half[0, i]).tolist()
                    color = signs.paper[0, i].tolist() if kind == "sign" else (38, 38, 42)
                    place = (*boards.position[0, i].tolist(),)
                    heading = float(boards.heading[0, i])
                    thing = Thing(
                        name, kind, kind, (width, height), False, place, heading, (*color,)
                    )
                    yield replace(thing, reachable=self._readable(thing))

    def _sounds(self) -> Iterable[Thing]:
        sounds = self.state.sounds
        for i, name in enumerate(sounds.names):
            what = "sound" if sounds.on[0, i] else "sound, off"
            place = (*sounds.position[0, i].tolist(),)
            yield Thing(name, "sound", what, (), True, place, 0.0, (250, 214, 120))

    # -- what can be reached --------------------------------------------------------------------

    def _touchable(self, thing: Thing) -> bool:
        """Whether a hand can touch it from somewhere, with no wall between."""
        x, y, z = thing.position
        wide, deep = thing.size[0] / 2, thing.size[0 if thing.round else 1] / 2
        spot = Footprint(x, y, radius=wide) if thing.round else Footprint(
            x, y, wide, deep, heading=thing.heading
        )  # fmt: skip
        bodies = self.state.bodies
        cells = self.ground.middles(self.ground.reached)
        gap = spot.depth(cells) - spot.radius
        near = gap <= REACH + float(bodies.radius.max())
        cells, gap = cells[near], gap[near]
        height = _CHEST * float(bodies.height.max())
        # To just before its surface, since a thing on a wall may be half in it.
        way = np.array([x, y]) - cells
        share = 0.95 * np.clip(gap / np.maximum(pmath.hypot(*way.T), 1e-9), 0.0, 1.0)
        return self._sees(cells, height, cells + way * share[:, None], min(z, height))

    def _readable(self, thing: Thing) -> bool:
        """Whether a board can be read from somewhere in front of it."""
        place = np.array(thing.position[:2])
        facing = np.array([pmath.cos(thing.heading), pmath.sin(thing.heading)])
        cells = self.ground.middles(self.ground.reached)
        away = cells - place
        close = (away @ facing > 0.0) & (pmath.hypot(*away.T) <= READING_RANGE)
        eyes = EYE_HEIGHT * float(self.state.bodies.height.max())
        return self._sees(cells[close], eyes, place + 0.02 * facing, thing.position[2])

    def _sees(self, cells: FloatArray, height: float, to: FloatArray, to_height: float) -> bool:
        """Whether a straight line leads from one of the cells to its end past all walls."""
        start, end = np.empty((1, len(cells), 3)), np.empty((1, len(cells), 3))
        start[..., :2], start[..., 2] = cells, height
        end[..., :2], end[..., 2] = to, to_height
        return bool(visible(self.state, start, end).any())


def _what(state: WorldState, prop: int) -> str:
    """What can be done with a prop."""
    props = state.props
    mass = float(props.mass[0, prop])
    words = [f"{mass:g} kg"] if mass else [] if props.portable[0, prop] else ["fixed"]
    if props.portable[0, prop]:
        words.insert(0, "portable")
    if props.usable[0, prop]:
        words.insert(0, "usable")
    if not props.solid[0, prop]:
        words.append("not solid")
    return ", ".join(words)


def together(names: Sequence[str], kind: str = "") -> str:
    """Names in a line; those that differ in a number alone are written as "block 1 to 7"."""
    groups: dict[str, list[str]] = {}
    for name in names:
        stem = re.sub(r"\d+$", "", name)
        groups.setdefault(stem, []).append(name)
    parts = [_series(stem, members) for stem, members in groups.items()]
    listed = ", ".join(parts)
    return f"{kind} {listed}" if kind and kind != "prop" and listed else listed


def _series(stem: str, members: Sequence[str]) -> str:
    if len(members) < 3 or stem in members:
        return ", ".join(members)
    numbers = sorted(int(name[len(stem) :]) for name in members)
    if numbers[-1] - numbers[0] + 1 != len(numbers):
        return f"{stem}{', '.join(map(str, numbers))}"
    return f"{stem}{numbers[0]} to {numbers[-1]}"
