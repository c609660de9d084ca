"""Names the parts of an observation: squares of a picture, things, words, channels."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from als_engine.sensors import touch
from als_engine.sensors.audio import BAND_CENTERS
from als_engine.sensors.columns import ENTITIES, PROPRIOCEPTION, SIGHT
from als_engine.sensors.tokenizer import MARKS, PAD, decode
from als_plugins.encoders.stems import Form, form_of

__all__ = ["Part", "Thing", "Word", "grid_of", "parts_of", "things_in", "words_in"]

SQUARES: Final = 8
"""Pictures are taken apart into about so many squares a side."""

KINDS: Final = ("fixed thing", "movable thing", "portable thing", "avatar", "sign", "sound")
"""What the columns 1 to 6 of `entities` mean."""

_COLORS: Final = {
    "black": (20, 20, 20), "grey": (128, 128, 128), "white": (235, 235, 235),
    "red": (205, 45, 45), "orange": (235, 135, 40), "yellow": (235, 205, 60),
    "green": (60, 155, 75), "blue": (50, 100, 205), "purple": (125, 75, 165),
    "brown": (115, 75, 50), "pink": (235, 145, 185),
}  # fmt: skip

_COLUMN: Final = {name: i for i, name in enumerate(ENTITIES)}


@dataclass(frozen=True)
class Part:
    """A piece of an observation that a person has a name for.

    Attributes:
        sensor: its key. name: in words.
        mask: of the sensor's shape, True where its values are.
    """

    sensor: str
    name: str
    mask: NDArray[np.bool_]


@dataclass(frozen=True)
class Word:
    """A word of a text, or a mark such as "<told>".

    Attributes:
        text: as it is written. places: which tokens it is made of.
    """

    text: str
    places: tuple[int, ...]


@dataclass(frozen=True)
class Thing:
    """A row of `entities`, in the avatar's frame.

    Attributes:
        row: which one. kind: one of `KINDS`.
        forward, left: where it is, metres. color: red, green and blue, 0 to 255.
    """

    row: int
    kind: str
    forward: float
    left: float
    color: tuple[int, int, int]

    @property
    def name(self) -> str:
        """The part's name and place: "white sign, 2.3 m ahead left"."""
        metres = math.hypot(self.forward, self.left)
        where = _direction(self.forward, self.left)
        return f"{_color_name(self.color)} {self.kind}, {metres:.1f} m {where}"


def words_in(tokens: Iterable[int] | NDArray[np.integer]) -> list[Word]:
    """The words of a `text` observation; padding is none."""
    words: list[Word] = []
    run: list[int] = []
    places: list[int] = []
    for place, token in enumerate((*(int(token) for token in tokens), PAD)):
        if token >= len(MARKS):
            run.append(token)
            places.append(place)
            continue
        words += _words(run, places)
        run, places = [], []
        if token != PAD:
            words.append(Word(MARKS[token], (place,)))
    return words


def _words(run: list[int], places: list[int]) -> Iterator[Word]:
    """A run of tokens, divided where its text has a space."""
    text, kept = "", list[int]()
    before = ""
    for count, place in enumerate(places, 1):
        so_far = decode(run[:count])
        piece, before = so_far[len(before) :], so_far
        if piece.startswith(" ") and kept:
            yield Word(text, tuple(kept))
            text, kept = "", []
        text += piece.strip()
        kept.append(place)
    if kept:
        yield Word(text, tuple(kept))


def things_in(rows: NDArray[Any]) -> list[Thing]:
    """The things in an `entities` observation, (rows, 26)."""
    found = []
    for index in np.flatnonzero(rows[:, 0] > 0.5):
        row = rows[index]
        kind = KINDS[int(row[1:7].argmax())]
        red, green, blue = (round(255 * float(row[_COLUMN[c]])) for c in ("red", "green", "blue"))
        forward, left = (SIGHT * float(row[_COLUMN[c]]) for c in ("forward", "left"))
        found.append(Thing(int(index), kind, forward, left, (red, green, blue)))
    return found


def parts_of(space: Any, observation: Mapping[str, NDArray[Any]]) -> list[Part]:
    """Every part of an observation; what is not there, such as padding, is none.

    Args:
        space: of the observation, a Dict.
        observation: key to an array, without rows.
    """
    parts: list[Part] = []
    for key, array in observation.items():
        form = form_of(space[key])
        if form is Form.PICTURE:
            parts += _squares(key, array.shape)
        elif form is Form.THINGS:
            parts += _things(key, array)
        elif form is Form.WORDS:
            parts += _texts(key, array)
        else:
            parts += _channels(key, array.shape)
    return parts


def grid_of(count: int, height: int, width: int) -> tuple[int, int]:
    """How many rows and columns so many patches of a picture make: the squarest patches."""
    shapes = [(rows, count // rows) for rows in range(1, count + 1) if count % rows == 0]
    return min(shapes, key=lambda s: abs(math.log((height / s[0]) / (width / s[1]))))


def _squares(key: str, shape: tuple[int, ...]) -> Iterator[Part]:
    height, width = shape[:2]
    rows = np.arange(height) * SQUARES // height
    columns = np.arange(width) * SQUARES // width
    for y in range(SQUARES):
        for x in range(SQUARES):
            square = (rows[:, None] == y) & (columns[None, :] == x)
            mask = np.broadcast_to(square[..., None], shape)
            yield Part(key, f"square {y + 1} down, {x + 1} across", mask)


def _things(key: str, array: NDArray[Any]) -> Iterator[Part]:
    known = array.shape[1] == len(ENTITIES)
    names = {thing.row: thing.name for thing in things_in(array)} if known else {}
    for row in np.flatnonzero(array[:, 0] > 0.5):
        mask = np.zeros(array.shape, np.bool_)
        # That a thing is there at all stays: without it the rest would not be read.
        mask[row, 1:] = True
        yield Part(key, names.get(int(row), f"row {row + 1}"), mask)


def _texts(key: str, array: NDArray[Any]) -> Iterator[Part]:
    for word in words_in(array):
        mask = np.zeros(array.shape, np.bool_)
        mask[list(word.places)] = True
        yield Part(key, word.text if word.text.startswith("<") else f"“{word.text}”", mask)


def _channels(key: str, shape: tuple[int, ...]) -> Iterator[Part]:
    count = int(np.prod(shape))
    names = _channel_names(key, shape)
    for index in range(count):
        mask = np.zeros(count, np.bool_)
        mask[index] = True
        yield Part(key, names[index], mask.reshape(shape))


def _channel_names(key: str, shape: tuple[int, ...]) -> list[str]:
    count = int(np.prod(shape))
    columns = {"proprioception": PROPRIOCEPTION, "touch": touch.COLUMNS}.get(key, ())
    if len(columns) == count:
        return [name.replace("_", " ") for name in columns]
    if key == "audio" and shape == (2, len(BAND_CENTERS)):
        return [f"{ear} ear, {band:g} Hz" for ear in ("left", "right") for band in BAND_CENTERS]
    return [f"{key} {index + 1}" for index in range(count)]


def _color_name(color: tuple[int, int, int]) -> str:
    """The word for the nearest colour that has a short one."""
    return min(_COLORS, key=lambda name: math.dist(_COLORS[name], color))


def _direction(forward: float, left: float) -> str:
    angle = math.degrees(math.atan2(left, forward))
    names = ("ahead", "ahead left", "left", "behind left", "behind")
    name = names[round(abs(angle) / 45)]
    return name.replace("left", "right") if angle < 0 else name
