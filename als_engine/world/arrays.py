"""The arrays of all worlds, by what they are about: avatars, props, walls, sounds, events.

The first axis is always the world, the second the avatar or the thing. Lengths are metres, angles
radians, forces newtons. Positions are float64, so that a replay is exact.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from als_engine.errors import ArgumentError
from als_engine.geometry import portable_math as pmath
from als_engine.world.body import Bodies, Body
from als_engine.world.layout import SOUND_BANDS, Layout, Prop, Spawn, rgb
from als_engine.world.shapes import (
    SHAPE_BOX,
    SHAPE_COMPOUND,
    SHAPE_CYLINDER,
    SHAPE_SPHERE,
    form_of,
)

__all__ = [
    "NOTHING",
    "SHAPE_BOX",
    "SHAPE_COMPOUND",
    "SHAPE_CYLINDER",
    "SHAPE_SPHERE",
    "TOUCH_SECTORS",
    "Arrays",
    "Avatars",
    "Bodies",
    "Body",
    "BoolArray",
    "Events",
    "FloatArray",
    "IntArray",
    "Parts",
    "Props",
    "Sounds",
    "Walls",
]

NOTHING: Final = -1
"""What index arrays hold where there is nothing: no held prop, no utterance, no event."""

TOUCH_SECTORS: Final = 8

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int32]
Worlds = NDArray[np.intp]
BoolArray = NDArray[np.bool_]


class MotionRows(NamedTuple):
    """How avatars move, (worlds, avatars, ...), and what their bodies can, (avatars,)."""

    position: FloatArray
    velocity: FloatArray
    heading: FloatArray
    turn_rate: FloatArray
    radius: FloatArray
    speed: FloatArray
    acceleration: FloatArray
    turn_speed: FloatArray
    turn_acceleration: FloatArray
    present: BoolArray


class Arrays:
    """Named arrays that are hashed and reset together."""

    def arrays(self) -> Iterator[tuple[str, NDArray[Any]]]:
        """Yields (name, array) in the order of definition."""
        for name, value in vars(self).items():
            if isinstance(value, np.ndarray):
                yield name, value


class Avatars(Arrays):
    """Every avatar of every world; arrays are (worlds, avatars, ...) unless said otherwise.

    Attributes:
        position: (…, 3) of the feet. velocity: (…, 3), metres per second.
        heading: radians. turn_rate: radians per second.
        held: index of the held prop or NOTHING.
        utterance: index of what was said in this step or NOTHING.
        touch: (…, 8) contact force per body sector, newtons; sector 0 is straight ahead, then
            counter-clockwise.
        touches_prop: (…, props), touches_avatar: (…, avatars), touches_wall: contacts of this step.
        touching: any of them.
        color: (…, 3) uint8.
        present: it is in the world. One that is not keeps the position that it left.
        left: it has left the world in this episode, and may have come back.
        placed: a task has moved it, taken it in or out, and the physics has yet to take that over.
        come_and_go: a bool, whether any avatar ever was absent.
    """

    def __init__(self, num_worlds: int, bodies: Sequence[Body], num_props: int) -> None:
        shape = (num_worlds, len(bodies))
        self.position: FloatArray = np.zeros((*shape, 3))
        self.velocity: FloatArray = np.zeros((*shape, 3))
        self.heading: FloatArray = np.zeros(shape)
        self.turn_rate: FloatArray = np.zeros(shape)
        self.held: IntArray = np.full(shape, NOTHING, np.int32)
        self.utterance: IntArray = np.full(shape, NOTHING, np.int32)
        self.touch: FloatArray = np.zeros((*shape, TOUCH_SECTORS))
        self.touches_prop: BoolArray = np.zeros((*shape, num_props), np.bool_)
        self.touches_avatar: BoolArray = np.zeros((*shape, len(bodies)), np.bool_)
        self.touches_wall: BoolArray = np.zeros(shape, np.bool_)
        self.touching: BoolArray = np.zeros(shape, np.bool_)
        self.color: NDArray[np.uint8] = np.zeros((*shape, 3), np.uint8)
        self.color[:] = [rgb(body.color) for body in bodies]
        self.present: BoolArray = np.ones(shape, np.bool_)
        self.left: BoolArray = np.zeros(shape, np.bool_)
        self.placed: BoolArray = np.zeros(shape, np.bool_)
        self.come_and_go = False

    def motion(self, bodies: Bodies) -> tuple[NDArray[Any], ...]:
        """The arrays of `MotionRows`, as a plain tuple for kernels."""
        return (
            self.position, self.velocity, self.heading, self.turn_rate, bodies.radius,
            bodies.speed, bodies.acceleration, bodies.turn_speed, bodies.turn_acceleration,
            self.present,
        )  # fmt: skip

    def load(self, world: int, spawns: Sequence[Spawn | Sequence[float]]) -> None:
        """Puts one world's avatars at their spawns, at rest and empty-handed."""
        for name in ("position", "velocity", "turn_rate", "touch"):
            getattr(self, name)[world] = 0.0
        for name in ("touches_prop", "touches_avatar", "touches_wall", "touching"):
            getattr(self, name)[world] = False
        self.left[world] = self.placed[world] = False
        self.held[world] = self.utterance[world] = NOTHING
        places = [spawn if isinstance(spawn, Spawn) else Spawn(spawn) for spawn in spawns]
        self.position[world, :, :2] = [place.position[:2] for place in places]
        self.heading[world] = [place.heading for place in places]
        self.present[world] = [place.present for place in places]
        self.come_and_go |= not all(place.present for place in places)

    def put(
        self, worlds: Worlds, avatar: int, position: ArrayLike, heading: ArrayLike | None
    ) -> None:
        """Puts one avatar of some worlds somewhere else, at rest, and into the world.

        Raises:
            ArgumentError: that is no place; nothing has changed.
        """
        spot = np.asarray(position, np.float64)
        angle = self.heading[worlds, avatar] if heading is None else np.asarray(heading, np.float64)
        if spot.shape not in ((2,), (3,), (worlds.size, 2), (worlds.size, 3)):
            raise ArgumentError(
                f"a place is (x, y), or one row for each of {worlds.size} worlds, got an array "
                f"{spot.shape}"
            )
        if angle.shape not in ((), (worlds.size,)):
            raise ArgumentError(f"a heading is one number for each world, got {angle.shape}")
        if not (np.isfinite(spot).all() and np.isfinite(angle).all()):
            raise ArgumentError("a place or a heading is not finite")
        self.position[worlds, avatar, : spot.shape[-1]] = spot
        turned = (angle + np.pi) % (2 * np.pi) - np.pi
        self.heading[worlds, avatar] = np.where(np.abs(angle) <= np.pi, angle, turned)
        self.present[worlds, avatar] = True
        self.stop(worlds, avatar)

    def leave(self, worlds: Worlds, avatar: int) -> None:
        """Takes one avatar of some worlds out of them."""
        self.left[worlds, avatar] |= self.present[worlds, avatar]
        self.present[worlds, avatar] = False
        self.come_and_go = True
        self.stop(worlds, avatar)

    def stop(self, worlds: Worlds, avatar: int) -> None:
        """Lets one avatar of some worlds rest, say nothing and touch nothing."""
        for name in ("velocity", "turn_rate", "touch"):
            getattr(self, name)[worlds, avatar] = 0.0
        for name in ("touches_prop", "touches_avatar", "touches_wall", "touching"):
            getattr(self, name)[worlds, avatar] = False
        self.touches_avatar[worlds, :, avatar] = False
        self.utterance[worlds, avatar] = NOTHING
        self.placed[worlds, avatar] = True


class Props(Arrays):
    """Every named prop; arrays are (worlds, props, ...), in the order of `names`.

    Attributes:
        position: (…, 3) of the centre. orientation: (…, 4) quaternion x, y, z, w.
        velocity: (…, 3), from the change of position over the step.
        present: it is in the world. holder: the avatar that carries it or NOTHING.
        shape: SHAPE_BOX, SHAPE_SPHERE, SHAPE_CYLINDER, or SHAPE_COMPOUND for one of several
            `Parts`. half: (…, 3) half extents.
        color: (…, 3) uint8. mass: kilograms, 0 fixed. friction. portable, usable, solid: bool.
    """

    def __init__(self, num_worlds: int, names: Sequence[str]) -> None:
        shape = (num_worlds, len(names))
        self.names: tuple[str, ...] = tuple(names)
        self.position: FloatArray = np.zeros((*shape, 3))
        self.orientation: FloatArray = np.zeros((*shape, 4))
        self.velocity: FloatArray = np.zeros((*shape, 3))
        self.present: BoolArray = np.zeros(shape, np.bool_)
        self.holder: IntArray = np.full(shape, NOTHING, np.int32)
        self.shape: NDArray[np.uint8] = np.zeros(shape, np.uint8)
        self.half: FloatArray = np.zeros((*shape, 3))
        self.color: NDArray[np.uint8] = np.zeros((*shape, 3), np.uint8)
        self.mass: FloatArray = np.zeros(shape)
        self.friction: FloatArray = np.zeros(shape)
        self.portable: BoolArray = np.zeros(shape, np.bool_)
        self.usable: BoolArray = np.zeros(shape, np.bool_)
        self.solid: BoolArray = np.zeros(shape, np.bool_)

    def load(self, world: int, props: Mapping[str, Prop]) -> None:
        """Writes one world's props as the layout has them."""
        if not props:
            return
        every = list(props.values())
        self.position[world] = [prop.center for prop in every]
        self.orientation[world] = [_quaternion(prop.heading) for prop in every]
        self.velocity[world] = 0.0
        self.holder[world] = NOTHING
        forms = [form_of(prop.shape) for prop in every]
        self.shape[world] = [form.code for form in forms]
        self.half[world] = [form.half for form in forms]
        self.color[world] = [rgb(prop.color) for prop in every]
        for name in ("present", "mass", "friction", "portable", "usable", "solid"):
            getattr(self, name)[world] = [getattr(prop, name) for prop in every]

    def drop(self, worlds: Worlds, avatar: int, feet: FloatArray) -> BoolArray:
        """Lays what one avatar carries on the floor where it stands.

        Args:
            worlds: indices.
            avatar: who.
            feet: (n, 3), where it stands in these worlds.

        Returns:
            (n, props): what was carried.
        """
        carried: BoolArray = self.holder[worlds] == avatar
        row, prop = np.nonzero(carried)
        world = worlds[row]
        self.position[world, prop, :2] = feet[row, :2]
        self.position[world, prop, 2] = self.half[world, prop, 2]
        self.velocity[world, prop] = 0.0
        self.holder[world, prop] = NOTHING
        return carried


class Parts(Arrays):
    """The parts of compound props; arrays are (worlds, capacity, ...).

    Attributes:
        count: (worlds,), how many are in use: those of the first such prop first.
        owner: index of the prop. form: its shape's code, of one primitive.
        half: (…, 3) half extents.
        offset: (…, 3), its centre from that of the prop, in the prop's frame.
        turn: (…, 2) sine and cosine of half its heading in that frame.
    """

    def __init__(self, num_worlds: int) -> None:
        self.count: IntArray = np.zeros(num_worlds, np.int32)
        self.owner: IntArray = np.zeros((num_worlds, 0), np.int32)
        self.form: NDArray[np.uint8] = np.zeros((num_worlds, 0), np.uint8)
        self.half: FloatArray = np.zeros((num_worlds, 0, 3))
        self.offset: FloatArray = np.zeros((num_worlds, 0, 3))
        self.turn: FloatArray = np.zeros((num_worlds, 0, 2))

    def load(self, world: int, props: Mapping[str, Prop]) -> None:
        """Writes what one world's props consist of."""
        forms = [form_of(prop.shape) for prop in props.values()]
        rows = [(i, *part) for i, form in enumerate(forms) for part in form.parts]
        n = len(rows)
        self.make_room(n)
        self.count[world] = n
        for name in ("owner", "form", "half", "offset", "turn"):
            getattr(self, name)[world, n:] = 0
        for i, (owner, form, half, offset, heading) in enumerate(rows):
            self.owner[world, i], self.form[world, i] = owner, form
            self.half[world, i], self.offset[world, i] = half, offset
            self.turn[world, i] = pmath.sin(heading / 2), pmath.cos(heading / 2)

    def make_room(self, parts: int) -> None:
        """Enlarges every array where a world needs room for more parts."""
        _grow(self, parts, self.owner.shape[1])

    def rows(self) -> tuple[NDArray[Any], ...]:
        """The arrays that kernels take, in the order of `geometry.parts.PartRows`."""
        return (self.count, self.owner, self.form, self.half, self.offset, self.turn)


class Walls(Arrays):
    """Fixed boxes; arrays are (worlds, capacity, ...), of which `count[world]` are in use.

    Attributes:
        count: (worlds,). position, half: (…, 3). heading: radians.
        filled: (worlds,), with the leaves of doors, which stand behind the walls and hide things as
            they do; the physics has them as props.
        cos, sin: of the heading. color: (…, 3) uint8.
    """

    def __init__(self, num_worlds: int, capacity: int) -> None:
        shape = (num_worlds, capacity)
        self.count: IntArray = np.zeros(num_worlds, np.int32)
        self.filled: IntArray = np.zeros(num_worlds, np.int32)
        self.position: FloatArray = np.zeros((*shape, 3))
        self.half: FloatArray = np.zeros((*shape, 3))
        self.heading: FloatArray = np.zeros(shape)
        self.cos: FloatArray = np.ones(shape)
        self.sin: FloatArray = np.zeros(shape)
        self.color: NDArray[np.uint8] = np.zeros((*shape, 3), np.uint8)

    def load(self, world: int, walls: Sequence[Prop]) -> None:
        """Writes one world's walls, enlarging every array when this world needs more room."""
        n = len(walls)
        self.make_room(n)
        self.count[world] = self.filled[world] = n
        if n:
            self.position[world, :n] = [wall.center for wall in walls]
            self.half[world, :n] = [wall.shape.half for wall in walls]
            self.heading[world, :n] = [wall.heading for wall in walls]
            self.color[world, :n] = [rgb(wall.color) for wall in walls]
        self.position[world, n:] = self.half[world, n:] = 0.0
        self.heading[world, n:] = 0.0
        self.color[world, n:] = 0
        self.cos[world] = pmath.cos(self.heading[world])
        self.sin[world] = pmath.sin(self.heading[world])

    def make_room(self, walls: int) -> None:
        """Enlarges every array where a world needs room for more walls."""
        _grow(self, walls, self.position.shape[1])

    def rows(self) -> tuple[NDArray[Any], ...]:
        """The arrays that kernels take, in the order of `geometry.sight.WallRows`."""
        return (self.filled, self.position, self.half, self.cos, self.sin)


class Sounds(Arrays):
    """Named sound sources; arrays are (worlds, sounds, ...).

    Attributes:
        position: (…, 3). bands: (…, 8) emitted power. on: bool.
        switch: index of the prop whose use switches it on and off, or NOTHING.
        text: lists of str, `text[world][sound]`: what its voice says while it is on.
        version: (worlds,) goes up whenever a text of that world changes.
    """

    def __init__(self, num_worlds: int, names: Sequence[str]) -> None:
        shape = (num_worlds, len(names))
        self.names: tuple[str, ...] = tuple(names)
        self.position: FloatArray = np.zeros((*shape, 3))
        self.bands: FloatArray = np.zeros((*shape, SOUND_BANDS))
        self.on: BoolArray = np.zeros(shape, np.bool_)
        self.switch: IntArray = np.full(shape, NOTHING, np.int32)
        self.text: list[list[str]] = [[""] * len(names) for _ in range(num_worlds)]
        self.version: NDArray[np.int64] = np.zeros(num_worlds, np.int64)

    def load(self, world: int, layout: Layout) -> None:
        """Writes one world's sounds as the layout has them."""
        props = list(layout.props)
        for i, sound in enumerate(layout.sounds.values()):
            self.position[world, i] = sound.position
            self.bands[world, i] = sound.bands
            self.on[world, i] = sound.on
            self.switch[world, i] = props.index(sound.switch) if sound.switch else NOTHING
            self.text[world][i] = sound.text
        self.version[world] += 1


class Events(Arrays):
    """The avatars' deeds in this step: arrays (worlds, avatars), NOTHING where nothing happened.

    Attributes:
        picked_up, put_down, used: index of the prop.
        bumped: bool, a new contact with a wall, a prop or another avatar began in this step.
    """

    def __init__(self, num_worlds: int, num_avatars: int) -> None:
        shape = (num_worlds, num_avatars)
        self.picked_up: IntArray = np.full(shape, NOTHING, np.int32)
        self.put_down: IntArray = np.full(shape, NOTHING, np.int32)
        self.used: IntArray = np.full(shape, NOTHING, np.int32)
        self.bumped: BoolArray = np.zeros(shape, np.bool_)

    def clear(self, world: int | slice = slice(None)) -> None:
        """Forgets the events."""
        self.picked_up[world] = self.put_down[world] = self.used[world] = NOTHING
        self.bumped[world] = False


def _quaternion(heading: float) -> tuple[float, float, float, float]:
    return (0.0, 0.0, float(pmath.sin(heading / 2)), float(pmath.cos(heading / 2)))


def _grow(group: Arrays, needed: int, capacity: int) -> None:
    """Doubles a group's arrays (worlds, capacity, ...) where a world needs more room."""
    if needed <= capacity:
        return
    for name, old in list(group.arrays()):
        if old.ndim > 1:
            new = np.zeros((old.shape[0], max(needed, 2 * capacity), *old.shape[2:]), old.dtype)
            new[:, :capacity] = old
            setattr(group, name, new)
