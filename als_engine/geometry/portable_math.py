"""Sine, cosine, arc tangent, exponential and logarithm with the same bits on every processor.

The C library's functions differ in their last bit between systems, and between processors with and
without a fused multiply-add. One such bit in an avatar's heading becomes another trajectory a
hundred steps later, and a log from one machine does not replay on another. The functions here use
additions, multiplications, divisions and square roots alone, which IEEE 754 rounds in one way
everywhere. No `fastmath` flag may be used here.

Each takes numbers, arrays or both, as float64, and kernels may call it, too. Whatever reaches a
state, an observation or a reward uses these; `make lint` refuses the ones of `math` and `numpy`
there. Errors stay below two units in the last place
(`tests/als_engine/geometry/test_portable_math.py`).

They are kernels, and not ufuncs of Numba's: of those a part is compiled whenever a process starts.

Method: reduction to a small interval with a constant in two or three parts (Cody and Waite 1980),
then the Taylor series, which converges there within float64.
"""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

from __future__ import annotations

import math
from typing import Any, Protocol, overload

import numpy as np
from numpy.typing import NDArray

from als_engine.system.compiling import inner, kernel, replaces

__all__ = ["atan2", "cos", "exp", "hypot", "log", "sin"]

# Half of pi in parts of 33 bits and the rest, so that products with a quotient of up to 2^20 are
# exact. The parts of log(2) are 32 bits and the rest.
_HALF_PI = (1.5707963267341256e00, 6.077100506303966e-11, 2.0222662487959506e-21)
_FARTHEST = 1_600_000.0
_LOG_2 = (0.6931471803691238, 1.9082149292705877e-10)
_EXP_OVERFLOW, _EXP_UNDERFLOW = 709.782712893384, -745.1332191019412

# arctan at 0, 1/4, 1/2, 3/4 and 1.
_ATAN = (0.0, 0.24497866312686414, 0.4636476090008061, 0.6435011087932844, 0.7853981633974483)

_inner: Any = inner(forceinline=True)


class _Unary(Protocol):
    """A function of one argument, a number or an array."""

    @overload
    def __call__(self, x: float, /) -> float: ...
    @overload
    def __call__(self, x: NDArray[Any], /) -> NDArray[np.float64]: ...


class _Binary(Protocol):
    """A function of two arguments, numbers or arrays."""

    @overload
    def __call__(self, x: float, y: float, /) -> float: ...
    @overload
    def __call__(self, x: NDArray[Any], y: NDArray[Any], /) -> NDArray[np.float64]: ...


@_inner
def _sine_series(r):
    """sin(r) for |r| <= pi / 4."""
    z = r * r
    p = -7.647163731819816e-13 + z * 2.8114572543455206e-15
    p = -2.505210838544172e-08 + z * (1.6059043836821613e-10 + z * p)
    p = -1.984126984126984e-04 + z * (2.7557319223985893e-06 + z * p)
    return r + r * z * (-1.6666666666666666e-01 + z * (8.333333333333333e-03 + z * p))


@_inner
def _cosine_series(r):
    """cos(r) for |r| <= pi / 4."""
    z = r * r
    p = -1.1470745597729725e-11 + z * (4.779477332387385e-14 + z * -1.5619206968586225e-16)
    p = -2.755731922398589e-07 + z * (2.08767569878681e-09 + z * p)
    p = -1.388888888888889e-03 + z * (2.48015873015873e-05 + z * p)
    # The rounding error of 1 - z / 2 is added back.
    half = 0.5 * z
    head = 1.0 - half
    return head + (((1.0 - head) - half) + z * z * (4.1666666666666664e-02 + z * p))


@_inner
def _circular(x, quarter_turns):
    """sin(x + quarter_turns * pi / 2)."""
    # Past it the products below are not exact: NaN rather than a wrong number.
    if not abs(x) <= _FARTHEST:
        return math.nan
    quotient = math.floor(x * 0.6366197723675814 + 0.5)
    r = ((x - quotient * _HALF_PI[0]) - quotient * _HALF_PI[1]) - quotient * _HALF_PI[2]
    quadrant = (quotient + quarter_turns) & 3
    value = _cosine_series(r) if quadrant & 1 else _sine_series(r)
    return -value if quadrant & 2 else value


@inner
def _sin(x):
    return _circular(x, 0)


@inner
def _cos(x):
    return _circular(x, 1)


@_inner
def _arc_tangent(t):
    """atan(t) for 0 <= t <= 1."""
    step = int(t * 4.0 + 0.5)
    near = step * 0.25
    u = (t - near) / (1.0 + t * near)
    z = u * u
    p = -1 / 15 + z * (1 / 17 + z * (-1 / 19))
    p = -1 / 11 + z * (1 / 13 + z * p)
    p = -1 / 7 + z * (1 / 9 + z * p)
    p = -1 / 3 + z * (1 / 5 + z * p)
    return _ATAN[step] + (u + u * z * p)


@inner
def _atan2(y, x):
    if math.isnan(x) or math.isnan(y):
        return math.nan
    across, along = abs(y), abs(x)
    if math.isinf(across) and math.isinf(along):
        across = along = 1.0
    if across <= along:
        angle = _arc_tangent(across / along) if along > 0.0 else 0.0
    else:
        angle = math.pi / 2 - _arc_tangent(along / across)
    if math.copysign(1.0, x) < 0.0:
        angle = math.pi - angle
    return math.copysign(angle, y)


@inner
def _hypot(x, y):
    return math.sqrt(x * x + y * y)


@inner
def _exp(x):
    if math.isnan(x):
        return x
    if x > _EXP_OVERFLOW:
        return math.inf
    if x < _EXP_UNDERFLOW:
        return 0.0
    power = math.floor(x * 1.4426950408889634 + 0.5)
    r = (x - power * _LOG_2[0]) - power * _LOG_2[1]
    p = 1 / 479001600 + r * (1 / 6227020800)
    p = 1 / 3628800 + r * (1 / 39916800 + r * p)
    p = 1 / 40320 + r * (1 / 362880 + r * p)
    p = 1 / 720 + r * (1 / 5040 + r * p)
    p = 1 / 24 + r * (1 / 120 + r * p)
    value = 1.0 + (r + r * r * (0.5 + r * (1 / 6 + r * p)))
    return math.ldexp(value, power)


@inner
def _log(x):
    if math.isnan(x) or x < 0.0:
        return math.nan
    if x == 0.0:
        return -math.inf
    if math.isinf(x):
        return x
    mantissa, power = math.frexp(x)
    if mantissa < 0.7071067811865476:
        mantissa, power = 2.0 * mantissa, power - 1
    u = mantissa - 1.0
    s = u / (2.0 + u)
    z = s * s
    p = 1 / 21 + z * (1 / 23)
    p = 1 / 17 + z * (1 / 19 + z * p)
    p = 1 / 13 + z * (1 / 15 + z * p)
    p = 1 / 9 + z * (1 / 11 + z * p)
    p = 1 / 5 + z * (1 / 7 + z * p)
    p = 2.0 * z * (1 / 3 + z * p)
    # log(1 + u) = u - s (u - p), which keeps the digits of a small u.
    return power * _LOG_2[0] + (u - (s * (u - p) - power * _LOG_2[1]))


@kernel
def _each(which, x, out):
    for i in range(len(x)):
        if which == 0:
            out[i] = _sin(x[i])
        elif which == 1:
            out[i] = _cos(x[i])
        elif which == 2:
            out[i] = _exp(x[i])
        else:
            out[i] = _log(x[i])


@kernel
def _each_pair(which, y, x, out):
    for i in range(len(x)):
        out[i] = _atan2(y[i], x[i]) if which == 0 else _hypot(y[i], x[i])


def _unary(which: int, function: Any, meaning: str) -> _Unary:
    def portable(x: Any, /) -> Any:
        x = np.asarray(x, np.float64)
        out = np.empty(x.shape)
        _each(which, x.reshape(-1), out.reshape(-1))
        return out if x.ndim else out.item()

    replaces(portable, function, lambda x: lambda x: function(np.float64(x)))
    portable.__doc__ = meaning
    return portable


def _binary(which: int, function: Any, meaning: str) -> _Binary:
    def portable(y: Any, x: Any, /) -> Any:
        y, x = np.asarray(y, np.float64), np.asarray(x, np.float64)
        if y.shape != x.shape:
            y, x = np.broadcast_arrays(y, x)
        out = np.empty(x.shape)
        _each_pair(which, y.reshape(-1), x.reshape(-1), out.reshape(-1))
        return out if x.ndim else out.item()

    replaces(portable, function, lambda y, x: lambda y, x: function(np.float64(y), np.float64(x)))
    portable.__doc__ = meaning
    return portable


sin = _unary(0, _sin, "The sine of an angle in radians; NaN past 1.6 million.")
cos = _unary(1, _cos, "The cosine of an angle in radians; NaN past 1.6 million.")
exp = _unary(2, _exp, "The exponential; infinity and 0 where it leaves float64.")
log = _unary(3, _log, "The natural logarithm; -infinity at 0 and NaN below it.")
atan2 = _binary(
    0, _atan2, "The angle of the vector (x, y), radians, -pi to pi; signs of zeros as in IEEE 754."
)
hypot = _binary(
    1,
    _hypot,
    "The length of the vector (x, y); overflows past 1e154, where `math.hypot` does not.",
)
