"""The rasteriser: a scene and a camera in, colour, depth and kind out.

Pixel (x, y) looks along d(x, y) = d0 + x du + y dv, not normalised: d's part along the view axis is
1, so that at the point t d the planar depth is t. The buffer holds s = 1 / t, because along every
plane n p = h as seen from the eye o,

    s = n d / (h - n o)

is linear in the pixel. Of a convex box's six planes those that the eye is outside of bound s from
above and the others from below; the smallest upper bound is the visible face. Where every upper
bound exceeds every lower one is an intersection of half-planes of the picture: each row of it is
one span, so a box needs neither clipping nor a division per pixel, wherever the camera stands.
Balls and cylinders solve a quadratic within the spans of the cube around them.

The colour buffer holds packed lit colours, the kind in the top byte; fog and the darkening towards
the floor are left to the last pass. Every inner loop is branch-free over float32 and its indices
are unsigned, so that LLVM vectorises it; where blocks begin depends on the picture's width only.
"""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from als_engine.render.scene import (
    AMBIENT,
    CYLINDER,
    LIGHT_X,
    LIGHT_Y,
    LIGHT_Z,
    RULES,
    SUN,
    inlined,
)

BLOCK = np.uint64(16)
"""Pixels of a row that are drawn together; buffers are a multiple of it wide and high."""

ZERO, ONE, HALF = np.float32(0), np.float32(1), np.float32(0.5)
TOP = np.float32(255)
TINY, HUGE = np.float32(1e-6), np.float32(1e30)
FARTHEST = np.float32(1e-6)
EDGE = np.float32(1e-3)
NEAREST = np.float32(1e20)


class Buffers(NamedTuple):
    """The buffers for drawing one picture, allocated once.

    Attributes:
        s: (height, width) inverse depth, padded to whole blocks. color: likewise, packed.
        low, high: (height,) first and last column of the spans.
        ramp: 0, 1, 2, ... as float32.
        plane: (6, 3) bounds of s: at pixel (0, 0), per column, per row; upper ones first.
        axis, face: (6,) of each bound.
        local: (4, 3) eye, d0, du, dv in a primitive's frame.
        fog: (height, 3).
        eye: (3,) of the camera, metres. axes: (6, 3), see `aim`.
        spot, slab, cast: to find shadows with.
    """

    s: NDArray[np.float32]
    color: NDArray[np.int32]
    low: NDArray[np.float32]
    high: NDArray[np.float32]
    ramp: NDArray[np.float32]
    plane: NDArray[np.float32]
    axis: NDArray[np.int32]
    face: NDArray[np.int32]
    local: NDArray[np.float32]
    fog: NDArray[np.float32]
    eye: NDArray[np.float64]
    axes: NDArray[np.float32]
    spot: NDArray[np.float64]
    slab: NDArray[np.float32]
    cast: NDArray[np.float32]


def new_buffers(height: int, width: int) -> Buffers:
    """Buffers for pictures of that size."""
    rows, columns = (-(-n // int(BLOCK)) * int(BLOCK) for n in (height, width))
    return Buffers(
        np.zeros((rows, columns), np.float32),
        np.zeros((rows, columns), np.int32),
        np.zeros(rows, np.float32),
        np.zeros(rows, np.float32),
        np.arange(max(rows, columns), dtype=np.float32),
        np.zeros((6, 3), np.float32),
        np.zeros(6, np.int32),
        np.zeros(6, np.int32),
        np.zeros((4, 3), np.float32),
        np.zeros((rows, 3), np.float32),
        np.zeros(3),
        np.zeros((6, 3), np.float32),
        np.zeros(3),
        np.zeros((3, 3), np.float32),
        np.zeros((5, 3), np.float32),
    )


@inlined
def _rows(center, r, eye, axes, tan_x, tan_y, height, width):
    """The rows that a primitive's ball may cover, first and end; none if it is out of view."""
    x = np.float32(center[0] - eye[0])
    y = np.float32(center[1] - eye[1])
    z = np.float32(center[2] - eye[2])
    cz = x * axes[2, 0] + y * axes[2, 1] + z * axes[2, 2]
    if cz + r <= ZERO:
        return 0, 0
    cx = x * axes[0, 0] + y * axes[0, 1] + z * axes[0, 2]
    cy = x * axes[1, 0] + y * axes[1, 1] + z * axes[1, 2]
    if abs(cx) - cz * tan_x > r * math.sqrt(ONE + tan_x * tan_x):
        return 0, 0
    if abs(cy) - cz * tan_y > r * math.sqrt(ONE + tan_y * tan_y):
        return 0, 0
    gap = cz * cz - r * r
    if cz <= r or gap < TINY:
        return 0, height
    root = r * math.sqrt(cy * cy + gap)
    scale = np.float32(0.5 * width) / (tan_x * gap)
    middle = np.float32(0.5 * height)
    first = min(max(middle - (cy * cz + root) * scale, ZERO), np.float32(height))
    end = min(max(middle - (cy * cz - root) * scale + ONE, ZERO), np.float32(height))
    return int(first), int(end)


@inlined
def _localise(center, frame, eye, axes, local):
    x = np.float32(eye[0] - center[0])
    y = np.float32(eye[1] - center[1])
    z = np.float32(eye[2] - center[2])
    for k in range(3):
        a, b, c = frame[k, 0], frame[k, 1], frame[k, 2]
        local[0, k] = a * x + b * y + c * z
        local[1, k] = a * axes[3, 0] + b * axes[3, 1] + c * axes[3, 2]
        local[2, k] = a * axes[4, 0] + b * axes[4, 1] + c * axes[4, 2]
        local[3, k] = a * axes[5, 0] + b * axes[5, 1] + c * axes[5, 2]


@inlined
def _bound(plane, axis, face, i, k, side, weight, local):
    plane[i, 0] = weight * local[1, k]
    plane[i, 1] = weight * local[2, k]
    plane[i, 2] = weight * local[3, k]
    axis[i], face[i] = k, 2 * k + side


@inlined
def _planes(buffers):
    """The unit cube's bounds of s, upper ones first; returns how many those are."""
    local, plane, axis, face = buffers.local, buffers.plane, buffers.axis, buffers.face
    near, far = 0, 5
    for k in range(3):
        e = local[0, k]
        sign, side = ONE, 0
        if e < ZERO:
            sign, side = -ONE, 1
        gap = ONE - abs(e)
        if gap < ZERO:
            _bound(plane, axis, face, near, k, side, sign / min(gap, -TINY), local)
            near += 1
        else:
            _bound(plane, axis, face, far, k, side, sign / max(gap, TINY), local)
            far -= 1
        _bound(plane, axis, face, far, k, 1 - side, -sign / (ONE + abs(e)), local)
        far -= 1
    return near


@inlined
def block(x):
    """The first column of the block that x is in; unsigned, so that no index can be negative."""
    return np.uint64(x) // BLOCK * BLOCK


@inlined
def _cut(buffers, a, b, c, first, end):
    """Narrows the spans to where a + b x + c y >= 0."""
    ramp = buffers.ramp
    if b >= ZERO:
        low, inverse = buffers.low, -ONE / max(b, np.float32(1e-18))
        for y in range(np.uint64(first), np.uint64(end)):
            x = (a + c * ramp[y]) * inverse
            old = low[y]
            low[y] = x if x > old else old
    else:
        high, inverse = buffers.high, -ONE / min(b, np.float32(-1e-18))
        for y in range(np.uint64(first), np.uint64(end)):
            x = (a + c * ramp[y]) * inverse
            old = high[y]
            high[y] = x if x < old else old


@inlined
def _spans(buffers, near, first, end, width):
    """The columns of each row in which the cube is."""
    low, high, plane, axis = buffers.low, buffers.high, buffers.plane, buffers.axis
    last = np.float32(width - 1)
    for y in range(np.uint64(first), np.uint64(end)):
        low[y] = EDGE
        high[y] = last
    for i in range(near):
        _cut(buffers, plane[i, 0], plane[i, 1], plane[i, 2], first, end)
        for j in range(near, 6):
            if axis[j] != axis[i]:
                _cut(
                    buffers,
                    plane[i, 0] - plane[j, 0],
                    plane[i, 1] - plane[j, 1],
                    plane[i, 2] - plane[j, 2],
                    first,
                    end,
                )


@inlined
def _fill_one(buffers, first, end, c0):
    s, color, ramp, p = buffers.s, buffers.color, buffers.ramp, buffers.plane
    a0, b0 = p[0, 0], p[0, 1]
    for y in range(np.uint64(first), np.uint64(end)):
        low, high = buffers.low[y] - EDGE, buffers.high[y] + EDGE
        if low <= high:
            r0 = a0 + p[0, 2] * ramp[y]
            for x in range(block(low), block(high) + BLOCK):
                value = r0 + b0 * ramp[x]
                old_s, old_color = s[y, x], color[y, x]
                hit = (ramp[x] >= low) & (ramp[x] <= high) & (value > old_s)
                s[y, x] = value if hit else old_s
                color[y, x] = c0 if hit else old_color


@inlined
def _fill_two(buffers, first, end, c0, c1):
    s, color, ramp, p = buffers.s, buffers.color, buffers.ramp, buffers.plane
    b0, b1 = p[0, 1], p[1, 1]
    for y in range(np.uint64(first), np.uint64(end)):
        low, high = buffers.low[y] - EDGE, buffers.high[y] + EDGE
        if low <= high:
            r0, r1 = p[0, 0] + p[0, 2] * ramp[y], p[1, 0] + p[1, 2] * ramp[y]
            for x in range(block(low), block(high) + BLOCK):
                v0, v1 = r0 + b0 * ramp[x], r1 + b1 * ramp[x]
                value = v0 if v0 < v1 else v1
                tone = c0 if v0 < v1 else c1
                old_s, old_color = s[y, x], color[y, x]
                hit = (ramp[x] >= low) & (ramp[x] <= high) & (value > old_s)
                s[y, x] = value if hit else old_s
                color[y, x] = tone if hit else old_color


@inlined
def _fill_three(buffers, first, end, c0, c1, c2):
    s, color, ramp, p = buffers.s, buffers.color, buffers.ramp, buffers.plane
    b0, b1, b2 = p[0, 1], p[1, 1], p[2, 1]
    for y in range(np.uint64(first), np.uint64(end)):
        low, high = buffers.low[y] - EDGE, buffers.high[y] + EDGE
        if low <= high:
            r0, r1 = p[0, 0] + p[0, 2] * ramp[y], p[1, 0] + p[1, 2] * ramp[y]
            r2 = p[2, 0] + p[2, 2] * ramp[y]
            for x in range(block(low), block(high) + BLOCK):
                v0, v1, v2 = r0 + b0 * ramp[x], r1 + b1 * ramp[x], r2 + b2 * ramp[x]
                value = v0 if v0 < v1 else v1
                tone = c0 if v0 < v1 else c1
                tone = tone if value < v2 else c2
                value = value if value < v2 else v2
                old_s, old_color = s[y, x], color[y, x]
                hit = (ramp[x] >= low) & (ramp[x] <= high) & (value > old_s)
                s[y, x] = value if hit else old_s
                color[y, x] = tone if hit else old_color


@inlined
def fill_box(buffers, near, first, end, paint):
    """Draws a box's faces in view."""
    face = buffers.face
    if near == 1:
        _fill_one(buffers, first, end, paint[face[0]])
    elif near == 2:
        _fill_two(buffers, first, end, paint[face[0]], paint[face[1]])
    elif near == 3:
        _fill_three(buffers, first, end, paint[face[0]], paint[face[1]], paint[face[2]])


@inlined
def _shade(color, shade):
    r = np.float32(np.uint8(color)) * shade
    g = np.float32(np.uint8(color >> 8)) * shade
    b = np.float32(np.uint8(color >> 16)) * shade
    r, g, b = (TOP if r > TOP else r), (TOP if g > TOP else g), (TOP if b > TOP else b)
    red, green, blue = np.int32(r), np.int32(g), np.int32(b)
    return np.int32(red | (green << 8) | (blue << 16) | (color & 0x7F000000))


@inlined
def _caps(form, ez):
    """A cylinder's planes z = 1 and z = -1 as bounds of s, weight * dz + constant.

    First the upper bound, then the two lower ones; bounds that never count where there is none.
    """
    if form != CYLINDER:
        return ZERO, HUGE, ZERO, -HUGE, ZERO, -HUGE
    up, down = ONE - ez, ONE + ez
    up = ONE / (up if abs(up) > TINY else TINY)
    down = -ONE / (down if abs(down) > TINY else TINY)
    if ez > ONE:
        return up, ZERO, down, ZERO, ZERO, -HUGE
    if ez < -ONE:
        return down, ZERO, up, ZERO, ZERO, -HUGE
    return ZERO, HUGE, up, ZERO, down, ZERO


@inlined
def fill_round(buffers, first, end, form, f, paint, rule):
    """A ball, or a cylinder between its planes z = -1 and z = 1."""
    s, color, ramp, local = buffers.s, buffers.color, buffers.ramp, buffers.local
    ex, ey, ez = local[0, 0], local[0, 1], local[0, 2]
    curved = ZERO if form == CYLINDER else ONE
    color0, color1, color2 = paint[0], paint[1], paint[2]
    front, wide, bottom, top = RULES[rule, 0], RULES[rule, 1], RULES[rule, 2], RULES[rule, 3]
    split_x, split_z, split = RULES[rule, 4], RULES[rule, 5], RULES[rule, 6]
    # The sun in the frame: the normal at p is p divided by the half extents.
    gx = f[0, 0] * LIGHT_X + f[0, 1] * LIGHT_Y + f[0, 2] * LIGHT_Z
    gy = f[1, 0] * LIGHT_X + f[1, 1] * LIGHT_Y + f[1, 2] * LIGHT_Z
    gz = f[2, 0] * LIGHT_X + f[2, 1] * LIGHT_Y + f[2, 2] * LIGHT_Z
    nx = f[0, 0] * f[0, 0] + f[0, 1] * f[0, 1] + f[0, 2] * f[0, 2]
    ny = f[1, 0] * f[1, 0] + f[1, 1] * f[1, 1] + f[1, 2] * f[1, 2]
    nz = f[2, 0] * f[2, 0] + f[2, 1] * f[2, 1] + f[2, 2] * f[2, 2]
    cap = gz / math.sqrt(nz) * (ONE if ez > ZERO else -ONE)
    # |e s + d|^2 = s^2 has the roots s = (-b +- sqrt(b^2 - c d d)) / c. From within a cylinder's
    # sides (c < 0) there is no way in through them, and the same formula gives the way out.
    c = ex * ex + ey * ey + curved * ez * ez - ONE
    inside = c < ZERO
    c = min(c, -TINY) if inside else max(c, TINY)
    inverse = ONE / c
    enter, offset = (ZERO, HUGE) if inside else (inverse, ZERO)
    k0, o0, k1, o1, k2, o2 = _caps(form, ez)
    for y in range(np.uint64(first), np.uint64(end)):
        low, high = buffers.low[y] - EDGE, buffers.high[y] + EDGE
        if low <= high:
            rx = local[1, 0] + local[3, 0] * ramp[y]
            ry = local[1, 1] + local[3, 1] * ramp[y]
            rz = local[1, 2] + local[3, 2] * ramp[y]
            ux, uy, uz = local[2, 0], local[2, 1], local[2, 2]
            for x in range(block(low), block(high) + BLOCK):
                dx, dy, dz = rx + ux * ramp[x], ry + uy * ramp[x], rz + uz * ramp[x]
                b = ex * dx + ey * dy + curved * ez * dz
                disc = b * b - c * (dx * dx + dy * dy + curved * dz * dz)
                root = math.sqrt(disc if disc > ZERO else ZERO)
                side, edge = (root - b) * enter + offset, k0 * dz + o0
                value = side if side < edge else edge
                back, low1, low2 = (-b - root) * inverse, k1 * dz + o1, k2 * dz + o2
                back = back if back > low1 else low1
                back = back if back > low2 else low2
                t = ONE / value
                px, py, pz = ex + dx * t, ey + dy * t, ez + dz * t
                qz = curved * pz
                square = px * px * nx + py * py * ny + qz * qz * nz
                cosine = (px * gx + py * gy + qz * gz) / math.sqrt(square + TINY)
                cosine = cosine if side < edge else cap
                tone = color2 if split_x * px + split_z * pz > split else color0
                second = (px > front) & (abs(py) < wide) & (pz > bottom) & (pz < top)
                tone = _shade(color1 if second else tone, AMBIENT + SUN * cosine)
                old_s, old_color = s[y, x], color[y, x]
                hit = (ramp[x] >= low) & (ramp[x] <= high) & (disc >= ZERO)
                hit = hit & (value >= back) & (value > old_s) & (value < NEAREST)
                s[y, x] = value if hit else old_s
                color[y, x] = tone if hit else old_color


@inlined
def find(buffers, center, frame, reach, eye, axes, tan_x, tan_y, height, width):
    """Prepares the spans of a primitive; returns its rows and how many of its faces are in view."""
    first, end = _rows(center, reach, eye, axes, tan_x, tan_y, height, width)
    if first >= end:
        return 0, 0, 0
    _localise(center, frame, eye, axes, buffers.local)
    near = _planes(buffers)
    _spans(buffers, near, first, end, width)
    return first, end, near
