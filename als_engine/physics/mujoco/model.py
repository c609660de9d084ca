"""MuJoCo's model of a world: what is compiled once, and what every level writes into it.

A compiled model holds the floor, room for walls, the solid props and the avatars. Levels of the
same structure (which props are solid, free or fixed, and of which shape) share it: positions,
sizes, masses and frictions are written into its arrays, which gives the bits of a fresh compilation
(`tests/als_engine/physics/test_hand_written_mujoco.py`) at a fraction of its time.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final, NamedTuple

import mujoco
import numpy as np

from als_engine.geometry import portable_math as pmath
from als_engine.physics.kernels import GRAVITY, SUBSTEP
from als_engine.world.arrays import (
    NOTHING,
    SHAPE_BOX,
    SHAPE_COMPOUND,
    SHAPE_SPHERE,
    FloatArray,
    IntArray,
    Walls,
)
from als_engine.world.state import WorldState

_SHAPES: Final = (
    mujoco.mjtGeom.mjGEOM_BOX,
    mujoco.mjtGeom.mjGEOM_SPHERE,
    mujoco.mjtGeom.mjGEOM_CYLINDER,
)
_ROOM: Final = 16
_SLACK: Final = 1e-6
_FEELS: Final = 0.01
_TORSION: Final = 0.005
_ROLLING: Final = 0.01
_HIGHEST: Final = 1e4
# Two meet where a bit of the one's `contype` is in the other's `conaffinity`: all but avatars and
# the floor.
_FLOOR, _AVATAR, _THING = 1, 2, 3
_IMPEDANCE_RATIO: Final = 10.0
"""How much stiffer friction is than the normal force: a heavy crate that is pushed creeps less."""


class Structure(NamedTuple):
    """What two levels must have in common to share a compiled model.

    Attributes:
        walls: room for that many.
        free, fixed: the forms of each solid prop that has a mass, and of each that has none: one,
            or one for each part.
        avatars: radius, height and mass of each.
    """

    walls: int
    free: tuple[tuple[int, ...], ...]
    fixed: tuple[tuple[int, ...], ...]
    avatars: tuple[tuple[float, float, float], ...]


class Places(NamedTuple):
    """Which prop of a world has which number in its model: (props,) arrays, NOTHING for none.

    Attributes:
        free: number among the bodies that move.
        fixed: number among those that do not.
    """

    free: IntArray
    fixed: IntArray


def places_of(world: int, state: WorldState) -> Places:
    """Numbers one world's solid props."""
    props = state.props
    solid, moves = props.solid[world], props.mass[world] > 0.0
    return Places(_number(solid & moves), _number(solid & ~moves))


def _number(which: Any) -> IntArray:
    return np.where(which, np.cumsum(which) - 1, NOTHING).astype(np.int32)


class Geoms(NamedTuple):
    """The geoms of some of a world's props in the order in which they are in its model, (geoms,).

    Attributes:
        prop: whose it is.
        part: which of the world's parts it is, NOTHING for a prop of one primitive.
    """

    prop: IntArray
    part: IntArray


def geoms_of(world: int, state: WorldState, which: IntArray) -> Geoms:
    """Lists the geoms of the props that have a number in `which`."""
    chosen = np.flatnonzero(which != NOTHING).astype(np.int32)
    parts, shape = state.parts, state.props.shape[world]
    if not parts.count[world]:
        return Geoms(chosen, np.full_like(chosen, NOTHING))
    owner = parts.owner[world, : parts.count[world]]
    own = [
        np.flatnonzero(owner == i) if shape[i] == SHAPE_COMPOUND else [NOTHING]
        for i in chosen.tolist()
    ]
    each = [len(parts_of) for parts_of in own]
    part = np.concatenate(own).astype(np.int32) if own else chosen
    return Geoms(np.repeat(chosen, each), part)


def _forms(world: int, state: WorldState, which: IntArray) -> tuple[tuple[int, ...], ...]:
    """The forms of each of these props."""
    geoms = geoms_of(world, state, which)
    shape, _ = _looks(world, state, geoms)
    found: dict[int, tuple[int, ...]] = {}
    for prop, form in zip(geoms.prop.tolist(), shape.tolist(), strict=True):
        found[prop] = (*found.get(prop, ()), form)
    return tuple(found.values())


def _looks(world: int, state: WorldState, geoms: Geoms) -> tuple[Any, FloatArray]:
    """The form and the half extents of geoms."""
    shape, half = state.props.shape[world, geoms.prop], state.props.half[world, geoms.prop]
    own = geoms.part != NOTHING
    if own.any():
        shape[own] = state.parts.form[world, geoms.part[own]]
        half[own] = state.parts.half[world, geoms.part[own]]
    return shape, half


def structure_of(world: int, state: WorldState, places: Places) -> Structure:
    """Returns what one world's model must have room for.

    The room for walls depends on nothing but the level, so that what other worlds or earlier levels
    hold never matters.
    """
    bodies = state.bodies
    return Structure(
        -(-int(state.walls.count[world]) // _ROOM) * _ROOM,
        _forms(world, state, places.free),
        _forms(world, state, places.fixed),
        tuple(
            zip(bodies.radius.tolist(), bodies.height.tolist(), bodies.mass.tolist(), strict=True)
        ),
    )


@lru_cache(maxsize=64)
def compiled(structure: Structure) -> Any:
    """Compiles the model of a structure; whoever steps it takes a copy.

    Bodies come in this order: avatars, free props, fixed props. So the avatars' coordinates are the
    first ones, three each, and a free prop has seven for its pose and six for its velocity.
    """
    spec = mujoco.MjSpec()
    options = spec.option
    options.timestep, options.gravity = SUBSTEP, (0.0, 0.0, GRAVITY)
    options.cone = mujoco.mjtCone.mjCONE_ELLIPTIC
    options.impratio = _IMPEDANCE_RATIO
    options.enableflags = int(mujoco.mjtEnableBit.mjENBL_SLEEP)
    # Whoever is broken is told of, not reset; and the solver's first guess is no part of a moment:
    # that of a sleeper is not in MuJoCo's state.
    off = mujoco.mjtDisableBit
    options.disableflags = int(off.mjDSBL_AUTORESET | off.mjDSBL_WARMSTART)
    world = spec.worldbody
    # The greater friction of two counts. This way it is the prop's own.
    world.add_geom(
        type=mujoco.mjtGeom.mjGEOM_PLANE, size=(0, 0, 1), friction=(0, 0, 0),
        contype=_FLOOR, conaffinity=_FLOOR,
    )  # fmt: skip
    for i in range(structure.walls):  # In a row, so that the tree of their bounds is a shallow one.
        world.add_geom(
            type=mujoco.mjtGeom.mjGEOM_BOX, size=(1, 1, 1), pos=(4 * i, 0, 0), friction=(0, 0, 0)
        )
    for radius, height, mass in structure.avatars:
        _add_avatar(world, radius, height, mass)
    for forms in structure.free:
        body = world.add_body(mass=1.0, inertia=(1, 1, 1), **_CENTERED)
        body.add_freejoint()
        _add_prop(body, forms)
    for forms in structure.fixed:
        _add_prop(world.add_body(mocap=True), forms)
    return spec.compile()


_CENTERED: Final[dict[str, Any]] = {
    "explicitinertial": True, "ipos": (0, 0, 0), "iquat": (1, 0, 0, 0),
}  # fmt: skip


def _add_avatar(world: Any, radius: float, height: float, mass: float) -> None:
    """An upright capsule that slides along three axes, turns about none and never sleeps.

    A limit of its height takes the place of the floor. Who stands at it has no weight, so that the
    solver has nothing to do for them; to who is lifted `worlds` gives it.
    """
    body = world.add_body(
        mass=mass, inertia=(1, 1, 1), gravcomp=1.0, sleep=mujoco.mjtSleepPolicy.mjSLEEP_NEVER,
        **_CENTERED,
    )  # fmt: skip
    for axis in np.eye(3)[:2]:
        body.add_joint(type=mujoco.mjtJoint.mjJNT_SLIDE, axis=axis)
    body.add_joint(
        type=mujoco.mjtJoint.mjJNT_SLIDE, axis=(0, 0, 1), range=(height / 2.0, _HIGHEST),
        limited=mujoco.mjtLimited.mjLIMITED_TRUE,
    )  # fmt: skip
    body.add_geom(
        type=mujoco.mjtGeom.mjGEOM_CAPSULE,
        size=(radius, height / 2.0 - radius, 0.0),
        # The commanded force is all that moves it along the floor: no friction with anything.
        condim=1,
        priority=1,
        contype=_AVATAR,
        conaffinity=_AVATAR,
        # What is that close is felt, but not pushed.
        gap=_FEELS,
    )


def _add_prop(body: Any, forms: tuple[int, ...]) -> None:
    whole = len(forms) == 1
    for shape in forms:
        body.add_geom(
            type=_SHAPES[shape], size=(1, 1, 1), condim=3 if shape == SHAPE_BOX or not whole else 6,
            contype=_THING, conaffinity=_THING,
            # A geom that is compiled at its body's place is taken to stay there.
            **({} if whole else {"pos": (1, 1, 1), "quat": (0.8, 0, 0, 0.6)}),
        )  # fmt: skip


def content_of(world: int, state: WorldState) -> bytes:
    """All that `write_level` reads of a world: two of the same are the same level to a model."""
    walls, props, parts = state.walls, state.props, state.parts
    of_walls, of_parts = int(walls.count[world]), int(parts.count[world])
    found = [array[world, :of_walls] for array in (walls.position, walls.half, walls.heading)]
    found += [each[world] for each in (props.shape, props.half, props.mass, props.friction,
                                       props.solid)]  # fmt: skip
    found += [array[world, :of_parts] for array in parts.rows()[1:]]
    counts = np.array([of_walls, of_parts], np.int32)
    return b"".join([counts.tobytes(), *(each.tobytes() for each in found)])


def write_level(model: Any, world: int, state: WorldState, places: Places) -> None:
    """Writes one world's walls and props into its model; `mj_setConst` has to follow."""
    walls, props = state.walls, state.props
    count = int(walls.count[world])
    each = [geoms_of(world, state, which) for which in places]
    room = model.ngeom - state.num_avatars - 1 - sum(len(geoms.prop) for geoms in each)
    here = slice(1, 1 + count)
    model.geom_pos[here] = walls.position[world, :count]
    model.geom_quat[here] = 0.0
    model.geom_quat[here, 0], model.geom_quat[here, 3] = _half_turn(walls.heading[world, :count])
    _size(model, here, walls.half[world, :count])
    model.geom_contype[1 : 1 + room] = model.geom_conaffinity[1 : 1 + room] = 0
    model.geom_contype[here] = model.geom_conaffinity[here] = _THING
    _bound_walls(model, walls, world, room)

    first = 1 + room + state.num_avatars
    for geoms in each:
        here = slice(first, first + len(geoms.prop))
        first = here.stop
        shape, half = _looks(world, state, geoms)
        _size(model, here, half, shape)
        model.bvh_aabb[model.body_bvhadr[model.geom_bodyid[here]], 3:] = half
        model.geom_friction[here, 0] = props.friction[world, geoms.prop]
        model.geom_friction[here, 1] = _TORSION
        model.geom_friction[here, 2] = np.where(shape == SHAPE_BOX, 0.0, _ROLLING)
        _put_parts(model, here, world, state, geoms)
    chosen = np.flatnonzero(places.free != NOTHING)
    bodies = slice(1 + state.num_avatars, 1 + state.num_avatars + chosen.size)
    mass = props.mass[world, chosen]
    model.body_mass[bodies] = mass
    model.body_inertia[bodies] = _inertia(
        props.shape[world, chosen], props.half[world, chosen], mass
    )


def _put_parts(model: Any, here: slice, world: int, state: WorldState, geoms: Geoms) -> None:
    """Writes where the parts of compound props are in their bodies; they do not roll."""
    own = np.flatnonzero(geoms.part != NOTHING)
    at, part = own + here.start, geoms.part[own]
    parts = state.parts
    model.geom_pos[at] = parts.offset[world, part]
    model.geom_quat[at] = 0.0
    model.geom_quat[at, 3], model.geom_quat[at, 0] = parts.turn[world, part].T
    model.geom_friction[at, 2] = 0.0
    for geom, prop in zip(at.tolist(), geoms.prop[own].tolist(), strict=True):
        # A bound that is too large costs time alone: all of a body's are those of the whole.
        body = model.geom_bodyid[geom]
        nodes = slice(model.body_bvhadr[body], model.body_bvhadr[body] + model.body_bvhnum[body])
        model.bvh_aabb[nodes, :3] = 0.0
        model.bvh_aabb[nodes, 3:] = state.props.half[world, prop]


def _bound_walls(model: Any, walls: Walls, world: int, room: int) -> None:
    """Writes the bounds of the walls into the tree by which MuJoCo finds those that are near."""
    count = int(walls.count[world])
    cos, sin = np.abs(walls.cos[world, :count]), np.abs(walls.sin[world, :count])
    x, y, z = walls.half[world, :count].T
    reach = np.stack([cos * x + sin * y, sin * x + cos * y, z], 1) + _SLACK
    middle = walls.position[world, :count]
    # By the number of the geom: low corners, then high ones. What is not used is nowhere else.
    bounds = [(-_HIGHEST,) * 3 + (_HIGHEST,) * 3]
    bounds += map(tuple, np.concatenate([middle - reach, middle + reach], 1).tolist())
    bounds += bounds[1:2] * (room - count)
    found = [(0.0,) * 6] * int(model.body_bvhnum[0])
    children, geoms = model.bvh_child[: len(found)].tolist(), model.bvh_nodeid.tolist()
    for node in reversed(range(len(found))):  # Children come after their parents.
        if geoms[node] >= 0:
            found[node] = bounds[geoms[node]]
        else:
            one, other = (found[child] for child in children[node])
            found[node] = (*map(min, one[:3], other[:3]), *map(max, one[3:], other[3:]))
    corners = np.array(found)
    model.bvh_aabb[: len(found), :3] = (corners[:, 3:] + corners[:, :3]) / 2.0
    model.bvh_aabb[: len(found), 3:] = (corners[:, 3:] - corners[:, :3]) / 2.0


def _half_turn(heading: FloatArray) -> tuple[FloatArray, FloatArray]:
    return pmath.cos(heading / 2.0), pmath.sin(heading / 2.0)


def _size(model: Any, geoms: slice, half: FloatArray, shape: Any = SHAPE_BOX) -> None:
    """Writes geoms' sizes and the bounds that MuJoCo's compiler derives from them."""
    shape = np.broadcast_to(shape, half.shape[:1])
    round_ = shape != SHAPE_BOX
    size = half.copy()
    # A cylinder is its radius and its half height, a sphere its radius.
    size[round_, 1] = np.where(shape == SHAPE_SPHERE, 0.0, half[:, 2])[round_]
    size[round_, 2] = 0.0
    model.geom_size[geoms] = size
    model.geom_aabb[geoms, :3] = 0.0
    model.geom_aabb[geoms, 3:] = half
    x, y, z = size.T
    ball = np.where(shape == SHAPE_SPHERE, x, np.sqrt(x * x + y * y))
    model.geom_rbound[geoms] = np.where(round_, ball, np.sqrt(x * x + y * y + z * z))


def _inertia(shape: Any, half: FloatArray, mass: FloatArray) -> FloatArray:
    """Returns the moments of inertia of homogeneous bodies, (props, 3), kilogram square metres."""
    square = half * half
    moments = (square.sum(1)[:, None] - square) / 3.0
    radius, z = square[:, 0], square[:, 2]
    round_ = np.stack([radius / 4.0 + z / 3.0, radius / 4.0 + z / 3.0, radius / 2.0], 1)
    boxes = (shape == SHAPE_BOX) | (shape == SHAPE_COMPOUND)
    moments = np.where(boxes[:, None], moments, round_)
    ball = (shape == SHAPE_SPHERE)[:, None]
    return np.where(ball, 0.4 * radius[:, None], moments) * mass[:, None]
