"""Paints the museum's pictures: simple ones, from what an exhibit is about.

Each attribute has a motif: history a row of arches in sepia, nature hills under a sun, people a
portrait, colour bold fields, drama a storm with lightning, craft an ornament along the edges. A
picture has those of its three attributes, the strongest one in front. Everything is whole numbers,
so that it is the same on every machine.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

ROWS, COLUMNS = 36, 48
VARIANTS: Final = 3
"""How many pictures there are of the same attributes."""

_FRAME: Final = 2
_SKIES: Final = ((206, 214, 208), (224, 208, 178), (190, 206, 222))
_SKIN: Final = ((228, 184, 150), (150, 102, 72), (200, 150, 112))
_CLOTH: Final = ((112, 40, 52), (36, 66, 110), (44, 92, 70))
_BOLD: Final = ((214, 48, 44), (248, 196, 40), (38, 92, 190), (240, 236, 224), (30, 150, 120))

_Y, _X = np.mgrid[0:ROWS, 0:COLUMNS]

Picture = NDArray[np.uint8]


@lru_cache(2048)
def paint(attributes: tuple[int, ...], variant: int) -> Picture:
    """A framed picture, uint8 (36, 48, 3).

    Args:
        attributes: what it is about, the strongest first, as `ATTRIBUTES` counts them.
        variant: 0 to `VARIANTS` - 1.
    """
    canvas = np.empty((ROWS, COLUMNS, 3), np.int64)
    canvas[:] = _SKIES[variant]
    canvas -= _Y[..., None]
    for attribute in sorted(attributes, key=lambda k: (k in (2, 5), -attributes.index(k))):
        _MOTIFS[attribute](canvas, variant, attributes[0] == attribute)
    if 4 in attributes and attributes[0] != 3:
        canvas[:] = canvas * 7 // 10
    if 0 in attributes:
        grey = canvas.sum(2, keepdims=True) // 3
        canvas[:] = (canvas + grey * np.array([11, 9, 6]) // 8) // 2
    return _framed(canvas)


def _framed(canvas: NDArray[np.int64]) -> Picture:
    """With a gilded frame, and bytes."""
    edge = np.minimum(np.minimum(_X, COLUMNS - 1 - _X), np.minimum(_Y, ROWS - 1 - _Y))
    canvas[edge < _FRAME] = (168, 124, 52)
    canvas[edge == 0] = (116, 80, 36)
    picture = canvas.clip(0, 255).astype(np.uint8)
    picture.setflags(write=False)
    return picture


def _arches(canvas: NDArray[np.int64], variant: int, first: bool) -> None:
    """Stone arches along the ground."""
    wide, top = 10 + variant, 12 if first else 20
    canvas[top:32] = (176, 150, 112)
    canvas[top : top + 2] = (206, 182, 142)
    x = _X % wide - wide // 2
    y = np.minimum(_Y - (top + 9), 0)
    canvas[(x * x + y * y < 12) & (top + 4 < _Y) & (_Y < 32)] = (66, 54, 48)
    canvas[32:] = (150, 126, 92)


def _hills(canvas: NDArray[np.int64], variant: int, first: bool) -> None:
    """Green hills, a river, and the sun."""
    x0 = 14 + 8 * variant
    if first:
        canvas[(_X - x0 - 12) ** 2 + (_Y - 9) ** 2 < 22] = (252, 226, 120)
    far = 20 + (_X - x0) ** 2 // 70
    near = 27 + (_X - x0 - 22) ** 2 // 90
    canvas[far < _Y] = (96, 146, 88)
    canvas[near < _Y] = (58, 112, 66)
    river = np.abs(_X - 24 - (_Y - 30) * (variant - 1)) * 3 < _Y - 24
    canvas[river & (_Y > 25)] = (110, 164, 200)


def _portrait(canvas: NDArray[np.int64], variant: int, first: bool) -> None:
    """Head and shoulders."""
    x0 = 24 if first else 14 + 18 * (variant % 2)
    size = 3 if first else 2
    head = (_X - x0) ** 2 * 9 + (_Y - 14 * size // 3 - 4) ** 2 * 6
    body = (_X - x0) ** 2 * 3 < (_Y - 7 * size) * 60
    canvas[body & (7 * size < _Y)] = _CLOTH[variant]
    canvas[head < 60 * size * size + 40] = (62, 42, 32)
    canvas[(head < 48 * size * size) & (5 * size < _Y)] = _SKIN[variant]


def _fields(canvas: NDArray[np.int64], variant: int, first: bool) -> None:
    """Fields of bold colours between dark lines."""
    x, y = 14 + 6 * variant, 12 + 4 * variant
    area = (x <= _X).astype(np.int64) + 2 * (y <= _Y) + ((x + 12 < _X) & (y < _Y))
    bold = np.array(_BOLD)[(area + variant) % len(_BOLD)]
    canvas[:] = bold if first else (canvas + bold) // 2
    if first:
        canvas[(abs(_X - x) < 1) | (abs(_Y - y) < 1) | ((abs(_X - x - 12) < 1) & (y < _Y))] = 24


def _storm(canvas: NDArray[np.int64], variant: int, first: bool) -> None:
    """Dark slanting rain, and lightning."""
    slant = (_X + 2 * _Y + 5 * variant) % 12 < 5
    canvas[slant & (_Y < 24)] = canvas[slant & (_Y < 24)] // 2 + (20, 22, 40)
    if first:
        x = 20 + 6 * variant + abs(_Y % 12 - 6) - _Y // 4
        canvas[(abs(_X - x) < 2) & (_Y < 28)] = (352, 344, 250)
        canvas[27 + (_X + 3 * variant) % 7 // 2 < _Y] = (44, 62, 92)


def _ornament(canvas: NDArray[np.int64], variant: int, first: bool) -> None:
    """A pattern along the edges, or all over."""
    edge = np.minimum(np.minimum(_X, COLUMNS - 1 - _X), np.minimum(_Y, ROWS - 1 - _Y))
    where = edge < (8 if not first else 14)
    diamond = (_X % 8 - 4).__abs__() + (_Y % 8 - 4).__abs__()
    colors = ((178, 92, 48), (58, 108, 112), (150, 60, 84))
    canvas[where] = (238, 222, 188)
    canvas[where & (diamond < 4)] = colors[variant]
    canvas[where & (diamond < 2)] = (236, 190, 84)


_MOTIFS: Final = (_arches, _hills, _portrait, _fields, _storm, _ornament)
