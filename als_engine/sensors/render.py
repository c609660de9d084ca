"""From scenes to pictures: draws all primitives, writes on the boards, adds fog and stores pixels.

Numba looks for changes in a kernel's own file only: after an edit in `scene` or `raster`, delete the
`__pycache__` of this folder.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from als_engine.sensors import scene as _scene
from als_engine.sensors.raster import (
    BLOCK,
    EDGE,
    HALF,
    ONE,
    TINY,
    ZERO,
    aim,
    background,
    fill_box,
    fill_round,
    find,
)
from als_engine.sensors.scene import (
    BOARD,
    BOX,
    CELL_HEIGHT,
    CELL_WIDTH,
    FAST,
    LIGHT_X,
    LIGHT_Y,
    SIGN,
    lit,
    write_texts,
)

MAX_DEPTH = 20.0
EYE_HEIGHT = 0.92
PITCH = -math.radians(8.0)

FAR = np.float32(MAX_DEPTH)
# Under this height surfaces darken, down to this share of their light at the floor.
CREASE_SLOPE, CREASE_LIGHT = np.float32(0.5), np.float32(0.78)
CLEAREST = np.float32(0.45)
MARK = 127 << 24
MARGIN_X, MARGIN_Y = np.float32(0.94), np.float32(0.88)


@njit(cache=True, nogil=True, fastmath=FAST)
def _ink(sums, u, v):  # type: ignore[no-untyped-def]
    """Ink above and to the left of a point, texels: exact between the texels' corners, too."""
    u = min(max(u, ZERO), np.float32(sums.shape[1] - 1.001))
    v = min(max(v, ZERO), np.float32(sums.shape[0] - 1.001))
    i, j = int(u), int(v)
    a, b = u - np.float32(i), v - np.float32(j)
    top = np.float32(sums[j, i]) * (ONE - a) + np.float32(sums[j, i + 1]) * a
    low = np.float32(sums[j + 1, i]) * (ONE - a) + np.float32(sums[j + 1, i + 1]) * a
    return top * (ONE - b) + low * b


@njit(cache=True, nogil=True, fastmath=FAST)
def _mix(paper, ink, share):  # type: ignore[no-untyped-def]
    mixed = SIGN << 24
    for shift in range(0, 24, 8):
        a, b = np.float32((paper >> shift) & 255), np.float32((ink >> shift) & 255)
        mixed |= int(a + (b - a) * share + HALF) << shift
    return mixed


@njit(cache=True, nogil=True, fastmath=FAST)
def _write_board(buffers, first, end, world, w, j, paper, sums):  # type: ignore[no-untyped-def]
    """Paints the text where the board's front has just been marked, averaged over each pixel."""
    s, color, ramp, local = buffers.s, buffers.color, buffers.ramp, buffers.local
    heading = world.sign_heading[w, j]
    cosine = math.cos(heading) * LIGHT_X + math.sin(heading) * LIGHT_Y
    ink = lit(world.sign_ink[w, j], SIGN, cosine)
    wide = np.float32(max(CELL_WIDTH * world.sign_columns[w, j] - 1, 1))
    tall = np.float32(max(CELL_HEIGHT * world.sign_rows[w, j] - 1, 1))
    half_y, half_z = np.float32(world.sign_half[w, j, 0]), np.float32(world.sign_half[w, j, 1])
    texel = min(half_y * MARGIN_X / wide, half_z * MARGIN_Y / tall) * np.float32(2.0)
    ku, kv = half_y / texel, half_z / texel
    for y in range(first, end):
        low, high = max(buffers.low[y] - EDGE, ZERO), buffers.high[y] + EDGE
        if low > high:
            continue
        for x in range(int(low), int(high) + 1):
            if color[y, x] != MARK:
                continue
            t = ONE / s[y, x]
            py = local[0, 1] + (local[1, 1] + local[2, 1] * ramp[x] + local[3, 1] * ramp[y]) * t
            pz = local[0, 2] + (local[1, 2] + local[2, 2] * ramp[x] + local[3, 2] * ramp[y]) * t
            # Per pixel, p = e + d t moves by (dd - (p - e) ds) t, where ds is the plane's.
            sx, sy = buffers.plane[0, 1], buffers.plane[0, 2]
            for n in range(3):
                if buffers.face[n] == 0:
                    sx, sy = buffers.plane[n, 1], buffers.plane[n, 2]
                    break
            ry, rz = py - local[0, 1], pz - local[0, 2]
            fu = (abs(local[2, 1] - ry * sx) + abs(local[3, 1] - ry * sy)) * t * ku
            fv = (abs(local[2, 2] - rz * sx) + abs(local[3, 2] - rz * sy)) * t * kv
            fu, fv = max(fu, np.float32(0.05)), max(fv, np.float32(0.05))
            u, v = wide * HALF + py * ku, tall * HALF - pz * kv
            share = ZERO
            if u + fu > ZERO and u - fu < wide and v + fv > ZERO and v - fv < tall:
                u0, u1, v0, v1 = u - fu * HALF, u + fu * HALF, v - fv * HALF, v + fv * HALF
                share = _ink(sums, u1, v1) - _ink(sums, u0, v1) - _ink(sums, u1, v0)
                share = min(max((share + _ink(sums, u0, v0)) / (fu * fv), ZERO), ONE)
            color[y, x] = _mix(paper, ink, share)


@njit(cache=True, nogil=True, fastmath=FAST)
def _draw_board(buffers, near, first, end, world, w, scene, i, sums):  # type: ignore[no-untyped-def]
    paper = scene.paint[i, 0]
    scene.paint[i, 0] = MARK
    fill_box(buffers, near, first, end, scene.paint, i)
    scene.paint[i, 0] = paper
    for n in range(near):
        if buffers.face[n] == 0:
            j = scene.rule[i]
            _write_board(buffers, first, end, world, w, j, paper, sums[j])


@njit(cache=True, nogil=True, fastmath=FAST)
def draw(  # type: ignore[no-untyped-def]
    buffers, world, w, scene, count, sums, viewer, eye, axes, tan_x, height, width
):
    """Draws one world's scene, without what belongs to the viewer, into the buffers."""
    tan_y = tan_x * np.float32(height) / np.float32(width)
    background(buffers, eye, axes, height, width)
    for i in range(count):
        if scene.owner[i] == viewer and viewer >= 0:
            continue
        first, end, near = find(buffers, scene, i, eye, axes, tan_x, tan_y, height, width)
        if first >= end:
            continue
        if scene.shape[i] == BOX:
            fill_box(buffers, near, first, end, scene.paint, i)
        elif scene.shape[i] == BOARD:
            _draw_board(buffers, near, first, end, world, w, scene, i, sums)
        else:
            fill_round(buffers, first, end, scene, i)


@njit(cache=True, nogil=True, fastmath=FAST)
def store_color(buffers, eye, axes, haze, height, width, rgb):  # type: ignore[no-untyped-def]
    """Fog, the darkening near the floor, and 8 bits a channel."""
    s, color, fog = buffers.s, buffers.color, buffers.fog
    ez = np.float32(eye[2])
    for y in range(height):
        dz = axes[3, 2] + axes[5, 2] * np.float32(y)
        fr, fg, fb = fog[y, 0], fog[y, 1], fog[y, 2]
        for x in range(width):
            t = ONE / s[y, x]
            crease = CREASE_LIGHT + CREASE_SLOPE * (ez + dz * t)
            crease = min(max(crease, CREASE_LIGHT), ONE)
            clear = max(ONE - haze * t, CLEAREST)
            gain, lost = crease * clear, ONE - clear
            c = color[y, x]
            rgb[y, x, 0] = np.uint8(np.float32(np.uint8(c)) * gain + fr * lost)
            rgb[y, x, 1] = np.uint8(np.float32(np.uint8(c >> 8)) * gain + fg * lost)
            rgb[y, x, 2] = np.uint8(np.float32(np.uint8(c >> 16)) * gain + fb * lost)


@njit(cache=True, nogil=True, fastmath=FAST)
def store_depth(buffers, height, width, depth):  # type: ignore[no-untyped-def]
    """Metres along the view axis, at most MAX_DEPTH."""
    s = buffers.s
    for y in range(height):
        for x in range(width):
            depth[y, x, 0] = min(ONE / s[y, x], FAR)


@njit(cache=True, nogil=True, fastmath=FAST)
def store_kind(buffers, height, width, semantic):  # type: ignore[no-untyped-def]
    """The kinds."""
    color = buffers.color
    for y in range(height):
        for x in range(width):
            semantic[y, x, 0] = np.uint8(color[y, x] >> 24)


@njit(cache=True, nogil=True, fastmath=FAST)
def first_person(  # type: ignore[no-untyped-def]
    world, scene, text, buffers, eye, axes, observers, height, width, haze, wanted, rgb, depth, kinds
):
    """What every observer of every world sees; `wanted`: 1 colour + 2 depth + 4 semantic."""
    tan_x = ONE
    for w in range(world.avatar_heading.shape[0]):
        count = _scene.fill(world, w, scene)
        if wanted & 1:
            write_texts(world, w, text, w)
        for a in range(observers):
            eye[0], eye[1] = world.avatar_position[w, a, 0], world.avatar_position[w, a, 1]
            eye[2] = world.avatar_position[w, a, 2] + EYE_HEIGHT * world.avatar_height[a]
            aim(axes, world.avatar_heading[w, a], PITCH, tan_x, height, width)
            sums = text.sums[w]
            draw(
                buffers, world, w, scene, count, sums, a, eye, axes, tan_x, height, width
            )
            if wanted & 1:
                store_color(buffers, eye, axes, haze, height, width, rgb[w, a])
            if wanted & 2:
                store_depth(buffers, height, width, depth[w, a])
            if wanted & 4:
                store_kind(buffers, height, width, kinds[w, a])


@njit(cache=True, nogil=True, fastmath=FAST)
def picture(  # type: ignore[no-untyped-def]
    world, w, scene, text, buffers, eye, axes, tan_x, height, width, haze, rgb
):
    """One world from anywhere."""
    count = _scene.fill(world, w, scene)
    write_texts(world, w, text, 0)
    draw(buffers, world, w, scene, count, text.sums[0], -1, eye, axes, tan_x, height, width)
    store_color(buffers, eye, axes, haze, height, width, rgb)


@njit(cache=True, nogil=True, fastmath=FAST)
def halve(fine, coarse):  # type: ignore[no-untyped-def]
    """Averages squares of four pixels."""
    for y in range(coarse.shape[0]):
        for x in range(coarse.shape[1]):
            for k in range(3):
                total = int(fine[2 * y, 2 * x, k]) + int(fine[2 * y, 2 * x + 1, k])
                total += int(fine[2 * y + 1, 2 * x, k]) + int(fine[2 * y + 1, 2 * x + 1, k])
                coarse[y, x, k] = np.uint8((total + 2) >> 2)
