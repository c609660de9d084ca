"""What a tour could have been: the greedy oracle's, its regret, and the quality of the order.

The oracle knows every taste. From where the guide starts it shows, again and again, the exhibit
with the most mean enjoyment per step, walking at a group's pace and seen by everybody from
beginning to end, with the words that help most, until the time is up or nothing is enjoyed.
Visitors are satiated on it as on the real tour, and nobody's patience ends. Regret is what it has
earned by now less what the guide has: that of a contextual bandit, against a fixed benchmark.

The order is judged as recommendations are, by the normalised discounted cumulative gain of the
first five (Jarvelin and Kekalainen 2002, "Cumulated gain-based evaluation of IR techniques",
https://doi.org/10.1145/582415.582418). An exhibit's gain is the mean, over all visitors, of what
they enjoy of it when they have seen nothing else, 0 where that is negative.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from als_engine.geometry import portable_math as pmath
from als_engine.system.compiling import inner, kernel
from als_engine.world.arrays import NOTHING, FloatArray
from als_engine.world.state import Quantity, WorldState
from als_scenarios.tourism.tour.museum import EXHIBITS
from als_scenarios.tourism.tour.taste import NUM_ATTRIBUTES, appeal, enjoyment, satiate
from als_scenarios.tourism.tour.visit import SHOW
from als_scenarios.tourism.tour.ways import Museum, room_at, way

PACE: Final = 0.1
"""How far a group gets in a step, metres."""

GATHER: Final = 10
"""Steps that it takes to gather before an exhibit."""

TOP: Final = 5
_NEVER: Final = 1e9

DISCOUNT: Final[FloatArray] = np.zeros(EXHIBITS + 1)
"""(13,): the weight of each place in the order, from 1; 0 for what is not shown."""
DISCOUNT[1 : TOP + 1] = pmath.log(2.0) / pmath.log(np.arange(2.0, TOP + 2))


def quantities() -> dict[str, Quantity]:
    """Declares what the oracle would have done."""
    return {
        "oracle_end": Quantity((EXHIBITS,), np.float64, _NEVER),
        "oracle_gain": Quantity((EXHIBITS,)),
        "relevance": Quantity((EXHIBITS,)),
        "ideal": Quantity(),
    }


def prepare(state: WorldState, worlds: NDArray[np.intp]) -> None:
    """Plans the oracle's tours of some worlds, which were just laid out."""
    _plan(
        worlds, state.avatars.position, Museum.of(state), state["taste"],
        float(state.max_episode_steps),
        (state["oracle_end"], state["oracle_gain"], state["relevance"]),
    )  # fmt: skip
    best = -np.sort(-state["relevance"][worlds], axis=1)
    state["ideal"][worlds] = (best * DISCOUNT[1:]).sum(1)


def oracle(state: WorldState) -> FloatArray:
    """The satisfaction that the oracle would have given by now, (worlds,)."""
    seen = 1.0 - (state["oracle_end"] - state.step[:, None]) / SHOW
    return np.asarray((state["oracle_gain"] * np.clip(seen, 0.0, 1.0)).sum(1))


def ndcg(state: WorldState) -> FloatArray:
    """Normalised discounted cumulative gain of the first five exhibits shown, (worlds,)."""
    gained = (state["relevance"] * DISCOUNT[state["shown"]]).sum(1)
    return np.asarray(gained / np.maximum(state["ideal"], 1e-9))


@kernel
def _plan(worlds, position, museum, taste, limit, out):  # type: ignore[no-untyped-def]
    museum = Museum(*museum)
    ends, gains, relevance = out
    fresh = np.zeros(NUM_ATTRIBUTES)
    for w in worlds:
        for e in range(EXHIBITS):
            relevance[w, e] = 0.0
            for v in range(taste.shape[1]):
                felt = enjoyment(appeal(museum.strengths[w, e], taste[w, v], fresh, NOTHING))
                relevance[w, e] += max(0.0, felt) / taste.shape[1]
        _walk(w, position[w, 0], museum, taste, limit, ends[w], gains[w])


@inner
def _walk(w, start, museum, taste, limit, ends, gains):  # type: ignore[no-untyped-def]
    """The oracle's tour in one world."""
    ends[:], gains[:] = _NEVER, 0.0
    satiation = np.zeros(taste.shape[1:])
    done = np.zeros(EXHIBITS, np.bool_)
    x, y = start[0], start[1]
    room, now = room_at(x, y, museum.rooms[w]), 0.0
    for n in range(EXHIBITS):
        best, most, best_end, best_gain = NOTHING, 0.0, 0.0, 0.0
        for e in range(EXHIBITS):
            tx, ty = museum.stand[w, e, 0], museum.stand[w, e, 1]
            length = way(w, x, y, room, tx, ty, museum.room_of[w, e], museum)
            steps = length / PACE + GATHER + SHOW
            if done[e] or now + steps > limit:
                continue
            gain, _ = best_words(museum.strengths[w, e], taste[w], satiation)
            if gain / steps > most:
                best, most, best_end, best_gain = e, gain / steps, now + steps, gain
        if best < 0:
            return
        done[best], ends[n], gains[n], now = True, best_end, best_gain, best_end
        for v in range(taste.shape[1]):
            satiate(museum.strengths[w, best], 1.0, False, satiation[v])
        x, y = museum.stand[w, best, 0], museum.stand[w, best, 1]
        room = museum.room_of[w, best]


@inner
def best_words(strengths, taste, satiation):  # type: ignore[no-untyped-def]
    """The mean enjoyment of a group with the words that help most, and those (NOTHING for none)."""
    best, most = NOTHING, -np.inf
    for k in range(-1, NUM_ATTRIBUTES):
        gain = 0.0
        for v in range(taste.shape[0]):
            gain += enjoyment(appeal(strengths, taste[v], satiation[v], k))
        if gain > most:
            best, most = k, gain
    return most / taste.shape[0], best
