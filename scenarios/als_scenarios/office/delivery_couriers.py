"""The couriers of `ALS/Delivery-v0`: the expert, and those in the background.

All of them share one plan, made anew in every step from the state alone: who carries an ordered
parcel brings it to its desk, up to two push the crate, the others fetch the nearest order that
nobody else is after. They differ in what they are willing to do, and how fast.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from als_engine.bodies.avatar import HAND_PICK_UP, HAND_PUT_DOWN, HAND_REST, Commands
from als_engine.bodies.interaction import REACH, REACH_ANGLE
from als_engine.geometry import portable_math as pmath
from als_engine.geometry.planar import wrap
from als_engine.navigation import Navigator, face
from als_engine.system.compiling import inner, kernel
from als_engine.world.arrays import NOTHING, BoolArray, FloatArray, IntArray
from als_engine.world.state import WorldState
from als_scenarios.office.delivery_floor import (
    CRATE,
    CRATE_SIZE,
    DESKS,
    DIVIDER_X,
    FIRST_PARCEL,
    ORDERS,
)


@dataclass(frozen=True, slots=True)
class Style:
    """The habits of a courier.

    Attributes:
        eager: it goes to the crate first and waits there; otherwise it comes when a colleague is
            there, or when nothing else is left to do.
        speed: fraction of full walking speed.
        rest: fraction of its time that it just stands, three seconds at a stretch, though not in
            a doorway or at the crate.
    """

    eager: bool = False
    speed: float = 1.0
    rest: float = 0.0


EXPERT: Final = Style(eager=True)

IDLE, CRATE_JOB = -1, ORDERS
WALK, APPROACH, LOOK, PUSH = range(4)

_REST_STEPS: Final = 45
_NO_REST: Final = 1.2
_LANE: Final = 0.28
_SLOT: Final = CRATE_SIZE / 2 + 0.33
_STAND: Final = 1.15
_ON_TOP, _BEFORE = 0.3, 0.8
_PUT_WITHIN: Final = 0.7
_AHEAD: Final = 0.525
_SHIFT: Final = 0.15
# Where couriers stand who have nothing to do: out of everyone's way.
_CORNERS: Final = np.array([[-1.6, 2.95], [-2.9, -3.0], [-1.6, -3.0], [-4.15, 2.75]])


class Couriers:
    """Drives couriers; finds its way around the furniture and the crate, wherever that stands."""

    def __init__(self) -> None:
        self._navigator: Navigator | None = None

    def refresh(self, state: WorldState, worlds: NDArray[np.intp] | BoolArray) -> None:
        """Looks at worlds anew that were reset, or whose crate has moved."""
        if self._navigator is None or self._navigator.state is not state:
            self._navigator = Navigator(state, blockers=("crate",))
            self._navigator.refresh()
        else:
            self._navigator.refresh(worlds)

    def act(self, state: WorldState, who: BoolArray, commands: Commands, style: Style) -> None:
        """Writes the commands of the couriers in `who`."""
        navigator = self._navigator
        if navigator is None:
            raise RuntimeError("the couriers have not seen a world: reset the simulation first")
        awake = who & ~_resting(state, style) if style.rest else who
        goal, look, push = np.zeros((3, *who.shape, 2))
        mode = np.zeros(who.shape, np.int8)
        _decide(
            awake, style.eager, state.behaviour != NOTHING, courier_rows(state), parcel_rows(state),
            order_rows(state), (goal, look, mode, push, commands.hand),
        )  # fmt: skip
        pushing = awake & (mode == PUSH)
        # Shoulder to shoulder at the crate, but a step apart elsewhere.
        avoid = np.where(mode == WALK, 0.3, 0.0)
        walking = awake & ((mode == WALK) | (mode == APPROACH))
        navigator.walk(goal, commands, walking, style.speed, avoid)
        face(state, look, commands, pushing | (awake & (mode == LOOK)))
        commands.move[pushing] = push[pushing]


def _resting(state: WorldState, style: Style) -> BoolArray:
    """Who stands still now: everyone for the same part of a period, at different times."""
    period = _REST_STEPS / style.rest
    shift = 29 * np.arange(state.num_avatars) + 17 * state.level[:, None]
    resting = (state.step[:, None] + shift) % period < _REST_STEPS
    east = state["mirror"][:, :1] * state.avatars.position[..., 0]
    return np.asarray(resting & (np.abs(east - DIVIDER_X) > _NO_REST))


class CourierRows(NamedTuple):
    """The avatars, (worlds, avatars, ...); `radius` is (avatars,)."""

    position: FloatArray
    heading: FloatArray
    held: IntArray
    radius: FloatArray


class ParcelRows(NamedTuple):
    """The props, (worlds, props, ...)."""

    position: FloatArray
    orientation: FloatArray
    half: FloatArray
    present: BoolArray
    holder: IntArray
    portable: BoolArray


class OrderRows(NamedTuple):
    """The task's arrays: `mirror` (worlds, 2), orders (worlds, ORDERS), the crate (worlds,)."""

    mirror: FloatArray
    parcel: NDArray[np.int64]
    desk: NDArray[np.int64]
    open: BoolArray
    crate_open: BoolArray
    crate_moved: BoolArray


class _Plan(NamedTuple):
    """What couriers are told, (worlds, couriers, ...): goals, places to look at, modes, hands."""

    goal: FloatArray
    look: FloatArray
    mode: NDArray[np.int8]
    push: FloatArray
    hand: NDArray[np.int8]


def courier_rows(state: WorldState) -> tuple[NDArray[Any], ...]:
    """The arrays of `CourierRows`, as a plain tuple for kernels."""
    avatars = state.avatars
    return (avatars.position, avatars.heading, avatars.held, state.bodies.radius)


def parcel_rows(state: WorldState) -> tuple[NDArray[Any], ...]:
    """The arrays of `ParcelRows`, as a plain tuple for kernels."""
    props = state.props
    return (
        props.position, props.orientation, props.half, props.present, props.holder, props.portable,
    )  # fmt: skip


def order_rows(state: WorldState) -> tuple[NDArray[Any], ...]:
    """The arrays of `OrderRows`, as a plain tuple for kernels."""
    names = ("mirror", "order_parcel", "order_desk", "order_open", "crate_open", "crate_moved")
    return tuple(state[name] for name in names)


@kernel
def _decide(who, eager, scripted, couriers, props, orders, plan):  # type: ignore[no-untyped-def]
    """Gives every courier in `who` a goal to walk to, or a place to look at, and a hand to use.

    All reasoning is in plan coordinates, which `mirror` turns into the world's.
    """
    couriers, props = CourierRows(*couriers), ParcelRows(*props)
    orders, plan = OrderRows(*orders), _Plan(*plan)
    worlds, avatars = who.shape
    job = np.empty(avatars, np.int64)
    at = np.empty((avatars, 2))
    parcels, stands = np.empty((ORDERS, 2)), np.empty((ORDERS, 2))
    doable = np.empty(ORDERS, np.bool_)
    for w in range(worlds):
        if not who[w].any():
            continue
        for a in range(avatars):
            for axis in range(2):
                at[a, axis] = orders.mirror[w, axis] * couriers.position[w, a, axis]
        _read_orders(w, props, orders, parcels, stands, doable)
        crate = orders.mirror[w] * props.position[w, CRATE, :2]
        push = orders.crate_open[w] or not orders.crate_moved[w]
        _assign(
            w, who[w], eager, scripted[w], at, couriers.held[w], props.holder[w], crate, push,
            orders, (doable, parcels, job),
        )  # fmt: skip
        for a in range(avatars):
            if who[w, a]:
                _do(w, a, job[a], at, crate, (parcels, stands), couriers, props, orders, plan)


@inner
def _do(w, a, k, at, crate, places, couriers, props, orders, plan):  # type: ignore[no-untyped-def]
    """Turns one courier's job into a goal, a mode and a hand."""
    parcels, stands = places
    mirror, position = orders.mirror[w], couriers.position[w, a]
    goal, look, push = plan.goal[w, a], plan.look[w, a], plan.push[w, a]
    plan.hand[w, a] = HAND_REST
    if k == CRATE_JOB:
        yaw = _turned(props.orientation[w, CRATE]) * mirror[0] * mirror[1]
        plan.mode[w, a] = _push(a, at, crate, yaw, goal, look, push)
        push[1] *= mirror[0] * mirror[1]
    elif k == IDLE:
        goal[:] = _CORNERS[a]
        if couriers.held[w, a] >= 0 and at[a, 0] < DIVIDER_X:
            plan.hand[w, a] = HAND_PUT_DOWN
    elif couriers.held[w, a] < 0:
        p = FIRST_PARCEL + orders.parcel[w, k]
        plan.mode[w, a] = _fetch(at[a], parcels[k], props.position[w, p, 2], goal, look)
        if can_pick(w, a, p, couriers, props):
            plan.hand[w, a] = HAND_PICK_UP
    else:
        d = orders.desk[w, k]
        desk = mirror * props.position[w, d, :2]
        plan.mode[w, a] = _bring(at[a], stands[k], desk, goal, look)
        heading = couriers.heading[w, a]
        x = position[0] + _AHEAD * pmath.cos(heading)
        y = position[1] + _AHEAD * pmath.sin(heading)
        if nearest_desk(w, x, y, props) == d:
            plan.hand[w, a] = HAND_PUT_DOWN
    for axis in range(2):
        goal[axis] *= mirror[axis]
        look[axis] *= mirror[axis]


@inner
def _read_orders(w, props, orders, parcels, stands, doable):  # type: ignore[no-untyped-def]
    """Fills where the parcels are, where to stand before the desks, and what can be done now."""
    mirror = orders.mirror[w]
    for k in range(ORDERS):
        doable[k] = orders.open[w, k]
        if orders.open[w, k]:
            p, d = FIRST_PARCEL + orders.parcel[w, k], orders.desk[w, k]
            sin, cos = _turn(props.orientation[w, d])
            parcels[k] = mirror * props.position[w, p, :2]
            stands[k, 0] = mirror[0] * (props.position[w, d, 0] + _STAND * sin)
            stands[k, 1] = mirror[1] * (props.position[w, d, 1] - _STAND * cos)
            behind = in_back(stands[k]) or (props.holder[w, p] < 0 and in_back(parcels[k]))
            doable[k] = orders.crate_moved[w] or not behind


@inner
def _fetch(here, parcel, height, goal, look):  # type: ignore[no-untyped-def]
    """Leads to a parcel; returns the mode."""
    goal[:], look[:], near = parcel, parcel, 0.75
    if height > _ON_TOP:
        # Counter and archive are both reached from the east.
        goal[0] += _BEFORE
        near = 0.25
    return LOOK if pmath.hypot(here[0] - goal[0], here[1] - goal[1]) < near else WALK


@inner
def _bring(here, stand, desk, goal, look):  # type: ignore[no-untyped-def]
    """Leads to a desk; returns the mode."""
    goal[:], look[:] = stand, desk
    return LOOK if pmath.hypot(here[0] - stand[0], here[1] - stand[1]) < 0.3 else WALK


@inner
def _turn(quaternion):  # type: ignore[no-untyped-def]
    """Sine and cosine of an upright thing's heading."""
    z, w = quaternion[2], quaternion[3]
    return 2.0 * w * z, w * w - z * z


@inner
def _turned(quaternion):  # type: ignore[no-untyped-def]
    """How far a box has turned from the nearest right angle, radians."""
    sin, cos = _turn(quaternion)
    angle = pmath.atan2(sin, cos)
    return angle - 0.5 * math.pi * math.floor(angle / (0.5 * math.pi) + 0.5)


@inner
def in_back(point):  # type: ignore[no-untyped-def]
    """Whether a point in plan coordinates is in the back office."""
    return point[0] > DIVIDER_X and point[1] > 0.0


@inner
def _assign(w, who, eager, scripted, at, held, holder, crate, push, orders, jobs):  # type: ignore[no-untyped-def]
    """Fills `job`, the last of `jobs`: the number of an order, CRATE_JOB or IDLE."""
    doable, parcels, job = jobs
    order_parcel, order_open = orders.parcel[w], orders.open[w]
    avatars = who.shape[0]
    job[:] = IDLE
    for a in range(avatars):
        for k in range(ORDERS):
            if held[a] >= 0 and order_open[k] and held[a] == FIRST_PARCEL + order_parcel[k]:
                job[a] = k if doable[k] or not push else CRATE_JOB
    for a in range(avatars):
        if who[a] and job[a] == IDLE and push:
            rank = 0
            for b in range(avatars):
                nearer = _to_crate(at[b], crate) < _to_crate(at[a], crate) - 1e-9 * (b - a)
                rank += b != a and who[b] and job[b] in (IDLE, CRATE_JOB) and nearer
            if _joins(a, at, crate, eager and rank < 2):
                job[a] = CRATE_JOB
    for k in range(ORDERS):
        if not doable[k] or holder[FIRST_PARCEL + order_parcel[k]] >= 0:
            continue
        best, least = -1, math.inf
        for a in range(avatars):
            free = job[a] == IDLE and held[a] < 0 and (scripted[a] or who[a])
            if not free or (not who[a] and _at_crate(at[a], crate)):
                continue
            away = _way(at[a], parcels[k])
            # Background couriers know nothing of the caller's plans: they go first.
            away += 0.0 if scripted[a] else 100.0
            if away < least:
                best, least = a, away
        if best >= 0:
            job[best] = k
    for a in range(avatars):
        if who[a] and job[a] == IDLE and push and _joins(a, at, crate, True):
            job[a] = CRATE_JOB
        if who[a] and job[a] == IDLE and not scripted[a] and held[a] < 0:
            job[a] = _race(at[a], order_parcel, holder, doable, parcels)


@inner
def _race(here, order_parcel, holder, doable, parcels):  # type: ignore[no-untyped-def]
    """The nearest order whose parcel nobody holds, whoever else may be after it."""
    best, least = IDLE, math.inf
    for k in range(ORDERS):
        if doable[k] and holder[FIRST_PARCEL + order_parcel[k]] < 0:
            away = _way(here, parcels[k])
            if away < least:
                best, least = k, away
    return best


@inner
def _way(a, b):  # type: ignore[no-untyped-def]
    """Roughly how far it is to walk."""
    wall = 2.0 if (a[0] < DIVIDER_X) != (b[0] < DIVIDER_X) or in_back(a) != in_back(b) else 0.0
    return pmath.hypot(a[0] - b[0], a[1] - b[1]) + wall


@inner
def _to_crate(here, crate):  # type: ignore[no-untyped-def]
    """How far it is to where one pushes from."""
    return pmath.hypot(here[0] - crate[0] + _SLOT, here[1] - crate[1])


@inner
def _at_crate(here, crate):  # type: ignore[no-untyped-def]
    """Whether someone stands behind the crate, close enough to push."""
    behind = crate[0] - CRATE_SIZE / 2 - here[0]
    return -0.1 < behind < 0.9 and abs(here[1] - crate[1]) < 0.85


@inner
def _joins(a, at, crate, willing):  # type: ignore[no-untyped-def]
    """Whether a courier goes to push: willing, or called by one who waits, and not as the third."""
    others, nearer = 0, 0
    for b in range(at.shape[0]):
        if b != a and _at_crate(at[b], crate):
            others += 1
            nearer += _to_crate(at[b], crate) < _to_crate(at[a], crate)
    return nearer < 2 and (willing or others >= 1)


@inner
def _push(a, at, crate, yaw, goal, look, push):  # type: ignore[no-untyped-def]
    """Leads to one half of the crate's near face, where to wait for a second; returns the mode."""
    side, mate, least = (-1.0 if a % 2 == 0 else 1.0), -1, 3.0
    for b in range(at.shape[0]):
        if b != a and _to_crate(at[b], crate) < least:
            mate, least = b, _to_crate(at[b], crate)
    if mate >= 0 and at[mate, 1] != at[a, 1]:
        side = 1.0 if at[a, 1] > at[mate, 1] else -1.0
    # A crate that has turned is pushed more on the half that lags behind.
    goal[0] = crate[0] - _SLOT
    goal[1] = crate[1] + side * _LANE + min(_SHIFT, max(-_SHIFT, 1.5 * yaw))
    look[0], look[1] = at[a, 0] + 2.0, at[a, 1]
    off = goal[1] - at[a, 1]
    if abs(goal[0] - at[a, 0]) > 0.35 or abs(off) > 0.4:
        return APPROACH if _to_crate(at[a], crate) < 1.0 else WALK
    aside = min(1.0, max(-1.0, 6.0 * off))
    if mate < 0 or not _at_crate(at[mate], crate):
        push[0], push[1] = 0.0, aside if abs(off) > 0.06 else 0.0
    else:
        push[0], push[1] = 1.0 if abs(off) < 0.12 else 0.5, aside
    return PUSH


@inner
def can_pick(w, a, wanted, couriers, props):  # type: ignore[no-untyped-def]
    """Whether a hand would now get hold of the wanted parcel, and of no other."""
    nearest, best = REACH - 0.05, -1
    for i in range(FIRST_PARCEL, CRATE):
        if not (props.portable[w, i] and props.present[w, i] and props.holder[w, i] < 0):
            continue
        dx = props.position[w, i, 0] - couriers.position[w, a, 0]
        dy = props.position[w, i, 1] - couriers.position[w, a, 1]
        size = max(props.half[w, i, 0], props.half[w, i, 1])
        gap = pmath.hypot(dx, dy) - couriers.radius[a] - size
        angle = wrap(pmath.atan2(dy, dx) - couriers.heading[w, a])
        if gap < nearest and (abs(angle) <= REACH_ANGLE or gap < 0.0):
            best, nearest = i, gap
    return best == wanted


@inner
def nearest_desk(w, x, y, props):  # type: ignore[no-untyped-def]
    """The desk that a spot is at, comfortably near it, or -1."""
    best, least = -1, _PUT_WITHIN
    for d in range(DESKS):
        sin, cos = _turn(props.orientation[w, d])
        dx, dy = x - props.position[w, d, 0], y - props.position[w, d, 1]
        u = max(0.0, abs(cos * dx + sin * dy) - props.half[w, d, 0])
        v = max(0.0, abs(cos * dy - sin * dx) - props.half[w, d, 1])
        away = pmath.hypot(u, v)
        if away < least:
            best, least = d, away
    return best
