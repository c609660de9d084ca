"""Signs and screens: upright boards that a task may write on, or whose pictures it may switch.

A picture is a uint8 array (rows, columns, 3), or a PNG file that the scenario ships. All levels of
a scenario show pictures of one size on a screen, so that its array never grows. Lengths are metres.
"""

from __future__ import annotations

import io
import math
import os
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from als_engine.errors import LayoutError, SavedFileError
from als_engine.font.glyphs import indices
from als_engine.system.safe_files import read_bytes
from als_engine.world.arrays import Arrays, BoolArray, FloatArray, IntArray
from als_engine.world.layout import SIGN_COLUMNS, SIGN_ROWS, Layout, check_sign_text, rgb

__all__ = ["MAX_PIXELS", "Screen", "Screens", "Signs", "load_picture"]

MAX_PIXELS: Final = 512
"""The most rows and columns of a picture."""

_MAX_BYTES: Final = 1 << 22


@dataclass(frozen=True, slots=True)
class Screen:
    """An upright board that shows a picture on the side that it faces, and black when it is off.

    Attributes:
        picture: uint8 (rows, columns, 3), at most 512 by 512; see `load_picture` for files.
        position: (x, y, z) of its centre, metres.
        heading: the direction that it faces, radians.
        width, height: metres.
        on: whether it shows the picture when the episode starts.
    """

    picture: ArrayLike
    position: Sequence[float]
    heading: float = 0.0
    width: float = 1.0
    height: float = 1.0
    on: bool = True

    def check(self, what: str) -> None:
        """Refuses what no world can hold.

        Raises:
            LayoutError: names the screen and what is wrong with it.
        """
        if len(self.position) != 3:
            raise LayoutError(f"{what} needs a position (x, y, z), got {self.position}")
        numbers = (*self.position, self.heading, self.width, self.height)
        if not all(map(math.isfinite, numbers)) or min(self.width, self.height) <= 0:
            raise LayoutError(f"{what} has a size that is not positive, or a number not finite")
        checked(what, self.picture)


def checked(what: str, picture: ArrayLike) -> NDArray[np.uint8]:
    """Returns a picture as an array.

    Raises:
        LayoutError: it is none, or too large; names the screen.
    """
    array = np.asarray(picture)
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3:
        raise LayoutError(
            f"{what} shows uint8 pictures (rows, columns, 3), got {array.dtype} {array.shape}"
        )
    if not all(1 <= size <= MAX_PIXELS for size in array.shape[:2]):
        raise LayoutError(
            f"{what} shows at most {MAX_PIXELS} by {MAX_PIXELS} pixels, got {array.shape[:2]}"
        )
    return array


def load_picture(path: str | os.PathLike[str]) -> NDArray[np.uint8]:
    """Reads a picture from a PNG file: uint8 (rows, columns, 3).

    The size that the file declares is looked at before anything is decoded.

    Raises:
        SavedFileError: it cannot be read, is no PNG, or has more than 512 rows or columns.
    """
    from PIL import Image

    source = Path(path)
    data = io.BytesIO(read_bytes(source, _MAX_BYTES))
    try:
        with Image.open(data, formats=("PNG",)) as image:
            columns, rows = image.size
            if max(rows, columns) > MAX_PIXELS:
                raise SavedFileError(
                    f"{source} has {rows} x {columns} pixels, at most {MAX_PIXELS} x {MAX_PIXELS}"
                )
            return np.array(image.convert("RGB"), np.uint8)
    except (OSError, SyntaxError, ValueError) as error:
        if isinstance(error, SavedFileError):
            raise
        raise SavedFileError(f"{source} is no picture in PNG format: {error}") from None


class Screens(Arrays):
    """Named screens; arrays are (worlds, screens, ...).

    Attributes:
        position: (…, 3) of the centre. heading: the direction it faces. half: (…, 2) half width
            and half height. on: bool.
        picture: (…, rows, columns, 3) uint8, as large as the largest; the rest is 0.
        pixels: (screens, 2), rows and columns of each, the same in all worlds.
        sums: (…, rows + 1, columns + 1, 3), of the picture above and to the left of each corner;
            whole numbers as floats, which cameras need not convert for every pixel.
    """

    def __init__(self, num_worlds: int, example: Mapping[str, Screen]) -> None:
        self.names: tuple[str, ...] = tuple(example)
        sizes = [checked(f"screen {name!r}", s.picture).shape[:2] for name, s in example.items()]
        self.pixels = np.array(sizes, np.int32).reshape(-1, 2)
        rows, columns = self.pixels.max(0, initial=0).tolist()
        shape = (num_worlds, len(example))
        self.position: FloatArray = np.zeros((*shape, 3))
        self.heading: FloatArray = np.zeros(shape)
        self.half: FloatArray = np.zeros((*shape, 2))
        self.on: BoolArray = np.zeros(shape, np.bool_)
        self.picture: NDArray[np.uint8] = np.zeros((*shape, rows, columns, 3), np.uint8)
        self.sums: FloatArray = np.zeros((*shape, rows + 1, columns + 1, 3))

    def arrays(self) -> Any:
        """Yields (name, array) of what differs between worlds and follows from nothing else."""
        for name, array in super().arrays():
            if name not in ("pixels", "sums"):
                yield name, array

    def load(self, world: int, screens: Mapping[str, Screen]) -> None:
        """Writes one world's screens as the layout has them."""
        for i, screen in enumerate(screens.values()):
            self.position[world, i] = screen.position
            self.heading[world, i] = screen.heading
            self.half[world, i] = (screen.width / 2, screen.height / 2)
            self.on[world, i] = screen.on
            self.write(world, i, screen.picture)

    def write(self, world: int, screen: int, picture: ArrayLike) -> None:
        """Puts a picture on one world's screen.

        Raises:
            LayoutError: it is no picture, or has another size than the scenario's others.
        """
        what = f"screen {self.names[screen]!r}"
        array, (rows, columns) = checked(what, picture), self.pixels[screen].tolist()
        if array.shape[:2] != (rows, columns):
            raise LayoutError(
                f"{what} shows pictures of {rows} x {columns} pixels, got "
                f"{array.shape[0]} x {array.shape[1]}"
            )
        self.picture[world, screen, :rows, :columns] = array
        self.sum(world, screen)

    def sum(self, world: int, screen: int) -> None:
        """Sums up one world's picture, for cameras that average over pixels."""
        sums = self.picture[world, screen].cumsum(0, dtype=np.float64).cumsum(1)
        self.sums[world, screen, 1:, 1:] = sums


class Signs(Arrays):
    """Named boards with text; arrays are (worlds, signs, ...).

    Attributes:
        position: (…, 3) of the centre. heading: the direction it faces. half: (…, 2) half width
            and half height. present: bool. paper, ink: (…, 3) uint8.
        glyphs: (…, 4, 16) indices of the font's characters, 0 where empty; those of ASCII are
            their codes. rows, columns: how many are in use.
        text: lists of str, `text[world][sign]`.
        version: (worlds,) goes up whenever a text of that world changes.
    """

    def __init__(self, num_worlds: int, names: Sequence[str]) -> None:
        shape = (num_worlds, len(names))
        self.names: tuple[str, ...] = tuple(names)
        self.position: FloatArray = np.zeros((*shape, 3))
        self.heading: FloatArray = np.zeros(shape)
        self.half: FloatArray = np.zeros((*shape, 2))
        self.present: BoolArray = np.ones(shape, np.bool_)
        self.paper: NDArray[np.uint8] = np.zeros((*shape, 3), np.uint8)
        self.ink: NDArray[np.uint8] = np.zeros((*shape, 3), np.uint8)
        self.glyphs: NDArray[np.uint16] = np.zeros((*shape, SIGN_ROWS, SIGN_COLUMNS), np.uint16)
        self.rows: IntArray = np.zeros(shape, np.int32)
        self.columns: IntArray = np.zeros(shape, np.int32)
        self.text: list[list[str]] = [[""] * len(names) for _ in range(num_worlds)]
        self.version: NDArray[np.int64] = np.zeros(num_worlds, np.int64)

    def load(self, world: int, layout: Layout) -> None:
        """Writes one world's signs as the layout has them."""
        for i, sign in enumerate(layout.signs.values()):
            self.position[world, i] = sign.position
            self.heading[world, i] = sign.heading
            self.half[world, i] = (sign.width / 2, sign.height / 2)
            self.paper[world, i] = rgb(sign.paper)
            self.ink[world, i] = rgb(sign.ink)
            self.present[world, i] = True
            self.write(world, i, sign.text)

    def write(self, world: int, sign: int, text: str) -> None:
        """Puts a text on one world's sign, normalised (NFC)."""
        lines = check_sign_text(f"sign {self.names[sign]!r}", text)
        glyphs = self.glyphs[world, sign]
        glyphs[:] = 0
        for row, line in enumerate(lines):
            glyphs[row, : len(line)] = indices(line)
        self.rows[world, sign] = len(lines)
        self.columns[world, sign] = max(1, *map(len, lines))
        self.text[world][sign] = unicodedata.normalize("NFC", text)
        self.version[world] += 1
