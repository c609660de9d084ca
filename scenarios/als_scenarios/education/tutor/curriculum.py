"""The skills of a lesson, and which of them need which: a graph that every level draws.

Prerequisites come before what needs them, so the order of `SKILLS` is always an order to teach in.
The first two skills may both be beginnings; each later one needs one or two earlier ones. Pupils
who lack a prerequisite hardly learn what builds on it, as in the dynamic Bayesian networks of
Käser, Klingler, Schwing and Gross (2017), "Dynamic Bayesian Networks for Student Modeling", IEEE
Transactions on Learning Technologies 10(4), https://doi.org/10.1109/TLT.2017.2689017.
"""

from __future__ import annotations

import itertools
import math
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from als_engine.task import Split

SKILLS: Final = ("counting", "adding", "subtracting", "multiplying", "dividing", "fractions")
NUM_SKILLS: Final = len(SKILLS)

SIGNS: Final = ("1", "+", "-", "x", ":", "/")
"""What the board calls the skills."""

_WHAT_IT_NEEDS: Final[tuple[tuple[tuple[int, ...], ...], ...]] = (
    ((),),
    ((), (0,)),
    *(
        (*itertools.combinations(range(skill), 1), *itertools.combinations(range(skill), 2))
        for skill in range(2, NUM_SKILLS)
    ),
)

NUM_GRAPHS: Final = math.prod(map(len, _WHAT_IT_NEEDS))
"""5,400 graphs."""

_PARTS: Final = 7
_HELD_OUT: Final[dict[int, Split]] = {0: "validation", 2: "test", 5: "test"}


def split_of_graph(graph: int) -> Split:
    """The split that a graph belongs to, by its rank: of seven, four are for training."""
    return _HELD_OUT.get(graph % _PARTS, "train")


@cache
def graphs_of(split: Split) -> NDArray[np.intp]:
    """The numbers of the graphs of a split."""
    of_split = [graph for graph in range(NUM_GRAPHS) if split_of_graph(graph) == split]
    return np.array(of_split)


def needs(graph: int) -> NDArray[np.bool_]:
    """What each skill needs, (6, 6): row k has True where skill k needs skill j."""
    out: NDArray[np.bool_] = np.zeros((NUM_SKILLS, NUM_SKILLS), np.bool_)
    for skill in reversed(range(NUM_SKILLS)):
        graph, choice = divmod(graph, len(_WHAT_IT_NEEDS[skill]))
        out[skill, list(_WHAT_IT_NEEDS[skill][choice])] = True
    return out


def on_board(graph: NDArray[np.bool_]) -> str:
    """The graph as the board shows it: in each of three lines two skills and what they need."""
    cells = []
    for skill, row in enumerate(graph):
        what = "".join(SIGNS[j] for j in np.flatnonzero(row).tolist())
        cells.append(f"{SIGNS[skill]} < {what}" if what else f"{SIGNS[skill]} first")
    return "\n".join(f"{cells[i]:<9}{cells[i + 1]}" for i in range(0, NUM_SKILLS, 2))
