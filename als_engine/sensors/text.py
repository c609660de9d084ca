"""Language as tokens: what an avatar was told, what it hears, and the sign before its eyes."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeAlias

import gymnasium
import numpy as np
from numpy.typing import NDArray

from als_engine.geometry import portable_math as pmath
from als_engine.geometry.sight import EYE_HEIGHT, WallRows, crossings, gather_walls, new_boxes
from als_engine.sensors.base import Setup, WorldwiseSensor
from als_engine.sensors.tokenizer import HEARD, READ, TOLD, VOCABULARY_SIZE, encoded
from als_engine.system.compiling import inner, kernel
from als_engine.system.notices import warn_once

if TYPE_CHECKING:
    from als_engine.world.arrays import BoolArray, FloatArray, IntArray
    from als_engine.world.state import WorldState

ROOM: Final = 32
"""How many tokens an instruction leaves for its mark and for what is heard and read."""
HEARING_RANGE: Final = 8.0  # metres
READING_RANGE: Final = 6.0  # metres
READING_ANGLE: Final = math.radians(60)  # to either side of where the avatar faces

Versions: TypeAlias = "NDArray[np.int64]"


class Text(WorldwiseSensor):
    """Tokens, int16 (n,), of byte-level byte-pair encoding; `tokenizer.decode` makes text of them.

    `Task.text_tokens` is n, 128 unless the task says more. One after the other, cut off at n and
    filled up with 0:

    - 1, then the avatar's instruction, at most n - 32 tokens of it (96 of 128);
    - 2, then what it hears in this step, for each utterance of another avatar within 8 m and each
      sound source within 8 m that is on and has a text: avatars first, in the order of their
      indices. Walls do not keep words from being understood;
    - 3, then the nearest sign in view: at most 6 m away, within 60 degrees to either side of where
      the avatar faces, turned towards it, and with no wall between. Its lines become one.

    What has no text is left out together with its number.

    Attributes:
        truncated_instructions: how many instructions were longer than that, each counted when it is
            first observed. The first of a scenario is named in a warning.
    """

    provides: ClassVar[tuple[str, ...]] = ("text",)

    def __init__(self, setup: Setup, enabled: Collection[str]) -> None:
        """Encodes the utterances; all other texts are encoded when they change."""
        super().__init__(setup, enabled)
        self._length, self._most_told = setup.text_tokens, setup.text_tokens - ROOM
        self._instructions = [[""] * setup.observers for _ in range(setup.num_worlds)]
        self._said = self._slots(max(1, len(setup.utterances)))
        for slot, utterance in zip(self._said, setup.utterances, strict=False):
            _put(slot, utterance)
        self._told = self._slots(setup.num_worlds, setup.observers)
        self._sounds = self._slots(setup.num_worlds, 0)
        self._signs = self._slots(setup.num_worlds, 0)
        never = np.full(setup.num_worlds, -1, np.int64)
        self._told_version, self._sound_version, self._sign_version = (
            never.copy() for _ in range(3)
        )

    def spaces(self) -> Mapping[str, gymnasium.Space[Any]]:
        """One avatar's space; of int16, so that `gymnasium.spaces.flatten` gives float32."""
        return {"text": gymnasium.spaces.Box(0, VOCABULARY_SIZE - 1, (self._length,), np.int16)}

    def read_some(
        self, state: WorldState, out: Mapping[str, NDArray[Any]], worlds: NDArray[np.intp]
    ) -> None:
        """Fills `text`, (worlds, observers, n), of some worlds."""
        self._encode_changes(state)
        avatars, signs, sounds = state.avatars, state.signs, state.sounds
        _fill(
            worlds,
            (self._told, self._said, self._sounds, self._signs),
            (avatars.position, avatars.heading, avatars.utterance, state.bodies.height),
            (sounds.position, sounds.on),
            (signs.position, signs.heading, signs.present),
            state.walls.rows(),
            self._most_told,
            out["text"],
        )

    def _encode_changes(self, state: WorldState) -> None:
        """Encodes the texts of the worlds whose version counters have moved on."""
        for world in _changed(state.instruction_version, self._told_version):
            for avatar, slot in enumerate(self._told[world]):
                self._tell(state, world, avatar, slot)
        if self._sounds.shape[1] != len(state.sounds.names):
            self._sounds = self._slots(state.num_worlds, len(state.sounds.names))
        for world in _changed(state.sounds.version, self._sound_version):
            for slot, text in zip(self._sounds[world], state.sounds.text[world], strict=True):
                _put(slot, text)
        if self._signs.shape[1] != len(state.signs.names):
            self._signs = self._slots(state.num_worlds, len(state.signs.names))
        for world in _changed(state.signs.version, self._sign_version):
            for slot, text in zip(self._signs[world], state.signs.text[world], strict=True):
                _put(slot, " ".join(text.split()))

    def _tell(self, state: WorldState, world: int, avatar: int, slot: IntArray) -> None:
        """Encodes one instruction, and notes if it is new and too long."""
        text = state.instructions[world][avatar]
        _put(slot, text)
        if text == self._instructions[world][avatar]:
            return
        self._instructions[world][avatar] = text
        count = len(encoded(text))
        if count > self._most_told:
            self.truncated_instructions += 1
            setup, level, step = self.setup, int(state.level[world]), int(state.step[world])
            warn_once(
                ("instruction", setup.scenario, setup.task),
                f"{setup.scenario}, level {level}, step {step}: the instruction of avatar {avatar} "
                f"has {count} tokens, of which {self._most_told} are observed; shorten it, or let "
                f"{setup.task}.text_tokens be at least {count + ROOM}",
            )

    def _slots(self, *shape: int) -> IntArray:
        """Room for texts: the number of tokens, then the tokens."""
        return np.zeros((*shape, 1 + self._length), np.int32)


def _put(slot: IntArray, text: str) -> None:
    tokens = encoded(text)[: len(slot) - 1]
    slot[0] = len(tokens)
    slot[1 : 1 + len(tokens)] = tokens


def _changed(version: Versions, seen: Versions) -> list[int]:
    """The worlds whose version is not the one seen, which it then is."""
    # Comparing bytes takes a tenth of the time of comparing arrays, and nearly always it is enough.
    if version.tobytes() == seen.tobytes():
        return []
    worlds: list[int] = np.flatnonzero(version != seen).tolist()
    seen[:] = version
    return worlds


@kernel
def _fill(
    which: Any,
    texts: Any,
    avatars: Any,
    sounds: Any,
    signs: Any,
    walls: Any,
    most_told: int,
    out: Any,
) -> None:
    told, said, sound_texts, sign_texts = texts
    position, heading, utterance, height = avatars
    sound_position, sound_on = sounds
    sign_position, sign_heading, sign_present = signs
    walls = WallRows(*walls)
    _, observers, length = out.shape
    boxes = new_boxes(walls.position.shape[1])
    for w in which:
        n = gather_walls(boxes, w, walls)
        for a in range(observers):
            row = out[w, a]
            end = _append(row, 0, TOLD, told[w, a], most_told)
            x, y, z = position[w, a, 0], position[w, a, 1], position[w, a, 2]
            for i in range(position.shape[1]):
                phrase = utterance[w, i]
                if i != a and phrase >= 0:
                    dx, dy = position[w, i, 0] - x, position[w, i, 1] - y
                    if dx * dx + dy * dy <= HEARING_RANGE * HEARING_RANGE:
                        end = _append(row, end, HEARD, said[phrase], length)
            for i in range(sound_position.shape[1]):
                if sound_on[w, i]:
                    dx, dy = sound_position[w, i, 0] - x, sound_position[w, i, 1] - y
                    if dx * dx + dy * dy <= HEARING_RANGE * HEARING_RANGE:
                        end = _append(row, end, HEARD, sound_texts[w, i], length)
            sign = sign_in_view(
                x,
                y,
                z + EYE_HEIGHT * height[a],
                heading[w, a],
                sign_position[w],
                sign_heading[w],
                sign_present[w],
                sign_texts[w],
                boxes,
                n,
            )
            if sign >= 0:
                end = _append(row, end, READ, sign_texts[w, sign], length)
            for i in range(end, length):
                row[i] = 0


@inner
def _append(row: NDArray[np.int16], end: int, mark: int, text: IntArray, most: int) -> int:
    """Writes a mark and up to `most` tokens of a text at `end`; returns the new end."""
    if text[0] == 0 or end >= len(row):
        return end
    row[end] = mark
    count = min(text[0], most, len(row) - end - 1)
    for i in range(count):
        row[end + 1 + i] = text[1 + i]
    return int(end + 1 + count)


@inner
def sign_in_view(
    x: float,
    y: float,
    z: float,
    heading: float,
    position: FloatArray,
    facing: FloatArray,
    present: BoolArray,
    texts: IntArray,
    boxes: FloatArray,
    n: int,
) -> int:
    """The index of the nearest sign that can be read from a place, or -1."""
    best, nearest = -1, READING_RANGE * READING_RANGE
    cos, sin = pmath.cos(heading), pmath.sin(heading)
    narrow = pmath.cos(READING_ANGLE)
    for i in range(len(facing)):
        dx, dy = position[i, 0] - x, position[i, 1] - y
        square = dx * dx + dy * dy
        # Of two at the same distance the first is read.
        if not present[i] or texts[i, 0] == 0 or square > nearest:
            continue
        if best >= 0 and square == nearest:
            continue
        if dx * cos + dy * sin < narrow * math.sqrt(square):
            continue
        if dx * pmath.cos(facing[i]) + dy * pmath.sin(facing[i]) >= 0.0:
            continue
        if crossings(boxes, n, x, y, z, position[i, 0], position[i, 1], position[i, 2]) == 0:
            best, nearest = i, square
    return best
