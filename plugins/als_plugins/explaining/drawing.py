"""Pens and colours for pictures of attention: light paper, large type, one scale of colours."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from als_plugins.explaining.parts import grid_of

__all__ = [
    "AGAINST", "CARD", "FOR", "INK", "PAGE", "RIM", "SENSOR_COLORS", "SOFT", "TEAL",
    "Canvas", "as_rgb", "enlarged", "font", "heat_color", "overlay", "relief", "signed_overlay",
    "vivid",
]  # fmt: skip

Color = tuple[int, int, int]
Picture = NDArray[np.uint8]

PAGE: Final = (246, 245, 241)
CARD: Final = (255, 255, 255)
RIM: Final = (228, 225, 216)
INK: Final = (29, 37, 48)
SOFT: Final = (93, 102, 115)
TEAL: Final = (11, 125, 111)

SENSOR_COLORS: Final[tuple[Color, ...]] = (
    (0, 114, 178), (230, 159, 0), (0, 158, 115), (204, 121, 167), (86, 180, 233), (213, 94, 0),
    (150, 150, 150), (120, 94, 30),
)  # fmt: skip
"""For sensors side by side: the colours of Okabe and Ito (2008), told apart by everybody."""

FOR: Final = (213, 94, 0)
AGAINST: Final = (0, 114, 178)
"""What speaks for and against an action: orange and blue, which nobody takes for one another."""

# ColorBrewer's YlOrBr: ever darker, so that it reads without any sight of colour as well.
_HEAT: Final = np.array(
    [(255, 255, 229), (254, 227, 145), (254, 178, 60), (236, 112, 20), (190, 64, 4)], np.float64
)


@lru_cache(maxsize=32)
def font(size: int) -> Any:
    """Pillow's own typeface, which is the same on every machine; it has Latin letters only."""
    return ImageFont.load_default(size)


def heat_color(weight: float) -> Color:
    """From pale yellow at 0 to brown at 1."""
    red, green, blue = heat(np.array(weight)).round().astype(int).tolist()
    return red, green, blue


def heat(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """(..., 3), 0 to 255, for weights from 0 to 1."""
    places = np.linspace(0, 1, len(_HEAT))
    clipped = np.clip(weights, 0, 1)
    return np.stack([np.interp(clipped, places, channel) for channel in _HEAT.T], axis=-1)


def as_rgb(picture: NDArray[Any], high: float) -> Picture:
    """Any picture sensor, (height, width, channels), as one that can be looked at."""
    scaled = np.clip(picture.astype(np.float64) / high * 255, 0, 255).astype(np.uint8)
    return scaled[..., :3] if scaled.shape[-1] >= 3 else np.repeat(scaled[..., :1], 3, axis=-1)


def enlarged(picture: Picture, width: int, height: int) -> Picture:
    """As large as fits, pixel by pixel: what the avatar sees is not made finer than it is."""
    factor = min(width / picture.shape[1], height / picture.shape[0])
    size = (round(picture.shape[1] * factor), round(picture.shape[0] * factor))
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.NEAREST))


def relief(weights: NDArray[np.float64], height: int, width: int) -> NDArray[np.float64]:
    """Numbers of a picture's patches as a smooth map of its size.

    Args:
        weights: (patches,), row by row; or (rows, columns); from -1 to 1.
        height: of the picture.
        width: of the picture.
    """
    grid = weights if weights.ndim == 2 else weights.reshape(grid_of(weights.size, height, width))
    image = Image.fromarray(np.ascontiguousarray(grid, np.float32))
    smooth = image.resize((width, height), Image.Resampling.BILINEAR)
    return np.clip(np.asarray(smooth, np.float64), -1, 1)


def overlay(picture: Picture, weights: NDArray[np.float64]) -> Picture:
    """A picture in pale grey, with colour where the weights are, both (height, width, ...)."""
    grey = picture.astype(np.float64) @ [0.299, 0.587, 0.114]
    paper = 95 + grey[..., None] * (160 / 255)
    strength = (0.78 * np.clip(weights, 0, 1) ** 0.8)[..., None]
    mixed = paper * (1 - strength) + heat(0.3 + 0.7 * weights) * strength
    return mixed.round().astype(np.uint8)


def signed_overlay(picture: Picture, amounts: NDArray[np.float64]) -> Picture:
    """A picture in pale grey, orange where amounts are positive and blue where they are negative.

    Args:
        picture: uint8 (height, width, 3).
        amounts: (height, width), from -1 to 1.
    """
    grey = picture.astype(np.float64) @ [0.299, 0.587, 0.114]
    paper = 110 + grey[..., None] * (145 / 255)
    strength = (0.9 * np.clip(np.abs(amounts), 0, 1) ** 0.7)[..., None]
    color = np.where(amounts[..., None] > 0, FOR, AGAINST)
    return (paper * (1 - strength) + color * strength).round().astype(np.uint8)


def vivid(color: Color) -> Color:
    """A colour that stands out on white: the same hue, not too light."""
    hue, lightness, saturation = colorsys.rgb_to_hls(*(c / 255 for c in color))
    red, green, blue = colorsys.hls_to_rgb(hue, min(lightness, 0.62), saturation)
    return round(red * 255), round(green * 255), round(blue * 255)


class Canvas:
    """A drawing, made twice as large as it is shown, so that its edges are smooth.

    All lengths are in pixels of the finished picture.
    """

    FINE: Final = 2

    def __init__(self, width: int, height: int, paper: Color = CARD) -> None:
        self.width, self.height = width, height
        self.image = Image.new("RGB", (width * self.FINE, height * self.FINE), paper)
        self._draw = ImageDraw.Draw(self.image)

    def picture(self) -> Picture:
        """The finished picture, uint8 (height, width, 3)."""
        return np.asarray(self.image.reduce(self.FINE))

    def paste(self, picture: Picture, x: float, y: float) -> None:
        """Lays a picture with its upper left corner at a place."""
        fine = Image.fromarray(picture).resize(
            (picture.shape[1] * self.FINE, picture.shape[0] * self.FINE), Image.Resampling.NEAREST
        )
        self.image.paste(fine, (round(x * self.FINE), round(y * self.FINE)))

    def text(
        self, x: float, y: float, text: str, size: int = 15, color: Color = INK, anchor: str = "ls",
        halo: Color | None = None,
    ) -> None:  # fmt: skip
        """Writes; the anchor is Pillow's: left, middle, right; baseline, middle, ascender."""
        place = (x * self.FINE, y * self.FINE)
        self._draw.text(
            place, text, fill=color, font=font(size * self.FINE), anchor=anchor,
            stroke_width=2 * self.FINE if halo else 0, stroke_fill=halo,
        )  # fmt: skip

    def length(self, text: str, size: int = 15) -> float:
        """How wide a text will be."""
        return float(font(size * self.FINE).getlength(text)) / self.FINE

    def box(
        self, x: float, y: float, width: float, height: float, color: Color,
        rim: Color | None = None, round_by: float = 0,
    ) -> None:  # fmt: skip
        """A filled rectangle."""
        corners = self._fine((x, y, x + width, y + height))
        self._draw.rounded_rectangle(
            corners, round_by * self.FINE, fill=color, outline=rim, width=self.FINE if rim else 0
        )

    def dot(self, x: float, y: float, radius: float, color: Color | None, rim: Color) -> None:
        """A circle."""
        corners = self._fine((x - radius, y - radius, x + radius, y + radius))
        self._draw.ellipse(corners, fill=color, outline=rim, width=self.FINE)

    def shape(self, points: Sequence[tuple[float, float]], color: Color, rim: Color) -> None:
        """A filled polygon."""
        fine = [(x * self.FINE, y * self.FINE) for x, y in points]
        self._draw.polygon(fine, fill=color, outline=rim, width=self.FINE)

    def line(self, points: Sequence[tuple[float, float]], color: Color, width: float = 1) -> None:
        """A line through points."""
        fine = [(x * self.FINE, y * self.FINE) for x, y in points]
        self._draw.line(fine, fill=color, width=round(width * self.FINE), joint="curve")

    def _fine(self, lengths: tuple[float, ...]) -> tuple[float, ...]:
        return tuple(length * self.FINE for length in lengths)
