"""What the camera draws: one world's walls, props, signs and avatars as primitives.

A primitive is a unit box, ball or upright cylinder in a frame of its own. `Scene.frame` holds the
rows that take a world vector into that frame, axis by axis divided by the half extent, so that
every box is the cube |x|, |y|, |z| <= 1 and every ball, flattened or not, is the unit ball.
"""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from als_engine.font.glyphs import HEIGHT, WIDTH, bitmaps
from als_engine.geometry import portable_math as pmath
from als_engine.render.ink import copy_text, sum_ink
from als_engine.system import compiling
from als_engine.world.layout import SIGN_COLUMNS, SIGN_ROWS
from als_engine.world.shapes import SHAPE_COMPOUND

if TYPE_CHECKING:
    from als_engine.world.state import WorldState

# Kinds, as the `semantic` observation has them.
NOTHING, GROUND, WALL, FIXED, MOVABLE, PORTABLE, SIGN, AVATAR = map(np.int64, range(8))

# Forms; the first three are the state's codes for the shapes of props.
BOX, BALL, CYLINDER, BOARD, SCREEN = map(np.int64, range(5))
COMPOUND = np.int64(SHAPE_COMPOUND)
NOBODY = np.int64(-1)

# A pixel has the same bits on every processor: no flag of `fastmath` lets a sum be reordered, or a
# product and a sum be rounded as one.
_OPTIONS: Any = {
    # Nothing here allocates; counting references would cost half of a picture's time.
    "_nrt": False,
    "error_model": "numpy",
    "fastmath": {"nnan", "ninf", "nsz"},
}
kernel: Any = compiling.kernel(**_OPTIONS)
"""Compiles what Python calls."""
inner: Any = compiling.inner(**_OPTIONS)
"""Compiles what kernels call."""
inlined: Any = compiling.inner(forceinline=True, **_OPTIONS)
"""Likewise, where a call would cost more than the work: a tuple of arrays is seven words each."""

SUMS = (SIGN_ROWS * HEIGHT + 1, SIGN_COLUMNS * WIDTH + 1)

# Towards the sun; what a surface sends back is AMBIENT + SUN * cosine, negative cosines included,
# so that the faces in shade differ as well.
LIGHT = np.array([-0.5, -0.22, 0.84], np.float32)
AMBIENT, SUN = np.float32(0.72), np.float32(0.33)
LIGHT_X, LIGHT_Y, LIGHT_Z = LIGHT


def _avatar_color(r: int, g: int, b: int) -> np.int32:
    return np.int32(r | g << 8 | b << 16 | AVATAR << 24)


SKIN, HAIR = _avatar_color(224, 176, 142), _avatar_color(74, 54, 44)
VISOR, STRIPE = _avatar_color(22, 26, 36), _avatar_color(250, 246, 230)

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
# Of the body's height: half the height of each part and where its middle is; the head's radius.
HALVES, LIFTS, HEAD = np.array([0.36, 0.11, 0.1]), np.array([0.36, 0.72, 0.9]), 0.1

DESCENT = 2
"""Rows of a cell that are below the line, and so in the margin of a board for its last one."""
LAMP = np.float32(0.75)
BOARD_HALF = 0.015
"""Half the thickness of a sign, metres."""
MARGINS = np.array([0.94, 0.88])
"""The share of a board's width and height that its text may take."""


class Scene(NamedTuple):
    """The primitives of all worlds, (worlds, capacity, ...).

    Attributes:
        size: (worlds,), how many there are.
        center: (…, 3), metres. frame: (…, 3, 3), see the module.
        reach: radius of the ball around it, metres.
        form: BOX, BALL, CYLINDER, BOARD or SCREEN. owner: the avatar that it is a part of, or -1.
        paint: (…, 7) packed colours: of boxes the faces +x, -x, +y, -y, +z, -z as lit, then the ink
            of boards; of the others the unlit first, second and third colour.
        rule: row of `RULES` or index of the sign or the screen.
        board: (…, 4) of a board's text: width and height in texels, texels per half width and per
            half height.
        glyphs: (worlds, signs, 4, 16), the texts that `ink` was made from.
        ink: (worlds, signs, 37, 97), texels of ink above and to the left of each texel's corner.
        pictures: (worlds, screens, rows + 1, columns + 1, 3), `Screens.sums` of these worlds.
        half: (3,), turn: (4,), tones: (parts, 3), to work in.
    """

    size: NDArray[np.int32]
    center: NDArray[np.float64]
    frame: NDArray[np.float32]
    reach: NDArray[np.float32]
    form: NDArray[np.int32]
    owner: NDArray[np.int32]
    paint: NDArray[np.int32]
    rule: NDArray[np.int32]
    board: NDArray[np.float32]
    glyphs: NDArray[np.uint16]
    ink: NDArray[np.uint16]
    pictures: NDArray[np.float64]
    half: NDArray[np.float64]
    turn: NDArray[np.float64]
    tones: NDArray[np.int32]


def new_scene(worlds: int, capacity: int, signs: int) -> Scene:
    """An empty scene with room for that many primitives and signs in each world."""
    shape = (worlds, capacity)
    return Scene(
        np.zeros(worlds, np.int32),
        np.zeros((*shape, 3)),
        np.zeros((*shape, 3, 3), np.float32),
        np.zeros(shape, np.float32),
        np.zeros(shape, np.int32),
        np.zeros(shape, np.int32),
        np.zeros((*shape, 7), np.int32),
        np.zeros(shape, np.int32),
        np.zeros((*shape, 4), np.float32),
        np.zeros((worlds, signs, SIGN_ROWS, SIGN_COLUMNS), np.uint16),
        np.zeros((worlds, signs, *SUMS), np.uint16),
        np.zeros((worlds, 0, 1, 1, 3)),
        np.zeros(3),
        np.zeros(4),
        np.zeros((PARTS, 3), np.int32),
    )


def capacity(state: WorldState) -> int:
    """How many primitives one world of this state can have, as large as its arrays are now."""
    n: int = state.walls.heading.shape[1] + len(state.props.names) + len(state.signs.names)
    n += state.parts.owner.shape[1] + len(state.screens.names)
    return n + PARTS * state.num_avatars + len(state.bodies.looks[0])


def fill(scene: Scene, state: WorldState, which: NDArray[np.intp], first: int = 0) -> Scene:
    """Writes the primitives of some worlds, each world's walls first; returns the scene to draw.

    Args:
        scene: written anew in these worlds.
        state: the worlds.
        which: (n,), their indices in the scene.
        first: the index in the state of the scene's first one.
    """
    walls, p, s, a = state.walls, state.props, state.signs, state.avatars
    screens = state.screens
    scene = scene._replace(pictures=screens.sums[first : first + len(scene.size)])
    _fill(
        which,
        tuple(scene),
        first,
        (walls.count, walls.position, walls.half, walls.cos, walls.sin, walls.color),
        (
            p.present, p.position, p.orientation, p.half, p.shape, p.color, p.mass, p.portable,
        ),
        state.parts.rows(),
        (
            s.present, s.position, s.heading, s.half, s.paper, s.ink, s.glyphs, s.rows, s.columns,
        ),
        (screens.on, screens.position, screens.heading, screens.half, screens.pixels),
        (
            a.position, a.heading, a.color, a.present, state.bodies.radius, state.bodies.height,
            state.bodies.looks,
        ),
        bitmaps(),
    )  # fmt: skip
    return scene


@inlined
def pack(r, g, b, kind):
    """Red, green, blue (0 to 255, float32) and the kind in one int32."""
    return np.int32(np.int32(r) | (np.int32(g) << 8) | (np.int32(b) << 16) | (kind << 24))


@inlined
def _pack_lit(color, kind, cosine):
    """A colour, packed, as a face whose normal has this cosine with the sun shows it."""
    shade = AMBIENT + SUN * np.float32(cosine)
    top = np.float32(255.0)
    r = min(np.float32(color[0]) * shade, top)
    g = min(np.float32(color[1]) * shade, top)
    b = min(np.float32(color[2]) * shade, top)
    return pack(r, g, b, kind)


@inlined
def _place(scene, w, form, owner, rule, center, lift, half):
    """Appends a primitive to a world; returns its index."""
    i = scene.size[w]
    scene.size[w] = i + 1
    scene.center[w, i, 0], scene.center[w, i, 1] = center[0], center[1]
    scene.center[w, i, 2] = center[2] + lift
    scene.reach[w, i] = math.sqrt(half[0] * half[0] + half[1] * half[1] + half[2] * half[2])
    scene.form[w, i], scene.owner[w, i], scene.rule[w, i] = form, owner, rule
    return i


@inlined
def _turn(frame, cos, sin, half):
    a, b = 1.0 / half[0], 1.0 / half[1]
    frame[0, 0], frame[0, 1], frame[0, 2] = cos * a, sin * a, 0.0
    frame[1, 0], frame[1, 1], frame[1, 2] = -sin * b, cos * b, 0.0
    frame[2, 0], frame[2, 1], frame[2, 2] = 0.0, 0.0, 1.0 / half[2]


@inlined
def _orient(frame, q, half):
    x, y, z, w = q[0], q[1], q[2], q[3]
    a, b, c = 1.0 / half[0], 1.0 / half[1], 1.0 / half[2]
    frame[0, 0] = (1.0 - 2.0 * (y * y + z * z)) * a
    frame[0, 1] = 2.0 * (x * y + z * w) * a
    frame[0, 2] = 2.0 * (x * z - y * w) * a
    frame[1, 0] = 2.0 * (x * y - z * w) * b
    frame[1, 1] = (1.0 - 2.0 * (x * x + z * z)) * b
    frame[1, 2] = 2.0 * (y * z + x * w) * b
    frame[2, 0] = 2.0 * (x * z + y * w) * c
    frame[2, 1] = 2.0 * (y * z - x * w) * c
    frame[2, 2] = (1.0 - 2.0 * (x * x + y * y)) * c


@inlined
def _paint_faces(paint, frame, half, color, kind):
    for k in range(3):
        cosine = frame[k, 0] * LIGHT_X + frame[k, 1] * LIGHT_Y + frame[k, 2] * LIGHT_Z
        cosine = np.float32(cosine * half[k])
        paint[2 * k] = _pack_lit(color, kind, cosine)
        paint[2 * k + 1] = _pack_lit(color, kind, -cosine)


@kernel
def _fill(which, scene, first, walls, props, parts, signs, screens, avatars, font):
    scene = Scene(*scene)
    for w in which:
        scene.size[w] = 0
        _add_walls(scene, w, first + w, walls)
        _add_props(scene, w, first + w, props, parts)
        _add_signs(scene, w, first + w, signs, font)
        _add_screens(scene, w, first + w, screens)
        _add_avatars(scene, w, first + w, avatars)


# Below, `w` is the world in the scene, `of` in the state.


@inlined
def _add_walls(scene, w, of, walls):
    count, position, half, cos, sin, color = walls
    for j in range(count[of]):
        i = _place(scene, w, BOX, NOBODY, BOX, position[of, j], 0.0, half[of, j])
        frame = scene.frame[w, i]
        _turn(frame, cos[of, j], sin[of, j], half[of, j])
        _paint_faces(scene.paint[w, i], frame, half[of, j], color[of, j], WALL)


@inlined
def _add_props(scene, w, of, props, parts):
    present, position, orientation, half, form, color, mass, portable = props
    for j in range(present.shape[1]):
        if not present[of, j]:
            continue
        kind = FIXED if mass[of, j] <= 0.0 else MOVABLE
        if portable[of, j]:
            kind = PORTABLE
        shape = np.int64(form[of, j])
        if shape == COMPOUND:
            _add_parts(
                scene, w, of, j, position[of, j], orientation[of, j], color[of, j], kind, parts
            )
            continue
        i = _place(scene, w, shape, NOBODY, BOX, position[of, j], 0.0, half[of, j])
        frame = scene.frame[w, i]
        _orient(frame, orientation[of, j], half[of, j])
        _paint(scene.paint[w, i], frame, shape, half[of, j], color[of, j], kind)


@inlined
def _paint(paint, frame, shape, half, color, kind):
    if shape == BOX:
        _paint_faces(paint, frame, half, color, kind)
    else:
        r, g, b = color[0], color[1], color[2]
        plain = pack(np.float32(r), np.float32(g), np.float32(b), kind)
        for k in range(3):
            paint[k] = plain


@inner
def _add_parts(scene, w, of, j, center, q, color, kind, parts):
    """Appends the parts of a prop, each a primitive of its own."""
    count, owner, form, half, offset, turn = parts
    spot, way = scene.half, scene.turn
    for k in range(count[of]):
        if owner[of, k] != j:
            continue
        x, y, z, s = q[0], q[1], q[2], q[3]
        a, b, c = offset[of, k, 0], offset[of, k, 1], offset[of, k, 2]
        # The offset turned by q: v + 2 u x (u x v + s v), with u = (x, y, z).
        ux, uy, uz = y * c - z * b + s * a, z * a - x * c + s * b, x * b - y * a + s * c
        spot[0] = center[0] + a + 2.0 * (y * uz - z * uy)
        spot[1] = center[1] + b + 2.0 * (z * ux - x * uz)
        spot[2] = center[2] + c + 2.0 * (x * uy - y * ux)
        # First the part's own turn about z, then the prop's.
        sin, cos = turn[of, k, 0], turn[of, k, 1]
        way[0], way[1] = x * cos + y * sin, y * cos - x * sin
        way[2], way[3] = z * cos + s * sin, s * cos - z * sin
        shape = np.int64(form[of, k])
        i = _place(scene, w, shape, NOBODY, BOX, spot, 0.0, half[of, k])
        _orient(scene.frame[w, i], way, half[of, k])
        _paint(scene.paint[w, i], scene.frame[w, i], shape, half[of, k], color, kind)


@inlined
def _add_signs(scene, w, of, signs, font):
    """Appends the boards and sums up the ink where a text has changed."""
    present, position, heading, half, paper, ink, glyphs, rows, columns = signs
    size = scene.half
    for j in range(present.shape[1]):
        if not present[of, j]:
            continue
        size[0], size[1], size[2] = BOARD_HALF, half[of, j, 0], half[of, j, 1]
        i = _place(scene, w, BOARD, NOBODY, j, position[of, j], 0.0, size)
        frame = scene.frame[w, i]
        _turn(frame, pmath.cos(heading[of, j]), pmath.sin(heading[of, j]), size)
        _paint_faces(scene.paint[w, i], frame, size, paper[of, j], SIGN)
        # A lamp shines on what is to be read.
        scene.paint[w, i, 0] = _pack_lit(paper[of, j], SIGN, LAMP)
        scene.paint[w, i, 6] = _pack_lit(ink[of, j], SIGN, LAMP)
        wide = WIDTH * columns[of, j] - 1
        tall = max(HEIGHT * rows[of, j] - DESCENT, 1)
        texel = min(size[1] * MARGINS[0] / wide, size[2] * MARGINS[1] / tall) * 2.0
        board = scene.board[w, i]
        board[0], board[1] = wide, tall
        board[2], board[3] = size[1] / texel, size[2] / texel
        if copy_text(glyphs[of, j], scene.glyphs[w, j]):
            sum_ink(scene.glyphs[w, j], rows[of, j], columns[of, j], font, scene.ink[w, j])


@inlined
def _add_screens(scene, w, of, screens):
    """Appends the screens; one that is off is a black box."""
    on, position, heading, half, pixels = screens
    size, black = scene.half, scene.turn[:3]
    black[0] = black[1] = black[2] = 24.0
    for j in range(on.shape[1]):
        size[0], size[1], size[2] = BOARD_HALF, half[of, j, 0], half[of, j, 1]
        form = SCREEN if on[of, j] else BOX
        i = _place(scene, w, form, NOBODY, j, position[of, j], 0.0, size)
        frame, board = scene.frame[w, i], scene.board[w, i]
        _turn(frame, pmath.cos(heading[of, j]), pmath.sin(heading[of, j]), size)
        _paint_faces(scene.paint[w, i], frame, size, black, SIGN)
        board[0], board[1] = pixels[j, 1], pixels[j, 0]
        board[2], board[3] = 0.5 * pixels[j, 1], 0.5 * pixels[j, 0]


@inlined
def _add_avatars(scene, w, of, avatars):
    """Appends the avatars: trunk, shoulders, head, and what their effectors look like."""
    position, heading, color, present, radius, height, looks = avatars
    size, tones = scene.half, scene.tones
    for j in range(heading.shape[1]):
        if not present[of, j]:
            continue
        cos, sin = pmath.cos(heading[of, j]), pmath.sin(heading[of, j])
        r = np.float32(color[of, j, 0])
        g, b = np.float32(color[of, j, 1]), np.float32(color[of, j, 2])
        dark = np.float32(0.5)
        tones[0, 0] = tones[1, 0] = pack(r, g, b, AVATAR)
        tones[0, 1] = tones[1, 1] = STRIPE
        tones[0, 2] = tones[1, 2] = pack(r * dark, g * dark, b * dark, AVATAR)
        tones[2, 0], tones[2, 1], tones[2, 2] = SKIN, VISOR, HAIR
        for part in range(PARTS):
            of_radius = part < 2
            size[0] = 0.8 * radius[j] if of_radius else HEAD * height[j]
            size[1] = radius[j] if of_radius else HEAD * height[j]
            size[2] = HALVES[part] * height[j]
            form = CYLINDER if part == 0 else BALL
            lift = LIFTS[part] * height[j]
            i = _place(scene, w, form, j, part, position[of, j], lift, size)
            _turn(scene.frame[w, i], cos, sin, size)
            for k in range(3):
                scene.paint[w, i, k] = tones[part, k]
        _add_effectors(scene, w, j, position[of, j], cos, sin, looks)


@inner
def _add_effectors(scene, w, avatar, feet, cos, sin, looks):
    """Appends the parts of one avatar's effectors, which turn with it."""
    owner, form, half, offset, turn, color = looks
    spot = scene.half
    for k in range(len(owner)):
        if owner[k] != avatar:
            continue
        spot[0] = feet[0] + cos * offset[k, 0] - sin * offset[k, 1]
        spot[1] = feet[1] + sin * offset[k, 0] + cos * offset[k, 1]
        spot[2] = feet[2] + offset[k, 2]
        shape = np.int64(form[k])
        i = _place(scene, w, shape, avatar, BOX, spot, 0.0, half[k])
        to_cos, to_sin = turn[k, 1], turn[k, 0]
        frame = scene.frame[w, i]
        _turn(frame, cos * to_cos - sin * to_sin, sin * to_cos + cos * to_sin, half[k])
        _paint(scene.paint[w, i], frame, shape, half[k], color[k], AVATAR)
