"""Quaternions `[x, y, z, w]`, many at once: `(..., 4)`; the last axis is always the quaternion."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["apply", "columns", "inverse", "product", "quaternions"]

Floats = NDArray[np.float64]


def columns(rows: Floats) -> Floats:
    """Rotations from a frame into the world, from those into the frame: (n, 3, 3), transposed."""
    return np.swapaxes(rows, -1, -2)


def quaternions(rotations: Floats) -> Floats:
    """Those of rotation matrices, (n, 3, 3), with w or the largest number not negative.

    The largest of the four is computed first, which divides by nothing small (Shepperd 1978).
    """
    m = rotations
    trace = m[:, 0, 0] + m[:, 1, 1] + m[:, 2, 2]
    squares = np.stack([m[:, 0, 0], m[:, 1, 1], m[:, 2, 2], trace], 1)
    largest = squares.argmax(1)
    found = np.empty((len(m), 4))
    for case in range(4):
        rows = np.flatnonzero(largest == case)
        if rows.size:
            found[rows] = _of_largest(m[rows], trace[rows], case)
    found /= np.sqrt((found**2).sum(1, keepdims=True))
    return np.where(found[:, 3:] < 0, -found, found)


def _of_largest(m: Floats, trace: Floats, case: int) -> Floats:
    """Up to a factor, where number `case` is the largest of x, y, z, w."""
    if case == 3:
        return np.stack(
            [
                m[:, 2, 1] - m[:, 1, 2],
                m[:, 0, 2] - m[:, 2, 0],
                m[:, 1, 0] - m[:, 0, 1],
                1.0 + trace,
            ],
            1,
        )
    i, j, k = case, (case + 1) % 3, (case + 2) % 3
    found = np.empty((len(m), 4))
    found[:, i] = 1.0 - trace + 2.0 * m[:, i, i]
    found[:, j] = m[:, j, i] + m[:, i, j]
    found[:, k] = m[:, k, i] + m[:, i, k]
    found[:, 3] = m[:, k, j] - m[:, j, k]
    return found


def inverse(q: Floats) -> Floats:
    """The turn back."""
    back: Floats = q * np.array([-1.0, -1.0, -1.0, 1.0])
    return back


def product(a: Floats, b: Floats) -> Floats:
    """First `b`, then `a`; w is not negative."""
    found: Floats = np.empty(np.broadcast_shapes(a.shape, b.shape))
    across = np.cross(a[..., :3], b[..., :3])
    found[..., :3] = a[..., 3:] * b[..., :3] + b[..., 3:] * a[..., :3] + across
    found[..., 3] = a[..., 3] * b[..., 3] - (a[..., :3] * b[..., :3]).sum(-1)
    turned: Floats = np.where(found[..., 3:] < 0, -found, found)
    return turned


def apply(q: Floats, v: Floats) -> Floats:
    """Vectors, (..., 3), turned."""
    across = 2.0 * np.cross(q[..., :3], v)
    turned: Floats = v + q[..., 3:] * across + np.cross(q[..., :3], across)
    return turned
