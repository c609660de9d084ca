"""The `orders` sensor of `ALS/Delivery-v0`: the open orders and how to get on with them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final

import gymnasium
import numpy as np
from numpy.typing import NDArray

from als_engine.arrays import FloatArray
from als_engine.sensors.base import Sensor
from als_engine.state import WorldState
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
)

COLLEAGUES: Final = 3
SCALE: Final = 6.0
FURTHEST: Final = 2.0

COLUMNS: Final = (
    *(
        f"order_{k}_{column}"
        for k in range(1, ORDERS + 1)
        for column in (
            "open",
            *PARCEL_COLORS,
            *(f"desk_{n}" for n in range(1, DESKS + 1)),
            "carried",
            "carried_by_other",
            *(f"{what}_{axis}" for what in ("parcel", "desk", "way") for axis in ("ahead", "left")),
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

_FLAGS: Final = 1 + PARCELS + DESKS + 2
_ORDER: Final = _FLAGS + 6
_CRATE: Final = ORDERS * _ORDER


class Orders(Sensor):
    """The orders as numbers, float32 (83,): a state-level way to learn, off by default.

    Places are ahead and to the left of the courier, in units of 6 metres and cut off at ±2.

    | columns | are |
    | --- | --- |
    | `order_k_open` | 1 while the k-th order is open; all its columns are 0 once it is done |
    | colours, `order_k_desk_n` | one-hot: which parcel, which desk |
    | `order_k_carried`, `…_by_other` | who has the parcel: this courier, a colleague |
    | `order_k_parcel`, `…_desk` | where the parcel and the desk are |
    | `order_k_way` | where to walk now: to the parcel, or with it to the desk, door by door |
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
        """Fills `orders`, (worlds, observers, 83)."""
        rows = out["orders"]
        rows.fill(0.0)
        self._read_orders(state, rows[..., :_CRATE])
        self._read_crate(state, rows[..., _CRATE : _CRATE + 8])
        self._read_colleagues(state, rows[..., _CRATE + 8 :])

    def _read_orders(self, state: WorldState, rows: NDArray[np.float32]) -> None:
        n = self.setup.observers
        table = rows.reshape(*rows.shape[:2], ORDERS, _ORDER)
        worlds = np.arange(state.num_worlds)[:, None]
        is_open = state["order_open"]
        color, number = np.maximum(state["order_parcel"], 0), np.maximum(state["order_desk"], 0)
        parcel = state.props.position[worlds, FIRST_PARCEL + color, :2]
        desk = state.props.position[worlds, number, :2]
        holder = state.props.holder[worlds, FIRST_PARCEL + color][:, None]
        mine = holder == np.arange(n)[:, None]
        table[..., 0] = 1.0
        table[..., 1 : 1 + PARCELS] = np.eye(PARCELS)[color][:, None]
        table[..., 1 + PARCELS : _FLAGS - 2] = np.eye(DESKS)[number][:, None]
        table[..., _FLAGS - 2] = mine
        table[..., _FLAGS - 1] = (holder >= 0) & ~mine
        mirror = state["mirror"][:, None, None]
        here = state.avatars.position[:, :n, None, :2]
        goal = np.where(mine[..., None], desk[:, None], parcel[:, None])
        way = mirror * next_point(mirror * here, mirror * goal)
        table[..., _FLAGS : _FLAGS + 2] = _seen(state, n, parcel[:, None])
        table[..., _FLAGS + 2 : _FLAGS + 4] = _seen(state, n, desk[:, None])
        table[..., _FLAGS + 4 :] = _seen(state, n, way)
        table *= is_open[:, None, :, None]
        # `reshape` of a slice is a copy.
        rows[:] = table.reshape(rows.shape)

    def _read_crate(self, state: WorldState, rows: NDArray[np.float32]) -> None:
        n, mirror = self.setup.observers, state["mirror"]
        rows[..., 0], rows[..., 1] = state["crate_open"][:, None], state["crate_moved"][:, None]
        crate = state.props.position[:, CRATE, :2]
        push = crate - mirror * np.array([CRATE_SIZE / 2 + 0.3, 0.0])
        zone = state.props.position[:, ZONE, :2]
        places = np.stack([crate, push, zone], axis=1)[:, None]
        rows[..., 2:] = _seen(state, n, places).reshape(state.num_worlds, n, 6)

    def _read_colleagues(self, state: WorldState, rows: NDArray[np.float32]) -> None:
        n, avatars = self.setup.observers, state.num_avatars
        table = np.zeros((state.num_worlds, n, COLLEAGUES, 4))
        others = [[b for b in range(avatars) if b != a] for a in range(n)]
        who = np.array(others)
        table[:, :, : avatars - 1, 0] = 1.0
        table[:, :, : avatars - 1, 1] = (state.avatars.held >= 0)[:, who]
        table[:, :, : avatars - 1, 2:] = _seen(state, n, state.avatars.position[:, who, :2])
        rows[:] = table.reshape(rows.shape)


def _seen(state: WorldState, observers: int, points: FloatArray) -> FloatArray:
    """Points (worlds, observers or 1, many, 2) as each observer has them ahead and to its left."""
    away = points - state.avatars.position[:, :observers, None, :2]
    angle = state.avatars.heading[:, :observers, None]
    cos, sin = np.cos(angle), np.sin(angle)
    ahead = cos * away[..., 0] + sin * away[..., 1]
    left = cos * away[..., 1] - sin * away[..., 0]
    return np.clip(np.stack([ahead, left], axis=-1) / SCALE, -FURTHEST, FURTHEST)
