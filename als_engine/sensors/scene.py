"""What the camera draws: one world's walls, props, signs and avatars as primitives.

A primitive is a unit box, ball or upright cylinder in a frame of its own. `Scene.frame` holds the
rows that take a world vector into that frame, axis by axis divided by the half extent, so that every
box is the cube |x|, |y|, |z| <= 1 and every ball, flattened or not, is the unit ball.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from als_engine.layout import SIGN_COLUMNS, SIGN_ROWS
from als_engine.sensors.font import FIRST, GLYPHS, HEIGHT, LAST, WIDTH

if TYPE_CHECKING:
    from als_engine.state import WorldState

# Kinds, as the `semantic` observation has them.
NOTHING, GROUND, WALL, FIXED, MOVABLE, PORTABLE, SIGN, AVATAR = range(8)

BOX, BALL, CYLINDER, BOARD = range(4)

FAST = {"nnan", "ninf", "nsz", "contract", "arcp"}
"""Flags that leave every pixel a function of its own inputs: no sum is ever reordered."""

CELL_WIDTH, CELL_HEIGHT = WIDTH + 1, HEIGHT + 1
SUMS = (SIGN_ROWS * CELL_HEIGHT, SIGN_COLUMNS * CELL_WIDTH)

# Towards the sun; what a surface sends back is AMBIENT + SUN * cosine, negative cosines included,
# so that the faces in shade differ as well.
LIGHT = np.array([0.47, 0.31, 0.83], np.float32)
AMBIENT, SUN = np.float32(0.66), np.float32(0.36)
LIGHT_X, LIGHT_Y, LIGHT_Z = LIGHT

SKIN = (224, 176, 142)
HAIR = (74, 54, 44)
VISOR = (22, 26, 36)
STRIPE = (250, 246, 230)

# Where the second colour (visor, stripe) lies on an avatar's part: x > [0], |y| < [1],
# [2] < z < [3]; the third (hair, trousers): [4] x + [5] z > [6]. All in the part's own frame.
RULES = np.array(
    [
        [0.2, 0.36, -0.05, 1.1, 0.0, -1.0, 0.12],
        [0.2, 0.36, -1.0, 0.8, 0.0, 0.0, 9.0],
        [0.35, 0.8, -0.3, 0.32, -0.75, 0.66, 0.3],
    ],
    np.float32,
)

PARTS = len(RULES)


class World(NamedTuple):
    """The arrays of a `WorldState` that the camera reads."""

    avatar_position: NDArray[np.float64]
    avatar_heading: NDArray[np.float64]
    avatar_color: NDArray[np.uint8]
    avatar_radius: NDArray[np.float64]
    avatar_height: NDArray[np.float64]
    wall_count: NDArray[np.int32]
    wall_position: NDArray[np.float64]
    wall_half: NDArray[np.float64]
    wall_cos: NDArray[np.float64]
    wall_sin: NDArray[np.float64]
    wall_color: NDArray[np.uint8]
    prop_position: NDArray[np.float64]
    prop_orientation: NDArray[np.float64]
    prop_present: NDArray[np.bool_]
    prop_shape: NDArray[Any]
    prop_half: NDArray[np.float64]
    prop_color: NDArray[np.uint8]
    prop_mass: NDArray[np.float64]
    prop_portable: NDArray[np.bool_]
    sign_position: NDArray[np.float64]
    sign_heading: NDArray[np.float64]
    sign_half: NDArray[np.float64]
    sign_present: NDArray[np.bool_]
    sign_paper: NDArray[np.uint8]
    sign_ink: NDArray[np.uint8]
    sign_glyphs: NDArray[np.uint8]
    sign_rows: NDArray[np.int32]
    sign_columns: NDArray[np.int32]


class Scene(NamedTuple):
    """One world's primitives; the first axis is the primitive.

    Attributes:
        center: (…, 3), metres. frame: (…, 3, 3), see the module.
        reach: radius of the ball around it, metres.
        shape: BOX, BALL, CYLINDER or BOARD. owner: the avatar that it is a part of, or -1.
        paint: (…, 6) packed colours: a box's faces +x, -x, +y, -y, +z, -z as lit; of the others the
            unlit first, second and third colour.
        rule: row of `RULES`, or the index of the sign; -1 for neither.
    """

    center: NDArray[np.float64]
    frame: NDArray[np.float32]
    reach: NDArray[np.float32]
    shape: NDArray[np.int32]
    owner: NDArray[np.int32]
    paint: NDArray[np.int32]
    rule: NDArray[np.int32]


class Text(NamedTuple):
    """The signs' texts, ready for sampling.

    Attributes:
        glyphs: (worlds, signs, 4, 16), the text that `sums` was made from.
        sums: (worlds, signs, 32, 96): ink above and to the left of each texel's corner.
        font: (95, 7, 5).
    """

    glyphs: NDArray[np.uint8]
    sums: NDArray[np.uint16]
    font: NDArray[np.uint8]


def world_of(state: WorldState) -> World:
    """The arrays of a state, as they are now; the walls' may be others after the next reset."""
    a, w, p, s = state.avatars, state.walls, state.props, state.signs
    return World(
        a.position, a.heading, a.color, state.bodies.radius, state.bodies.height,
        w.count, w.position, w.half, w.cos, w.sin, w.color,
        p.position, p.orientation, p.present, p.shape, p.half, p.color, p.mass, p.portable,
        s.position, s.heading, s.half, s.present, s.paper, s.ink, s.glyphs, s.rows, s.columns,
    )  # fmt: skip


def new_scene(world: World) -> Scene:
    """Room for all that one world of these arrays can hold."""
    n = world.wall_half.shape[1] + world.prop_half.shape[1] + world.sign_half.shape[1]
    n += PARTS * world.avatar_heading.shape[1]
    return Scene(
        np.zeros((n, 3)),
        np.zeros((n, 3, 3), np.float32),
        np.zeros(n, np.float32),
        np.zeros(n, np.int32),
        np.zeros(n, np.int32),
        np.zeros((n, 6), np.int32),
        np.zeros(n, np.int32),
    )


def new_text(worlds: int, signs: int) -> Text:
    """Blank signs."""
    glyphs = np.zeros((worlds, signs, SIGN_ROWS, SIGN_COLUMNS), np.uint8)
    return Text(glyphs, np.zeros((worlds, signs, *SUMS), np.uint16), GLYPHS)


@njit(cache=True, nogil=True, fastmath=FAST)
def pack(r, g, b, kind):  # type: ignore[no-untyped-def]
    """Red, green, blue (0 to 255) and the kind in one int32."""
    return np.int32(int(r) | (int(g) << 8) | (int(b) << 16) | (int(kind) << 24))


@njit(cache=True, nogil=True, fastmath=FAST)
def lit(color, kind, cosine):  # type: ignore[no-untyped-def]
    """A colour, packed, as a face whose normal has this cosine with the sun shows it."""
    shade = AMBIENT + SUN * np.float32(cosine)
    top = np.float32(255.0)
    r = min(np.float32(color[0]) * shade, top)
    g = min(np.float32(color[1]) * shade, top)
    b = min(np.float32(color[2]) * shade, top)
    return pack(r, g, b, kind)


@njit(cache=True, nogil=True, fastmath=FAST)
def _place(scene, i, x, y, z, hx, hy, hz, shape, owner, rule):  # type: ignore[no-untyped-def]
    scene.center[i, 0], scene.center[i, 1], scene.center[i, 2] = x, y, z
    scene.reach[i] = math.sqrt(hx * hx + hy * hy + hz * hz)
    scene.shape[i], scene.owner[i], scene.rule[i] = shape, owner, rule


@njit(cache=True, nogil=True, fastmath=FAST)
def _turn(scene, i, cos, sin, hx, hy, hz):  # type: ignore[no-untyped-def]
    frame = scene.frame
    frame[i, 0, 0], frame[i, 0, 1], frame[i, 0, 2] = cos / hx, sin / hx, 0.0
    frame[i, 1, 0], frame[i, 1, 1], frame[i, 1, 2] = -sin / hy, cos / hy, 0.0
    frame[i, 2, 0], frame[i, 2, 1], frame[i, 2, 2] = 0.0, 0.0, 1.0 / hz


@njit(cache=True, nogil=True, fastmath=FAST)
def _orient(scene, i, q, h):  # type: ignore[no-untyped-def]
    x, y, z, w = q[0], q[1], q[2], q[3]
    frame = scene.frame
    a, b, c = 1.0 / h[0], 1.0 / h[1], 1.0 / h[2]
    frame[i, 0, 0] = (1.0 - 2.0 * (y * y + z * z)) * a
    frame[i, 0, 1] = 2.0 * (x * y + z * w) * a
    frame[i, 0, 2] = 2.0 * (x * z - y * w) * a
    frame[i, 1, 0] = 2.0 * (x * y - z * w) * b
    frame[i, 1, 1] = (1.0 - 2.0 * (x * x + z * z)) * b
    frame[i, 1, 2] = 2.0 * (y * z + x * w) * b
    frame[i, 2, 0] = 2.0 * (x * z + y * w) * c
    frame[i, 2, 1] = 2.0 * (y * z - x * w) * c
    frame[i, 2, 2] = (1.0 - 2.0 * (x * x + y * y)) * c


@njit(cache=True, nogil=True, fastmath=FAST)
def _paint_faces(scene, i, color, kind, h):  # type: ignore[no-untyped-def]
    for k in range(3):
        f = scene.frame
        cosine = (f[i, k, 0] * LIGHT_X + f[i, k, 1] * LIGHT_Y + f[i, k, 2] * LIGHT_Z) * h[k]
        scene.paint[i, 2 * k] = lit(color, kind, cosine)
        scene.paint[i, 2 * k + 1] = lit(color, kind, -cosine)


@njit(cache=True, nogil=True, fastmath=FAST)
def _add_walls(world, w, scene, n):  # type: ignore[no-untyped-def]
    for j in range(world.wall_count[w]):
        h, p = world.wall_half[w, j], world.wall_position[w, j]
        _place(scene, n, p[0], p[1], p[2], h[0], h[1], h[2], BOX, -1, -1)
        _turn(scene, n, world.wall_cos[w, j], world.wall_sin[w, j], h[0], h[1], h[2])
        _paint_faces(scene, n, world.wall_color[w, j], WALL, h)
        n += 1
    return n


@njit(cache=True, nogil=True, fastmath=FAST)
def _add_props(world, w, scene, n):  # type: ignore[no-untyped-def]
    for j in range(world.prop_half.shape[1]):
        if not world.prop_present[w, j]:
            continue
        h, p, color = world.prop_half[w, j], world.prop_position[w, j], world.prop_color[w, j]
        kind = FIXED if world.prop_mass[w, j] <= 0.0 else MOVABLE
        if world.prop_portable[w, j]:
            kind = PORTABLE
        # The state's shape codes are the first three of ours.
        shape = world.prop_shape[w, j]
        _place(scene, n, p[0], p[1], p[2], h[0], h[1], h[2], shape, -1, -1)
        _orient(scene, n, world.prop_orientation[w, j], h)
        if shape == BOX:
            _paint_faces(scene, n, color, kind, h)
        else:
            scene.paint[n, :] = pack(color[0], color[1], color[2], kind)
        n += 1
    return n


@njit(cache=True, nogil=True, fastmath=FAST)
def _add_signs(world, w, scene, n):  # type: ignore[no-untyped-def]
    half = np.empty(3)
    for j in range(world.sign_half.shape[1]):
        if not world.sign_present[w, j]:
            continue
        p, heading = world.sign_position[w, j], world.sign_heading[w, j]
        half[0], half[1], half[2] = 0.015, world.sign_half[w, j, 0], world.sign_half[w, j, 1]
        _place(scene, n, p[0], p[1], p[2], half[0], half[1], half[2], BOARD, -1, j)
        _turn(scene, n, math.cos(heading), math.sin(heading), half[0], half[1], half[2])
        _paint_faces(scene, n, world.sign_paper[w, j], SIGN, half)
        n += 1
    return n


@njit(cache=True, nogil=True, fastmath=FAST)
def _add_avatars(world, w, scene, n):  # type: ignore[no-untyped-def]
    for j in range(world.avatar_heading.shape[1]):
        p, heading = world.avatar_position[w, j], world.avatar_heading[w, j]
        cos, sin = math.cos(heading), math.sin(heading)
        r, h = world.avatar_radius[j], world.avatar_height[j]
        c = world.avatar_color[w, j]
        clothes = pack(c[0], c[1], c[2], AVATAR)
        trousers = pack(c[0] * 0.5, c[1] * 0.5, c[2] * 0.5, AVATAR)
        stripe = pack(STRIPE[0], STRIPE[1], STRIPE[2], AVATAR)
        for part in range(PARTS):
            if part == 0:
                shape, z, hx, hy, hz = CYLINDER, 0.36 * h, 0.8 * r, r, 0.36 * h
            elif part == 1:
                shape, z, hx, hy, hz = BALL, 0.72 * h, 0.8 * r, r, 0.11 * h
            else:
                shape, z, hx, hy, hz = BALL, 0.9 * h, 0.1 * h, 0.1 * h, 0.1 * h
            _place(scene, n, p[0], p[1], p[2] + z, hx, hy, hz, shape, j, part)
            _turn(scene, n, cos, sin, hx, hy, hz)
            scene.paint[n, 0], scene.paint[n, 1], scene.paint[n, 2] = clothes, stripe, trousers
            if part == 2:
                scene.paint[n, 0] = pack(SKIN[0], SKIN[1], SKIN[2], AVATAR)
                scene.paint[n, 1] = pack(VISOR[0], VISOR[1], VISOR[2], AVATAR)
                scene.paint[n, 2] = pack(HAIR[0], HAIR[1], HAIR[2], AVATAR)
            n += 1
    return n


@njit(cache=True, nogil=True, fastmath=FAST)
def fill(world, w, scene):  # type: ignore[no-untyped-def]
    """Writes one world's primitives; returns their number."""
    n = _add_walls(world, w, scene, 0)
    n = _add_props(world, w, scene, n)
    n = _add_signs(world, w, scene, n)
    return _add_avatars(world, w, scene, n)


@njit(cache=True, nogil=True)
def write_texts(world, w, text, slot):  # type: ignore[no-untyped-def]
    """Sums up the ink of one world's signs whose text is not the one that `text` holds."""
    for j in range(world.sign_half.shape[1]):
        new, old = world.sign_glyphs[w, j], text.glyphs[slot, j]
        same = True
        for row in range(SIGN_ROWS):
            for column in range(SIGN_COLUMNS):
                same &= new[row, column] == old[row, column]
        if not same:
            old[:] = new
            rows, columns = world.sign_rows[w, j], world.sign_columns[w, j]
            _sum_ink(new, rows, columns, text.font, text.sums[slot, j])


@njit(cache=True, nogil=True)
def _sum_ink(glyphs, rows, columns, font, sums):  # type: ignore[no-untyped-def]
    sums[:] = 0
    for row in range(rows):
        length = 0
        for column in range(columns):
            if glyphs[row, column] != 0:
                length = column + 1
        # Every line stands in the middle.
        left = (columns - length) * CELL_WIDTH // 2
        for column in range(length):
            code = glyphs[row, column]
            if FIRST <= code <= LAST:
                for y in range(HEIGHT):
                    for x in range(WIDTH):
                        sums[row * CELL_HEIGHT + y + 1, left + column * CELL_WIDTH + x + 1] = font[
                            code - FIRST, y, x
                        ]
    for y in range(1, sums.shape[0]):
        line = 0
        for x in range(1, sums.shape[1]):
            line += sums[y, x]
            sums[y, x] = sums[y - 1, x] + line
