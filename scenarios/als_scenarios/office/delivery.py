"""`ALS/Delivery-v0`: couriers in an office, orders in words, and a crate that takes two."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from als_engine import Layout, Task
from als_engine.bodies.avatar import Commands
from als_engine.checks import whole_number
from als_engine.geometry import portable_math as pmath
from als_engine.sensors.base import Sensor
from als_engine.system.compiling import inner, kernel
from als_engine.task import Act, Behaviour, Role, Split, add_terms
from als_engine.world.arrays import Body, BoolArray, FloatArray
from als_engine.world.state import Quantity, WorldState
from als_scenarios.office.delivery_couriers import EXPERT, Couriers, Style
from als_scenarios.office.delivery_floor import (
    BACK_DOOR_Y,
    CLEAR_X,
    CRATE,
    CRATE_SIZE,
    DESKS,
    FIRST_PARCEL,
    NO_ORDER,
    ORDERS,
    PARCEL_COLORS,
    PARCELS,
    ZONE,
    ZONE_SIZE,
    board_text,
    instruction,
    lay_out,
    way_length,
)
from als_scenarios.office.delivery_orders import Orders

DONE_REWARD: Final = 2.0
WRONG_REWARD: Final = -0.5
STEP_REWARD: Final = -0.002

OPEN_WEIGHT: Final = 1.5
"""Potential of each order that is still open."""

CARRY_WEIGHT: Final = 0.2
"""Potential of each metre that the parcel of an open order still has to go."""

FETCH_WEIGHT: Final = 0.2
"""Potential of each metre between a courier without an ordered parcel and the nearest one."""

CRATE_WEIGHT: Final = 0.5
"""Potential of each metre that the crate still has to go."""

GATHER_WEIGHT: Final = 0.1
"""Potential of each metre between the place to push from and the second-nearest courier."""

DELIVERY_RANGE: Final = 0.8
"""How near the edge of a desk a parcel is put down to be delivered there, metres."""

VOICE_STEPS: Final = 45
"""For how long the dispatcher says what is ordered, each time that it changes."""

CLOTHES: Final = ("blue", "teal", "pink", "yellow")

STYLES: Final[Mapping[str, tuple[Style, tuple[Split, ...]]]] = {
    "helper": (Style(), ("train", "validation", "test")),
    "slow_helper": (Style(speed=0.6), ("train", "validation", "test")),
    "pusher": (Style(eager=True, speed=0.5), ("train", "validation", "test")),
    "loafer": (Style(rest=0.4), ("test",)),
    "eager_helper": (Style(eager=True, speed=0.8), ("test",)),
    "dawdler": (Style(speed=0.75, rest=0.2), ("validation",)),
}


class Delivery(Task):
    """Couriers in an office bring parcels to desks, and push a crate that takes two of them.

    ## Description

    Two to four couriers start in a mail room. A board on the wall, a dispatcher's voice and the
    instruction say what is ordered: "blue parcel to desk three; red parcel to desk five; push the
    crate to the red zone". Parcels of several colours lie on the counter, six desks with number
    signs ("DESK 3", in other levels "THREE") stand in a front office behind a wide doorway and in
    a back office behind a narrow one. In the narrow doorway stands a crate.

    A parcel is picked up, carried and put down within 0.8 m of its desk. The crate weighs 160 kg
    with a friction of 0.5: it takes 785 N, one courier pushes with at most 480 N. One stalls (a
    run-up moves it by less than 0.1 m), two who push side by side move it at 1 to 1.5 m/s. In
    every level one order needs the back office: either its desk is there, or its parcel lies in
    the archive there. So in every level cooperation is what success takes, and a lone courier can
    do a part. In about half of the levels the crate's way to the red zone is an order too.

    Levels draw 2 or 3 parcel orders, parcels nobody ordered, the numbers of the desks, words or
    figures on the signs, and one of four mirror images of the building. Which colour goes to which
    desk is what is held out: of the 36 pairs, 18 are ordered in training, 6 in the validation split
    and 12 in the test split, and every colour and every desk occurs in each. Background couriers
    are of several kinds, of which "dawdler" is met in the validation split only, "loafer" and
    "eager_helper" in the test split only.

    ## Observations

    By default `rgb`, `audio`, `text`, `touch` and `proprioception`. `orders`, float32 (81,), is
    this scenario's own: where to walk next and whether the hand has something to do, then for each
    order what it is and where its parcel and desk are, the crate, the colleagues; see `Orders`.

    ## Actions

    The common ones. "pick up" takes the nearest parcel within 0.9 m and 70 degrees of the heading,
    "put down" needs room on the floor, "use" does nothing here.

    ## Rewards

    Every courier gets the same, the sum of the terms `orders`, `mistakes`, `time` and `shaping`:

    | term | weight |
    | --- | --- |
    | an order is done: a parcel at its desk, or the ordered crate in the red zone | +2 |
    | a parcel is put down at a desk that it is not ordered to | -0.5 |
    | each step | -0.002 |
    | the change of a potential | 1 |

    The potential of a state is minus the sum of: 1.5 for each open order; 0.2 for each metre that
    its parcel still has to go; for each courier that carries no ordered parcel, 0.2 for each metre
    to the nearest one that nobody carries; and, until the crate is where it belongs, 0.5 for each
    metre that it has to go and 0.1 for each metre between the place to push it from and the
    second-nearest courier. Ways lead through the doorways. Such a term changes no optimal policy
    (Ng, Harada and Russell 1999). A solved episode returns 9 to 21.

    ## Episode end

    Terminated when every order is done. Truncated after `max_episode_steps`, 500 by default.

    ## Arguments

    `num_avatars`: 2 to 4 couriers. A single environment drives courier 0; the others are
    background couriers ("helper", "slow_helper", "pusher", "loafer", "eager_helper",
    "dawdler", chosen by `background`). In a parallel environment all are the caller's.

    `orders` (3): the most parcels that are ordered, 1 to 3. With 2 every level orders two. With 1
    the crate stands in the red zone from the beginning and is no order: what is ordered, one
    courier can do.

    ## Metrics

    `success`: every order is done. `delivered`: parcels brought to their desks. `wrong`: parcels
    put down at a desk that they were not ordered to. `crate_moved`: the doorway is free.

    ## Version history

    v0: first version.
    """

    extra_sensors: ClassVar[Mapping[str, type[Sensor]]] = {"orders": Orders}
    reward_names: ClassVar[tuple[str, ...]] = ("orders", "mistakes", "time", "shaping")
    utterances: ClassVar[tuple[str, ...]] = ("mine", "wait", "push now")

    def __init__(self, num_avatars: int = 2, orders: int = ORDERS) -> None:
        """Makes the office.

        Raises:
            ArgumentError: `orders` is not from 1 to 3.
        """
        super().__init__(num_avatars)
        self.orders = whole_number("orders", orders, 1, ORDERS)
        self._couriers = Couriers()

    def roles(self) -> Sequence[Role]:
        """All are couriers, told apart by the colour of their clothes."""
        return [Role("courier", Body(color=color)) for color in CLOTHES[: self.num_avatars]]

    def quantities(self) -> Mapping[str, Quantity]:
        """The orders, what has been done about them, and the potential."""
        return {
            "order_parcel": Quantity((ORDERS,), np.int32, NO_ORDER),
            "order_desk": Quantity((ORDERS,), np.int32, NO_ORDER),
            "order_open": Quantity((ORDERS,), np.bool_),
            "crate_open": Quantity((), np.bool_),
            "crate_moved": Quantity((), np.bool_),
            "mirror": Quantity((2,), np.float64, 1.0),
            "delivered": Quantity((), np.int32),
            "wrong": Quantity((), np.int32),
            "done_now": Quantity((), np.int32),
            "wrong_now": Quantity((), np.int32),
            "potential": Quantity(),
            "gain": Quantity(),
            "silent_from": Quantity((), np.int64, VOICE_STEPS),
        }

    def layout(self, rng: np.random.Generator, level: int) -> Layout:
        """One level's office."""
        return lay_out(rng, level, self.num_avatars, self.orders)

    def concepts(self, layout: Layout) -> set[tuple[int, int]]:
        """The (colour, desk) pairs that a level orders: what the splits do not share."""
        pairs = zip(
            np.asarray(layout.quantities["order_parcel"]).tolist(),
            np.asarray(layout.quantities["order_desk"]).tolist(),
            strict=True,
        )
        return {pair for pair in pairs if pair[0] != NO_ORDER}

    # -- what happens -----------------------------------------------------------------------------

    def after_reset(self, state: WorldState, worlds: NDArray[np.intp]) -> None:
        """Takes the potential's first value and lets the couriers look around."""
        state["potential"][worlds] = potential(state)[worlds]
        self._couriers.refresh(state, worlds)

    def after_step(self, state: WorldState) -> None:
        """Books deliveries, mistakes and the crate, and tells what is still open."""
        delivered, wrong = _deliveries(state)
        arrived = self._move_crate(state)
        state["order_open"][delivered] = False
        state["done_now"][:] = delivered.sum(1) + arrived
        state["wrong_now"][:] = wrong
        state["delivered"][:] += delivered.sum(1)
        state["wrong"][:] += wrong
        if delivered.any():
            _stow(state, delivered)
        changed = delivered.any(1) | arrived
        if changed.any():
            _announce(state, changed)
        over = state.step == state["silent_from"]
        if over.any():
            state.say("dispatcher", over, "")
        value = potential(state)
        state["gain"][:] = value - state["potential"]
        state["potential"][:] = value

    def _move_crate(self, state: WorldState) -> BoolArray:
        """Notes where the crate is; returns where its order has just been done."""
        crate, zone = state.props.position[:, CRATE, :2], state.props.position[:, ZONE, :2]
        away = np.abs(crate - zone).max(1)
        arrived = state["crate_open"] & (away <= (ZONE_SIZE - 0.4) / 2)
        state["crate_open"][arrived] = False
        state["crate_moved"][:] |= state["mirror"][:, 0] * crate[:, 0] >= CLEAR_X
        moving = (state.props.velocity[:, CRATE] != 0.0).any(1)
        if moving.any():
            self._couriers.refresh(state, moving)
        return np.asarray(arrived)

    # -- what counts ------------------------------------------------------------------------------

    def reward(self, state: WorldState) -> FloatArray:
        """The same for every courier, (worlds, avatars)."""
        return add_terms(self.reward_terms(state))

    def reward_terms(self, state: WorldState) -> Mapping[str, FloatArray]:
        """Rewards for deliveries, penalties for mistakes and time, and shaping."""
        return {
            "orders": self.everyone(DONE_REWARD * state["done_now"]),
            "mistakes": self.everyone(WRONG_REWARD * state["wrong_now"]),
            "time": self.everyone(np.full(state.num_worlds, STEP_REWARD)),
            "shaping": self.everyone(state["gain"]),
        }

    def terminated(self, state: WorldState) -> BoolArray:
        """Every order is done."""
        return np.asarray(~state["order_open"].any(1) & ~state["crate_open"])

    def metrics(self, state: WorldState) -> Mapping[str, NDArray[Any]]:
        """The outcome of the orders."""
        return {name: state[name].copy() for name in ("delivered", "wrong", "crate_moved")}

    # -- who else is there ------------------------------------------------------------------------

    def behaviours(self) -> Mapping[str, Behaviour]:
        """The kinds of background couriers."""
        return {
            name: Behaviour(partial(self._couriers.act, style=style), splits=splits)
            for name, (style, splits) in STYLES.items()
        }

    def expert(self, state: WorldState, who: BoolArray, commands: Commands) -> None:
        """Goes to the crate first, then fetches what nobody else is after."""
        self._couriers.act(state, who, commands, EXPERT)

    def heuristics(self) -> Mapping[str, Act]:
        """Parcels first: the crate waits until a colleague is there, or nothing else is left."""
        return {"parcels-first": partial(self._couriers.act, style=Style())}


def potential(state: WorldState) -> FloatArray:
    """The weighted distance to the goals, (worlds,), negative; 0 when all is done."""
    value: FloatArray = np.zeros(state.num_worlds)
    _potential(
        state.avatars.position, state.avatars.held, state.props.position, state.props.holder,
        state["mirror"], state["order_parcel"], state["order_desk"], state["order_open"],
        state["crate_open"] | ~state["crate_moved"], value,
    )  # fmt: skip
    return value


@kernel
def _potential(  # type: ignore[no-untyped-def]
    position, held, prop_position, holder, mirror, order_parcel, order_desk, order_open,
    crate_pending, value,
):  # fmt: skip
    avatars = position.shape[1]
    at, parcels = np.empty((avatars, 2)), np.empty((ORDERS, 2))
    for w in range(value.shape[0]):
        for a in range(avatars):
            at[a] = mirror[w] * position[w, a, :2]
        for k in range(ORDERS):
            if order_open[w, k]:
                parcels[k] = mirror[w] * prop_position[w, FIRST_PARCEL + order_parcel[w, k], :2]
                desk = mirror[w] * prop_position[w, order_desk[w, k], :2]
                to_desk = way_length(parcels[k, 0], parcels[k, 1], desk[0], desk[1])
                value[w] -= OPEN_WEIGHT + CARRY_WEIGHT * to_desk
        for a in range(avatars):
            value[w] -= FETCH_WEIGHT * _to_fetch(
                at[a], held[w, a], order_parcel[w], order_open[w], holder[w], parcels
            )
        if crate_pending[w]:
            x, y = mirror[w] * prop_position[w, CRATE, :2]
            to_go = pmath.hypot(max(0.0, CLEAR_X + 0.1 - x), y - BACK_DOOR_Y)
            first = second = math.inf
            for a in range(avatars):
                away = way_length(at[a, 0], at[a, 1], x - CRATE_SIZE / 2 - 0.3, y)
                first, second = min(first, away), min(second, max(first, away))
            value[w] -= CRATE_WEIGHT * to_go + GATHER_WEIGHT * second


@inner
def _to_fetch(here, held, order_parcel, order_open, holder, parcels):  # type: ignore[no-untyped-def]
    """How far a courier is from something to carry, metres; 0 where it carries or all are."""
    nearest = math.inf
    for k in range(ORDERS):
        prop = FIRST_PARCEL + order_parcel[k]
        if order_open[k] and held == prop:
            return 0.0
        if order_open[k] and holder[prop] < 0:
            away = way_length(here[0], here[1], parcels[k, 0], parcels[k, 1])
            nearest = min(nearest, away)
    return 0.0 if nearest == math.inf else nearest


def _deliveries(state: WorldState) -> tuple[BoolArray, NDArray[np.int32]]:
    """What parcels that were put down in this step came to.

    Returns:
        Which orders are filled, (worlds, ORDERS), and how many parcels were put down at a wrong
        desk, (worlds,).
    """
    delivered = np.zeros((state.num_worlds, ORDERS), np.bool_)
    wrong = np.zeros(state.num_worlds, np.int32)
    for w, a in np.argwhere(state.events.put_down >= FIRST_PARCEL).tolist():
        prop = int(state.events.put_down[w, a])
        if prop >= FIRST_PARCEL + PARCELS:
            continue
        desk = _desk_at(state, w, prop)
        if desk is None:
            continue
        filled = (
            state["order_open"][w]
            & (state["order_parcel"][w] == prop - FIRST_PARCEL)
            & (state["order_desk"][w] == desk)
        )
        delivered[w] |= filled
        wrong[w] += not filled.any()
    return delivered, wrong


def _desk_at(state: WorldState, world: int, prop: int) -> int | None:
    """The desk, from 0, at which a prop lies on the floor."""
    props = state.props
    away = props.position[world, prop, :2] - props.position[world, :DESKS, :2]
    z, w = props.orientation[world, :DESKS, 2], props.orientation[world, :DESKS, 3]
    cos, sin = w * w - z * z, 2.0 * w * z
    half = props.half[world, :DESKS]
    across = np.maximum(0.0, np.abs(cos * away[:, 0] + sin * away[:, 1]) - half[:, 0])
    along = np.maximum(0.0, np.abs(cos * away[:, 1] - sin * away[:, 0]) - half[:, 1])
    gap = pmath.hypot(across, along)
    nearest = int(gap.argmin())
    return nearest if gap[nearest] <= DELIVERY_RANGE else None


def _stow(state: WorldState, delivered: BoolArray) -> None:
    """Puts delivered parcels on their desks, where they stay."""
    for w, k in np.argwhere(delivered).tolist():
        color, number = int(state["order_parcel"][w, k]), int(state["order_desk"][w, k])
        desk, prop = state.props.position[w, number], FIRST_PARCEL + color
        top = desk[2] + state.props.half[w, number, 2] + state.props.half[w, prop, 2]
        state.move(f"parcel_{PARCEL_COLORS[color]}", [w], (desk[0], desk[1], top))
        state.props.portable[w, prop] = False


def _announce(state: WorldState, worlds: BoolArray) -> None:
    """Tells the couriers of some worlds, on the board and aloud, what is still open."""
    for w in np.flatnonzero(worlds).tolist():
        rows = state["order_open"][w]
        pairs = zip(state["order_parcel"][w][rows], state["order_desk"][w][rows], strict=True)
        orders = [(int(color), int(number)) for color, number in pairs]
        crate = bool(state["crate_open"][w])
        told = instruction(orders, crate) or "all done"
        state.instruct([w], told)
        state.write("board", [w], board_text(orders, crate))
        state.say("dispatcher", [w], told)
    state["silent_from"][worlds] = state.step[worlds] + VOICE_STEPS
