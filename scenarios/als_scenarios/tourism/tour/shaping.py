"""The shaping of the tour's reward: a potential of what everybody can see.

Potential-based shaping (Ng, Harada and Russell 1999, "Policy invariance under reward
transformations") changes no optimal policy. Nothing hidden is in the potential, so that no reward
gives a taste away beyond what is enjoyed.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from als_engine.system.compiling import kernel
from als_engine.world.arrays import FloatArray
from als_engine.world.state import WorldState
from als_scenarios.tourism.tour.museum import EXHIBITS
from als_scenarios.tourism.tour.visit import SHOW
from als_scenarios.tourism.tour.ways import Museum, room_at, way

SEEN: Final = 0.4
"""Potential of an exhibit that all visitors have seen, whether they like it or not."""

FAR: Final = 0.06
"""Potential lost, between shows, for each metre between the guide and where the nearest exhibit
that was not shown yet is presented."""


def potential(state: WorldState) -> FloatArray:
    """The potential of every world, (worlds,); 0 where the episode is over."""
    out: FloatArray = np.zeros(state.num_worlds)
    _potential(
        state.avatars.position, Museum.of(state), state["looked"],
        (state["on_show"], state["shown"]), out,
    )  # fmt: skip
    over = (state["leaving"] > 0).all(1) | (state.step >= state.max_episode_steps)
    out[over] = 0.0
    return out


@kernel
def _potential(position, museum, looked, show, out):  # type: ignore[no-untyped-def]
    museum = Museum(*museum)
    on_show, shown = show
    for w in range(out.shape[0]):
        seen, nearest = 0, np.inf
        x, y = position[w, 0, 0], position[w, 0, 1]
        room = room_at(x, y, museum.rooms[w])
        for e in range(EXHIBITS):
            for v in range(looked.shape[1]):
                seen += min(SHOW, looked[w, v, e])
            if shown[w, e] == 0:
                tx, ty = museum.stand[w, e, 0], museum.stand[w, e, 1]
                nearest = min(nearest, way(w, x, y, room, tx, ty, museum.room_of[w, e], museum))
        out[w] = SEEN * seen / (SHOW * looked.shape[1])
        if on_show[w] < 0 and nearest < np.inf:
            out[w] -= FAR * nearest
