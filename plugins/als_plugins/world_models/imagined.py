"""Rows that a world model thinks up: short rollouts from what was really seen."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from als_engine.agents.masks import mask_size
from als_engine.envs.rows import RowsWrapper
from als_plugins.world_models.codes import ActionCode
from als_plugins.world_models.data import Steps, steps_of
from als_plugins.world_models.ensemble import Ensemble
from als_plugins.world_models.saving import Learnt

if TYPE_CHECKING:
    from als_engine.envs.rows import Rows
    from als_plugins.learners.flat_numbers import FlatNumbers

__all__ = ["ImaginedRows", "RecordedRows"]

Arrays = dict[str, NDArray[Any]]


class RecordedRows(RowsWrapper):
    """Rows that keep what was seen, done and earned in them.

    Attributes:
        steps: kept so far, over all rows.
    """

    def __init__(self, inner: Rows, numbers: FlatNumbers, actions: ActionCode, most: int) -> None:
        """Wraps rows.

        Args:
            inner: the rows.
            numbers: reads observations.
            actions: reads actions.
            most: steps that are kept, over all rows; older ones are forgotten.
        """
        super().__init__(inner)
        self._numbers, self._actions = numbers, actions
        self._kept: deque[tuple[NDArray[Any], ...]] = deque(maxlen=max(1, most // inner.num_rows))

    def step(self, actions: NDArray[Any]) -> Arrays:
        """Steps the rows."""
        seen, done = self._numbers(self.inner.observations), self._actions(np.asarray(actions))
        observations = self.inner.step(actions)
        earned = self.inner.rewards.astype(np.float32)
        ended, over = self.inner.ended, self.inner.terminated.astype(np.float32)
        self._kept.append((seen, done, earned, over, ended.copy()))
        return observations

    @property
    def steps(self) -> int:
        """Kept so far, over all rows."""
        return len(self._kept) * int(self.inner.num_rows)

    def recorded(self) -> Steps:
        """All of them, row by row."""
        # From (steps, rows, ...) to (rows * steps, ...).
        parts = [
            np.stack(each, axis=1).reshape(self.steps, *each[0].shape[1:])
            for each in zip(*self._kept, strict=True)
        ]
        numbers, actions, rewards, over, ended = parts
        ended = ended.copy()
        ended[len(self._kept) - 1 :: len(self._kept)] = True  # What follows is not known yet.
        lengths = np.diff(np.flatnonzero(ended), prepend=-1)
        return Steps(numbers, actions, rewards, over, steps_of(lengths))


class ImaginedRows:
    """What `mappo` needs of rows, from an ensemble.

    An episode begins at a real observation and lasts some steps; then its time is up, unless the
    model thinks that the task has ended.

    Attributes:
        num_rows: how many.
        observation_space, action_space: of one row.
        rewards: (rows,). ended, terminated: (rows,) bool.
        observations, final_observations: key to (rows, ...).
    """

    def __init__(self, learnt: Learnt, real: Steps, rows: int, horizon: int, seed: int) -> None:
        """Begins in all rows.

        Args:
            learnt: an ensemble.
            real: where episodes begin.
            rows: how many.
            horizon: steps of an episode.
            seed: of where they begin; what the model draws, it draws with torch's generator.
        """
        self._learnt, self._real, self._horizon = learnt, real, horizon
        self._rng = np.random.default_rng(seed)
        self.num_rows = rows
        self.observation_space, self.action_space = learnt.code.space, learnt.actions.space
        self.rewards = np.zeros(rows)
        self.ended = np.zeros(rows, np.bool_)
        self.terminated = np.zeros(rows, np.bool_)
        self._age = np.zeros(rows, np.int64)
        self._state = self._begin(rows)
        self.observations: Arrays = learnt.code.back(self._state)
        self.final_observations: Arrays = self.observations

    def _begin(self, count: int) -> NDArray[np.float32]:
        chosen = self._rng.integers(len(self._real), size=count)
        return self._learnt.code.standardised(self._real.numbers[chosen])

    @torch.no_grad()
    def step(self, actions: NDArray[Any]) -> Mapping[str, NDArray[Any]]:
        """Asks in each row one member, which is drawn."""
        learnt, model = self._learnt, self._learnt.model
        assert isinstance(model, Ensemble)
        done = torch.from_numpy(learnt.actions(actions))
        guess = model.drawn_step(torch.from_numpy(self._state), done)
        after = guess.observation.clamp(-10.0, 10.0).numpy()
        self.rewards = learnt.rewards(guess.reward.numpy()).astype(np.float64)
        self.terminated = (torch.rand(self.num_rows) < guess.end).numpy()
        self._age += 1
        self.ended = self.terminated | (self._age >= self._horizon)
        self._age[self.ended] = 0
        self.final_observations = learnt.code.back(after)
        self._state = after.copy()
        if self.ended.any():
            self._state[self.ended] = self._begin(int(self.ended.sum()))
        self.observations = learnt.code.back(self._state)
        return self.observations

    def action_masks(self) -> NDArray[np.bool_]:
        """All actions are possible, as far as the model knows, (rows, n)."""
        return np.ones((self.num_rows, mask_size(self.action_space)), np.bool_)

    def note_advantages(self, advantages: object) -> None:
        """Nobody listens."""
