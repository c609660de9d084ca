"""Evaluates one policy under different weights, and finds the Pareto front."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from als_engine.agents.saving import OpenedAgent
from als_engine.checks import whole_number
from als_engine.errors import ArgumentError, unknown
from als_engine.evaluation.protocol import Evaluation, evaluate
from als_engine.evaluation.splits import CHOOSING
from als_engine.evaluation.statistics import Interval, mean_interval
from als_plugins.learners.multi_objective import MultiObjective

__all__ = ["Front", "Point", "non_dominated", "pareto"]


@dataclass(frozen=True)
class Point:
    """The result of one choice of weights.

    Attributes:
        weights: term to weight; they sum to 1.
        terms: term to its return, with its 95 percent interval.
        success: the part of the episodes that succeeded.
        on_front: no other point has more of one of the two terms and not less of the other.
    """

    weights: Mapping[str, float]
    terms: Mapping[str, Interval]
    success: float
    on_front: bool = False


@dataclass(frozen=True)
class Front:
    """Points from all weight on `y` to all weight on `x`.

    Attributes:
        scenario, split, episodes, seed: what was evaluated.
        x, y: the two terms that are traded off.
        points: one for each choice of weights.
    """

    scenario: str
    split: str
    episodes: int
    seed: int
    x: str
    y: str
    points: tuple[Point, ...]

    def as_dict(self) -> dict[str, Any]:
        """Everything as JSON has it."""
        return asdict(self)


def pareto(
    opened: OpenedAgent,
    x: str | None = None,
    y: str | None = None,
    *,
    points: int = 9,
    episodes: int = 50,
    split: str = CHOOSING,
    seed: int = 0,
    on_point: Callable[[int], None] = lambda done: None,
) -> Front:
    """Evaluates an agent under weights that go from one term to another.

    All other terms keep the weight that they have among equal ones. Every choice of weights plays
    the same episodes.

    Args:
        opened: a trained `multi-objective` agent, with the scenario that it acts in.
        x: the term along the horizontal axis; None for the first of the scenario's.
        y: the term along the vertical axis; None for the first other one.
        points: choices of weights, both ends included.
        episodes: for each of them.
        split: where levels come from. A front is there to choose weights by, so by default
            "validation"; with "test" it reports what was chosen.
        seed: of the first episode.
        on_point: called with the number of points that are done.

    Raises:
        ArgumentError: the agent takes no weights, its reward has one term only, a term is unknown,
            or there are fewer than two points.
    """
    agent = opened.agent
    if not isinstance(agent, MultiObjective):
        raise ArgumentError("only multi-objective agents take weights: train one first")
    x, y = _axes(agent.terms, x, y)
    points = whole_number("points", points, 2, 1_000)
    found = []
    for share in np.linspace(0.0, 1.0, points).tolist():
        weights = dict.fromkeys(agent.terms, 1.0)
        weights |= {x: 2.0 * share, y: 2.0 * (1.0 - share)}
        agent.weigh(weights)
        evaluation = evaluate(
            agent,
            opened.scenario,
            episodes,
            split=split,
            seed=seed,
            observers=opened.observers,
            arguments=opened.arguments,
        )
        found.append(_point(agent, evaluation))
        on_point(len(found))
    reached = np.array([[point.terms[x].value, point.terms[y].value] for point in found])
    marked = tuple(
        Point(point.weights, point.terms, point.success, bool(best))
        for point, best in zip(found, non_dominated(reached), strict=True)
    )
    return Front(opened.scenario, split, episodes, seed, x, y, marked)


def non_dominated(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which rows, (points, objectives), no other row is at least as good as in all, better in one.

    Rows that are equal in everything do not dominate one another.
    """
    no_less = np.all(values[None] >= values[:, None], axis=2)
    more = np.any(values[None] > values[:, None], axis=2)
    return np.asarray(~np.any(no_less & more, axis=1))


def _axes(terms: tuple[str, ...], x: str | None, y: str | None) -> tuple[str, str]:
    if len(terms) < 2:
        raise ArgumentError("the reward has one term only: there is nothing to trade off")
    for name in (x, y):
        if name is not None and name not in terms:
            raise ArgumentError(unknown("term of the reward", name, terms))
    across = x or next(name for name in terms if name != y)
    up = y or next(name for name in terms if name != across)
    if across == up:
        raise ArgumentError(f'"{up}" cannot be traded off against itself')
    return across, up


def _point(agent: MultiObjective, evaluation: Evaluation) -> Point:
    return Point(
        weights=dict(zip(agent.terms, agent.weights.tolist(), strict=True)),
        terms={name: mean_interval(values) for name, values in evaluation.terms.items()},
        success=evaluation.success.value,
    )
