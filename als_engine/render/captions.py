"""Writes captions on pictures: lines of text in the font of signs, on a darkened ground."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from als_engine.font.glyphs import HEIGHT, WIDTH, bitmaps, drawn, indices
from als_engine.texts import one_line

__all__ = ["Caption", "wrap", "write"]

Picture = NDArray[np.uint8]

_PAD: Final = 3  # Texels around a line.
_MARGIN: Final = 6  # Pixels between captions and the edges of the picture.
_DARKENED: Final = 0.3
"""The share of the picture's light that is left behind a text."""
_PALEST: Final = 0.45
"""How far colours are moved towards white, so that all of them can be read on dark ground."""


@dataclass(frozen=True, slots=True)
class Caption:
    """A text and who it is from.

    Attributes:
        text: any; it is put on one line and wrapped where the picture ends.
        name: stands before it, in `color`; may be empty.
        color: red, green, blue, 0 to 255.
    """

    text: str
    name: str = ""
    color: tuple[int, int, int] = (255, 255, 255)


def write(
    picture: Picture,
    captions: Sequence[Caption],
    *,
    top: bool = False,
    scale: int = 2,
    reserved: int = 0,
    most: int = 6,
) -> None:
    """Writes captions into a picture, uint8 (height, width, 3), from its left edge on.

    Args:
        picture: written into.
        captions: from above to below.
        top: whether they are at the top, or else at the bottom.
        scale: pixels for each texel of the font.
        reserved: pixels at the right that stay free.
        most: lines; what is more is left out at the end, with an ellipsis.
    """
    height, width = picture.shape[:2]
    pad, tall = _PAD * scale, (HEIGHT + 2) * scale
    columns = (width - reserved - 2 * _MARGIN - 2 * pad) // (WIDTH * scale)
    most = min(most, (height - 2 * _MARGIN) // tall)
    if columns < 8 or most < 1:
        return
    lines = [line for caption in captions for line in _lines(caption, columns)]
    if len(lines) > most:
        lines = [*lines[: most - 1], (f"{lines[most - 1][0][: columns - 1]}…", 0, (255, 255, 255))]
    y = _MARGIN if top else height - _MARGIN - tall * len(lines)
    for text, colored, color in lines:
        _put(picture, text, colored, color, (_MARGIN, y), scale)
        y += tall


def wrap(text: str, columns: int, first: int = 0) -> list[str]:
    """Breaks a text between words into lines; a word that is longer than a line is cut.

    Args:
        text: characters of one cell each.
        columns: how many a line holds.
        first: how many of the first line are taken already.
    """
    lines, line, room = [], "", max(columns - first, 0)
    for word in text.split(" "):
        rest = word
        while True:
            needed = len(rest) + (1 if line else 0)
            if needed <= room - len(line):
                line = f"{line} {rest}" if line else rest
                break
            if line or (room < columns and len(rest) <= columns):
                lines.append(line)
                line, room = "", columns
                continue
            lines.append(rest[:room])
            rest, room = rest[room:], columns
    return [*lines, line]


def _lines(caption: Caption, columns: int) -> list[tuple[str, int, tuple[int, int, int]]]:
    """Lines of a caption: text, how many of its characters are the name's, the name's colour."""
    name = drawn(one_line(caption.name))[: columns - 2]
    head = f"{name}: " if name else ""
    first, *more = wrap(drawn(one_line(caption.text)), columns, len(head))
    return [(head + first, len(name), caption.color), *((line, 0, caption.color) for line in more)]


def _put(
    picture: Picture,
    text: str,
    colored: int,
    color: tuple[int, int, int],
    place: tuple[int, int],
    scale: int,
) -> None:
    """Writes one line, whose first characters have the colour, with its upper left corner there."""
    if not text:
        return
    glyphs = bitmaps()[indices(text)].transpose(1, 0, 2).reshape(HEIGHT, -1)
    ink = np.pad(glyphs, ((1, 1), (_PAD, _PAD))).repeat(scale, 0).repeat(scale, 1).astype(bool)
    x, y = place
    area = picture[y : y + ink.shape[0], x : x + ink.shape[1]]
    ink = ink[: area.shape[0], : area.shape[1]]
    area[:] = (area * _DARKENED).astype(np.uint8)
    area[ink] = 255
    named = area[:, : (_PAD + colored * WIDTH) * scale]
    pale = np.array(color) + (255 - np.array(color)) * _PALEST
    named[ink[:, : named.shape[1]]] = pale.astype(np.uint8)
