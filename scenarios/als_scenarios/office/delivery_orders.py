"""The `orders` sensor of `ALS/Delivery-v0`: the open orders and how to get on with them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar, Final

import gymnasium
import numpy as np
from numpy.typing import NDArray

from als_engine.geometry import portable_math as pmath
from als_engine.sensors.base import Sensor
from als_engine.system.compiling import inner, kernel
from als_engine.world.state import WorldState
from als_scenarios.office.delivery_couriers import (
    CourierRows,
    OrderRows,
    ParcelRows,
    can_pick,
    courier_rows,
    in_back,
    nearest_desk,
    order_rows,
    parcel_rows,
)
from als_scenarios.office.delivery_floor import (
    CRATE,
    CRATE_SIZE,
    DESKS,
    FIRST_PARCEL,
    ORDERS,
    PARCEL_COLORS,
    PARCELS,
    ZONE,
    next_point,
    way_length,
)

COLLEAGUES: Final = 3
SCALE: Final = 6.0
FURTHEST: Final = 2.0

COLUMNS: Final = (
    "next_exists",
    "next_ahead",
    "next_left",
    "next_hand",
    *(
        f"order_{k}_{column}"
        for k in range(1, ORDERS + 1)
        for column in (
            "open",
            *PARCEL_COLORS,
            *(f"desk_{n}" for n in range(1, DESKS + 1)),
            "carried",
            "carried_by_other",
            *(f"{what}_{axis}" for what in ("parcel", "desk") for axis in ("ahead", "left")),
        )
    ),
    "crate_open",
    "crate_moved",
    *(f"{what}_{axis}" for what in ("crate", "push", "zone") for axis in ("ahead", "left")),
    *(
        f"colleague_{k}_{column}"
        for k in range(1, COLLEAGUES + 1)
        for column in ("present", "carries", "ahead", "left")
    ),
)
"""The names of the columns of `orders`."""

_NEXT: Final = 4
_FLAGS: Final = 1 + PARCELS + DESKS + 2
_ORDER: Final = _FLAGS + 4
_CRATE: Final = _NEXT + ORDERS * _ORDER
_COLLEAGUES: Final = _CRATE + 8
_BEHIND: Final = CRATE_SIZE / 2 + 0.3
_AHEAD: Final = 0.525


class Orders(Sensor):
    """The orders as numbers, float32 (81,): a state-level way to learn, off by default.

    Places are ahead and to the left of the courier, in units of 6 metres and cut off at ±2.

    | columns | are |
    | --- | --- |
    | `next` | where to walk to now, door by door: to the desk with an ordered parcel, to the |
    | | nearest ordered parcel without one, to the crate where that stands in the way |
    | `next_hand` | 1 when picking up, or putting down, would be right just now |
    | `order_k_open` | 1 while the k-th order is open; all its columns are 0 once it is done |
    | colours, `order_k_desk_n` | one-hot: which parcel, which desk |
    | `order_k_carried`, `…_by_other` | who has the parcel: this courier, a colleague |
    | `order_k_parcel`, `…_desk` | where the parcel and the desk are |
    | `crate_open`, `crate_moved` | the crate is an order; it has left its doorway |
    | `crate`, `push`, `zone` | where the crate, the place to push from and the red zone are |
    | `colleague_k` | the other couriers, in their order: present, carries something, where |
    """

    provides: ClassVar[tuple[str, ...]] = ("orders",)

    def spaces(self) -> Mapping[str, gymnasium.Space[Any]]:
        """One courier's space: flags in 0 to 1, places in ±2."""
        places = np.array([name.endswith(("ahead", "left")) for name in COLUMNS])
        low = np.where(places, -FURTHEST, 0.0).astype(np.float32)
        high = np.where(places, FURTHEST, 1.0).astype(np.float32)
        return {"orders": gymnasium.spaces.Box(low, high, dtype=np.float32)}

    def read(self, state: WorldState, out: Mapping[str, NDArray[Any]]) -> None:
        """Fills `orders`, (worlds, observers, 81)."""
        rows = out["orders"]
        rows.fill(0.0)
        _fill(courier_rows(state), parcel_rows(state), order_rows(state), rows)


@kernel
def _fill(couriers, props, orders, out):  # type: ignore[no-untyped-def]
    couriers, props, orders = CourierRows(*couriers), ParcelRows(*props), OrderRows(*orders)
    for w in range(out.shape[0]):
        for a in range(out.shape[1]):
            row = out[w, a]
            for k in range(ORDERS):
                if orders.open[w, k]:
                    end = _NEXT + (k + 1) * _ORDER
                    _fill_order(w, a, k, couriers, props, orders, row[_NEXT + k * _ORDER : end])
            _fill_others(w, a, couriers, props, orders, row)
            _fill_next(w, a, couriers, props, orders, row)


@inner
def _see(row, column, w, a, couriers, x, y):  # type: ignore[no-untyped-def]
    """Writes where a place in the world is, ahead and to the left."""
    dx, dy = x - couriers.position[w, a, 0], y - couriers.position[w, a, 1]
    heading = couriers.heading[w, a]
    cos, sin = pmath.cos(heading) / SCALE, pmath.sin(heading) / SCALE
    row[column] = min(FURTHEST, max(-FURTHEST, cos * dx + sin * dy))
    row[column + 1] = min(FURTHEST, max(-FURTHEST, cos * dy - sin * dx))


@inner
def _fill_order(w, a, k, couriers, props, orders, row):  # type: ignore[no-untyped-def]
    color, desk = orders.parcel[w, k], orders.desk[w, k]
    parcel = FIRST_PARCEL + color
    row[0] = row[1 + color] = row[1 + PARCELS + desk] = 1.0
    row[_FLAGS - 2] = props.holder[w, parcel] == a
    row[_FLAGS - 1] = props.holder[w, parcel] >= 0 and props.holder[w, parcel] != a
    x, y = props.position[w, parcel, 0], props.position[w, parcel, 1]
    _see(row, _FLAGS, w, a, couriers, x, y)
    x, y = props.position[w, desk, 0], props.position[w, desk, 1]
    _see(row, _FLAGS + 2, w, a, couriers, x, y)


@inner
def _fill_others(w, a, couriers, props, orders, row):  # type: ignore[no-untyped-def]
    crate_x, crate_y = props.position[w, CRATE, 0], props.position[w, CRATE, 1]
    push_x = crate_x - orders.mirror[w, 0] * _BEHIND
    zone_x, zone_y = props.position[w, ZONE, 0], props.position[w, ZONE, 1]
    row[_CRATE], row[_CRATE + 1] = orders.crate_open[w], orders.crate_moved[w]
    _see(row, _CRATE + 2, w, a, couriers, crate_x, crate_y)
    _see(row, _CRATE + 4, w, a, couriers, push_x, crate_y)
    _see(row, _CRATE + 6, w, a, couriers, zone_x, zone_y)
    column = _COLLEAGUES
    for b in range(couriers.position.shape[1]):
        if b != a:
            row[column], row[column + 1] = 1.0, couriers.held[w, b] >= 0
            x, y = couriers.position[w, b, 0], couriers.position[w, b, 1]
            _see(row, column + 2, w, a, couriers, x, y)
            column += 4


@inner
def _fill_next(w, a, couriers, props, orders, row):  # type: ignore[no-untyped-def]
    mirror, held, heading = orders.mirror[w], couriers.held[w, a], couriers.heading[w, a]
    moved = orders.crate_moved[w]
    here = mirror * couriers.position[w, a, :2]
    goal, nearest, hand = -1, math.inf, False
    for k in range(ORDERS):
        if not orders.open[w, k]:
            continue
        parcel, desk = int(FIRST_PARCEL + orders.parcel[w, k]), int(orders.desk[w, k])
        mine = held == parcel
        to = desk if mine else parcel
        at = mirror * props.position[w, to, :2]
        if mine:
            x = couriers.position[w, a, 0] + _AHEAD * pmath.cos(heading)
            y = couriers.position[w, a, 1] + _AHEAD * pmath.sin(heading)
            hand = hand or nearest_desk(w, x, y, props) == desk
        elif held < 0 and props.holder[w, parcel] < 0:
            hand = hand or can_pick(w, a, parcel, couriers, props)
        else:
            continue
        end = mirror * props.position[w, desk, :2]
        away = -1.0 if mine else way_length(here[0], here[1], at[0], at[1])
        if (moved or not (in_back(at) or in_back(end))) and away < nearest:
            goal, nearest = to, away
    push = orders.crate_open[w] or not moved
    if goal >= 0:
        end = mirror * props.position[w, goal, :2]
    elif push:
        end = mirror * props.position[w, CRATE, :2]
        end[0] -= _BEHIND
    row[3] = hand
    if goal >= 0 or push:
        x, y = next_point(here[0], here[1], end[0], end[1])
        row[0] = 1.0
        _see(row, 1, w, a, couriers, mirror[0] * x, mirror[1] * y)
