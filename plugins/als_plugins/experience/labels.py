"""The true state behind each observation: targets for probes, never an encoder's input.

- `nearest_prop`, float32 (2,): metres ahead and to the left of the avatar to the nearest prop in
  sight: at most 10 m away with no wall between the eyes and its centre, whichever way the avatar
  faces, and not in its own hand; NaN where there is none. As in the first row of `entities`.
- `speaker`, int64: the nearest voice that the avatar hears in this step: a sound source that is on
  and has a text, or another avatar that says something, at most 8 m away. Sources count from 0 in
  the order of their names, avatars after them; -1 is nobody. As in the sensor `text`.
- `sign_number`, int64: the first whole number on the sign that the avatar reads, as in the sensor
  `text`; -1 where it reads none, or one without a number.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from als_engine.geometry.sight import EYE_HEIGHT, WallRows, crossings, gather_walls, new_boxes
from als_engine.sensors.columns import SIGHT
from als_engine.sensors.text import HEARING_RANGE, sign_in_view
from als_engine.system.compiling import inner, kernel

if TYPE_CHECKING:
    from als_engine.world.state import WorldState

__all__ = ["Labels"]

_NUMBER: Final = re.compile(r"\d{1,18}")


class Labels:
    """Reads the labels of all worlds at once.

    Attributes:
        values: name to (worlds, observers, ...), overwritten by `read`.
    """

    def __init__(self, state: WorldState, observers: int) -> None:
        worlds = state.num_worlds
        self._state = state
        self.values: dict[str, NDArray[Any]] = {
            "nearest_prop": np.full((worlds, observers, 2), np.nan, np.float32),
            "speaker": np.full((worlds, observers), -1, np.int64),
            "sign_number": np.full((worlds, observers), -1, np.int64),
        }
        self._numbers = np.full((worlds, len(state.signs.names)), -1, np.int64)
        self._written = np.zeros((worlds, len(state.signs.names), 1), np.int32)
        self._spoken = np.zeros((worlds, len(state.sounds.names)), np.bool_)
        self._sign_version, self._sound_version = np.full((2, worlds), -1, np.int64)

    def read(self) -> None:
        """Fills `values` from the state as it is now."""
        state = self._state
        self._take_changes(state)
        avatars, props = state.avatars, state.props
        signs, sounds = state.signs, state.sounds
        _fill(
            (avatars.position, avatars.heading, avatars.utterance, state.bodies.height),
            (props.position, props.present, props.holder),
            (sounds.position, sounds.on, self._spoken),
            (signs.position, signs.heading, signs.present, self._written, self._numbers),
            state.walls.rows(),
            tuple(self.values.values()),
        )

    def _take_changes(self, state: WorldState) -> None:
        """Reads the texts of the worlds in which one was written or said anew."""
        signs, sounds = state.signs, state.sounds
        for world in np.flatnonzero(signs.version != self._sign_version).tolist():
            for i, text in enumerate(signs.text[world]):
                found = _NUMBER.search(text)
                self._numbers[world, i] = int(found.group()) if found else -1
                self._written[world, i] = bool(text.strip())
        for world in np.flatnonzero(sounds.version != self._sound_version).tolist():
            self._spoken[world] = [bool(text) for text in sounds.text[world]]
        self._sign_version[:], self._sound_version[:] = signs.version, sounds.version


@kernel
def _fill(avatars: Any, props: Any, sounds: Any, signs: Any, walls: Any, out: Any) -> None:
    position, heading, utterance, height = avatars
    sign_position, sign_heading, sign_present, written, numbers = signs
    walls = WallRows(*walls)
    nearest_prop, speaker, sign_number = out
    worlds, observers = speaker.shape
    boxes = new_boxes(walls.position.shape[1])
    for w in range(worlds):
        n = gather_walls(boxes, w, walls)
        for a in range(observers):
            x, y = position[w, a, 0], position[w, a, 1]
            eye = position[w, a, 2] + EYE_HEIGHT * height[a]
            cos, sin = np.cos(heading[w, a]), np.sin(heading[w, a])
            prop = _nearest_prop(w, a, x, y, eye, props, boxes, n)
            nearest_prop[w, a] = np.nan
            if prop >= 0:
                dx, dy = props[0][w, prop, 0] - x, props[0][w, prop, 1] - y
                nearest_prop[w, a, 0] = dx * cos + dy * sin
                nearest_prop[w, a, 1] = dy * cos - dx * sin
            speaker[w, a] = _speaker(w, a, x, y, position, utterance, sounds)
            sign = sign_in_view(
                x,
                y,
                eye,
                heading[w, a],
                sign_position[w],
                sign_heading[w],
                sign_present[w],
                written[w],
                boxes,
                n,
            )
            sign_number[w, a] = numbers[w, sign] if sign >= 0 else -1


@inner
def _nearest_prop(
    w: int, a: int, x: float, y: float, eye: float, props: Any, boxes: Any, n: int
) -> int:
    """The index of the nearest prop in sight, or -1; of two at one distance the first."""
    position, present, holder = props
    best, nearest = -1, np.inf
    for i in range(position.shape[1]):
        if not present[w, i] or holder[w, i] == a:
            continue
        u, v = position[w, i, 0], position[w, i, 1]
        square = (u - x) * (u - x) + (v - y) * (v - y)
        if square > SIGHT * SIGHT or square >= nearest:
            continue
        if crossings(boxes, n, x, y, eye, u, v, position[w, i, 2]) == 0:
            best, nearest = i, square
    return best


@inner
def _speaker(w: int, a: int, x: float, y: float, position: Any, utterance: Any, sounds: Any) -> int:
    """The nearest voice, or -1; of two at one distance the first, sources before avatars."""
    sound_position, on, spoken = sounds
    sources = sound_position.shape[1]
    best, nearest = -1, np.inf
    for i in range(sources + position.shape[1]):
        if i < sources:
            speaks = on[w, i] and spoken[w, i]
            u, v = sound_position[w, i, 0], sound_position[w, i, 1]
        else:
            speaks = i - sources != a and utterance[w, i - sources] >= 0
            u, v = position[w, i - sources, 0], position[w, i - sources, 1]
        square = (u - x) * (u - x) + (v - y) * (v - y)
        if speaks and square <= HEARING_RANGE * HEARING_RANGE and square < nearest:
            best, nearest = i, square
    return best
