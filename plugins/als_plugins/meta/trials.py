"""Trials: several episodes of one task in a row, which a learner with a memory takes for one.

`TrialRows` stands between a learner and its worlds, so that no learner knows of it (RL²: Duan et
al. 2016; Wang et al. 2016). An episode that ends inside a trial is no end to whoever learns: memory
and returns go on. What is seen has one more key, `TRIAL`: what was done last, what came of it, and
whether an episode begins.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from als_engine.envs.batch import Arrays
from als_engine.envs.rows import Rows, RowsWrapper
from als_engine.errors import ArgumentError, unknown
from als_engine.seeding import spread
from als_engine.simulation.levels import ITS_OWN
from als_plugins.mappo.holding import going_on
from als_plugins.meta.trial_sensor import TRIAL, trial_space, trial_values, with_trial

__all__ = ["TaskRows", "Tasks", "TrialRows"]

Levels = Callable[[int], Iterator[int]]


class Tasks(Protocol):
    """Draws the tasks of trials, as `TaskLevels` does."""

    def draw(self, rng: np.random.Generator) -> tuple[Hashable, Iterator[int]]:
        """A task and its levels, without end or as many as a trial has episodes."""


class TaskRows(RowsWrapper):
    """Rows in which others say which level a world lays out next.

    A world begins its next episode within the step that ends the last one, so that its level is
    asked for an episode ahead.
    """

    inner: Rows

    def __init__(self, rows: Rows, levels: Levels) -> None:
        """Wraps rows.

        Args:
            rows: which belong to it from now on.
            levels: the levels of a world, without end; called with its number at a reset.
        """
        super().__init__(rows)
        self._levels = levels
        self._coming: list[Iterator[int]] = []

    def reset(self, levels: Sequence[int | None] | None = None) -> Arrays:
        """Starts an episode in every world, of levels that are asked for now."""
        worlds = range(self.inner.num_worlds)
        self._coming = [self._levels(world) for world in worlds]
        for world in worlds:
            self._ask(world)
        found = self.inner.reset(levels)
        for world in worlds:
            self._ask(world)
        return found

    def step(self, actions: ArrayLike) -> Arrays:
        """Steps the worlds; asks for what comes after the episodes that begin."""
        found = self.inner.step(actions)
        for world in np.flatnonzero(self.inner.ended_worlds).tolist():
            self._ask(world)
        return found

    def close(self) -> None:
        """Lets the worlds draw their levels again, and closes them."""
        self.inner.worlds.coming_levels[:] = ITS_OWN
        self.inner.close()

    def _ask(self, world: int) -> None:
        self.inner.worlds.coming_levels[world] = next(self._coming[world])


class TrialRows(TaskRows):
    """Rows whose episodes are those of trials.

    Attributes:
        episodes: of a trial.
        tasks: the task of each world's trial.
        number: (worlds,), which episode of its trial a world is in, from 0.
        just_ended: (worlds,), where the last step ended an episode.
    """

    def __init__(
        self,
        rows: Rows,
        tasks: Tasks,
        episodes: int,
        told: Sequence[str] | None,
        seed: int,
        hold: int = 1,
        lasts: bool = True,
    ) -> None:
        """Wraps rows.

        Args:
            rows: which belong to it from now on.
            tasks: of which each trial has one.
            episodes: of a trial.
            told: terms of the reward that are shown; None for all.
            seed: of the draws, as long as `seed` is not called.
            hold: steps of the worlds in which an action goes on, which are one step here; see
                `going_on`. An avatar whose episode ends among them rests until the next.
            lasts: whether an episode is shown as the next one of its trial; otherwise each is shown
                as the first.

        Raises:
            ArgumentError: there is no such term of the reward.
        """
        super().__init__(rows, self._trials)
        self._drawing, self.episodes, self._hold = tasks, episodes, hold
        self._lasts = lasts
        simulation = rows.worlds.simulation
        self._rest = simulation.acting.resting()
        self._rewards = np.zeros(rows.num_rows)
        names = list(rows.reward_names)
        for name in told or ():
            if name not in names:
                raise ArgumentError(unknown("term of the reward", name, names))
        self._told = [names.index(name) for name in (names if told is None else told)]
        self.observation_space = with_trial(rows.observation_space, rows.action_space)
        worlds = rows.num_worlds
        self._roots = [spread("trials", seed, world) for world in range(worlds)]
        self._begun = np.zeros(worlds, np.int64)
        # Of the trials that levels were drawn for so far: a world's own may be one behind.
        self._drawn: list[list[Hashable]] = [[] for _ in range(worlds)]
        self.tasks: list[Hashable] = [None] * worlds
        self.number = np.zeros(worlds, np.int64)
        self._over: NDArray[np.bool_] = np.zeros(worlds, np.bool_)
        self.just_ended = self._over
        width = math.prod(trial_space(rows.action_space).shape)
        self._shown: NDArray[np.float32] = np.zeros((rows.num_rows, width), np.float32)
        self._last = self._shown.copy()

    def seed(self, seed: int | None = None) -> Sequence[int | None]:
        """Seeds the worlds and the draws of their tasks."""
        seeds = self.inner.seed(seed)
        self._roots = [
            root if each is None else spread("trials", each)
            for root, each in zip(self._roots, seeds, strict=True)
        ]
        return seeds

    def _trials(self, world: int) -> Iterator[int]:
        """A world's levels: trial after trial, each with a generator made of its number."""
        number = 0
        while True:
            rng = np.random.default_rng([self._roots[world], number])
            task, levels = self._drawing.draw(rng)
            self._drawn[world].append(task)
            for _ in range(self.episodes):
                yield next(levels)
            number += 1

    def reset(self, levels: Sequence[int | None] | None = None) -> Arrays:
        """Starts a trial in every world."""
        for drawn in self._drawn:
            drawn.clear()
        super().reset(levels)
        self.number[:] = 0
        self.tasks = [drawn[0] for drawn in self._drawn]
        self._over[:] = False
        every = np.ones(self.inner.num_rows, np.bool_)
        self._shown = trial_values(
            self.inner.action_space, None, np.zeros(len(every)), every, every
        )
        return self.observations

    def step(self, actions: ArrayLike) -> Arrays:
        """Steps the worlds, and begins trials where others have ended."""
        rows, given = self.inner, np.asarray(actions)
        ended, told = np.zeros(rows.num_worlds, np.bool_), np.zeros(rows.num_rows)
        self._rewards = np.zeros(rows.num_rows)
        now = given
        for k in range(self._hold):
            if k > 0:
                which = np.repeat(ended, rows.observers).reshape(-1, *(1,) * (given.ndim - 1))
                now = np.where(which, self._rest, going_on(given, rows.action_space))
            super().step(now)
            self._rewards += rows.rewards
            told += rows.terms[:, self._told].sum(axis=1)
            ended |= rows.ended_worlds
        self.number[ended] += 1
        self._over = ended & (self.number >= self.episodes)
        self.number[self._over] = 0
        for world in np.flatnonzero(self._over).tolist():
            self._drawn[world].pop(0)
            self.tasks[world] = self._drawn[world][0]
        anew = self._over if self._lasts else ended
        begins, first = (np.repeat(each, rows.observers) for each in (ended, anew))
        never = np.zeros_like(begins)
        self.just_ended = ended
        self._last = trial_values(rows.action_space, given, told, never, never)
        self._shown = trial_values(rows.action_space, given, told, begins, first)
        return self.observations

    # -- what a learner sees of it ----------------------------------------------------------------

    @property
    def rewards(self) -> NDArray[np.float64]:
        """(rows,): of the steps in which the last action went on."""
        return self._rewards

    @property
    def observations(self) -> Arrays:
        """Key to (rows, ...)."""
        return {**self.inner.observations, TRIAL: self._shown}

    @property
    def final_observations(self) -> Arrays:
        """Key to (rows, ...): the last ones of the trials that the last step has ended."""
        return {**self.inner.final_observations, TRIAL: self._last}

    @property
    def ended_worlds(self) -> NDArray[np.bool_]:
        """(worlds,): whether the last step ended the trial."""
        return self._over

    @property
    def ended(self) -> NDArray[np.bool_]:
        """(rows,): whether the last step ended the trial."""
        return np.repeat(self._over, self.inner.observers)

    @property
    def terminated(self) -> NDArray[np.bool_]:
        """(rows,): a trial that has ended is followed by nothing."""
        return self.ended
