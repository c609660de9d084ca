"""The camera's pictures against a slow ray caster, against geometry, and against a reader."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from als_engine.errors import ArgumentError
from als_engine.font.drawn_ascii import GLYPHS
from als_engine.sensors.base import Setup
from als_engine.sensors.camera import EYE_HEIGHT, MAX_DEPTH, PITCH, Camera, third_person
from als_engine.world.arrays import Body
from als_engine.world.layout import Box, Cylinder, Layout, Prop, Sign, Spawn, Sphere
from als_engine.world.state import WorldState

ALL = ("rgb", "depth", "semantic")
SKY, GROUND, WALL, FIXED, MOVABLE, PORTABLE, SIGN, AVATAR = range(8)


def make_state(*layouts, avatars=1):
    state = WorldState(len(layouts), [Body()] * avatars, layouts[0], {})
    for world, layout in enumerate(layouts):
        state.load(world, layout, 0, 0)
    return state


def look(state, size=(64, 64), enabled=ALL, observers=None):
    observers = observers or state.num_avatars
    camera = Camera(Setup(state.num_worlds, state.num_avatars, observers, size), enabled)
    out = {
        key: np.full((state.num_worlds, observers, *space.shape), 77, space.dtype)
        for key, space in camera.spaces().items()
    }
    camera.read(state, out)
    for key, space in camera.spaces().items():
        assert all(space.contains(picture) for picture in out[key].reshape(-1, *space.shape))
    return out


def empty(**kwargs):
    return Layout(spawns=[Spawn((0.0, 0.0))], **kwargs)


# -- the reference: one ray per pixel, float64, the textbook's intersections ---------------------


def rays(heading, height, width):
    """(height, width, 3) directions whose part along the view axis is 1."""
    level = np.array([np.cos(heading), np.sin(heading), 0.0])
    forward = level * np.cos(PITCH) + (0.0, 0.0, np.sin(PITCH))
    right = np.array([np.sin(heading), -np.cos(heading), 0.0])
    up = np.cross(right, forward)
    u = (np.arange(width) + 0.5 - width / 2) * 2 / width
    v = -(np.arange(height) + 0.5 - height / 2) * 2 / width
    return forward + u[None, :, None] * right + v[:, None, None] * up


def rotation(q):
    x, y, z, w = q
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


def yaw(angle):
    return rotation((0, 0, np.sin(angle / 2), np.cos(angle / 2)))


def quadratic(a, b, c):
    """Both roots of a t^2 + 2 b t + c, an empty interval where there are none."""
    disc = b * b - a * c
    root = np.sqrt(np.maximum(disc, 0))
    none = disc < 0
    return np.where(none, np.inf, (-b - root) / a), np.where(none, -np.inf, (-b + root) / a)


def enter(form, half, e, d):
    """The t at which e + t d enters the convex thing, inf where it does not or starts inside."""
    with np.errstate(divide="ignore", invalid="ignore"):
        slabs = np.sort(np.stack([(-half - e) / d, (half - e) / d]), axis=0)
    near, far = slabs[0], slabs[1]
    if form == "box":
        t0, t1 = near.max(-1), far.min(-1)
    elif form == "ball":
        e, d = e / half, d / half
        t0, t1 = quadratic((d * d).sum(-1), (e * d).sum(-1), e @ e - 1)
    else:
        p, q = (e / half)[:2], (d / half)[..., :2]
        t0, t1 = quadratic((q * q).sum(-1), (p * q).sum(-1), p @ p - 1)
        t0, t1 = np.maximum(t0, near[..., 2]), np.minimum(t1, far[..., 2])
    return np.where((t0 <= t1) & (t0 > 0), t0, np.inf)


def things(state, world, viewer):
    """Yields (kind, form, half, center, rotation)."""
    for j in range(state.walls.count[world]):
        w = state.walls
        yield WALL, "box", w.half[world, j], w.position[world, j], yaw(w.heading[world, j])
    p = state.props
    for j in range(len(p.names)):
        if p.present[world, j]:
            fixed_or_movable = FIXED if p.mass[world, j] == 0 else MOVABLE
            yield (
                PORTABLE if p.portable[world, j] else fixed_or_movable,
                ("box", "ball", "cylinder")[p.shape[world, j]],
                p.half[world, j],
                p.position[world, j],
                rotation(p.orientation[world, j]),
            )
    for j in range(len(state.signs.names)):
        s = state.signs
        half = np.array([0.015, *s.half[world, j]])
        yield SIGN, "box", half, s.position[world, j], yaw(s.heading[world, j])
    for j in range(state.num_avatars):
        if j != viewer:
            r, h = state.bodies.radius[j], state.bodies.height[j]
            feet, turn = state.avatars.position[world, j], yaw(state.avatars.heading[world, j])
            for form, half, z in (
                ("cylinder", (0.8 * r, r, 0.36 * h), 0.36 * h),
                ("ball", (0.8 * r, r, 0.11 * h), 0.72 * h),
                ("ball", (0.1 * h, 0.1 * h, 0.1 * h), 0.9 * h),
            ):
                yield AVATAR, form, np.array(half), feet + np.array((0, 0, z)), turn


def reference(state, world, viewer, size):
    """Depth, kind, and a number for each thing, (height, width) each."""
    eye = state.avatars.position[world, viewer] + (0, 0, EYE_HEIGHT * state.bodies.height[viewer])
    d = rays(state.avatars.heading[world, viewer], *size)
    with np.errstate(divide="ignore"):
        depth = np.where(d[..., 2] < 0, -eye[2] / d[..., 2], np.inf)
    kind = np.where(np.isfinite(depth), GROUND, SKY)
    number = kind.copy()
    for i, (what, form, half, center, turn) in enumerate(things(state, world, viewer)):
        t = enter(form, half, turn.T @ (eye - center), d @ turn)
        closer = t < depth
        depth, kind = np.where(closer, t, depth), np.where(closer, what, kind)
        number = np.where(closer, i + 2, number)
    return np.minimum(depth, MAX_DEPTH), kind, number


def interior(number):
    """Where all eight neighbours show the same thing."""
    padded = np.pad(number, 1, mode="edge")
    h, w = number.shape
    shifts = [padded[y : y + h, x : x + w] for y in range(3) for x in range(3)]
    return np.all([shift == number for shift in shifts], axis=0)


def assert_agrees(state, size=(64, 64)):
    out = look(state, size)
    for world in range(state.num_worlds):
        for viewer in range(state.num_avatars):
            depth, kind, number = reference(state, world, viewer, size)
            inside = interior(number)
            ours, our_kind = (out[key][world, viewer, ..., 0] for key in ("depth", "semantic"))
            assert (our_kind == kind)[inside].all()
            np.testing.assert_allclose(ours[inside], depth[inside], rtol=2e-3, atol=1e-3)
            # At the edges a pixel may go to either side, but to nothing else.
            assert (our_kind != kind).mean() < 0.01
            assert (np.abs(ours - depth) > 0.01 * depth + 0.01).mean() < 0.02


def random_layout(rng, avatars):
    def place(reach):
        return tuple(rng.uniform(-reach, reach, 2))

    def box(low, high):
        return Box(*rng.uniform(low, high, 3))

    shapes = [
        box(0.2, 1.0), Sphere(rng.uniform(0.1, 0.6)), box(0.2, 0.8),
        Cylinder(rng.uniform(0.1, 0.5), rng.uniform(0.2, 1.5)), Cylinder(0.4, 0.3),
    ]  # fmt: skip
    return Layout(
        walls=[Prop(box(0.1, 4.0), place(8), heading=rng.uniform(-9, 9)) for _ in range(8)],
        props={
            f"thing {i}": Prop(
                shape, (*place(4), rng.uniform(0, 2.5)), mass=float(i % 2), portable=i == 3
            )
            for i, shape in enumerate(shapes)
        },
        signs={"sign": Sign("12", (*place(4), 1.5), heading=rng.uniform(-3, 3))},
        spawns=[Spawn((100.0 + 2 * i, 100.0)) for i in range(avatars)],
    )


def random_state(seed, worlds=1, avatars=3):
    rng = np.random.default_rng(seed)
    state = make_state(*[random_layout(rng, avatars) for _ in range(worlds)], avatars=avatars)
    # Anywhere, even within a wall: where an avatar may stand is not the camera's business.
    state.avatars.position[..., :2] = rng.uniform(-4, 4, (worlds, avatars, 2))
    state.avatars.heading[:] = rng.uniform(-9, 9, (worlds, avatars))
    q = rng.normal(size=state.props.orientation.shape)
    state.props.orientation[:] = q / np.linalg.norm(q, axis=-1, keepdims=True)
    return state


# -- promises --------------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**9))
def test_agrees_with_the_ray_caster(seed):
    assert_agrees(random_state(seed))


@pytest.mark.parametrize("size", [(48, 80), (40, 33), (7, 100), (128, 128)])
def test_agrees_at_other_sizes(size):
    assert_agrees(random_state(5), size)


def test_depth_of_a_box_straight_ahead_is_the_distance_along_the_view_axis():
    state = make_state(empty(walls=[Prop(Box(0.2, 30.0, 30.0), (3.1, 0.0))]))
    depth = look(state)["depth"][0, 0, ..., 0]
    # The face x = 3 meets the ray f + v u at t = 3 / (cos p - v sin p).
    v = -(np.arange(64) - 31.5) / 32
    expected = 3.0 / (np.cos(PITCH) - v * np.sin(PITCH))
    seen = v * np.cos(PITCH) + np.sin(PITCH) > -0.3
    np.testing.assert_allclose(depth[seen, 32], expected[seen], rtol=1e-5)


def test_depth_of_the_ground_follows_the_eye_height():
    depth = look(make_state(empty()))["depth"][0, 0, ..., 0]
    eye = EYE_HEIGHT * Body().height
    v = -(np.arange(64) - 31.5) / 32
    drop = -(np.sin(PITCH) + v * np.cos(PITCH))
    expected = np.where(drop > 0, np.minimum(eye / np.maximum(drop, 1e-9), MAX_DEPTH), MAX_DEPTH)
    np.testing.assert_allclose(depth, np.repeat(expected[:, None], 64, 1), rtol=1e-4)


def test_a_sphere_is_nearest_in_its_middle_and_round():
    eye = EYE_HEIGHT * Body().height
    center = 4.0 * np.array([np.cos(PITCH), 0.0, np.sin(PITCH)]) + (0, 0, eye)
    state = make_state(empty(props={"ball": Prop(Sphere(1.0), tuple(center))}))
    out = look(state, (65, 65))
    kind, depth = out["semantic"][0, 0, ..., 0], out["depth"][0, 0, ..., 0]
    assert depth[32, 32] == pytest.approx(3.0, rel=1e-4)
    # The tangent cone of a ball of radius 1 at distance 4.
    radius = 65 / 2 / np.sqrt(15)
    y, x = np.mgrid[:65, :65] - 32
    assert (kind == FIXED)[np.hypot(x, y) < radius - 1].all()
    assert not (kind == FIXED)[np.hypot(x, y) > radius + 1].any()


def test_kinds_name_what_is_seen():
    props = {
        "fixed": Prop(Box(0.5, 0.5, 1.0), (3.0, 1.2)),
        "movable": Prop(Box(0.5, 0.5, 1.0), (3.0, 0.0), mass=5.0),
        "portable": Prop(Box(0.5, 0.5, 1.0), (3.0, -1.2), mass=1.0, portable=True),
    }
    layout = empty(
        props=props,
        walls=[Prop(Box(0.2, 20.0, 1.8), (6.0, 0.0))],
        signs={"sign": Sign("A", (5.8, 0.0, 1.2), heading=np.pi)},
    )
    layout = Layout(**{**vars(layout), "spawns": [(0.0, 0.0), (4.0, 2.5)]})
    seen = look(make_state(layout, avatars=2))["semantic"][0, 0]
    assert set(np.unique(seen)) == set(range(8))


def test_a_batch_is_bit_for_bit_the_single_worlds():
    batch = random_state(11, worlds=5, avatars=4)
    together = look(batch, observers=3)
    rng = np.random.default_rng(11)
    layouts = [random_layout(rng, 4) for _ in range(5)]
    for world, layout in enumerate(layouts):
        single = make_state(layout, avatars=4)
        for group in ("avatars", "props"):
            for name, array in getattr(batch, group).arrays():
                getattr(getattr(single, group), name)[0] = array[world]
        alone = look(single, observers=3)
        for key in ALL:
            np.testing.assert_array_equal(alone[key][0], together[key][world])


@pytest.mark.parametrize("enabled", [("rgb",), ("depth",), ("semantic",), ("depth", "semantic")])
def test_an_observation_does_not_depend_on_which_others_are_enabled(enabled):
    state = random_state(3, worlds=2)
    everything, some = look(state), look(state, enabled=enabled)
    assert set(some) == set(enabled)
    for key in enabled:
        np.testing.assert_array_equal(some[key], everything[key])


def test_reading_twice_gives_the_same_and_changes_nothing():
    state = random_state(4, worlds=2)
    before = [state.digest(world) for world in range(2)]
    first, second = look(state), look(state)
    for key in ALL:
        np.testing.assert_array_equal(first[key], second[key])
    np.testing.assert_array_equal(third_person(state, 1), third_person(state, 1))
    assert [state.digest(world) for world in range(2)] == before


def test_buffers_that_are_not_contiguous_are_filled_too():
    state = random_state(6, worlds=2)
    expected = look(state)["rgb"]
    camera = Camera(Setup(2, 3, 3), ("rgb",))
    wide = np.zeros((2, 3, 64, 64, 6), np.uint8)
    camera.read(state, {"rgb": wide[..., ::2]})
    np.testing.assert_array_equal(wide[..., ::2], expected)
    assert not wide[..., 1::2].any()


def test_a_buffer_of_the_wrong_size_is_refused():
    state = random_state(6)
    camera = Camera(Setup(1, 3, 3), ("depth",))
    for shape, dtype in (((1, 2, 64, 64, 1), np.float32), ((1, 3, 64, 64, 1), np.float64)):
        with pytest.raises(ArgumentError, match="depth"):
            camera.read(state, {"depth": np.zeros(shape, dtype)})


def test_more_walls_after_a_reset_are_drawn():
    state = make_state(empty(walls=[Prop(Box(0.2, 0.2, 0.2), (-9.0, 9.0))]))
    camera, out = Camera(Setup(1, 1, 1), ("semantic",)), np.zeros((1, 1, 64, 64, 1), np.uint8)
    camera.read(state, {"semantic": out})
    assert WALL not in out
    walls = [Prop(Box(0.2, 1.0, 1.8), (3.0, 0.1 * i)) for i in range(40)]
    state.load(0, empty(walls=walls), 1, 0)
    camera.read(state, {"semantic": out})
    assert WALL in out


def test_an_avatar_sees_others_but_not_itself():
    layout = Layout(spawns=[Spawn((0.0, 0.0)), Spawn((2.0, 0.0))])
    seen = look(make_state(layout, avatars=2))["semantic"]
    assert AVATAR in seen[0, 0]
    assert AVATAR not in seen[0, 1]


def test_a_wall_hides_what_is_behind_it():
    prop = {"crate": Prop(Box(0.5, 0.5, 0.5), (4.0, 0.0), mass=1.0)}
    wall = Prop(Box(0.2, 30.0, 5.0), (2.0, 0.0))
    assert MOVABLE in look(make_state(empty(props=prop)))["semantic"]
    assert MOVABLE not in look(make_state(empty(props=prop, walls=[wall])))["semantic"]


def test_what_is_behind_or_absent_is_not_seen():
    behind = empty(props={"crate": Prop(Box(0.5, 0.5, 0.5), (-1.0, 0.0))})
    absent = empty(props={"crate": Prop(Box(0.5, 0.5, 0.5), (2.0, 0.0), present=False)})
    for layout in (behind, absent):
        assert set(np.unique(look(make_state(layout))["semantic"])) == {SKY, GROUND}


def test_a_corridor_surrounds_its_walker():
    walls = [Prop(Box(40.0, 0.2, 40.0), (0.0, y)) for y in (-1.1, 1.1)]
    state = make_state(empty(walls=walls))
    out = look(state)
    kind, depth = out["semantic"][0, 0, ..., 0], out["depth"][0, 0, ..., 0]
    assert (kind[:36, :20] == WALL).all()
    assert (kind[:36, 44:] == WALL).all()
    # The wall y = 1 meets column u at t = 1 / -u, whatever the row.
    u = (np.arange(64) - 31.5) / 32
    np.testing.assert_allclose(depth[20, 44:], 1.0 / u[44:], rtol=1e-4)
    assert_agrees(state)


def test_what_crosses_the_plane_of_the_eye_is_cut_there():
    walls = [Prop(Box(8.0, 0.3, 1.0), (0.5, 0.4)), Prop(Box(6.0, 6.0, 0.1), (0.0, 0.0))]
    layout = Layout(walls=walls, spawns=[(9.0, 9.0)])
    state = make_state(layout)
    state.avatars.position[0, 0] = 0.0
    assert_agrees(state)


# -- signs and faces -------------------------------------------------------------------------------


def printed(code, u, v):
    """Ink of one character in each pixel, and the pixel's share of its cell: 64 samples a pixel."""
    inside = ((v >= 0) & (v < 7))[:, None] & ((u >= 0) & (u < 5))[None]
    ink = inside * GLYPHS[code - 32][np.ix_(v.clip(0, 6), u.clip(0, 4))]
    blocks = (len(v) // 8, 8, len(u) // 8, 8)
    return ink.reshape(blocks).mean((1, 3)), inside.reshape(blocks).mean((1, 3))


def read_back(picture, text, box):
    """Decodes a line by comparing each place with every character of the font."""
    top, bottom, left, right = box
    dark = -picture.astype(float).mean(-1)
    texel, decoded = (right - left) / (6 * len(text) - 1), ""
    rows = slice(int(top) - 1, int(bottom) + 2)
    v = (np.arange(8 * rows.start, 8 * rows.stop) + 0.5) / 8
    v = np.floor((v - top) / (bottom - top) * 7).astype(int)
    for i in range(len(text)):
        start = left + 6 * i * texel
        columns = slice(max(int(start) - 1, 0), int(start + 5 * texel) + 2)
        u = (np.arange(8 * columns.start, 8 * columns.stop) + 0.5) / 8
        u = np.floor((u - start) / texel).astype(int)
        best = (-2.0, "")
        for code in range(33, 127):
            ink, cell = printed(code, u, v)
            match = np.corrcoef(dark[rows, columns][cell > 0.2], ink[cell > 0.2])[0, 1]
            best = max(best, (match, chr(code)))
        decoded += best[1]
    return decoded


@pytest.mark.parametrize("text", ["12+34=46", "BENIGN72", "desk-3/a", "MAGICBOX"])
def test_eight_characters_can_be_read_at_64_pixels(text):
    eye = EYE_HEIGHT * Body().height
    center = (1.5, 0.0, eye + 1.5 * np.tan(PITCH))
    sign = Sign(text, center, heading=np.pi, width=2.8, height=1.0)
    picture = look(make_state(empty(signs={"sign": sign})))["rgb"][0, 0]
    # Where the text is: 0.94 of the width, in the plane x = 1.485 before the board's middle.
    half = 0.94 * 1.4
    d = np.array([[1.485, half, 0.0], [1.485, -half, 0.0]])
    u = -d[:, 1] / (d[:, 0] * np.cos(PITCH) + (center[2] - eye) * np.sin(PITCH))
    left, right = 32 + 32 * u
    tall = half * 7 / (6 * len(text) - 1)
    z = center[2] - eye + np.array([tall, -tall])
    forward = 1.485 * np.cos(PITCH) + z * np.sin(PITCH)
    up = -1.485 * np.sin(PITCH) + z * np.cos(PITCH)
    top, bottom = 32 - 32 * up / forward
    assert read_back(picture, text, (top, bottom, left, right)) == text


def test_a_sign_shows_letters_beyond_ascii():
    def seen(text):
        sign = Sign(text, (1.4, 0.0, 1.3), np.pi, 1.2, 0.8)
        return look(make_state(empty(signs={"sign": sign})), enabled=("rgb",))["rgb"]

    whole = seen("ñ Ж ώ g")
    assert (whole == seen("n\u0303 Ж ω\u0301 g")).all()
    assert (whole != seen("n Ж ώ g")).any()
    assert (whole != seen("ñ   ώ g")).any()


def test_a_new_text_is_seen_and_the_back_is_plain():
    sign = Sign("OLD", (1.5, 0.0, 1.3), heading=np.pi)
    state = make_state(empty(signs={"sign": sign}))
    camera, out = Camera(Setup(1, 1, 1), ("rgb",)), np.zeros((1, 1, 64, 64, 3), np.uint8)
    camera.read(state, {"rgb": out})
    old = out.copy()
    state.write("sign", [0], "NEW")
    camera.read(state, {"rgb": out})
    assert (out != old).any()
    np.testing.assert_array_equal(out, look(state)["rgb"])
    state.signs.heading[0, 0] = 0.0
    back = look(state)
    board = back["rgb"][0, 0][back["semantic"][0, 0, ..., 0] == SIGN]
    assert np.ptp(board.astype(int).sum(-1)) < 40
    assert board.mean() > 100, "the back is paper, not ink"


def test_facing_shows():
    def seen(heading):
        layout = Layout(spawns=[Spawn((0.0, 0.0)), Spawn((2.0, 0.0), heading)])
        out = look(make_state(layout, avatars=2))
        body = out["semantic"][0, 0, ..., 0] == AVATAR
        return out["rgb"][0, 0].astype(int), body

    pictures = [seen(heading) for heading in (np.pi, np.pi / 2, 0.0, -np.pi / 2)]
    for i, (one, body) in enumerate(pictures):
        for other, _ in pictures[i + 1 :]:
            assert (np.abs(one - other).max(-1) > 40)[body].sum() >= 8


def test_clothes_have_the_avatars_color():
    layout = Layout(spawns=[Spawn((0.0, 0.0)), Spawn((2.0, 0.0), 0.0)])
    state = make_state(layout, avatars=2)
    state.avatars.color[0, 1] = (200, 30, 30)
    out = look(state)
    body = out["rgb"][0, 0][out["semantic"][0, 0, ..., 0] == AVATAR].astype(int)
    assert ((body[:, 0] > 90) & (body[:, 1] < 60) & (body[:, 2] < 60)).mean() > 0.3


# -- the picture for people ------------------------------------------------------------------------


def test_third_person_shows_the_room_behind_its_walls():
    def wall(x, y, width, depth):
        return Prop(Box(width, depth, 2.5), (x, y), color="beige")

    walls = [wall(0, -3, 8, 0.1), wall(0, 3, 8, 0.1), wall(-4, 0, 0.1, 6), wall(4, 0, 0.1, 6)]
    crate = {"crate": Prop(Box(1.0, 1.0, 1.0), (2.0, -2.0), mass=1.0, color=(0, 0, 255))}
    state = make_state(empty(walls=walls, props=crate))
    picture = third_person(state, 0, 320, 240)
    assert picture.shape == (240, 320, 3)
    assert picture.dtype == np.uint8
    blue = picture.astype(int)
    assert ((blue[..., 2] > 100) & (blue[..., 0] < 40)).sum() > 300
    edge = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])
    assert np.ptp(edge.astype(int), axis=0).max() < 60, "the room is not framed"


def test_third_person_looks_at_the_side_that_can_be_read():
    text = Sign("READ THIS", (0.0, 0.0, 1.5), heading=0.0, width=3.0, height=1.0)
    for heading in np.radians([0, 90, 180, 270]):
        sign = {"sign": Sign(text.text, text.position, heading, text.width, text.height)}
        state = make_state(Layout(signs=sign, spawns=[(3.0, 3.0)]))
        inked = third_person(state, 0, 320, 240).astype(int).sum(-1) < 200
        assert inked.sum() > 60
