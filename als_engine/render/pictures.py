"""From scenes to pictures: draws primitives, writes on the boards, adds fog and stores pixels."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

from __future__ import annotations

import numpy as np

from als_engine.render.backdrop import aim, background
from als_engine.render.raster import (
    EDGE,
    HALF,
    ONE,
    ZERO,
    Buffers,
    fill_box,
    fill_round,
    find,
)
from als_engine.render.scene import (
    BOARD,
    BOX,
    DESCENT,
    NOBODY,
    SCREEN,
    SIGN,
    Scene,
    inlined,
    inner,
    kernel,
)
from als_engine.render.stage import cast_shadow, stage

MAX_DEPTH = 20.0

FAR = np.float32(MAX_DEPTH)
# Under this height surfaces darken, down to this share of their light at the floor.
CREASE_SLOPE, CREASE_LIGHT = np.float32(0.5), np.float32(0.78)
CLEAREST = np.float32(0.45)
FINEST = np.float32(0.05)
HANGING = np.float32(DESCENT)
# A pixel of a board whose text is still to be painted.
MARK = np.int32(127 << 24)


@inlined
def _ink(sums, u, v):
    """Ink above and to the left of a point, texels: exact between the texels' corners, too."""
    u = min(max(u, ZERO), np.float32(sums.shape[1] - 1.001))
    v = min(max(v, ZERO), np.float32(sums.shape[0] - 1.001))
    i, j = int(u), int(v)
    a, b = u - np.float32(i), v - np.float32(j)
    top = np.float32(sums[j, i]) * (ONE - a) + np.float32(sums[j, i + 1]) * a
    low = np.float32(sums[j + 1, i]) * (ONE - a) + np.float32(sums[j + 1, i + 1]) * a
    return top * (ONE - b) + low * b


@inlined
def _mix(paper, ink, share):
    mixed = SIGN << 24
    for shift in range(0, 24, 8):
        a, b = np.float32((paper >> shift) & 255), np.float32((ink >> shift) & 255)
        mixed |= int(a + (b - a) * share + HALF) << shift
    return mixed


@inlined
def _front(buffers, near):
    """The index of the near face that is a board's front; `near` where it is not among them."""
    front = 0
    while front < near and buffers.face[front] != 0:
        front += 1
    return front


@inlined
def _footprint(local, right, down, t, sx, sy, board):
    """Where on a board's front a pixel looks, and how far it spans there, in texels."""
    wide, tall, ku, kv = board[0], board[1], board[2], board[3]
    dy = (local[1, 1] + local[2, 1] * right + local[3, 1] * down) * t
    dz = (local[1, 2] + local[2, 2] * right + local[3, 2] * down) * t
    u = wide * HALF + (local[0, 1] + dy) * ku
    v = tall * HALF - (local[0, 2] + dz) * kv
    # p = e + d t moves by (d' - d t s') t per pixel: as far as the average goes.
    fu = (abs(local[2, 1] - dy * sx) + abs(local[3, 1] - dy * sy)) * t * ku
    fv = (abs(local[2, 2] - dz * sx) + abs(local[3, 2] - dz * sy)) * t * kv
    return u, v, max(fu, FINEST), max(fv, FINEST)


@inner
def _write_board(buffers, near, first, end, paint, board, sums):
    """Paints the text where the board's front has been marked, averaged over the pixel."""
    s, color, ramp, local = buffers.s, buffers.color, buffers.ramp, buffers.local
    paper, ink = int(paint[0]), int(paint[6])
    wide, tall = board[0], board[1]
    front = _front(buffers, near)
    if front == near:
        return
    sx, sy = buffers.plane[front, 1], buffers.plane[front, 2]
    for y in range(np.uint64(first), np.uint64(end)):
        low, high = buffers.low[y] - EDGE, buffers.high[y] + EDGE
        if low > high:
            continue
        for x in range(np.uint64(low), np.uint64(high) + np.uint64(1)):
            if color[y, x] != MARK:
                continue
            u, v, fu, fv = _footprint(local, ramp[x], ramp[y], ONE / s[y, x], sx, sy, board)
            share = ZERO
            if u + fu > ZERO and u - fu < wide and v + fv > ZERO and v - fv < tall + HANGING:
                u0, u1, v0, v1 = u - fu * HALF, u + fu * HALF, v - fv * HALF, v + fv * HALF
                share = _ink(sums, u1, v1) - _ink(sums, u0, v1) - _ink(sums, u1, v0)
                share = min(max((share + _ink(sums, u0, v0)) / (fu * fv), ZERO), ONE)
            color[y, x] = _mix(paper, ink, share)


@inner
def _show_picture(buffers, near, first, end, board, sums):
    """Paints the picture where the screen's front has been marked, averaged over the pixel."""
    s, color, ramp, local = buffers.s, buffers.color, buffers.ramp, buffers.local
    wide, tall = board[0], board[1]
    front = _front(buffers, near)
    if front == near:
        return
    sx, sy = buffers.plane[front, 1], buffers.plane[front, 2]
    for y in range(np.uint64(first), np.uint64(end)):
        low, high = buffers.low[y] - EDGE, buffers.high[y] + EDGE
        if low > high:
            continue
        for x in range(np.uint64(low), np.uint64(high) + np.uint64(1)):
            if color[y, x] != MARK:
                continue
            u, v, fu, fv = _footprint(local, ramp[x], ramp[y], ONE / s[y, x], sx, sy, board)
            # Pixels at the rim average over what of them is picture.
            u0, u1 = _within(u - fu * HALF, wide), _within(u + fu * HALF, wide)
            v0, v1 = _within(v - fv * HALF, tall), _within(v + fv * HALF, tall)
            area = max((u1 - u0) * (v1 - v0), 1e-9)
            shown = SIGN << 24
            for k in range(3):
                part = _sum(sums, k, u1, v1) - _sum(sums, k, u0, v1) - _sum(sums, k, u1, v0)
                tone = (part + _sum(sums, k, u0, v0)) / area
                shown |= int(min(max(tone + 0.5, 0.0), 255.0)) << (8 * k)
            color[y, x] = shown


@inlined
def _within(value, size):
    return np.float64(min(max(value, ZERO), size))


@inlined
def _sum(sums, k, u, v):
    """A picture's channel above and to the left of a point, exact between corners, too."""
    i, j = min(int(u), sums.shape[1] - 2), min(int(v), sums.shape[0] - 2)
    a, b = u - np.float64(i), v - np.float64(j)
    top = np.float64(sums[j, i, k]) * (1.0 - a) + np.float64(sums[j, i + 1, k]) * a
    low = np.float64(sums[j + 1, i, k]) * (1.0 - a) + np.float64(sums[j + 1, i + 1, k]) * a
    return top * (1.0 - b) + low * b


@inlined
def _draw(buffers, scene, w, viewer, floor, eye, axes, tan_x, height, width):
    """Draws one world, without what belongs to the viewer, into the buffers."""
    tan_y = tan_x * np.float32(height) / np.float32(width)
    background(buffers, eye, axes, height, width)
    if floor[2] > floor[0]:
        stage(buffers, floor, eye, axes, height, width)
        for i in range(scene.size[w]):
            cast_shadow(
                buffers, scene.form[w, i], scene.center[w, i], scene.frame[w, i], eye, axes,
                tan_x, tan_y, height, width,
            )  # fmt: skip
    for i in range(scene.size[w]):
        if scene.owner[w, i] == viewer:
            continue
        frame, paint, form = scene.frame[w, i], scene.paint[w, i], scene.form[w, i]
        first, end, near = find(
            buffers, scene.center[w, i], frame, scene.reach[w, i], eye, axes, tan_x, tan_y,
            height, width,
        )  # fmt: skip
        if first >= end:
            continue
        rule = scene.rule[w, i]
        if form in (BOX, BOARD, SCREEN):
            paper = paint[0]
            if form != BOX:
                paint[0] = MARK
            fill_box(buffers, near, first, end, paint)
            paint[0] = paper
        else:
            fill_round(buffers, first, end, form, frame, paint, rule)
        if form == BOARD:
            _write_board(buffers, near, first, end, paint, scene.board[w, i], scene.ink[w, rule])
        elif form == SCREEN:
            sums = scene.pictures[w, rule]
            _show_picture(buffers, near, first, end, scene.board[w, i], sums)


@inlined
def _fade(buffers, eye, axes, haze, height, width):
    """Adds fog and the darkening near the floor to the packed colours."""
    s, color, fog = buffers.s, buffers.color, buffers.fog
    ez = np.float32(eye[2])
    for y in range(height):
        dz = axes[3, 2] + axes[5, 2] * np.float32(y)
        fr, fg, fb = fog[y, 0], fog[y, 1], fog[y, 2]
        for x in range(width):
            t = ONE / s[y, x]
            crease = CREASE_LIGHT + CREASE_SLOPE * abs(ez + dz * t)
            crease = CREASE_LIGHT if crease < CREASE_LIGHT else crease
            crease = ONE if crease > ONE else crease
            clear = ONE - haze * t
            clear = CLEAREST if clear < CLEAREST else clear
            gain, lost = crease * clear, ONE - clear
            c = color[y, x]
            r = np.int32(np.float32(np.uint8(c)) * gain + fr * lost)
            g = np.int32(np.float32(np.uint8(c >> 8)) * gain + fg * lost)
            b = np.int32(np.float32(np.uint8(c >> 16)) * gain + fb * lost)
            color[y, x] = np.int32(r | (g << 8) | (b << 16) | (c & 0x7F000000))


@inlined
def store_color(buffers, eye, axes, haze, height, width, rgb):
    """Writes the finished colours, 8 bits a channel."""
    _fade(buffers, eye, axes, haze, height, width)
    color = buffers.color
    for y in range(height):
        for x in range(width):
            c = color[y, x]
            rgb[y, 3 * x] = np.uint8(c)
            rgb[y, 3 * x + 1] = np.uint8(c >> 8)
            rgb[y, 3 * x + 2] = np.uint8(c >> 16)


@inlined
def store_depth(buffers, height, width, depth):
    """Metres along the view axis, at most MAX_DEPTH."""
    s = buffers.s
    for y in range(height):
        for x in range(width):
            t = ONE / s[y, x]
            depth[y, x] = t if t < FAR else FAR


@inlined
def store_kind(buffers, height, width, semantic):
    """The kinds."""
    color = buffers.color
    for y in range(height):
        for x in range(width):
            semantic[y, x] = np.uint8((color[y, x] >> 24) & 7)


@kernel
def render(which, scene, buffers, cameras, views, own, lens, floor, size, wanted, pictures):
    """Takes pictures of some worlds.

    Args:
        which: (n,), their indices.
        scene: `Scene`, what to draw.
        buffers: `Buffers`, where to draw it.
        cameras: position, (worlds, at least views, 3), metres; heading, the same, radians; lift,
            (at least views,), added to their height.
        views: how many there are in a world.
        own: whether what avatar `a` owns is left out of view `a`.
        lens: pitch, radians, up; tangent of half the horizontal field of view; the share of the
            light that fog takes per metre.
        floor: (4,) corners of a stage with shadows, metres; none where it is empty.
        size: height and width, pixels.
        wanted: 1 for colour + 2 for depth + 4 for kinds.
        pictures: colours, (worlds, views, height, 3 * width), depth and kinds, (worlds, views,
            height, width); each is filled if wanted.
    """
    scene, buffers = Scene(*scene), Buffers(*buffers)
    position, heading, lift = cameras
    pitch, tan_x, haze = lens
    height, width = size
    rgb, depth, kinds = pictures
    eye, axes = buffers.eye, buffers.axes
    for w in which:
        for a in range(views):
            eye[0], eye[1] = position[w, a, 0], position[w, a, 1]
            eye[2] = position[w, a, 2] + lift[a]
            aim(axes, heading[w, a], pitch, tan_x, height, width)
            viewer = np.int64(a) if own else NOBODY - 1
            _draw(buffers, scene, w, viewer, floor, eye, axes, tan_x, height, width)
            if wanted & 2:
                store_depth(buffers, height, width, depth[w, a])
            if wanted & 4:
                store_kind(buffers, height, width, kinds[w, a])
            if wanted & 1:
                store_color(buffers, eye, axes, haze, height, width, rgb[w, a])


@kernel
def halve(fine, coarse):
    """Averages squares of four pixels, (2 h, 6 w) to (h, w, 3)."""
    for y in range(coarse.shape[0]):
        for x in range(coarse.shape[1]):
            for k in range(3):
                i = 6 * x + k
                total = int(fine[2 * y, i]) + int(fine[2 * y, i + 3])
                total += int(fine[2 * y + 1, i]) + int(fine[2 * y + 1, i + 3])
                coarse[y, x, k] = np.uint8((total + 2) >> 2)
