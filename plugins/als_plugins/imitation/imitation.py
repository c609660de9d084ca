"""Gradient steps towards demonstrated actions, while demonstrations come in."""

from __future__ import annotations

from typing import Protocol

import torch

from als_plugins.imitation.parameters import ImitationParameters
from als_plugins.learners.student import Batch, Student

__all__ = ["Imitation", "Log", "Steps"]

_LOG_EVERY = 2_048
"""Demonstrated steps between two entries in the log."""

_AT_ONCE = 4
"""Gradient steps that are taken together: to switch a network between learning and acting takes as
long as a good part of one."""


class Steps(Protocol):
    """Demonstrated steps to learn from.

    Attributes:
        room: how many there can be.
    """

    room: int

    def __len__(self) -> int:
        """How many there are."""

    def batch(self, size: int) -> Batch:
        """Some of them, drawn at random."""


class Log(Protocol):
    """Takes what is measured of updates, such as an `UpdateLog`."""

    def add(self, values: dict[str, float], steps: int) -> None:
        """Tells the numbers of some updates, and the demonstrated steps so far."""


class Imitation:
    """Learns what was shown: likely actions, and for the critic what followed them.

    Attributes:
        steps: demonstrated so far. total: how many there will be.
        passes: gradient passes for each of them.
    """

    def __init__(
        self,
        student: Student,
        optimizer: torch.optim.Optimizer,
        parameters: ImitationParameters,
        log: Log,
        total: int,
        steps: int = 0,
        due: float = 0.0,
        at_once: int = _AT_ONCE,
    ) -> None:
        """Takes who learns, and how far it is.

        Args:
            student: who learns; its network is there.
            optimizer: of its weights.
            parameters: how it learns.
            log: where losses go.
            total: demonstrated steps in all.
            steps: demonstrated before.
            due: the part of a gradient step that they have left over.
            at_once: gradient steps that are taken together, at least.
        """
        self.student, self.parameters = student, parameters
        self.steps, self.total = steps, total
        self._optimizer, self._log = optimizer, log
        self.passes = parameters.passes_for(total)
        self._starts = parameters.learning_starts(total)
        self._due, self._at_once, self._logged = due, at_once, steps
        self._sums, self._updates = {"policy": 0.0, "value": 0.0}, 0

    def learn(self, new: int, data: Steps) -> None:
        """Counts new demonstrated steps, and takes the gradient steps that are due by then."""
        self.steps += new
        if len(data) < min(self._starts, data.room):
            return
        self._due += new * self.passes / self.parameters.imitation_batch
        if self._due < self._at_once and self.steps < self.total:
            return
        self.student.train(True)
        left = max(0.0, 1.0 - self.steps / self.total)
        for group in self._optimizer.param_groups:
            group["lr"] = self.parameters.imitation_rate * left
        while self._due >= 1.0:
            self._due -= 1.0
            self._update(data.batch(self.parameters.imitation_batch))
        self.student.train(False)
        self._write()

    def _update(self, batch: Batch) -> None:
        student = self.student
        logs, values, returns = student.judge(batch)
        loss = policy_loss = -logs.mean()
        known = ~torch.isnan(returns)
        if known.any():
            value_loss = student.value_loss(values[known], returns[known])
            loss = loss + student.parameters.vf_coef * value_loss
            self._sums["value"] += float(value_loss.detach())
        self._optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(
            student.policy.parameters(), student.parameters.max_grad_norm
        )
        self._optimizer.step()
        student.fit_deviation(batch)
        self._sums["policy"] += float(policy_loss.detach())
        self._updates += 1

    def _write(self) -> None:
        if not self._updates or self.steps - self._logged < _LOG_EVERY:
            return
        means = {
            f"imitation/{key}_loss": value / self._updates for key, value in self._sums.items()
        }
        self._log.add(means, self.steps)
        self._logged, self._updates = self.steps, 0
        self._sums = dict.fromkeys(self._sums, 0.0)
