"""The kernels behind `entities`: which things each avatar sees, and their rows."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from als_engine.geometry import portable_math as pmath
from als_engine.geometry.sight import EYE_HEIGHT, WallRows, crossings, gather_walls, new_boxes
from als_engine.sensors.columns import ENTITIES as COLUMNS
from als_engine.sensors.columns import SIGHT
from als_engine.system.compiling import inner, kernel

if TYPE_CHECKING:
    from als_engine.world.arrays import BoolArray, FloatArray

ROWS: Final = 16
FASTEST: Final = 4.0  # metres per second that read as 1
LARGEST: Final = 2.0  # metres that read as 1
HALF_MASS: Final = 20.0  # kilograms that read as 0.5

# Where the columns begin; those from _PLACE to _SIZE differ from one observer to the next.
_KIND, _IDENTITY, _PLACE, _FACING, _VELOCITY, _SIZE, _ROUND = 1, 7, 8, 12, 14, 16, 19
_COLOR, _WEIGHT, _USABLE, _HOLDING = 20, 23, 24, 25
_FIXED, _MOVABLE, _PORTABLE, _AVATAR, _SIGN, _SOUND = range(6)

# What an observer-independent row of motion holds: centre, height of the point to look at, where
# it faces and how it moves, in world axes.
_X, _Y, _Z, _LOOK, _FACE_X, _FACE_Y, _MOVE_X, _MOVE_Y = range(8)
_ABSENT = -2  # In place of the avatar from whom a thing is hidden: hidden from all.


@kernel(error_model="numpy")
def fill_rows(
    which: Any,
    avatars: Any,
    bodies: Any,
    props: Any,
    traits: Any,
    signs: Any,
    sounds: Any,
    walls: Any,
    out: Any,
) -> None:
    """Fills `out`, (worlds, observers, rows, columns), from the arrays that `Entities` reads."""
    observers = out.shape[1]
    first_avatar = props[0].shape[1]
    num_avatars, num_signs = avatars[0].shape[1], signs[0].shape[1]
    things = first_avatar + num_avatars + num_signs + sounds[0].shape[1]
    walls = WallRows(*walls)
    boxes = new_boxes(walls.position.shape[1])
    # What all observers of a world share is worked out once: how each thing stands and moves, the
    # columns that look the same to everyone, and from whom it is hidden.
    motion = np.empty((things, 8))
    looks = np.empty((things, len(COLUMNS)), np.float32)
    hidden, leaves = np.empty(things, np.int64), np.zeros(things, np.int64)
    meet = np.empty((num_avatars, num_avatars), np.bool_)
    distances, order = np.empty(ROWS), np.empty(ROWS, np.int64)
    for w in which:
        n = gather_walls(boxes, w, walls)
        motion[:] = 0.0
        looks[:] = 0.0
        looks[:, 0] = 1.0
        _gather_props(w, props, traits, motion, looks, hidden, leaves)
        _gather_avatars(w, first_avatar, avatars, bodies, motion, looks, hidden)
        first = first_avatar + num_avatars
        _gather_signs(w, first, signs, motion, looks, hidden)
        _gather_sounds(w, first + num_signs, sounds[0], sounds[1], motion, looks, hidden)
        eyes = motion[first_avatar : first_avatar + num_avatars]
        _meetings(observers, eyes, boxes, n, meet)
        for a in range(observers):
            found = _nearest(
                a, first_avatar, motion, (hidden, leaves), meet, boxes, n, distances, order
            )
            feet = avatars[0][w, a, 2]
            _write(eyes[a], feet, motion, looks, found, distances, order, out[w, a])


@inner(error_model="numpy")
def _gather_props(
    w: int,
    props: Any,
    traits: Any,
    motion: FloatArray,
    looks: NDArray[np.float32],
    hidden: NDArray[np.int64],
    leaves: NDArray[np.int64],
) -> None:
    position, velocity, orientation, half, color = props
    present, portable, usable, holder, mass, shape, hinged = traits
    num = position.shape[1]
    for i in range(num):
        hidden[i] = holder[w, i] if present[w, i] else _ABSENT
        # A line to the middle of a door meets its own leaf.
        leaves[i] = hinged[w, i]
        kilograms = mass[w, i]
        kind = _PORTABLE if portable[w, i] else _MOVABLE if kilograms > 0.0 else _FIXED
        for axis in range(3):
            motion[i, axis] = position[w, i, axis]
        motion[i, _LOOK] = position[w, i, 2]
        is_round = shape[w, i] in (1, 2)  # A sphere or a cylinder.
        if not is_round:
            # Where the box's own x axis points, seen from above; nowhere when it stands on end.
            x, y = orientation[w, i, 0], orientation[w, i, 1]
            z, s = orientation[w, i, 2], orientation[w, i, 3]
            u, v = 1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y + z * s)
            length = math.sqrt(u * u + v * v)
            if length > 1e-3:
                motion[i, _FACE_X], motion[i, _FACE_Y] = u / length, v / length
        motion[i, _MOVE_X], motion[i, _MOVE_Y] = velocity[w, i, 0], velocity[w, i, 1]
        row = looks[i]
        row[_KIND + kind] = 1.0
        row[_IDENTITY] = (i + 1) / num
        for axis in range(3):
            row[_SIZE + axis] = min(2.0 * half[w, i, axis] / LARGEST, 1.0)
            row[_COLOR + axis] = color[w, i, axis] / 255.0
        row[_ROUND] = is_round
        row[_WEIGHT] = kilograms / (kilograms + HALF_MASS) if kilograms > 0.0 else 1.0
        row[_USABLE] = usable[w, i]
        row[_HOLDING] = holder[w, i] >= 0


@inner(error_model="numpy")
def _gather_avatars(
    w: int,
    first: int,
    avatars: Any,
    bodies: Any,
    motion: FloatArray,
    looks: NDArray[np.float32],
    hidden: NDArray[np.int64],
) -> None:
    position, velocity, heading, color, held, present = avatars
    radius, height, mass = bodies
    num = position.shape[1]
    for i in range(num):
        thing = first + i
        hidden[thing] = i if present[w, i] else _ABSENT
        motion[thing, _X], motion[thing, _Y] = position[w, i, 0], position[w, i, 1]
        motion[thing, _Z] = position[w, i, 2] + 0.5 * height[i]
        motion[thing, _LOOK] = position[w, i, 2] + EYE_HEIGHT * height[i]
        motion[thing, _FACE_X] = pmath.cos(heading[w, i])
        motion[thing, _FACE_Y] = pmath.sin(heading[w, i])
        motion[thing, _MOVE_X], motion[thing, _MOVE_Y] = velocity[w, i, 0], velocity[w, i, 1]
        row = looks[thing]
        row[_KIND + _AVATAR] = row[_ROUND] = 1.0
        row[_IDENTITY] = (i + 1) / num
        row[_SIZE] = row[_SIZE + 1] = min(2.0 * radius[i] / LARGEST, 1.0)
        row[_SIZE + 2] = min(height[i] / LARGEST, 1.0)
        for channel in range(3):
            row[_COLOR + channel] = color[w, i, channel] / 255.0
        row[_WEIGHT] = mass[i] / (mass[i] + HALF_MASS)
        row[_HOLDING] = held[w, i] >= 0


@inner(error_model="numpy")
def _gather_signs(
    w: int,
    first: int,
    signs: Any,
    motion: FloatArray,
    looks: NDArray[np.float32],
    hidden: NDArray[np.int64],
) -> None:
    position, heading, half, paper, present = signs
    num = position.shape[1]
    for i in range(num):
        thing = first + i
        hidden[thing] = -1 if present[w, i] else _ABSENT
        for axis in range(3):
            motion[thing, axis] = position[w, i, axis]
        motion[thing, _LOOK] = position[w, i, 2]
        motion[thing, _FACE_X] = pmath.cos(heading[w, i])
        motion[thing, _FACE_Y] = pmath.sin(heading[w, i])
        row = looks[thing]
        row[_KIND + _SIGN] = row[_WEIGHT] = 1.0
        row[_IDENTITY] = (i + 1) / num
        for axis in range(2):
            row[_SIZE + 1 + axis] = min(2.0 * half[w, i, axis] / LARGEST, 1.0)
        for channel in range(3):
            row[_COLOR + channel] = paper[w, i, channel] / 255.0


@inner(error_model="numpy")
def _gather_sounds(
    w: int,
    first: int,
    position: FloatArray,
    on: BoolArray,
    motion: FloatArray,
    looks: NDArray[np.float32],
    hidden: NDArray[np.int64],
) -> None:
    num = position.shape[1]
    for i in range(num):
        thing = first + i
        hidden[thing] = -1 if on[w, i] else _ABSENT
        for axis in range(3):
            motion[thing, axis] = position[w, i, axis]
        motion[thing, _LOOK] = position[w, i, 2]
        looks[thing, _KIND + _SOUND] = looks[thing, _WEIGHT] = 1.0
        looks[thing, _IDENTITY] = (i + 1) / num


@inner
def _meetings(observers: int, eyes: FloatArray, boxes: FloatArray, n: int, meet: BoolArray) -> None:
    """Two avatars see one another or do not: one line serves both."""
    for a in range(observers):
        x, y, z = eyes[a, _X], eyes[a, _Y], eyes[a, _LOOK]
        for b in range(a + 1, eyes.shape[0]):
            u, v = eyes[b, _X], eyes[b, _Y]
            near = (u - x) * (u - x) + (v - y) * (v - y) <= SIGHT * SIGHT
            meet[a, b] = near and crossings(boxes, n, x, y, z, u, v, eyes[b, _LOOK]) == 0
            meet[b, a] = meet[a, b]


@inner
def _nearest(
    a: int,
    first_avatar: int,
    motion: FloatArray,
    hiding: Any,
    meet: BoolArray,
    boxes: FloatArray,
    n: int,
    distances: FloatArray,
    order: NDArray[np.int64],
) -> int:
    """Writes the nearest things in sight into `order`; returns how many there are."""
    hidden, leaves = hiding
    me = motion[first_avatar + a]
    x, y, z = me[_X], me[_Y], me[_LOOK]
    found = 0
    for thing in range(len(hidden)):
        if hidden[thing] == a or hidden[thing] == _ABSENT:
            continue
        u, v = motion[thing, _X], motion[thing, _Y]
        distance = math.sqrt((u - x) * (u - x) + (v - y) * (v - y))
        if not distance <= SIGHT or (found == ROWS and distance >= distances[ROWS - 1]):
            continue
        b = thing - first_avatar
        if 0 <= b < len(meet):
            if not meet[a, b]:
                continue
        elif crossings(boxes, n, x, y, z, u, v, motion[thing, _LOOK]) > leaves[thing]:
            continue
        place = min(found, ROWS - 1)
        while place > 0 and distances[place - 1] > distance:
            distances[place], order[place] = distances[place - 1], order[place - 1]
            place -= 1
        distances[place], order[place] = distance, thing
        found = min(found + 1, ROWS)
    return found


@inner
def _write(
    me: FloatArray,
    feet: float,
    motion: FloatArray,
    looks: NDArray[np.float32],
    found: int,
    distances: FloatArray,
    order: NDArray[np.int64],
    out: NDArray[np.float32],
) -> None:
    """Writes one avatar's rows: what all see alike, then how it is placed for this avatar."""
    cos, sin = me[_FACE_X], me[_FACE_Y]
    for k in range(found):
        row, it = out[k], motion[order[k]]
        for column in range(len(COLUMNS)):
            row[column] = looks[order[k], column]
        dx, dy = it[_X] - me[_X], it[_Y] - me[_Y]
        row[_PLACE] = _clip((dx * cos + dy * sin) / SIGHT)
        row[_PLACE + 1] = _clip((dy * cos - dx * sin) / SIGHT)
        row[_PLACE + 2] = _clip((it[_Z] - feet) / SIGHT)
        row[_PLACE + 3] = distances[k] / SIGHT
        row[_FACING] = _clip(it[_FACE_X] * cos + it[_FACE_Y] * sin)
        row[_FACING + 1] = _clip(it[_FACE_Y] * cos - it[_FACE_X] * sin)
        dx, dy = it[_MOVE_X] - me[_MOVE_X], it[_MOVE_Y] - me[_MOVE_Y]
        row[_VELOCITY] = _clip((dx * cos + dy * sin) / FASTEST)
        row[_VELOCITY + 1] = _clip((dy * cos - dx * sin) / FASTEST)
    for k in range(found, ROWS):
        for column in range(len(COLUMNS)):
            out[k, column] = 0.0


@inner
def _clip(value: float) -> float:
    return min(max(value, -1.0), 1.0)
