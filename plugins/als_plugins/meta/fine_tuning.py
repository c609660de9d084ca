"""Adapts a trained agent to one task by some episodes; cautiously, if that is asked for.

An `rl2` without memory over episodes is fine-tuned by PPO, a `maml` takes the steps that it has
learnt to learn by.

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
from als_plugins.meta.maml import MAML
from als_plugins.meta.playing import Played, TrialPlan, one_task, play
from als_plugins.meta.policies import Ways
from als_plugins.meta.rl2 import RL2
from als_plugins.meta.tasks import TaskLevels

__all__ = ["Adapted", "Adapting", "Adaptive", "adapt"]


Adaptive = RL2 | MAML
"""Agents that adapt to a task by gradients."""

RATE, PASSES = 1e-3, 8
"""Of PPO, where nothing else is asked for."""


@dataclass(frozen=True)
class Adapting:
    """How an agent adapts to a task.

    Attributes:
        rate: of Adam, or of a `maml`'s steps; None for the agent's own.
        passes: over the episodes of the task, likewise.
        kl: how far it may go, as the mean KL divergence of its policy; None for any way.
        check: episodes of the task by which it is rolled back; 0 never does.
    """

    rate: float | None = None
    passes: int | None = None
    kl: float | None = None
    check: int = 0


@dataclass(frozen=True)
class Adapted:
    """What became of a task.

    Attributes:
        agent: after it.
        rolled_back: whether that is the agent from before.
    """

    agent: Adaptive
    rolled_back: bool


def adapt(
    agent: Adaptive,
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
        episodes: as many worlds play one each. For PPO, one that ends early is followed by another.
        how: it adapts.
        fresh: whether it learns the task from scratch instead.
        untaught: whether it stays as it begins: what is to be had without an episode.
    """
    seed = spread("adapting", plan.seed, trial, episodes)
    arguments = {**plan.arguments, "split": plan.split}
    rows = Rows(plan.scenario, episodes, observers=plan.observers, **arguments)
    one = _OneTask(plan.tasks[trial], known)
    learner: Adaptive
    try:
        if isinstance(agent, MAML):
            learner = agent.fresh(seed) if fresh else agent
            if not untaught:
                learner = _by_steps(learner, rows, one, how, seed)
        else:
            learner = _by_ppo(agent, plan, rows, one, how, seed, fresh, untaught)
    finally:
        rows.close()
    if how.check and not fresh:
        ours, theirs = (
            _checked(each, plan, trial, known, how.check, seed) for each in (learner, agent)
        )
        if ours.returns.mean() < theirs.returns.mean():
            return Adapted(agent, True)
    return Adapted(learner, False)


def _by_steps(agent: MAML, rows: Rows, one: _OneTask, how: Adapting, seed: int) -> MAML:
    given = agent.parameters
    coming = one.draw(np.random.default_rng(seed))[1]
    levels = [next(coming) for _ in range(rows.num_worlds)]
    ways = Ways(how.passes or given.inner, how.rate or given.rate)
    return agent.adapt_on(rows, levels, seed, ways, how.kl)


def _by_ppo(
    agent: RL2,
    plan: TrialPlan,
    rows: Rows,
    one: _OneTask,
    how: Adapting,
    seed: int,
    fresh: bool,
    untaught: bool,
) -> RL2:
    together = agent.parameters.together
    limit = int(rows.worlds.simulation.state.max_episode_steps)
    steps = together * math.ceil(limit / agent.parameters.hold / together)
    learner = _copy(agent, plan, how, steps, fresh)
    if not untaught:
        learner.learn_on(rows, one, Training(steps=steps * rows.num_rows, seed=seed))
    return learner


def _copy(agent: RL2, plan: TrialPlan, how: Adapting, steps: int, fresh: bool) -> RL2:
    """Another agent with the same weights, or fresh ones, that learns in one update."""
    changes = {
        "learning_rate": how.rate or RATE,
        "n_epochs": how.passes or PASSES,
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
    agent: Adaptive,
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
