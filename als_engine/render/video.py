"""Writes moving pictures: GIF for pages and chats, MP4 for everything longer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, islice, pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from als_engine.errors import ArgumentError, SavedFileError
from als_engine.system.files import replacing

Picture = NDArray[np.uint8]

SUFFIXES: Final = (".gif", ".mp4")
_PALETTE_FRAMES: Final = 48
"""How many of the first frames a GIF's palette is made from, every sixth of them."""


def check_suffix(path: Path) -> None:
    """Refuses a file name that says neither GIF nor MP4.

    Raises:
        ArgumentError: the suffix is another one.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise ArgumentError(f'"{path}": a video ends in {" or ".join(SUFFIXES)}')


def write_video(path: Path, frames: Iterable[Picture], frames_per_second: float = 15) -> int:
    """Writes pictures, uint8 (height, width, 3), as a GIF or an MP4; returns how many.

    The frames are taken one after the other, so a generator can make them on the way. If anything
    fails, an older file of that name is left as it was.

    Args:
        path: where to; the suffix chooses the format.
        frames: all of one size; of odd sizes an MP4 loses the last row or column.
        frames_per_second: how fast it plays.

    Raises:
        ArgumentError: the suffix is unknown, or there are no frames.
        SavedFileError: it cannot be written.
    """
    check_suffix(path)
    counter = _Counter(frames)
    first = next(counter, None)
    if first is None:
        raise ArgumentError(f'"{path}": a video needs at least one frame')
    write = _write_gif if path.suffix.lower() == ".gif" else _write_mp4
    with replacing(path) as temporary:
        write(temporary, chain([first], counter), frames_per_second)
    return counter.count


def inset(picture: Picture, small: Picture, margin: int = 8) -> Picture:
    """Puts a small picture with a white rim into the lower right corner of a copy of another."""
    out = picture.copy()
    bottom, right = out.shape[0] - margin, out.shape[1] - margin
    top, left = bottom - small.shape[0], right - small.shape[1]
    out[top - 2 : bottom + 2, left - 2 : right + 2] = 255
    out[top:bottom, left:right] = small
    return out


class _Counter(Iterator[Picture]):
    """Counts what passes through."""

    def __init__(self, frames: Iterable[Picture]) -> None:
        self._frames, self.count = iter(frames), 0

    def __next__(self) -> Picture:
        frame = next(self._frames)
        self.count += 1
        return frame


def _write_gif(path: Path, frames: Iterator[Picture], rate: float) -> None:
    """One palette for all frames: what does not move stays the same pixel and costs nothing."""
    from PIL import Image

    early = list(islice(frames, _PALETTE_FRAMES))
    sample = Image.fromarray(_typical_colors(np.concatenate(early[::6])))
    # One colour is left for "as before", with which Pillow writes the pixels that did not change.
    palette = sample.quantize(255, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)

    def flat(frame: Picture) -> Any:
        return Image.fromarray(frame).quantize(palette=palette, dither=Image.Dither.NONE)

    images = [flat(frame) for frame in chain(early, frames)]
    images[0].save(
        path,
        save_all=True,
        append_images=images[1:],
        duration=_durations(len(images), rate),
        loop=0,
        optimize=True,
        disposal=1,
    )


def _typical_colors(picture: Picture) -> Picture:
    """A strip of a picture's colours, (1, n, 3), each as often as the root of its pixels.

    Counted by pixels, a large floor would take all of a palette, and a small red ball go grey.
    """
    coarse = (picture >> 2).reshape(-1, 3).astype(np.int32)
    keys, counts = np.unique(coarse @ np.array([1 << 12, 1 << 6, 1]), return_counts=True)
    often = np.repeat(keys, np.ceil(np.sqrt(counts)).astype(np.int64))
    colors = np.stack([often >> 12, (often >> 6) & 63, often & 63], axis=1)
    return (colors * 255 // 63).astype(np.uint8)[None]


def _durations(count: int, rate: float) -> list[int]:
    """Milliseconds for each frame; a GIF counts in hundredths, so the rest is carried on."""
    ends = [round(100 * i / rate) for i in range(count + 1)]
    return [10 * (end - start) for start, end in pairwise(ends)]


def _write_mp4(path: Path, frames: Iterator[Picture], rate: float) -> None:
    import av.error
    import imageio.v3 as imageio

    try:
        with imageio.imopen(path, "w", plugin="pyav") as file:
            file.init_video_stream("libx264", fps=rate, pixel_format="yuv420p")
            for frame in frames:
                height, width = (side - side % 2 for side in frame.shape[:2])
                file.write_frame(np.ascontiguousarray(frame[:height, :width]))
    except av.error.FFmpegError as error:
        if isinstance(error, OSError):
            raise
        raise SavedFileError(f'cannot write "{path.name}": {error}') from error
