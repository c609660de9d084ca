"""The camera's position and direction, and the background of a picture: floor and sky."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

from __future__ import annotations

import math

import numpy as np

from als_engine.geometry import portable_math as pmath
from als_engine.render.raster import FARTHEST, HALF, ONE, TINY
from als_engine.render.scene import GROUND, NOTHING, inlined, inner, kernel, pack

# Red, green, blue: the sky at the horizon and overhead, two tones of the floor.
HORIZON = np.array([214, 226, 236], np.float32)
ZENITH = np.array([112, 160, 214], np.float32)
FLOOR = np.array([218, 208, 190], np.float32)
CONTRAST = np.float32(0.065)


@kernel
def aim(axes, yaw, pitch, tan_x, height, width):
    """Writes right, up, forward, d0, du, dv of a level camera (no roll)."""
    cy, sy, cp, sp = pmath.cos(yaw), pmath.sin(yaw), pmath.cos(pitch), pmath.sin(pitch)
    axes[0, 0], axes[0, 1], axes[0, 2] = sy, -cy, 0.0
    axes[1, 0], axes[1, 1], axes[1, 2] = -sp * cy, -sp * sy, cp
    axes[2, 0], axes[2, 1], axes[2, 2] = cp * cy, cp * sy, sp
    pixel = 2.0 * tan_x / width
    for k in range(3):
        axes[4, k] = axes[0, k] * pixel
        axes[5, k] = -axes[1, k] * pixel
        axes[3, k] = (
            axes[2, k]
            + (axes[0, k] * (0.5 - 0.5 * width) + axes[1, k] * (0.5 * height - 0.5)) * pixel
        )


@inlined
def _clip(x):
    x = -ONE if x < -ONE else x
    return ONE if x > ONE else x


@inner
def background(buffers, eye, axes, height, width):
    """Fills the picture with floor and sky, and the rows' fog colours."""
    s, color, ramp, fog = buffers.s, buffers.color, buffers.ramp, buffers.fog
    columns = s.shape[1]
    # Tiles of a metre: the pattern repeats every two.
    ox, oy = np.float32(eye[0] % 2.0), np.float32(eye[1] % 2.0)
    lift = ONE / max(np.float32(eye[2]), TINY)
    spread = math.sqrt(axes[4, 0] * axes[4, 0] + axes[4, 1] * axes[4, 1])
    for y in range(height):
        fy = np.float32(y)
        dz = axes[3, 2] + axes[5, 2] * fy
        row = -dz * lift
        if row > FARTHEST:
            t = ONE / row
            # The width of a pixel on the floor, across and along, blurs the tiles' edges.
            blur = t * spread + t * t * abs(axes[5, 2]) * lift * HALF
            sharp = ONE / max(blur, np.float32(1e-4))
            ax = (ox + t * (axes[3, 0] + axes[5, 0] * fy)) * HALF
            ay = (oy + t * (axes[3, 1] + axes[5, 1] * fy)) * HALF
            bx, by = t * axes[4, 0] * HALF, t * axes[4, 1] * HALF
            fog[y, 0], fog[y, 1], fog[y, 2] = HORIZON[0], HORIZON[1], HORIZON[2]
            for x in range(columns):
                u, v = ax + bx * ramp[x], ay + by * ramp[x]
                u = (HALF - abs(u - np.floor(u) - HALF)) * np.float32(4) - ONE
                v = (HALF - abs(v - np.floor(v) - HALF)) * np.float32(4) - ONE
                u, v = _clip(u * sharp), _clip(v * sharp)
                tone = ONE + CONTRAST * u * v
                s[y, x] = row
                color[y, x] = pack(FLOOR[0] * tone, FLOOR[1] * tone, FLOOR[2] * tone, GROUND)
        else:
            rise = min(dz * np.float32(1.2), ONE)
            for k in range(3):
                fog[y, k] = HORIZON[k] + (ZENITH[k] - HORIZON[k]) * rise
            sky = pack(fog[y, 0], fog[y, 1], fog[y, 2], NOTHING)
            for x in range(columns):
                s[y, x] = FARTHEST
                color[y, x] = sky
