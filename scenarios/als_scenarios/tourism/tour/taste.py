"""What goes on inside visitors: kinds of taste, enjoyment, satiation and patience.

An exhibit has a strength in each of six attributes, as a vector x of length 1; a visitor has a
taste w for them, of length 1 as well. How much an exhibit appeals is linear in both, as in
contextual bandits (Li, Chu, Langford and Schapire 2010, "A contextual-bandit approach to
personalized news article recommendation", https://doi.org/10.1145/1772690.1772758). What has been
seen lately appeals less: satiation is that of rebounding bandits (Leqi, Kilinc-Karzan, Lipton and
Montgomery 2021, "Rebounding bandits for modeling satiation effects", NeurIPS 34), with attributes
as arms. For visitors who look at their n-th exhibit,

    appeal      a    = sum over k of x_k (w_k - LAMBDA s_k) - FLOOR
    satiation   s_k <- GAMMA (s_k + x_k u)      u: the share of the show that they looked at
    enjoyment   y    = tanh(STEEP a / 2)        from -1 to 1

and the guide's words on attribute k add TALK (w_k x_k - DULL) to the appeal: they help where k
is what a visitor likes about it, and bore where it is not.

Patience falls with time and with the way, faster for who tires sooner, and follows enjoyment:
museum visitors' interest holds for about half an hour and then falls (Falk, Koran, Dierking and
Dreblow 1985; Bitgood 2009, "Museum fatigue: a critical review", Visitor Studies 12(2),
https://doi.org/10.1080/10645570903203406, which names exhaustion and satiation among the causes).
Half an hour is the 30 seconds of an episode here; LAMBDA, GAMMA, TALK and the rates are our own.

Nothing in here is observed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

import numpy as np

from als_engine.geometry import portable_math as pmath
from als_engine.system.compiling import kernel
from als_engine.task import Split
from als_engine.world.arrays import FloatArray

ATTRIBUTES: Final = ("history", "nature", "people", "colour", "drama", "craft")
NUM_ATTRIBUTES: Final = len(ATTRIBUTES)

STEEP: Final = 4.0
"""How steeply enjoyment rises with appeal, at 0."""

FLOOR: Final = 0.0
"""The appeal that an exhibit needs for anybody to enjoy it."""

LAMBDA: Final = 0.12
"""How much satiation takes away from the appeal (Leqi's exposure influence factor)."""

GAMMA: Final = 0.7
"""The share of satiation that is left after one more exhibit (Leqi's retention factor)."""

TALK: Final = 0.5
"""The share by which words strengthen what they are about."""

DULL: Final = 0.15
"""What an attribute has to be worth to a visitor for words about it to be welcome."""

IDLE: Final = 1 / 30
"""Patience lost each second."""

STRIDE: Final = 0.018
"""Patience lost for each metre of the way."""

JOY: Final = 0.36
"""Patience won by the full enjoyment of an exhibit, and lost by full boredom."""

SPARES: Final = (0.75, 1.25)
"""From the most to the least enduring visitor, by how much time and way are multiplied."""

KINDS: Final[Mapping[Split, tuple[tuple[int, int], ...]]] = {
    "train": ((2, 3), (0, 2), (3, 4), (2, 4), (1, 3), (1, 5), (0, 5), (3, 5), (1, 2)),
    "validation": ((0, 1), (0, 4)),
    "test": ((0, 3), (1, 4), (2, 5), (4, 5)),
}
"""The kinds of taste in each split: the two attributes that are liked. No split shares one."""

_LIKED: Final = (0.55, 0.8)
_OTHER: Final = (-0.35, 0.1)
_DISLIKED: Final = (-0.6, -0.3)
_LEADING: Final = 0.6
"""The chance that a visitor is of the first of a party's two kinds."""


class Party(NamedTuple):
    """The insides of a level's visitors, one row for each.

    Attributes:
        kind: (visitors, 2) the liked attributes.
        taste: (visitors, 6) of length 1.
        patience: (visitors,) at first.
        tiring: (visitors,) multiplies what time and way cost.
    """

    kind: FloatArray
    taste: FloatArray
    patience: FloatArray
    tiring: FloatArray


def draw_party(rng: np.random.Generator, split: Split, visitors: int) -> Party:
    """Draws a party of two kinds of taste of a split, of which the first is met for sure.

    Args:
        rng: of the level.
        split: whose kinds of taste there are.
        visitors: how many come.
    """
    kinds = KINDS[split]
    two = rng.permutation(len(kinds))[:2]
    second = rng.random(visitors) >= _LEADING
    second[0] = False
    kind = np.array(kinds)[two[second.astype(np.intp)]]
    taste = rng.uniform(*_OTHER, (visitors, NUM_ATTRIBUTES))
    order = rng.random((visitors, NUM_ATTRIBUTES))
    rows = np.arange(visitors)
    order[rows[:, None], kind] = -1.0
    taste[rows, order.argmax(1)] = rng.uniform(*_DISLIKED, visitors)
    taste[rows[:, None], kind] = rng.uniform(*_LIKED, (visitors, 2))
    taste /= np.sqrt(np.square(taste).sum(1))[:, None]
    return Party(kind, taste, rng.uniform(0.8, 1.0, visitors), rng.uniform(*SPARES, visitors))


@kernel
def appeal(strengths, taste, satiation, noticed):  # type: ignore[no-untyped-def]
    """How much an exhibit appeals to a visitor.

    Args:
        strengths: (6,) of the exhibit's attributes.
        taste: (6,).
        satiation: (6,), 0 for who has seen nothing.
        noticed: the attribute that the guide speaks of; below 0 for none.
    """
    total = -FLOOR
    for k in range(NUM_ATTRIBUTES):
        total += strengths[k] * (taste[k] - LAMBDA * satiation[k])
    if noticed >= 0:
        total += TALK * (taste[noticed] * strengths[noticed] - DULL)
    return total


@kernel
def enjoyment(appealing: float) -> float:
    """The enjoyment of a whole show, -1 to 1, of an exhibit that appeals so much."""
    return 2.0 / (1.0 + pmath.exp(-STEEP * appealing)) - 1.0


@kernel
def satiate(strengths, share, again, satiation):  # type: ignore[no-untyped-def]
    """Moves satiation on by one exhibit.

    Args:
        strengths: (6,) of the exhibit.
        share: of its show that the visitor saw, 0 to 1.
        again: it has seen another part before: satiation does not rebound a second time.
        satiation: (6,), written.
    """
    for k in range(NUM_ATTRIBUTES):
        kept = satiation[k] if again else GAMMA * satiation[k]
        satiation[k] = kept + GAMMA * strengths[k] * share


@kernel
def tired(patience, tiring, seconds, metres, enjoyed):  # type: ignore[no-untyped-def]
    """A visitor's patience, at most 1, some seconds, metres and enjoyment later."""
    spent = tiring * (IDLE * seconds + STRIDE * metres)
    return min(1.0, patience - spent + JOY * enjoyed)
