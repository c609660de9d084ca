"""What people ask for on a day in `ALS/World-v0`, and what stands on the posts: a level's draw.

Four errands are asked for one after the other, every two hours and forty minutes, and a fifth,
urgent, in between. One of the four may be withdrawn. Two of them can have consequences elsewhere:
the patient of an errand "treat" falls ill before it is asked for, and one "deliver" may hold the
museum's key.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from als_engine.task import Split
from als_engine.world.arrays import NOTHING, FloatArray, IntArray
from als_scenarios.town.world.block import POSTS
from als_scenarios.town.world.items import (
    ADDRESSEES,
    ANSWER,
    ATTRIBUTES,
    BUILD,
    CLERK,
    COLORS,
    DELIVER,
    FIND,
    GUIDE,
    KINDS,
    MEDICINES,
    MUSEUM,
    NURSE,
    OFFICE,
    PAIRS,
    PLACES,
    PUPIL,
    SCHOOL,
    SIZES,
    TASKS,
    TEACHER,
    TELL,
    TREAT,
    VISITOR,
    WARD,
    YARD,
    Pair,
    medicine_for,
    wordings,
)

ERRANDS: Final = 5
URGENT: Final = ERRANDS - 1
"""The number of the urgent errand."""

EVERY: Final = 160
"""Steps from one errand to the next."""

WINDOW, URGENT_WINDOW = 400, 280
"""Steps for which a request stands."""

STRONG, WEAK = 1.0, 0.6
"""How much an exhibit has of its first and of its second attribute."""

_POOLS: Final = {ANSWER: 3, DELIVER: 3, GUIDE: 2, BUILD: 2}
"""So many different pairs of a task are asked for in a level, where posts allow no more."""

_WRITTEN: Final = {TREAT: 0.3, DELIVER: 0.35, FIND: 0.35, BUILD: 0.6, TELL: 0.35}
_GIVERS: Final = (
    (PUPIL, TEACHER), (NURSE,), (CLERK, TEACHER, VISITOR), (VISITOR,), (TEACHER, CLERK, NURSE),
    (CLERK, PUPIL), (TEACHER, CLERK, NURSE, VISITOR),
)  # fmt: skip
_WITHDRAWN, _KEY = 0.5, 0.7
_MOST_SUM: Final = 12


class Plan(NamedTuple):
    """A level's errands and posts.

    Attributes:
        rows: (5, 10) of each errand: the task; the pair; the inhabitant who asks, NOTHING where it
            is written on the board; the first step in which it may be asked for, and the steps
            after the request when it is withdrawn, 0 for never; whether the museum opens when it is
            done; the two posts to be used, NOTHING where there is none; its wording.
        label: (5, 4) what each post stands for.
        strengths: (4, 6) of each attribute in each exhibit.
        shut: whether the museum is shut at first.
    """

    rows: IntArray
    label: list[list[int]]
    strengths: FloatArray
    shut: bool


def draw(rng: np.random.Generator, split: Split, allowed: Sequence[int]) -> Plan:
    """Draws the errands of a day, of some tasks, with the pairs of a split."""
    order = [allowed[k] for k in rng.permutation(len(allowed)).tolist()]
    task = [order[k % len(order)] for k in range(ERRANDS)]
    pools = {kind: _pool(rng, split, kind) for kind in range(len(TASKS))}
    turn = dict.fromkeys(range(len(TASKS)), 0)
    pair = []
    for kind in task:
        pair.append(pools[kind][turn[kind] % len(pools[kind])])
        turn[kind] += 1
    draws = rng.random((ERRANDS, 6)).tolist()
    label, strengths = _posts(rng, pools)
    given = [_giver(kind, j, u) for kind, (_, j), u in zip(task, pair, draws, strict=True)]
    asks = [EVERY * k + 5 + int(15 * draws[k][2]) for k in range(ERRANDS)]
    asks[URGENT] = EVERY * (1 + int(2 * draws[URGENT][3])) + 70 + int(30 * draws[URGENT][2])
    key = _key(task, asks, draws[0][4])
    said, after = wordings(split), _withdrawn(task, key, draws)
    rows = [
        (
            task[e], *pair[e], given[e], asks[e], after[e], int(e == key),
            *_right(task[e], *pair[e], label), said[int(draws[e][5] * len(said))],
        )
        for e in range(ERRANDS)
    ]  # fmt: skip
    return Plan(np.array(rows, np.int32), label, strengths, key != NOTHING)


def _pool(rng: np.random.Generator, split: Split, task: int) -> list[Pair]:
    """Some pairs of a task, in a random order, that the posts of one level can serve."""
    every = PAIRS[split][task]
    drawn = [every[k] for k in rng.permutation(len(every)).tolist()]
    pool: list[Pair] = []
    for pair in drawn:
        if len(pool) == _POOLS.get(task, ERRANDS):
            break
        # No two exhibits that are asked for have the same first attribute, and no two answers of
        # a level are equal.
        clash = task == GUIDE and any(pair[0] == other[0] for other in pool)
        clash |= task == ANSWER and any(sum(pair) == sum(other) for other in pool)
        if not clash:
            pool.append(pair)
    return pool


def _filled(rng: np.random.Generator, wanted: Sequence[int], among: range) -> list[int]:
    """Four different values, the wanted ones among them, in a random order."""
    values = list(dict.fromkeys(wanted))
    rest = [k for k in (among.start + rng.permutation(len(among))).tolist() if k not in values]
    values = (values + rest)[:POSTS]
    return [values[k] for k in rng.permutation(POSTS).tolist()]


def _posts(
    rng: np.random.Generator, pools: dict[int, list[Pair]]
) -> tuple[list[list[int]], FloatArray]:
    """What the posts of each place stand for, and what the exhibits have of each attribute."""
    label: list[list[int]] = [[0] * POSTS for _ in PLACES]
    sums = [i + j + 2 for i, j in pools[ANSWER]]
    label[SCHOOL] = _filled(rng, sums, range(2, _MOST_SUM + 1))
    label[WARD] = _filled(rng, [], range(len(MEDICINES)))
    label[OFFICE] = _filled(rng, [i for i, _ in pools[DELIVER]], range(len(KINDS)))
    label[YARD] = _filled(rng, [k for pair in pools[BUILD] for k in pair], range(len(COLORS)))
    # For each exhibit that is asked for, another with the same first attribute.
    liked = list(pools[GUIDE])
    for (i, j), u in zip(pools[GUIDE], rng.random(len(pools[GUIDE])).tolist(), strict=True):
        others = [k for k in range(len(ATTRIBUTES)) if k not in (i, j)]
        liked.append((i, others[int(u * len(others))]))
    order = rng.permutation(POSTS).tolist()
    strengths = np.zeros((POSTS, SIZES))
    for post, k in enumerate(order):
        i, j = liked[k]
        strengths[post, i], strengths[post, j] = STRONG, WEAK
        label[MUSEUM][post] = SIZES * i + j
    return label, strengths


def _right(task: int, i: int, j: int, label: list[list[int]]) -> tuple[int, int]:
    """The posts to be used."""
    if task == ANSWER:
        return label[SCHOOL].index(i + j + 2), NOTHING
    if task == TREAT:
        return label[WARD].index(medicine_for(i, j)), NOTHING
    if task == DELIVER:
        return label[OFFICE].index(i), NOTHING
    if task == GUIDE:
        return label[MUSEUM].index(SIZES * i + j), NOTHING
    if task == BUILD:
        return label[YARD].index(i), label[YARD].index(j)
    return NOTHING, NOTHING


def _giver(task: int, j: int, draws: Sequence[float]) -> int:
    """Who asks, or NOTHING for the board; nobody asks for something to be brought to themselves."""
    if draws[0] < _WRITTEN.get(task, 0.0):
        return NOTHING
    some = [n for n in _GIVERS[task] if task not in (DELIVER, TELL) or n != ADDRESSEES[j]]
    return some[int(draws[1] * len(some))]


def _key(task: Sequence[int], asks: Sequence[int], draw: float) -> int:
    """The errand that opens the museum: one before the first visitor asks to be guided."""
    visits = [at for kind, at in zip(task, asks, strict=True) if kind == GUIDE]
    if not visits or draw >= _KEY:
        return NOTHING
    keys = [e for e in range(ERRANDS) if task[e] == DELIVER and asks[e] < min(visits)]
    return keys[0] if keys else NOTHING


def _withdrawn(task: Sequence[int], key: int, draws: Sequence[Sequence[float]]) -> list[int]:
    """When one of the errands is withdrawn; none on which something else depends."""
    after = [0] * ERRANDS
    free = [e for e in range(1, URGENT) if e != key and task[e] != TREAT]
    if free and draws[1][4] < _WITHDRAWN:
        after[free[int(draws[2][4] * len(free))]] = 50 + int(50 * draws[3][4])
    return after
