"""Adapts a trained agent to one task by some episodes of PPO; cautiously, if that is asked for.

A cautious adaptation goes no farther from what it was than a bound in KL divergence, and is rolled
back where the adapted agent does worse than the one before it in episodes of the task that both
play: the same levels, and the same draws.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator
from dataclasses import dataclass

import numpy as np

from als_engine.agents.agent import Training
from als_engine.agents.saving import make_agent
from als_engine.envs.rows import Rows
from als_engine.seeding import spread
from als_plugins.meta.playing import Played, TrialPlan, one_task, play
from als_plugins.meta.rl2 import RL2
from als_plugins.meta.tasks import TaskLevels

__all__ = ["Adapted", "Adapting", "adapt"]


@dataclass(frozen=True)
class Adapting:
    """How an agent adapts to a task.

    Attributes:
        rate: of Adam.
        passes: over the episodes of the task.
        kl: how far it may go, as the mean KL divergence of its policy; None for any way.
        check: episodes of the task by which it is rolled back; 0 never does.
    """

    rate: float = 1e-3
    passes: int = 8
    kl: float | None = None
    check: int = 0


@dataclass(frozen=True)
class Adapted:
    """What became of a task.

    Attributes:
        agent: after it.
        rolled_back: whether that is the agent from before.
    """

    agent: RL2
    rolled_back: bool


def adapt(
    agent: RL2,
    plan: TrialPlan,
    trial: int,
    known: TaskLevels,
    episodes: int,
    how: Adapting,
    *,
    fresh: bool = False,
    untaught: bool = False,
) -> Adapted:
    """Adapts to the task of a trial, with the steps of so many whole episodes.

    Args:
        agent: that adapts; it stays as it is.
        plan: where.
        trial: whose task it is.
        known: draws further levels of the task.
        episodes: as many worlds play one each; an episode that ends early is followed by another.
        how: it adapts.
        fresh: whether it learns the task from scratch instead.
        untaught: whether it stays as it begins: what is to be had without an episode.
    """
    seed = spread("adapting", plan.seed, trial, episodes)
    arguments = {**plan.arguments, "split": plan.split}
    rows = Rows(plan.scenario, episodes, observers=plan.observers, **arguments)
    try:
        together = agent.parameters.together
        limit = int(rows.worlds.simulation.state.max_episode_steps)
        steps = together * math.ceil(limit / agent.parameters.hold / together)
        learner = _copy(agent, plan, how, steps, fresh)
        one = _OneTask(plan.tasks[trial], known)
        if not untaught:
            learner.learn_on(rows, one, Training(steps=steps * rows.num_rows, seed=seed))
    finally:
        rows.close()
    if how.check and not fresh:
        ours, theirs = (
            _checked(each, plan, trial, known, how.check, seed) for each in (learner, agent)
        )
        if ours.returns.mean() < theirs.returns.mean():
            return Adapted(agent, True)
    return Adapted(learner, False)


def _copy(agent: RL2, plan: TrialPlan, how: Adapting, steps: int, fresh: bool) -> RL2:
    """Another agent with the same weights, or fresh ones, that learns in one update."""
    changes = {
        "learning_rate": how.rate,
        "n_epochs": how.passes,
        "n_steps": steps,
        "target_kl": how.kl,
        "target_kl_end": None,
    }
    config = {**agent.config, **agent.continuing(), **changes}
    made = make_agent("rl2", plan.scenario, plan.arguments, config)
    assert isinstance(made, RL2)
    if not fresh:
        made.policy.load_state_dict(agent.policy.state_dict())
    return made


class _OneTask:
    """Draws levels of one task alone."""

    def __init__(self, task: Hashable, known: TaskLevels) -> None:
        self._task, self._known = task, known

    def draw(self, rng: np.random.Generator) -> tuple[Hashable, Iterator[int]]:
        return self._task, self._known.levels(self._task, rng)


def _checked(
    agent: RL2,
    plan: TrialPlan,
    trial: int,
    known: TaskLevels,
    episodes: int,
    seed: int,
) -> Played:
    """Episodes of a task, on levels that are neither adapted on nor scored by."""
    task = plan.tasks[trial]
    coming = known.levels(task, np.random.default_rng(spread("levels to check by", seed)))
    levels = [next(coming) for _ in range(episodes)]
    checked = one_task(plan, task, levels, spread("checks", seed))
    return play(agent, checked, agent.tasks, remembers=False)
