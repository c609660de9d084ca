"""Windows of tracks: what was seen of a person and of others, and what came then.

Networks read windows in the person's own frame: the origin is where the person is now, and the
x-axis points to where they walk. So a walk is the same wherever and whichever way it goes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from als_plugins.forecast.tracks import Tracks

__all__ = ["Frame", "Past", "features", "find_windows", "frame_of", "gather", "nearest"]

_STILL: Final = 0.05
"""Who has moved less, metres, faces no way."""

_RECENT: Final = 3
"""So many last steps tell which way somebody walks."""

_TOGETHER: Final = 4_096
_FEW: Final = 50
"""Among more people a tree finds the nearest ones faster."""


Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Past:
    """What was seen before the moment at which a forecast is made, in metres of the place.

    Attributes:
        own: (windows, history, 2) float32, the person.
        others: (windows, others, history, 2) float32, the nearest other people; 0 where absent.
        there: (windows, others, history) bool, whether they were there.
        time_step: seconds between two steps.
    """

    own: Floats
    others: Floats
    there: NDArray[np.bool_]
    time_step: float

    def __len__(self) -> int:
        return len(self.own)

    def take(self, rows: slice | NDArray[np.intp]) -> Past:
        """Some of the windows."""
        return Past(self.own[rows], self.others[rows], self.there[rows], self.time_step)

    def chunks(self, size: int = _TOGETHER) -> Iterator[Past]:
        """All windows, some at a time."""
        for first in range(0, len(self), size):
            yield self.take(slice(first, first + size))


def find_windows(tracks: Tracks, length: int, stride: int = 1) -> NDArray[np.intp]:
    """Where somebody is there for so many steps on end.

    Args:
        tracks: of whom.
        length: steps.
        stride: only every so many-th step of a scene begins a window.

    Returns:
        (windows, 3): scene, first step, and place among the scene's people.
    """
    scenes, steps, people = tracks.present.shape
    if steps < length:
        return np.zeros((0, 3), np.intp)
    count = np.zeros((scenes, steps + 1, people), np.int32)
    np.cumsum(tracks.present, axis=1, out=count[:, 1:])
    whole = count[:, length:] - count[:, :-length] == length
    found = np.argwhere(whole[:, ::stride])
    found[:, 1] *= stride
    return found


def gather(
    tracks: Tracks, windows: NDArray[np.intp], history: int, horizon: int, others: int
) -> tuple[Past, Floats]:
    """The windows themselves.

    Args:
        tracks: what they are of.
        windows: (windows, 3), as `find_windows` returns them.
        history: steps that are seen.
        horizon: steps that follow; may be 0.
        others: how many other people are kept at most, the nearest ones at the last step seen.

    Returns:
        What is seen, and (windows, horizon, 2) float32 metres, what follows.
    """
    people = tracks.present.shape[2]
    kept = max(0, min(others, people - 1))
    own = np.empty((len(windows), history + horizon, 2), np.float32)
    around = np.zeros((len(windows), kept, history, 2), np.float32)
    there = np.zeros((len(windows), kept, history), np.bool_)
    chunk = max(1, _TOGETHER * 64 // max(64, people))
    for first in range(0, len(windows), chunk):
        rows = slice(first, first + chunk)
        scene, begin, person = windows[rows].T
        steps = begin[:, None] + np.arange(history + horizon)
        own[rows] = tracks.position[scene[:, None], steps, person[:, None]]
        if kept:
            near = nearest(tracks, scene, begin + history - 1, person, kept)
            at = (scene[:, None, None], steps[:, None, :history], near[:, :, None])
            there[rows] = tracks.present[at] & (near != person[:, None])[:, :, None]
            around[rows] = tracks.position[at] * there[rows][..., None]
    past = Past(own[:, :history], around, there, tracks.time_step)
    return past, own[:, history:]


def nearest(
    tracks: Tracks,
    scene: NDArray[np.intp],
    step: NDArray[np.intp],
    person: NDArray[np.intp],
    count: int,
) -> NDArray[np.intp]:
    """(windows, count): the nearest others at a step, the nearest first.

    Where there are fewer, the person themselves stands for nobody.
    """
    from scipy.spatial import KDTree

    near = np.repeat(person[:, None], count, axis=1)
    moments = scene * tracks.present.shape[1] + step
    order = np.argsort(moments, kind="stable")
    borders = np.flatnonzero(np.diff(moments[order], prepend=-1, append=-1))
    for rows in (order[low:high] for low, high in pairwise(borders.tolist())):
        first = rows[0]
        there = np.flatnonzero(tracks.present[scene[first], step[first]])
        place = tracks.position[scene[first], step[first], there]
        own = tracks.position[scene[first], step[first], person[rows]]
        if len(there) > _FEW:
            some = KDTree(place).query(own, min(count + 1, len(there)))[1]
        else:
            away = own[:, None] - place
            square = np.einsum("wpk,wpk->wp", away, away)
            some = np.argsort(square, axis=1, kind="stable")[:, : count + 1]
        found = there[some]
        # The person themselves, wherever in the row, goes to its end.
        found = np.take_along_axis(
            found, np.argsort(found == person[rows, None], axis=1, kind="stable"), axis=1
        )[:, :count]
        near[rows, : found.shape[1]] = found
    return near


@dataclass(frozen=True)
class Frame:
    """The frames of some windows.

    Attributes:
        origin: (windows, 2) float32 metres.
        turn: (windows, 2) float32, cosine and sine of the way that the x-axis points.
    """

    origin: Floats
    turn: Floats

    def rotated(self, vectors: Floats, back: bool = False) -> Floats:
        """Vectors (windows, ..., 2) of the place as the frames have them, or back."""
        shape = (-1, *(1,) * (vectors.ndim - 2))
        cos, sin = self.turn[:, 0].reshape(shape), self.turn[:, 1].reshape(shape)
        if back:
            sin = -sin
        x, y = vectors[..., 0], vectors[..., 1]
        return np.stack([x * cos + y * sin, y * cos - x * sin], axis=-1)

    def into(self, points: Floats) -> Floats:
        """Points (windows, ..., 2) of the place as the frames have them."""
        shape = (-1, *(1,) * (points.ndim - 2), 2)
        return self.rotated(points - self.origin.reshape(shape))

    def out_of(self, points: Floats) -> Floats:
        """Points of the frames as the place has them."""
        shape = (-1, *(1,) * (points.ndim - 2), 2)
        return self.rotated(points, back=True) + self.origin.reshape(shape)


def frame_of(own: Floats, now: int = -1) -> Frame:
    """Frames of what was seen of people, (windows, history, 2), at a step of it."""
    origin = own[:, now]
    way = origin - own[:, max(0, now % own.shape[1] - _RECENT)]
    length = np.linalg.norm(way, axis=-1, keepdims=True)
    before = origin - own[:, 0]
    whole = np.linalg.norm(before, axis=-1, keepdims=True)
    ahead = np.broadcast_to(np.array([1, 0], np.float32), way.shape)
    turn = np.where(whole > _STILL, before / np.maximum(whole, 1e-6), ahead)
    turn = np.where(length > _STILL, way / np.maximum(length, 1e-6), turn)
    return Frame(np.ascontiguousarray(origin), turn.astype(np.float32))


def features(past: Past, frame: Frame) -> tuple[Floats, Floats]:
    """What networks read, metres and metres a second in the person's frame.

    Returns:
        (windows, history, 4): place and velocity of the person. (windows, others, history, 4):
        those of others, from where the person was at that step; 0 where they were not there.
    """
    own = _with_velocity(frame.into(past.own), past.time_step)
    apart = frame.rotated(past.others - past.own[:, None])
    speed = _with_velocity(frame.rotated(past.others), past.time_step)[..., 2:]
    both = past.there & np.concatenate([past.there[..., :1], past.there[..., :-1]], axis=-1)
    others = np.concatenate([apart * past.there[..., None], speed * both[..., None]], axis=-1)
    return own, others


def _with_velocity(points: Floats, time_step: float) -> Floats:
    velocity = np.empty_like(points)
    if points.shape[-2] < 2:
        velocity[:] = 0
    else:
        velocity[..., 1:, :] = np.diff(points, axis=-2) / np.float32(time_step)
        velocity[..., 0, :] = velocity[..., 1, :]
    return np.concatenate([points, velocity], axis=-1)
