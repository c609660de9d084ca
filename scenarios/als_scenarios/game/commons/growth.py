"""How fruit grows back and how the river gets dirty: the published rules, for all worlds at once.

Fruit, after Perolat et al. 2017 ("A multi-agent reinforcement learning model of common-pool
resource appropriation", NeurIPS) with the numbers of Melting Pot's `commons_harvest__open` (Leibo
et al. 2021, "Scalable evaluation of multi-agent reinforcement learning with Melting Pot", ICML;
Agapiou et al. 2022, arXiv:2211.13746): an empty spot bears again, in each step, with a probability
that depends on how much fruit lies near it. The river, after Hughes et al. 2018 ("Inequity aversion
improves cooperation in intertemporal social dilemmas", NeurIPS) with the numbers of Melting Pot's
`clean_up`: that probability is multiplied by a factor that falls from 1 over a clean river to 0
where 40 % of it are dirty; after step 50 one clean cell gets dirty with probability 0.5 a step.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from als_engine.system.compiling import inner, kernel
from als_scenarios.game.commons.yard import PATCHES, REACHES, SPOTS

REGROWTH: Final = (0.0, 0.0025, 0.005, 0.025)
"""The chance that an empty spot bears again in a step, by the fruit near it: 0, 1, 2, 3 or more."""

NEAR: Final = 1.55
"""What counts as near, metres: two cells. A patch is less wide, and patches are further apart."""

ENOUGH: Final = len(REGROWTH) - 1
"""So many fruits in a patch let it grow fastest."""

DEPLETED: Final = 0.4
"""The dirty share of the river from which nothing grows."""

POLLUTION: Final = 0.5
"""The chance that another cell of the river gets dirty in a step."""

FIRST_DIRT: Final = 50
"""The river stays as it is up to this step."""

CELLS: Final = 16
"""Of each of the river's six stretches: 96 cells in all."""


@inner
def fertility(share):  # type: ignore[no-untyped-def]
    """What regrowth is multiplied by where a share of the river is dirty: 1 to 0."""
    return max(0.0, 1.0 - share / DEPLETED)


@inner
def stock_of(ripe, patch):  # type: ignore[no-untyped-def]
    """How much fruit a patch has."""
    count = 0
    for k in range(SPOTS):
        count += ripe[SPOTS * patch + k]
    return count


@inner
def share_of(dirt):  # type: ignore[no-untyped-def]
    """The dirty share of the river, of the dirty cells in each of its stretches."""
    total = 0
    for s in range(REACHES):
        total += dirt[s]
    return total / (REACHES * CELLS)


@inner
def grow(planted, ripe, dirt, draws):  # type: ignore[no-untyped-def]
    """Lets one world's empty spots bear, (spots,); `draws` has a number in [0, 1) for each."""
    factor = fertility(share_of(dirt))
    for p in range(PATCHES):
        # Of before the step: what grows now is not near the next spot yet.
        chance = REGROWTH[min(stock_of(ripe, p), ENOUGH)] * factor
        for k in range(SPOTS * p, SPOTS * p + SPOTS):
            if planted[k] and not ripe[k] and draws[k] < chance:
                ripe[k] = True


@inner
def soil(dirt, step, happens, where):  # type: ignore[no-untyped-def]
    """Makes one more cell of one world's river dirty, (stretches,), or none.

    Args:
        dirt: dirty cells in each stretch.
        step: since the reset.
        happens: in [0, 1), decides whether.
        where: in [0, 1), decides which of the clean cells.
    """
    clean = 0
    for s in range(REACHES):
        clean += CELLS - dirt[s]
    if step <= FIRST_DIRT or happens >= POLLUTION or clean == 0:
        return
    left = int(where * clean)
    for s in range(REACHES):
        left -= CELLS - dirt[s]
        if left < 0:
            dirt[s] += 1
            return


@kernel
def pass_time(step, planted, ripe, dirt, draws):  # type: ignore[no-untyped-def]
    """Lets one step pass for all yards: fruit grows, the river gets dirty.

    Args:
        step: (worlds,).
        planted: (worlds, spots), where fruit can be.
        ripe: (worlds, spots), where it is; written.
        dirt: (worlds, stretches), dirty cells; written.
        draws: (worlds, spots + 2), in [0, 1).
    """
    for w in range(step.size):
        grow(planted[w], ripe[w], dirt[w], draws[w])
        soil(dirt[w], step[w], draws[w, -2], draws[w, -1])


def pollution(dirt: np.ndarray) -> np.ndarray:
    """The dirty share of every river, (worlds,), of the dirty cells, (worlds, stretches)."""
    return np.asarray(dirt.sum(1) / (REACHES * CELLS))
