"""What one world holds, as data: props, signs, sound sources, spawns, instruction.

A `Layout` is what a task returns for a level. It knows nothing of physics or sensors; the
simulation reads it once, at reset. Lengths are metres, angles radians (counter-clockwise from +x,
seen from above), masses kilograms; z points up and the floor is at z = 0.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from als_engine.errors import LayoutError, unknown
from als_engine.font.glyphs import drawn
from als_engine.world.shapes import Box, Cylinder, Shape, Sphere, form_of

if TYPE_CHECKING:
    from als_engine.world.screens import Screen

__all__ = [
    "COLORS",
    "OPENS",
    "SIGN_COLUMNS",
    "SIGN_ROWS",
    "SOUND_BANDS",
    "Box",
    "Color",
    "Cylinder",
    "Hinge",
    "Layout",
    "Prop",
    "Shape",
    "Sign",
    "SoundSource",
    "Spawn",
    "Sphere",
    "check_sign_text",
    "rgb",
]

COLORS: Mapping[str, tuple[int, int, int]] = {
    "white": (240, 240, 236),
    "grey": (150, 152, 156),
    "black": (38, 38, 42),
    "red": (204, 62, 56),
    "orange": (232, 138, 48),
    "yellow": (238, 204, 72),
    "green": (76, 158, 88),
    "teal": (54, 156, 156),
    "blue": (58, 110, 196),
    "purple": (132, 88, 176),
    "pink": (226, 134, 166),
    "brown": (140, 98, 66),
    "beige": (214, 196, 164),
}

SIGN_ROWS = 4
SIGN_COLUMNS = 16
SOUND_BANDS = 8
# Control characters, halves of characters, separators of lines and paragraphs.
_NO_TEXT = frozenset({"Cc", "Cs", "Zl", "Zp"})

Color: TypeAlias = "str | tuple[int, int, int]"


def rgb(color: Color) -> tuple[int, int, int]:
    """Return a colour's red, green and blue, 0 to 255.

    Raises:
        LayoutError: the name is unknown or a channel is outside 0 to 255.
    """
    if isinstance(color, str):
        if color not in COLORS:
            raise LayoutError(unknown("color", color, COLORS))
        return COLORS[color]
    if len(color) != 3 or not all(0 <= channel <= 255 for channel in color):
        raise LayoutError(f"color {color!r} is not a known name or three channels of 0 to 255")
    return color


OPENS = ("task", "use", "push")
"""What opens a door: `state.open` alone, also a hand that uses it, or also who walks against it."""

_THINNEST_DOOR = 0.03
_FASTEST_DOOR = 3.0
"""Radians per second: at most a fifth of one in a step, so that nobody is jumped over."""


@dataclass(frozen=True, slots=True)
class Hinge:
    """Makes a prop a door: it swings about one of its upright edges.

    Attributes:
        edge: "left", at the least x of the prop's own frame, or "right", at the greatest. Who looks
            at the side from which the frame's y axis points away has "left" to the left.
        angle: how far it opens, radians counter-clockwise seen from above; negative the other way.
        speed: radians per second.
        opens: "use" for a hand that uses it, and uses it again to close it; "push" for who walks
            against it, which turns it away from them, up to `angle` to either side; "task" for
            `state.open` alone, which moves the others as well.
        open: whether it is open when the episode starts.
    """

    edge: str = "left"
    angle: float = math.pi / 2
    speed: float = 1.5
    opens: str = "use"
    open: bool = False


@dataclass(frozen=True, slots=True)
class Prop:
    """A thing in the world.

    Attributes:
        shape: a `Box`, `Sphere` or `Cylinder`, or a shape that a plugin offers.
        position: (x, y) for a thing that stands on the floor, or (x, y, z) of its centre, metres.
        heading: rotation about z, radians.
        mass: kilograms; 0 is fixed in place.
        color: a name from `COLORS` or (red, green, blue).
        portable: an avatar can pick it up.
        usable: an avatar can use it.
        solid: False lets avatars and things pass through it (a mat on the floor).
        friction: Coulomb coefficient against the floor.
        present: False keeps it out of the world until the task calls `state.show`.
        hinge: makes it a door; position and heading are then those of the closed one.
    """

    shape: Shape
    position: Sequence[float]
    heading: float = 0.0
    mass: float = 0.0
    color: Color = "grey"
    portable: bool = False
    usable: bool = False
    solid: bool = True
    friction: float = 0.6
    present: bool = True
    hinge: Hinge | None = None

    @property
    def center(self) -> tuple[float, float, float]:
        """The centre, (x, y, z), metres."""
        x, y, *z = self.position
        return (x, y, z[0] if z else self.shape.half[2])


@dataclass(frozen=True, slots=True)
class Sign:
    r"""An upright board with up to 4 lines of 16 characters, readable from the side it faces.

    Attributes:
        text: lines are separated by "\n"; of what the font lacks there is a box.
        position: (x, y, z) of its centre, metres.
        heading: the direction that it faces, radians.
        width, height: metres.
        paper, ink: colours.
    """

    text: str
    position: tuple[float, float, float]
    heading: float = 0.0
    width: float = 1.0
    height: float = 0.5
    paper: Color = "white"
    ink: Color = "black"


@dataclass(frozen=True, slots=True)
class SoundSource:
    """A place that makes a sound.

    Attributes:
        position: (x, y, z), metres.
        bands: emitted power in each of the 8 octave bands from 62.5 Hz to 8 kHz, at 1 metre.
        on: whether it sounds when the episode starts.
        text: what its voice says while it is on; heard as text within hearing range.
        switch: a usable prop that switches it on and off whenever an avatar uses it; none if empty.
    """

    position: tuple[float, float, float]
    bands: Sequence[float] = (0.2, 0.6, 1.0, 1.0, 0.6, 0.3, 0.1, 0.05)
    on: bool = True
    text: str = ""
    switch: str = ""


@dataclass(frozen=True, slots=True)
class Spawn:
    """Where an avatar starts: (x, y) in metres and the direction that it faces, radians.

    `present=False` keeps it out of the world until the task calls `state.place`.
    """

    position: Sequence[float]
    heading: float = 0.0
    present: bool = True


@dataclass(frozen=True)
class Layout:
    """One world's content.

    Attributes:
        walls: fixed boxes without names; their number may differ from level to level.
        props: named things. The names, and their order, are the same in every level of a scenario.
        signs: named boards, likewise.
        sounds: named sound sources, likewise.
        screens: named screens that show pictures, likewise (`world.screens.Screen`).
        spawns: one per avatar, a `Spawn` or just (x, y).
        instruction: what every avatar is told, or one text per avatar.
        quantities: this level's first values of the task's own arrays (see `Task.quantities`).
    """

    spawns: Sequence[Spawn | Sequence[float]]
    walls: Sequence[Prop] = ()
    props: Mapping[str, Prop] = field(default_factory=dict)
    signs: Mapping[str, Sign] = field(default_factory=dict)
    sounds: Mapping[str, SoundSource] = field(default_factory=dict)
    instruction: str | Sequence[str] = ""
    quantities: Mapping[str, ArrayLike] = field(default_factory=dict)
    screens: Mapping[str, Screen] = field(default_factory=dict)

    def check(self, num_avatars: int) -> None:
        """Refuse what no world can hold.

        Raises:
            LayoutError: names the thing and what is wrong with it.
        """
        if len(self.spawns) != num_avatars:
            raise LayoutError(f"layout has {len(self.spawns)} spawns for {num_avatars} avatars")
        if not isinstance(self.instruction, str) and len(self.instruction) != num_avatars:
            raise LayoutError(
                f"layout has {len(self.instruction)} instructions for {num_avatars} avatars"
            )
        for i, wall in enumerate(self.walls):
            _check_prop(f"wall {i}", wall)
            if not isinstance(wall.shape, Box) or wall.mass != 0:
                raise LayoutError(f"wall {i} must be a Box of mass 0")
        for name, prop in self.props.items():
            _check_prop(f"prop {name!r}", prop)
        for name, sign in self.signs.items():
            _check_sign(f"sign {name!r}", sign)
        for name, screen in self.screens.items():
            screen.check(f"screen {name!r}")
        for name, sound in self.sounds.items():
            _check_sound(f"sound {name!r}", sound)
            if sound.switch and not (
                sound.switch in self.props and self.props[sound.switch].usable
            ):
                raise LayoutError(f"sound {name!r}: its switch {sound.switch!r} is no usable prop")
        for i, spawn in enumerate(self.spawns):
            place = spawn if isinstance(spawn, Spawn) else Spawn(spawn)
            if len(place.position) not in (2, 3):
                raise LayoutError(f"spawn {i} needs a position (x, y), got {place.position}")
            _check_finite(f"spawn {i}", (*place.position, place.heading))
        if not any(getattr(spawn, "present", True) for spawn in self.spawns):
            raise LayoutError("no spawn is present: at least one avatar has to be there")


def _check_finite(what: str, values: Sequence[float]) -> None:
    if not all(math.isfinite(value) for value in values):
        raise LayoutError(f"{what} has a value that is not finite: {tuple(values)}")


def _check_place(what: str, position: Sequence[float]) -> None:
    if len(position) != 3:
        raise LayoutError(f"{what} needs a position (x, y, z), got {position}")


def _check_prop(what: str, prop: Prop) -> None:
    if len(prop.position) not in (2, 3):
        raise LayoutError(f"{what} needs a position (x, y) or (x, y, z), got {prop.position}")
    try:
        half = form_of(prop.shape).half
    except LayoutError as error:
        raise LayoutError(f"{what}: {error}") from None
    _check_finite(what, (*prop.center, prop.heading, prop.mass, prop.friction, *half))
    if min(half) <= 0:
        raise LayoutError(f"{what} has a size that is not positive: {prop.shape}")
    if prop.mass < 0 or prop.friction < 0:
        raise LayoutError(f"{what} has a negative mass or friction")
    if prop.portable and not (prop.mass > 0 and prop.solid):
        raise LayoutError(f"{what} is portable, so it needs a mass above 0 and to be solid")
    if prop.hinge is not None:
        _check_hinge(what, prop, prop.hinge)
    rgb(prop.color)


def _check_hinge(what: str, prop: Prop, hinge: Hinge) -> None:
    fixed = isinstance(prop.shape, Box) and prop.mass == 0 and prop.solid
    if not fixed or min(prop.shape.half[:2]) < _THINNEST_DOOR / 2:
        raise LayoutError(
            f"{what} has a hinge, so it needs to be a solid Box of mass 0, at least "
            f"{_THINNEST_DOOR} m thick"
        )
    for name, value, allowed in (
        ("edge of the hinge", hinge.edge, ("left", "right")),
        ("way to open the hinge", hinge.opens, OPENS),
    ):
        if value not in allowed:
            raise LayoutError(f"{what}: {unknown(name, value, allowed)}")
    if not (0 < abs(hinge.angle) <= math.pi and 0 < hinge.speed <= _FASTEST_DOOR):
        raise LayoutError(
            f"{what} has a hinge of angle {hinge.angle} and speed {hinge.speed}; allowed: up to pi "
            f"either way, and above 0 to {_FASTEST_DOOR} rad/s"
        )
    if hinge.opens == "use" and not prop.usable:
        raise LayoutError(f"{what} opens by use, so it needs to be usable")


def _check_sign(what: str, sign: Sign) -> None:
    _check_place(what, sign.position)
    _check_finite(what, (*sign.position, sign.heading, sign.width, sign.height))
    if min(sign.width, sign.height) <= 0:
        raise LayoutError(f"{what} has a size that is not positive")
    check_sign_text(what, sign.text)
    rgb(sign.paper), rgb(sign.ink)


def _check_sound(what: str, sound: SoundSource) -> None:
    bands = np.asarray(sound.bands, dtype=np.float64)
    if bands.shape != (SOUND_BANDS,) or not np.isfinite(bands).all() or (bands < 0).any():
        raise LayoutError(f"{what} needs {SOUND_BANDS} bands, finite and not negative")
    _check_place(what, sound.position)
    _check_finite(what, sound.position)


def check_sign_text(what: str, text: str) -> list[str]:
    """Return the lines of a sign's text, of characters that take a cell each.

    Raises:
        LayoutError: it has too many or too long lines, or control characters.
    """
    lines = [drawn(line) for line in text.split("\n")]
    if len(lines) > SIGN_ROWS or max(map(len, lines)) > SIGN_COLUMNS:
        raise LayoutError(f"{what} holds {SIGN_ROWS} lines of {SIGN_COLUMNS} characters: {text!r}")
    if any(unicodedata.category(each) in _NO_TEXT for line in lines for each in line):
        raise LayoutError(f"{what} shows no control characters: {text!r}")
    return lines
