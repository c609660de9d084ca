"""Wraps a learner's worlds, so that feedback is part of their rewards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from als_engine.envs.batch import Arrays
from als_engine.envs.rows import Rows, RowsWrapper
from als_plugins.adaptation.channel import Channel, Moment, ShowingChannel
from als_plugins.adaptation.credit import Credit

__all__ = ["FeedbackRewards"]

_EVERY: Final = 4
"""Steps of all worlds between two fits of the predictions."""
_UPDATES: Final = 8
"""Gradient steps of each."""


class FeedbackRewards(RowsWrapper):
    """Adds to the task's reward what people would say about the action.

    Attributes:
        clock: steps since the adaptation began.
        weight: of feedback, against the task's reward.
    """

    def __init__(
        self,
        rows: Rows,
        channel: Channel,
        credit: Credit,
        *,
        task_weight: float,
        step: int,
    ) -> None:
        """Wraps worlds.

        Args:
            rows: the worlds.
            channel: open.
            credit: what learns from it.
            task_weight: of the task's reward.
            step: of the first moment.
        """
        super().__init__(rows)
        self._channel, self._credit, self._task_weight = channel, credit, task_weight
        self.clock, self.weight = step, 0.0
        self._round_seed = 0
        self._moments: NDArray[np.float64] = np.zeros(3)  # of rewards: count, mean, square
        self._events, self._sum = 0, 0.0
        if isinstance(channel, ShowingChannel):
            channel.show(rows, lambda: credit.agreement.trust)

    def begin(self, weight: float, seed: int) -> None:
        """Sets the weight of feedback, and what the next reset seeds the actions with."""
        self.weight, self._round_seed = weight, seed

    def tally(self) -> tuple[int, float]:
        """The number of events since the last call, and their mean value."""
        events, mean = self._events, self._sum / max(self._events, 1)
        self._events, self._sum = 0, 0.0
        return events, mean

    def reset(self, levels: Sequence[int | None] | None = None) -> Arrays:
        """Resets the worlds, and seeds what the actions are drawn with.

        A round that begins with a snapshot's random state would, after a rollback, do the same
        again for ever.
        """
        torch.manual_seed(self._round_seed)
        np.random.seed(self._round_seed % (1 << 32))  # noqa: NPY002 - SB3 draws from it
        return self.inner.reset(levels)

    def step(self, actions: ArrayLike) -> Arrays:
        """Steps the worlds, listens, and puts the rewards together.

        The expert is asked before, where somebody wants to know what it would have done.
        """
        rows = self.inner
        seen = {key: array.copy() for key, array in rows.observations.items()}
        action = np.array(actions)
        expert = rows.expert_actions() if self._channel.asks_expert else None
        found = rows.step(actions)
        rewards = rows.rewards.astype(np.float32)
        self._credit.remember(self.clock, seen, action)
        self._channel.watch(Moment(self.clock, seen, action, expert, rewards, rows.ended))
        self._listen()
        if self.clock % _EVERY == 0:
            self._credit.learn(_UPDATES)
        self._rewards = self._mixed(rewards)
        self.clock += 1
        return found

    @property
    def rewards(self) -> NDArray[Any]:
        """(rows,): the task's with the feedback."""
        return self._rewards

    def _listen(self) -> None:
        heard = [
            (event.step, event.world * self.observers + event.avatar, event.value)
            for event in self._channel.poll(self.clock)
            if event.step is not None
        ]
        self._credit.hear(heard)
        self._events += len(heard)
        self._sum += sum(value for _, _, value in heard)

    def _mixed(self, rewards: NDArray[np.float32]) -> NDArray[np.float32]:
        signal = self._credit.signal(self.clock)
        if self._task_weight == 0.0:
            return (self.weight * signal).astype(np.float32)
        task = self._task_weight * rewards
        return (task + self.weight * self._task_size(task) * signal).astype(np.float32)

    def _task_size(self, task: NDArray[Any]) -> float:
        """The usual size of the task's rewards, so that feedback weighs as much in any scenario."""
        count, mean, square = self._moments.tolist()
        count += len(task)
        mean += (float(task.sum()) - len(task) * mean) / count
        square += (float(np.square(task).sum()) - len(task) * square) / count
        self._moments[:] = count, mean, square
        return float(np.sqrt(max(square - mean * mean, 1e-12)))
