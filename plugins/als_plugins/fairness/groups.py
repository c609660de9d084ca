"""Outcomes by group of people: what each group got, and the gaps between them with intervals.

Which group somebody is in, and what became of them, is what a task says of the true state at the
end of an episode (`Task.outcomes`). Agents never see it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Final

import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from als_engine.agents.agent import Agent, acting
from als_engine.agents.saving import OpenedAgent
from als_engine.checks import MAX_SEED, at_least_one, whole_number
from als_engine.envs.batch import Batch
from als_engine.errors import ArgumentError
from als_engine.evaluation.protocol import Runner
from als_engine.evaluation.splits import CHOOSING
from als_engine.evaluation.statistics import Interval
from als_engine.seeding import Generators, spread
from als_engine.simulation import simulate

__all__ = ["Fairness", "People", "gaps", "measure", "people_of"]

RESAMPLES: Final = 2_000
USE: Final = "evaluation"
"""The same episodes as those of `als evaluate` with the same seed."""


@dataclass(frozen=True)
class People:
    """What became of people, one row for each.

    Attributes:
        what: the outcome, such as "examination"; more is better.
        names: of the groups.
        group: (people,), the group of each, an index into `names`.
        value: (people,).
        episode: (people,), in which each was met.
    """

    what: str
    names: tuple[str, ...]
    group: NDArray[np.int64]
    value: NDArray[np.float64]
    episode: NDArray[np.int64]


@dataclass(frozen=True)
class Fairness:
    """An agent's outcomes by group.

    Attributes:
        agent, scenario, split, seed, episodes: of what.
        outcome: what is measured; more is better.
        overall: the mean over all people.
        groups: name to its mean. counts: name to how many people.
        difference: the best group's mean less the worst one's. With few people it is above 0 also
            where groups are alike: the largest of several means less the smallest.
        ratio: the worst group's mean over the best one's.
        worst: the group with the lowest mean.
    """

    agent: str
    scenario: str
    split: str
    seed: int
    episodes: int
    outcome: str
    overall: Interval
    groups: Mapping[str, Interval]
    counts: Mapping[str, int]
    difference: Interval
    ratio: Interval
    worst: str

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self)


def measure(
    name: str,
    opened: OpenedAgent,
    *,
    episodes: int = 100,
    split: str = CHOOSING,
    seed: int = 0,
    worlds: int = 16,
    on_episode: Callable[[int, int], None] = lambda done, total: None,
) -> Fairness:
    """Plays an agent on held-out episodes, and sums up what became of whom.

    Args:
        name: what it is called.
        opened: the agent, and where it acts.
        episodes: how many.
        split: where levels come from; "test" for reports.
        seed: of the episodes and of the bootstrap.
        worlds: how many run at once; makes no difference.
        on_episode: told how many of how many episodes have ended.

    Raises:
        ArgumentError: the scenario does not say what becomes of groups, or only one was met.
    """
    people = people_of(
        opened.agent, opened.scenario, opened.arguments, observers=opened.observers,
        episodes=episodes, split=split, seed=seed, worlds=worlds, on_episode=on_episode,
    )  # fmt: skip
    return Fairness(
        agent=name, scenario=opened.scenario, split=split, seed=seed, episodes=episodes,
        **gaps(people, seed),
    )  # fmt: skip


def people_of(
    agent: Agent,
    scenario: str,
    arguments: Mapping[str, Any],
    *,
    observers: int = 1,
    episodes: int = 100,
    split: str = CHOOSING,
    seed: int = 0,
    worlds: int = 16,
    on_episode: Callable[[int, int], None] = lambda done, total: None,
) -> People:
    """What becomes of each person in an agent's episodes; arguments as for `measure`.

    Raises:
        ArgumentError: the scenario does not say what becomes of groups.
    """
    episodes = at_least_one("episodes", episodes)
    seed = whole_number("seed", seed, 0, MAX_SEED)
    simulation = simulate(
        scenario, min(worlds, episodes), observers, **{**arguments, "split": split}
    )
    generators = Generators(spread(f"generators in {USE}", seed))

    def told(ended: int) -> None:
        with generators.outside():
            on_episode(ended, episodes)

    try:
        if not says_outcomes(simulation.task):
            raise ArgumentError(
                f"{scenario} does not say what becomes of groups of people; these do: "
                f"{', '.join(_that_do())}"
            )
        with generators:
            agent.seed(spread(f"agent in {USE}", seed))
            batch = Batch(simulation, AutoresetMode.DISABLED)
            runner = _Runner(batch, agent, range(episodes), partial(spread, USE, seed))
            runner.run(acting(agent) == "best", told)
    finally:
        simulation.close()
    return runner.people()


def says_outcomes(task: object) -> bool:
    """Whether a task has groups of people."""
    from als_engine.task import Task

    return type(task).outcomes is not Task.outcomes  # type: ignore[attr-defined]


def _that_do() -> list[str]:
    """The scenarios whose tasks say it."""
    from als_engine.plugins.registry import registry
    from als_engine.task import Task

    found = []
    for spec in registry.scenarios():
        task = registry.load(spec)
        if isinstance(task, type) and issubclass(task, Task) and task.outcomes is not Task.outcomes:
            found.append(spec.id)
    return found


class _Runner(Runner):
    """Asks the task at the end of each episode."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self._met: dict[int, tuple[NDArray[np.int64], NDArray[np.float64]]] = {}
        self._what = ""
        self._names: tuple[str, ...] = ()

    def _close(self, ended: NDArray[np.bool_]) -> None:
        simulation = self.batch.simulation
        found = simulation.task.outcomes(simulation.state)
        assert found is not None
        self._what, self._names = found.what, tuple(found.names)
        for world in np.flatnonzero(ended & (self._running >= 0)).tolist():
            self._met[int(self._running[world])] = (
                found.group[world].astype(np.int64), found.value[world].astype(np.float64)
            )  # fmt: skip
        super()._close(ended)

    def people(self) -> People:
        """All that were met, by episode."""
        order = sorted(self._met)
        group = np.concatenate([self._met[each][0] for each in order])
        value = np.concatenate([self._met[each][1] for each in order])
        episode = np.repeat(order, [len(self._met[each][0]) for each in order])
        there = (group >= 0) & np.isfinite(value)
        return People(self._what, self._names, group[there], value[there], episode[there])


def gaps(people: People, seed: int = 0) -> dict[str, Any]:
    """Means and gaps with 95 percent intervals, by bootstrap over episodes with all their people.

    Args:
        people: what became of them.
        seed: of the bootstrap.

    Returns:
        The fields of `Fairness` from `outcome` on.

    Raises:
        ArgumentError: people of fewer than two groups were met.
    """
    there = [number for number in range(len(people.names)) if (people.group == number).any()]
    if len(there) < 2:
        raise ArgumentError(
            "people of one group alone were met: play more episodes, or another split"
        )
    order, episode = np.unique(people.episode, return_inverse=True)
    sums, counts = np.zeros((2, len(order), len(there)))
    for place, number in enumerate(there):
        mine = people.group == number
        np.add.at(sums[:, place], episode[mine], people.value[mine])
        np.add.at(counts[:, place], episode[mine], 1)
    rng = np.random.default_rng(spread("fairness", seed))
    drawn = rng.multinomial(len(order), np.full(len(order), 1 / len(order)), RESAMPLES)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = (drawn @ sums) / (drawn @ counts)
        whole = (drawn @ sums.sum(1)) / (drawn @ counts.sum(1))
    means = means[np.isfinite(means).all(1)]  # A group may be missing in what was drawn.
    found = sums.sum(0) / counts.sum(0)
    names = [people.names[number] for number in there]
    return {
        "outcome": people.what,
        "overall": _interval(float(sums.sum() / counts.sum()), whole),
        "groups": {name: _interval(float(found[i]), means[:, i]) for i, name in enumerate(names)},
        "counts": {name: int(counts[:, i].sum()) for i, name in enumerate(names)},
        "difference": _interval(float(np.ptp(found)), np.ptp(means, axis=1)),
        "ratio": _interval(_ratio(found[None])[0], _ratio(means)),
        "worst": names[int(found.argmin())],
    }


def _ratio(means: NDArray[np.float64]) -> NDArray[np.float64]:
    """The lowest over the highest; 1 where all are 0."""
    high = means.max(axis=1)
    found: NDArray[np.float64] = np.ones(len(means))
    np.divide(means.min(axis=1), high, out=found, where=high != 0)
    return found


def _interval(value: float, drawn: NDArray[np.float64]) -> Interval:
    if not len(drawn):
        return Interval(float(value), float(value), float(value))
    low, high = np.percentile(drawn, [2.5, 97.5])
    return Interval(float(value), float(low), float(high))
