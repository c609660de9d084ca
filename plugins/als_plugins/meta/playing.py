"""Plays trials of held-out tasks: with memory over episodes, or with none."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from als_engine.agents.agent import Agent, acting
from als_engine.agents.masks import with_masks
from als_engine.envs.rows import Rows
from als_engine.seeding import row_seeds, spread
from als_plugins.meta.tasks import TaskDistribution, TaskLevels
from als_plugins.meta.trials import TrialRows

__all__ = ["Played", "TrialPlan", "plan_trials", "play"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Played:
    """Episodes of some worlds, one after the other.

    Attributes:
        returns: (worlds, episodes), the mean over the avatars that the agent drove.
        success: (worlds, episodes), 1 where an episode succeeded.
    """

    returns: Floats
    success: Floats


@dataclass(frozen=True)
class TrialPlan:
    """Trials that several agents play: the same tasks, on the same levels.

    Attributes:
        scenario, arguments, observers, split: where.
        tasks: of each trial.
        levels: (trials, episodes), of each episode.
        seed: of what agents draw.
    """

    scenario: str
    arguments: Mapping[str, Any]
    observers: int
    split: str
    tasks: tuple[Hashable, ...]
    levels: NDArray[np.int64]
    seed: int

    @property
    def trials(self) -> int:
        """How many there are."""
        return len(self.tasks)


def one_task(plan: TrialPlan, task: Hashable, levels: Sequence[int], seed: int) -> TrialPlan:
    """A plan in which each world plays one episode, all of the same task.

    Args:
        plan: where.
        task: of all worlds.
        levels: of each world.
        seed: of what agents draw.
    """
    laid_out = np.array(levels, np.int64)[:, None]
    return replace(plan, tasks=(task,) * len(levels), levels=laid_out, seed=seed)


def plan_trials(
    tasks: TaskDistribution,
    scenario: str,
    split: str,
    arguments: Mapping[str, Any],
    *,
    trials: int,
    episodes: int,
    seed: int,
    observers: int = 1,
) -> tuple[TrialPlan, TaskLevels]:
    """Draws tasks of a split, and levels of each.

    Args:
        tasks: which tasks there are.
        scenario: where.
        split: whose levels.
        arguments: of the scenario, as agents play it.
        trials: how many.
        episodes: of each.
        seed: of the draws.
        observers: how many avatars of each world the agent drives.
    """
    known = TaskLevels(tasks, scenario, split, arguments, observers)
    chosen, levels = [], np.zeros((trials, episodes), np.int64)
    for trial in range(trials):
        task, coming = known.draw(np.random.default_rng(spread(f"trials in {split}", seed, trial)))
        chosen.append(task)
        levels[trial] = [next(coming) for _ in range(episodes)]
    plan = TrialPlan(scenario, dict(arguments), observers, split, tuple(chosen), levels, seed)
    return plan, known


def play(
    agent: Agent,
    plan: TrialPlan,
    tasks: TaskDistribution,
    *,
    remembers: bool,
    arguments: Mapping[str, Any] | None = None,
    on_step: Callable[[], None] = lambda: None,
) -> Played:
    """Plays all trials at once, a world for each.

    Args:
        agent: who acts.
        plan: what is played.
        tasks: says what of the reward is told.
        remembers: whether the agent goes on from one episode of a trial to the next.
        arguments: of the scenario, where they are not those of the plan.
        on_step: called after each step.
    """
    given = {**(plan.arguments if arguments is None else arguments), "split": plan.split}
    rows = Rows(plan.scenario, plan.trials, observers=plan.observers, **given)
    try:
        return _play(agent, plan, tasks, rows, remembers, on_step)
    finally:
        rows.close()


def _play(
    agent: Agent,
    plan: TrialPlan,
    tasks: TaskDistribution,
    rows: Rows,
    remembers: bool,
    on_step: Callable[[], None],
) -> Played:
    trials, episodes = plan.levels.shape
    hold = int(agent.config.get("hold", 1))
    shown = TrialRows(rows, _Fixed(plan), episodes, tasks.told, plan.seed, hold, remembers)
    rows.seed(spread("worlds of trials", plan.seed))
    shown.reset()
    agent.attach(rows)
    agent.seed(spread("agent in trials", plan.seed))
    best = acting(agent) == "best"
    played = np.zeros(trials, np.int64)
    returns, success = np.zeros((2, trials, episodes))
    state = _begun(agent, None, plan, played, np.ones(trials, np.bool_))
    while (played < episodes).any():
        actions, state = agent.act(
            with_masks(agent, shown.observations, rows.action_masks), state, best
        )
        shown.step(actions)
        ended = shown.just_ended & (played < episodes)
        for world in np.flatnonzero(ended).tolist():
            returns[world, played[world]] = rows.final_returns[world].mean()
            success[world, played[world]] = rows.worlds.final_metrics["success"][world]
        played[ended] += 1
        if ended.any() and not remembers:
            state = _begun(agent, state, plan, played, ended)
        on_step()
    return Played(returns, success)


def _begun(
    agent: Agent, state: Any, plan: TrialPlan, played: NDArray[np.int64], which: NDArray[np.bool_]
) -> Any:
    """The agent's state with some worlds at a beginning; what it draws depends on the episode."""
    seeds: list[int] = []
    for world in np.flatnonzero(which).tolist():
        at = world, int(played[world])
        seeds += row_seeds(spread("actions in trials", plan.seed, *at), plan.observers)
    return agent.restart(state, np.repeat(which, plan.observers), seeds)


class _Fixed:
    """Gives every world the levels of the plan, as `TaskLevels.draw` would."""

    def __init__(self, plan: TrialPlan) -> None:
        self._plan, self._world = plan, 0

    def draw(self, rng: np.random.Generator) -> tuple[Hashable, Iterator[int]]:
        """The next world's trial; a second one is laid out, and counts for nothing."""
        world, self._world = self._world % self._plan.trials, self._world + 1
        return self._plan.tasks[world], iter(self._plan.levels[world].tolist())
