"""Where the parts of compound props are, as seen from above, for kernels and for NumPy."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from als_engine.geometry import portable_math as pmath
from als_engine.system.compiling import inner

if TYPE_CHECKING:
    from als_engine.world.arrays import FloatArray, IntArray
    from als_engine.world.state import WorldState

__all__ = ["PartRows", "facing", "part_place", "placed"]


class PartRows(NamedTuple):
    """The parts of all worlds, as kernels take them: the arrays of `world.arrays.Parts`."""

    used: IntArray
    owner: IntArray
    form: NDArray[np.uint8]
    half: FloatArray
    offset: FloatArray
    turn: FloatArray


@inner
def facing(q):  # type: ignore[no-untyped-def]
    """Cosine and sine of the direction of a body's x axis seen from above; `q` is (4,)."""
    cos, sin = 1.0 - 2.0 * (q[1] * q[1] + q[2] * q[2]), 2.0 * (q[3] * q[2] + q[0] * q[1])
    length = max(math.sqrt(cos * cos + sin * sin), 1e-9)
    return cos / length, sin / length


@inner
def part_place(w, k, cos, sin, parts):  # type: ignore[no-untyped-def]
    """Where part `k` of a prop that faces (cos, sin) is, from above.

    Returns:
        x, y and z from the prop's centre, metres; cosine and sine of its heading in the world.
    """
    x, y, z = parts.offset[w, k]
    half_sin, half_cos = parts.turn[w, k]
    c, s = 1.0 - 2.0 * half_sin * half_sin, 2.0 * half_sin * half_cos
    return cos * x - sin * y, sin * x + cos * y, z, cos * c - sin * s, sin * c + cos * s


def placed(
    state: WorldState, worlds: NDArray[np.intp] | slice = slice(None)
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Where the parts of some worlds are: centre (n, parts, 3), cosine and sine (n, parts).

    Those that are not in use are at the first prop.
    """
    props, parts = state.props, state.parts
    owner = parts.owner[worlds].astype(np.intp)
    q = np.take_along_axis(props.orientation[worlds], owner[..., None], 1)
    x, y, z, w = np.moveaxis(q, -1, 0)
    heading = pmath.atan2(2 * (x * y + z * w), 1 - 2 * (y * y + z * z))
    cos, sin = pmath.cos(heading), pmath.sin(heading)
    center = np.take_along_axis(props.position[worlds], owner[..., None], 1)
    dx, dy, dz = np.moveaxis(parts.offset[worlds], -1, 0)
    center = center + np.stack([cos * dx - sin * dy, sin * dx + cos * dy, dz], -1)
    half_sin, half_cos = np.moveaxis(parts.turn[worlds], -1, 0)
    c, s = 1 - 2 * half_sin * half_sin, 2 * half_sin * half_cos
    return center, cos * c - sin * s, sin * c + cos * s
