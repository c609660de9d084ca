"""Pieces of people's tracks, for makers to learn from, and made ones as people of their own.

A maker sees a piece as steps, in the frame in which the person begins to walk along x, and in parts
of the longest step there is: so that a walk is the same wherever and whichever way it goes, and
what is made has no jitter beyond that of its steps.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from als_engine.errors import ArgumentError
from als_plugins.forecast.tracks import PARTS, Tracks
from als_plugins.forecast.windows import find_windows, frame_of, gather
from als_plugins.making.examples import Examples
from als_plugins.making.makers import What

__all__ = ["LENGTH", "TRACKS", "Pieces", "mirrored", "pieces_of", "with_made"]

LENGTH: Final = 48
"""Steps of a piece."""
_STRIDE: Final = 12
_BEGINNING: Final = 3
"""The step up to which a person walks along x."""
_MADE: Final = "made"


def _mirrored_or_not(values: Tensor, rng: np.random.Generator) -> Tensor:
    """Steps to the left become steps to the right in half of the pieces."""
    sign = torch.from_numpy(rng.choice([-1.0, 1.0], len(values)).astype(np.float32))
    return torch.stack([values[:, 0], values[:, 1] * sign[:, None]], 1)


TRACKS: Final = What((2, LENGTH), 1, _mirrored_or_not)


class Pieces(NamedTuple):
    """Pieces of tracks.

    Attributes:
        examples: (pieces, 2, LENGTH), steps along x and y, as parts of the longest one.
        longest: step, metres.
    """

    examples: Examples
    longest: float


def pieces_of(tracks: Tracks, part: str, longest: float | None = None) -> Pieces:
    """The pieces of one part of tracks; they overlap.

    Args:
        tracks: all of them.
        part: of them, "train" to learn from.
        longest: step, metres, which is 1; by default the longest that there is.

    Raises:
        ArgumentError: nobody in that part is there for long enough.
    """
    chosen = tracks.of_part(part)
    windows = find_windows(chosen, LENGTH + 1, _STRIDE)
    if not len(windows):
        seconds = (LENGTH + 1) * tracks.time_step
        raise ArgumentError(f"nobody in the {part} part is there for {seconds:g} s on end")
    own = gather(chosen, windows, LENGTH + 1, 0, 0)[0].own
    steps = np.diff(frame_of(own, _BEGINNING).into(own), axis=1).transpose(0, 2, 1)
    longest = float(max(np.abs(steps).max(), 1e-6)) if longest is None else longest
    values = np.ascontiguousarray((steps / longest).clip(-1.0, 1.0), np.float32)
    return Pieces(Examples(values, np.zeros(len(values), np.int64)), longest)


def with_made(tracks: Tracks, made: NDArray[np.float32], longest: float) -> Tracks:
    """Tracks with made people beside the real ones, each in a scene of the train part of its own.

    Args:
        tracks: real ones.
        made: (people, 2, LENGTH) as in `Pieces`.
        longest: step, metres.

    Returns:
        All of them; of what people did beside walking nothing is left.
    """
    count, (_, steps, people) = len(made), tracks.present.shape
    length = max(steps, LENGTH + 1)
    position = np.zeros((count, length, people, 2), np.float32)
    position[:, 1 : LENGTH + 1, 0] = np.cumsum(made.transpose(0, 2, 1) * longest, axis=1)
    present = np.zeros((count, length, people), np.bool_)
    present[:, : LENGTH + 1, 0] = True
    person = np.full((count, people), -1, np.int32)
    person[:, 0] = len(tracks.record.names)
    record = tracks.record.model_copy(
        update={
            "names": [*tracks.record.names, _MADE],
            "source": f"{tracks.record.source}, and {count} made tracks"[:1_000],
        }
    )
    return _joined(tracks, replace(
        tracks, position=position, present=present, person=person, record=record,
        part=np.full(count, PARTS.index("train"), np.int8), level=np.full(count, -1, np.int64),
        start=np.zeros(count), doing=None,
    ))  # fmt: skip


def mirrored(tracks: Tracks) -> Tracks:
    """Tracks with the mirror image of each scene of the train part: plain augmentation."""
    train = tracks.of_part("train")
    flipped = train.position * np.array([1.0, -1.0], np.float32)
    return _joined(tracks, replace(train, position=flipped, doing=None))


def _joined(one: Tracks, other: Tracks) -> Tracks:
    """Both, with the record of the other; those with fewer steps are padded."""
    missing = other.position.shape[1] - one.position.shape[1]
    longer = [(0, 0), (0, missing), (0, 0)]
    position = np.pad(one.position, [*longer, (0, 0)])
    return replace(
        other,
        position=np.concatenate([position, other.position]),
        present=np.concatenate([np.pad(one.present, longer), other.present]),
        person=np.concatenate([one.person, other.person]),
        part=np.concatenate([one.part, other.part]),
        level=np.concatenate([one.level, other.level]),
        start=np.concatenate([one.start, other.start]),
    )
