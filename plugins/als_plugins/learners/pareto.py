"""Evaluates one policy under different weights, and finds the Pareto front and its hypervolume."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from als_engine.agents.agent import Acting, Agent
from als_engine.agents.saving import OpenedAgent, make_agent
from als_engine.checks import whole_number
from als_engine.errors import ArgumentError, unknown
from als_engine.evaluation.protocol import Evaluation, evaluate
from als_engine.evaluation.splits import CHOOSING
from als_engine.evaluation.statistics import Interval, mean_interval
from als_plugins.learners.hypervolume import hypervolume_interval, resampled_means
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
        fixed: the same agent with equal weights, whatever is asked for.
        reference: the returns of `x` and `y` that hypervolumes are measured from.
        hypervolume: the area that the points dominate above the reference, with its 95 percent
            interval by a bootstrap over episodes, which all points share.
        fixed_hypervolume: that of `fixed` alone.
        distinct: how many points of the front differ in their mean returns.
        acting: how the agent chose its actions.
    """

    scenario: str
    split: str
    episodes: int
    seed: int
    x: str
    y: str
    points: tuple[Point, ...]
    fixed: Point
    reference: tuple[float, float]
    hypervolume: Interval
    fixed_hypervolume: Interval
    distinct: int
    acting: Acting

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
    reference: tuple[float, float] | None = None,
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
        reference: the returns of `x` and `y` that hypervolumes are measured from; None for the
            worst mean of each among all points and random actions. Fronts of several agents are
            compared by the same one.
        on_point: called with the number of points that are done.

    Raises:
        ArgumentError: the agent takes no weights, its reward has one term only, a term is unknown,
            there are fewer than two points, or the reference is not finite.
    """
    agent = opened.agent
    if not isinstance(agent, MultiObjective):
        raise ArgumentError("only multi-objective agents take weights: train one first")
    x, y = _axes(agent.terms, x, y)
    points = whole_number("points", points, 2, 1_000)
    if reference is not None and not np.isfinite(reference).all():
        raise ArgumentError(f"the reference needs two finite numbers, got {reference}")

    def play(who: Agent, weights: Mapping[str, float] | None = None) -> Evaluation:
        if isinstance(who, MultiObjective):
            who.weigh(weights)
        return evaluate(
            who,
            opened.scenario,
            episodes,
            split=split,
            seed=seed,
            observers=opened.observers,
            arguments=opened.arguments,
        )

    found: list[Point] = []
    played: list[Evaluation] = []
    for share in np.linspace(0.0, 1.0, points).tolist():
        weights = dict.fromkeys(agent.terms, 1.0)
        played.append(play(agent, weights | {x: 2.0 * share, y: 2.0 * (1.0 - share)}))
        found.append(_point(agent, played[-1]))
        on_point(len(found))
    # The middle one of an odd number of points has equal weights.
    equal = played[points // 2] if points % 2 else play(agent)
    agent.weigh(agent.parameters.weights)
    random = play(make_agent("random", opened.scenario, opened.arguments))
    returns = np.array([_returns(each, x, y) for each in played])
    means, fixed = returns.mean(axis=1), _returns(equal, x, y)[None]
    if reference is None:
        all_means = [*means, fixed[0].mean(axis=0), _returns(random, x, y).mean(axis=0)]
        worst = np.min(all_means, axis=0)
    else:
        worst = np.array(reference)
    best = non_dominated(means)
    return Front(
        opened.scenario, split, episodes, seed, x, y,
        points=tuple(
            replace(point, on_front=bool(on)) for point, on in zip(found, best, strict=True)
        ),
        fixed=_point(agent, equal),
        reference=(float(worst[0]), float(worst[1])),
        hypervolume=hypervolume_interval(returns, resampled_means(returns), worst),
        fixed_hypervolume=hypervolume_interval(fixed, resampled_means(fixed), worst),
        distinct=len(np.unique(means[best], axis=0)),
        acting=played[0].acting,
    )  # fmt: skip


def _returns(evaluation: Evaluation, x: str, y: str) -> NDArray[np.float64]:
    """(episodes, 2): the returns of the two terms."""
    return np.stack([evaluation.terms[x], evaluation.terms[y]], axis=1)


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
