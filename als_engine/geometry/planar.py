"""Rotated boxes and angles in the plane, for kernels: each formula once."""

from __future__ import annotations

import math

from als_engine.system.compiling import inner

__all__ = ["square_outside", "wrap"]


@inner(forceinline=True)
def square_outside(dx, dy, cos, sin, half_x, half_y):  # type: ignore[no-untyped-def]
    """The square of the distance from a box to a point at (dx, dy) from its middle; 0 inside."""
    x = max(0.0, abs(cos * dx + sin * dy) - half_x)
    y = max(0.0, abs(cos * dy - sin * dx) - half_y)
    return x * x + y * y


@inner(forceinline=True)
def wrap(angle):  # type: ignore[no-untyped-def]
    """The same angle in -pi to pi."""
    return angle - 2.0 * math.pi * math.floor((angle + math.pi) / (2.0 * math.pi))
