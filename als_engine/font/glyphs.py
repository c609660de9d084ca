"""Characters as bitmaps of 6 by 9 texels, found by index: ASCII, and what `font.hex` holds.

Latin with accents, Greek, Cyrillic, arrows, currencies, mathematics, boxes and blocks; a box stands
for anything else.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from importlib.resources import files
from typing import Final

import numpy as np
from numpy.typing import NDArray

from als_engine.font import drawn_ascii
from als_engine.system.notices import warn_once

__all__ = ["BOX", "HEIGHT", "WIDTH", "bitmaps", "drawn", "indices"]

WIDTH: Final = 6
HEIGHT: Final = 9
"""Of a cell, texels; the lowest two rows are for what hangs below the line."""
BOX: Final = 127
"""The index of what stands for a character that the font lacks."""

_FIRST: Final = 128


@lru_cache(maxsize=1)
def bitmaps() -> NDArray[np.uint8]:
    """The font, (glyphs, 9, 6): 1 where there is ink; ASCII is at its codes, an empty one at 0."""
    glyphs = np.zeros((_FIRST + len(_rows()), HEIGHT, WIDTH), np.uint8)
    glyphs[drawn_ascii.FIRST : drawn_ascii.LAST + 1, : drawn_ascii.HEIGHT, : drawn_ascii.WIDTH] = (
        drawn_ascii.GLYPHS
    )
    glyphs[BOX, :7, :5] = 1
    glyphs[BOX, 1:6, 1:4] = 0
    rows = np.array([*_rows().values()], np.uint8)
    glyphs[_FIRST:] = np.unpackbits(rows, axis=1).reshape(-1, HEIGHT, 8)[..., :WIDTH]
    return glyphs


def drawn(text: str) -> str:
    """The characters of a text that take a cell each.

    Letters and accents are put together (NFC), and what has no width is left out.
    """
    if text.isascii():
        return text
    return "".join(filter(_has_width, unicodedata.normalize("NFC", text)))


def indices(characters: str) -> NDArray[np.uint16]:
    """Where the characters are in `bitmaps`.

    One that the font lacks is a box, and is named in a warning, each once in a process.
    """
    if characters.isascii():
        return np.frombuffer(characters.encode("ascii"), np.uint8).astype(np.uint16)
    return np.array([_index(character) for character in characters], np.uint16)


def _index(character: str) -> int:
    code = ord(character)
    if code < _FIRST:
        return code
    found = _places().get(code)
    if found is None:
        name = unicodedata.name(character, "no name")
        warn_once(
            ("character", character),
            f'the font of signs and captions has no "{character}" (U+{code:04X}, {name}): '
            "a box stands for it",
        )
        return BOX
    return found


def _has_width(character: str) -> bool:
    # Joiners, marks of direction, and what asks for a colour picture in place of a character.
    return unicodedata.category(character) != "Cf" and not "\ufe00" <= character <= "\ufe0f"


@lru_cache(maxsize=1)
def _rows() -> dict[int, list[int]]:
    """What the file holds: code point to rows of texels, the leftmost in the highest bit."""
    text = files("als_engine.font").joinpath("font.hex").read_text("ascii")
    lines = (line.partition(":") for line in text.splitlines() if not line.startswith("#"))
    return {int(code, 16): [*bytes.fromhex(rows)] for code, _, rows in lines}


@lru_cache(maxsize=1)
def _places() -> dict[int, int]:
    return {code: _FIRST + i for i, code in enumerate(_rows())}
