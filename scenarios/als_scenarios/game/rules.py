"""The rules of tag as kernels: who is tagged and free, and what a step is worth."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from als_engine.system.compiling import inner, kernel
from als_scenarios.game.pursuit import nearest

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from als_engine.world.arrays import BoolArray, FloatArray
    from als_engine.world.state import WorldState


def worth(state: WorldState, chasers: BoolArray, weights: tuple[float, float, float]) -> FloatArray:
    """What the step is worth to everybody, (terms, worlds, avatars).

    The terms, each times its weight, are the points for tags, the time that every free evader is
    paid by all chasers alike, and what the shaping says.
    """
    out: FloatArray = np.empty((3, state.num_worlds, state.num_avatars))
    _worth(state["free"], chasers, state["points"], state["shaping"], weights, out)
    return out


@kernel
def _worth(free, chasers, points, shaping, weights, out):  # type: ignore[no-untyped-def]
    tag, time, closing = weights
    for w in range(free.shape[0]):
        paid = free[w].sum() / chasers.sum()
        for a in range(free.shape[1]):
            out[0, w, a] = tag * points[w, a]
            out[1, w, a] = time * (free[w, a] - (paid if chasers[a] else 0.0))
            out[2, w, a] = closing * shaping[w, a]


def counts(state: WorldState, evaders: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """How many of the evaders are tagged, and at which step the first was, the limit if none."""
    tagged, first = np.empty(state.num_worlds, np.int64), np.empty(state.num_worlds, np.int64)
    _counts(state["free"], state["first_tag"], evaders, state.max_episode_steps, tagged, first)
    return tagged, first


@kernel
def _counts(free, first_tag, evaders, limit, tagged, first):  # type: ignore[no-untyped-def]
    for w in range(tagged.size):
        tagged[w] = evaders - free[w].sum()
        first[w] = limit if first_tag[w] < 0 else first_tag[w]


def over(state: WorldState) -> BoolArray:
    """Whether nobody is free, (worlds,)."""
    out: BoolArray = np.empty(state.num_worlds, np.bool_)
    _over(state["free"], out)
    return out


@kernel
def _over(free, out):  # type: ignore[no-untyped-def]
    for w in range(out.size):
        out[w] = not free[w].any()


def potential(state: WorldState, chasers: BoolArray) -> FloatArray:
    """What the shaping is the change of: (worlds, avatars), metres, zero-sum.

    Minus each chaser's distance to the nearest free evader; for each free evader an equal share of
    their sum; 0 when nobody is free.
    """
    out: FloatArray = np.empty((state.num_worlds, state.num_avatars))
    _potential(state.avatars.position, chasers, state["free"], out)
    return out


@kernel
def _potential(position, chasers, free, out):  # type: ignore[no-untyped-def]
    gaps = np.empty(chasers.size)
    for w in range(out.shape[0]):
        count = 0
        for a in range(chasers.size):
            count += free[w, a]
            gaps[a] = nearest(w, a, free, position)[1] if chasers[a] else 0.0
        if count == 0:
            out[w] = 0.0
            continue
        share = _total(gaps) / count
        for a in range(chasers.size):
            out[w, a] = (share if free[w, a] else 0.0) - gaps[a]


@inner
def _total(values):  # type: ignore[no-untyped-def]
    """The sum of up to eight numbers, added in NumPy's order, with its bits."""
    if values.size == 8:
        v = values
        return ((v[0] + v[1]) + (v[2] + v[3])) + ((v[4] + v[5]) + (v[6] + v[7]))
    total = 0.0
    for value in values:
        total += value
    return total


@kernel
def touched(touches, chasers, free):  # type: ignore[no-untyped-def]
    """Whether any chaser, (avatars,), touches who is free, (worlds, avatars)."""
    for w in range(free.shape[0]):
        for c in range(chasers.size):
            if chasers[c]:
                for e in range(chasers.size):
                    if touches[w, c, e] and free[w, e]:
                        return True
    return False
