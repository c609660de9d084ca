"""Draws the bounded floor and the shadows of the third-person picture."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

from __future__ import annotations

import math

import numpy as np

from als_engine.render.raster import BLOCK, EDGE, FARTHEST, HUGE, ONE, TINY, ZERO, block, find
from als_engine.render.scene import (
    BALL,
    CYLINDER,
    GROUND,
    LIGHT_X,
    LIGHT_Y,
    LIGHT_Z,
    NOTHING,
    inner,
    pack,
)

# Red, green, blue around the floor, at the picture's lower and upper edge.
NEAR = np.array([226, 229, 232], np.float32)
DISTANT = np.array([196, 206, 217], np.float32)
SHADE = np.float32(0.7)
SHADED = np.int32((GROUND | 64) << 24)
"""What marks the floor in shadow in the top byte, so that two shadows are no darker than one."""


@inner
def stage(buffers, floor, eye, axes, height, width):
    """Ends the floor at its edges."""
    s, color, ramp = buffers.s, buffers.color, buffers.ramp
    x0, y0 = np.float32(floor[0] - eye[0]), np.float32(floor[1] - eye[1])
    x1, y1 = np.float32(floor[2] - eye[0]), np.float32(floor[3] - eye[1])
    columns = s.shape[1]
    for y in range(height):
        share = np.float32(y) / np.float32(height)
        r = DISTANT[0] + (NEAR[0] - DISTANT[0]) * share
        g = DISTANT[1] + (NEAR[1] - DISTANT[1]) * share
        b = DISTANT[2] + (NEAR[2] - DISTANT[2]) * share
        backdrop = pack(r, g, b, NOTHING)
        t = ONE / s[y, 0]
        ax = t * (axes[3, 0] + axes[5, 0] * ramp[y])
        ay = t * (axes[3, 1] + axes[5, 1] * ramp[y])
        bx, by = t * axes[4, 0], t * axes[4, 1]
        for x in range(columns):
            px, py = ax + bx * ramp[x], ay + by * ramp[x]
            on = (px > x0) & (px < x1) & (py > y0) & (py < y1)
            old_s, old_color = s[y, x], color[y, x]
            s[y, x] = old_s if on else FARTHEST
            color[y, x] = old_color if on else backdrop


@inner
def _darken(color):
    r = np.float32(np.uint8(color)) * SHADE
    g = np.float32(np.uint8(color >> 8)) * SHADE
    b = np.float32(np.uint8(color >> 16)) * SHADE
    return np.int32(np.int32(r) | (np.int32(g) << 8) | (np.int32(b) << 16) | SHADED)


@inner
def _footprint(center, frame, spot, slab):
    """A flat box on the floor that holds the shadow."""
    top, extent_x, extent_y = center[2], 0.0, 0.0
    for k in range(3):
        square = frame[k, 0] ** 2 + frame[k, 1] ** 2 + frame[k, 2] ** 2
        extent_x += abs(frame[k, 0]) / square
        extent_y += abs(frame[k, 1]) / square
        top += abs(frame[k, 2]) / square
    run_x, run_y = top * LIGHT_X / LIGHT_Z, top * LIGHT_Y / LIGHT_Z
    spot[0], spot[1], spot[2] = center[0] - 0.5 * run_x, center[1] - 0.5 * run_y, 0.0
    half_x, half_y = extent_x + 0.5 * abs(run_x), extent_y + 0.5 * abs(run_y)
    for k in range(3):
        for j in range(3):
            slab[k, j] = ZERO
    slab[0, 0], slab[1, 1], slab[2, 2] = 1.0 / half_x, 1.0 / half_y, 1000.0
    return np.float32(math.sqrt(half_x * half_x + half_y * half_y))


@inner
def cast_shadow(buffers, form, center, frame, eye, axes, tan_x, tan_y, height, width):
    """Darkens the floor where something stands between it and the sun."""
    spot, slab, cast = buffers.spot, buffers.slab, buffers.cast
    reach = _footprint(center, frame, spot, slab)
    first, end, near = find(buffers, spot, slab, reach, eye, axes, tan_x, tan_y, height, width)
    if first >= end or near == 0:
        return
    # Seen from the eye's place above the floor, a point of the floor is e + d t in the frame of
    # what casts the shadow, and `sun` is the way to the sun.
    e, d, sun = cast[0], cast[1:4], cast[4]
    for k in range(3):
        e[k] = ZERO
        for j in range(3):
            e[k] += frame[k, j] * np.float32(eye[j] - center[j])
            d[j, k] = ZERO
        sun[k] = frame[k, 0] * LIGHT_X + frame[k, 1] * LIGHT_Y + frame[k, 2] * LIGHT_Z
        sun[k] = sun[k] if abs(sun[k]) > TINY else TINY
        for j in range(3):
            for n in range(3):
                d[j, k] += frame[k, n] * axes[3 + j, n]
    _darken_spans(buffers, first, end, form, e, d, sun)


@inner
def _darken_spans(buffers, first, end, form, e, d, sun):
    s, color, ramp = buffers.s, buffers.color, buffers.ramp
    # Slabs bound the way to the sun of boxes on all axes, of cylinders on z; rounds have a circle.
    box = (form != BALL) & (form != CYLINDER)
    ball = ONE if form == BALL else ZERO
    ix, iy, iz = ONE / sun[0], ONE / sun[1], ONE / sun[2]
    along = sun[0] * sun[0] + sun[1] * sun[1] + ball * sun[2] * sun[2]
    for y in range(np.uint64(first), np.uint64(end)):
        low, high = buffers.low[y] - EDGE, buffers.high[y] + EDGE
        if low > high:
            continue
        for x in range(block(low), block(high) + BLOCK):
            old_s, old_color = s[y, x], color[y, x]
            t = ONE / old_s
            px = e[0] + (d[0, 0] + d[1, 0] * ramp[x] + d[2, 0] * ramp[y]) * t
            py = e[1] + (d[0, 1] + d[1, 1] * ramp[x] + d[2, 1] * ramp[y]) * t
            pz = e[2] + (d[0, 2] + d[1, 2] * ramp[x] + d[2, 2] * ramp[y]) * t
            b = px * sun[0] + py * sun[1] + ball * pz * sun[2]
            disc = b * b - along * (px * px + py * py + ball * pz * pz - ONE)
            root = math.sqrt(disc if disc > ZERO else ZERO)
            enter, leave = (-b - root) / along, (-b + root) / along
            mx, my, mz = -px * ix, -py * iy, -pz * iz
            hx, hy, hz = abs(ix), abs(iy), abs(iz)
            enter = (mx - hx if mx - hx > my - hy else my - hy) if box else enter
            leave = (mx + hx if mx + hx < my + hy else my + hy) if box else leave
            enter_z, leave_z = mz - hz - ball * HUGE, mz + hz + ball * HUGE
            enter = enter if enter > enter_z else enter_z
            leave = leave if leave < leave_z else leave_z
            hit = (leave > enter) & (leave > ZERO) & ((disc > ZERO) | box)
            hit = hit & (ramp[x] >= low) & (ramp[x] <= high) & ((old_color >> 24) == GROUND)
            color[y, x] = _darken(old_color) if hit else old_color
