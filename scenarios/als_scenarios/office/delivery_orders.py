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
from als_engine.system.compiling import kernel
from als_engine.world.state import WorldState
from als_scenarios.office.delivery_couriers import can_pick, in_back, nearest_desk
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
        avatars, props, rows = state.avatars, state.props, out["orders"]
        rows.fill(0.0)
        _fill_orders(
            avatars.position, avatars.heading, props.position, props.holder, state["order_parcel"],
            state["order_desk"], state["order_open"], rows,
        )  # fmt: skip
        _fill_others(
            avatars.position, avatars.heading, avatars.held, props.position, state["mirror"],
            state["crate_open"], state["crate_moved"], rows,
        )  # fmt: skip
        _fill_next(
            avatars.position, avatars.heading, avatars.held, state.bodies.radius, props.position,
            props.orientation, props.half, props.present, props.holder, props.portable,
            state["mirror"], state["order_parcel"], state["order_desk"], state["order_open"],
            state["crate_open"] | ~state["crate_moved"], state["crate_moved"], rows,
        )  # fmt: skip


@kernel
def _see(row, column, position, heading, x, y):  # type: ignore[no-untyped-def]
    """Writes where a place in the world is, ahead and to the left."""
    dx, dy = x - position[0], y - position[1]
    cos, sin = pmath.cos(heading) / SCALE, pmath.sin(heading) / SCALE
    row[column] = min(FURTHEST, max(-FURTHEST, cos * dx + sin * dy))
    row[column + 1] = min(FURTHEST, max(-FURTHEST, cos * dy - sin * dx))


@kernel
def _fill_orders(  # type: ignore[no-untyped-def]
    position, heading, prop_position, holder, order_parcel, order_desk, order_open, out
):
    worlds, observers, _ = out.shape
    for w in range(worlds):
        for a in range(observers):
            for k in range(ORDERS):
                if not order_open[w, k]:
                    continue
                row = out[w, a, _NEXT + k * _ORDER : _NEXT + (k + 1) * _ORDER]
                color, desk = order_parcel[w, k], order_desk[w, k]
                parcel = FIRST_PARCEL + color
                row[0] = row[1 + color] = row[1 + PARCELS + desk] = 1.0
                row[_FLAGS - 2] = holder[w, parcel] == a
                row[_FLAGS - 1] = holder[w, parcel] >= 0 and holder[w, parcel] != a
                x, y = prop_position[w, parcel, 0], prop_position[w, parcel, 1]
                _see(row, _FLAGS, position[w, a], heading[w, a], x, y)
                x, y = prop_position[w, desk, 0], prop_position[w, desk, 1]
                _see(row, _FLAGS + 2, position[w, a], heading[w, a], x, y)


@kernel
def _fill_others(  # type: ignore[no-untyped-def]
    position, heading, held, prop_position, mirror, crate_open, crate_moved, out
):
    worlds, observers, _ = out.shape
    for w in range(worlds):
        crate_x, crate_y = prop_position[w, CRATE, 0], prop_position[w, CRATE, 1]
        push_x = crate_x - mirror[w, 0] * _BEHIND
        zone_x, zone_y = prop_position[w, ZONE, 0], prop_position[w, ZONE, 1]
        for a in range(observers):
            row, here, angle = out[w, a], position[w, a], heading[w, a]
            row[_CRATE], row[_CRATE + 1] = crate_open[w], crate_moved[w]
            _see(row, _CRATE + 2, here, angle, crate_x, crate_y)
            _see(row, _CRATE + 4, here, angle, push_x, crate_y)
            _see(row, _CRATE + 6, here, angle, zone_x, zone_y)
            column = _COLLEAGUES
            for b in range(position.shape[1]):
                if b != a:
                    row[column], row[column + 1] = 1.0, held[w, b] >= 0
                    _see(row, column + 2, here, angle, position[w, b, 0], position[w, b, 1])
                    column += 4


@kernel
def _fill_next(  # type: ignore[no-untyped-def]
    position, heading, held, radius, prop_position, orientation, half, present, holder, portable,
    mirror, order_parcel, order_desk, order_open, push, crate_moved, out,
):  # fmt: skip
    worlds, observers, _ = out.shape
    for w in range(worlds):
        for a in range(observers):
            here = mirror[w] * position[w, a, :2]
            goal, nearest, hand = -1, math.inf, False
            for k in range(ORDERS):
                if not order_open[w, k]:
                    continue
                parcel, desk = int(FIRST_PARCEL + order_parcel[w, k]), int(order_desk[w, k])
                mine = held[w, a] == parcel
                to = desk if mine else parcel
                at = mirror[w] * prop_position[w, to, :2]
                if mine:
                    x = position[w, a, 0] + _AHEAD * pmath.cos(heading[w, a])
                    y = position[w, a, 1] + _AHEAD * pmath.sin(heading[w, a])
                    spot = nearest_desk(x, y, prop_position[w], orientation[w], half[w])
                    hand = hand or spot == desk
                elif held[w, a] < 0 and holder[w, parcel] < 0:
                    hand = hand or can_pick(
                        parcel, position[w, a], heading[w, a], radius[a], prop_position[w],
                        half[w], present[w], holder[w], portable[w],
                    )  # fmt: skip
                else:
                    continue
                end = mirror[w] * prop_position[w, desk, :2]
                away = -1.0 if mine else way_length(here[0], here[1], at[0], at[1])
                if (crate_moved[w] or not (in_back(at) or in_back(end))) and away < nearest:
                    goal, nearest = to, away
            if goal >= 0:
                end = mirror[w] * prop_position[w, goal, :2]
            elif push[w]:
                end = mirror[w] * prop_position[w, CRATE, :2]
                end[0] -= _BEHIND
            row = out[w, a]
            row[3] = hand
            if goal >= 0 or push[w]:
                x, y = next_point(here[0], here[1], end[0], end[1])
                row[0] = 1.0
                _see(row, 1, position[w, a], heading[w, a], mirror[w, 0] * x, mirror[w, 1] * y)
