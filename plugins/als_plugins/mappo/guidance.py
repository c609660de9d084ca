"""Demonstrations that `mappo` stays close to while it learns by itself, less and less."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from als_engine.errors import ArgumentError
from als_engine.seeding import spread
from als_plugins.imitation.imitation import Imitation, Steps
from als_plugins.imitation.kept import Kept, sequences_for, step_bytes
from als_plugins.imitation.parameters import is_yardstick
from als_plugins.imitation.recorded import is_dataset, open_recorded
from als_plugins.imitation.sources import Demonstrator
from als_plugins.imitation.worlds import Lessons

if TYPE_CHECKING:
    from als_engine.agents.agent import Progress, Training
    from als_engine.envs.rows import Rows
    from als_plugins.learners.clock import UpdateLog
    from als_plugins.mappo.learner import Mappo
    from als_plugins.mappo.rollout import Rollout

__all__ = ["Guidance", "imitate_yardstick"]


def imitate_yardstick(
    learner: Mappo,
    optimizer: torch.optim.Optimizer,
    rows: Rows,
    training: Training,
    steps: int,
    log: UpdateLog,
    after_step: Callable[[int], None],
) -> None:
    """Lets the scenario's expert or a rule show what to do, up to the learner's `imitate` steps.

    Args:
        learner: who learns; its network is there.
        optimizer: of its weights.
        rows: its worlds.
        training: of how many steps, from which seed, and whether it has been told to stop.
        steps: so far.
        log: where losses go.
        after_step: told how many steps there are.
    """
    parameters = learner.parameters
    until = min(parameters.imitate, training.steps)
    how = parameters.imitate_config
    imitation = Imitation(learner.student(), optimizer, how, log, until, steps)
    source = Demonstrator.belonging_to(rows, parameters.imitate_from)
    learner.policy.eval()
    lessons = Lessons(imitation, rows, source, training.seed, dagger=True)
    lessons.run(until, training.should_stop, after_step)


class Guidance:
    """What is added to PPO's loss: how unlikely the policy finds demonstrated actions.

    But for a constant that is the KL divergence from whoever demonstrates to the policy. The expert
    or a rule says what it would do in the states that the learner comes to; a dataset has states
    of its own.
    """

    def __init__(self, learner: Mappo, rows: Rows, training: Training, steps: int) -> None:
        """Opens the source.

        Args:
            learner: who is guided; its network is there.
            rows: its worlds.
            training: of how many steps, and from which seed.
            steps: that it has taken when it begins to play.

        Raises:
            ArgumentError: it is no dataset, or of something else.
            SavedFileError: it is damaged.
        """
        parameters, name = learner.parameters, learner.parameters.demonstrations
        assert name is not None
        self._student, self._rows = learner.student(), rows
        self._weight = parameters.demonstrations_weight
        self._end = parameters.demonstrations_part * training.steps
        self._played = steps
        rng = np.random.default_rng(spread("demonstrations", training.seed, steps))
        self._kept: Kept | None = None
        self._recorded = 0
        if is_yardstick(name):
            sensors, actions = learner.observation_space, learner.action_space
            room = parameters.imitate_config.room_for(step_bytes(sensors, actions), training.steps)
            sequences = sequences_for(self._student, rows.num_rows)
            self._kept = Kept(sensors, actions, max(room, rows.num_rows), rng, sequences)
            self._data: Steps = self._kept
            self._source = Demonstrator.belonging_to(rows, name)
            self._source.begin(rows, training.seed)
        elif is_dataset(name):
            data = open_recorded(name, rows.scenario, learner)
            data.seed(rng)
            self._data, self._recorded = data, data.steps
        else:
            raise ArgumentError(f"demonstrations: {name} is no dataset; `als collect` makes one")

    def _weight_at(self, steps: int) -> float:
        """That of the loss after so many steps; it falls to 0 in a straight line."""
        return self._weight * max(0.0, 1.0 - steps / self._end) if self._end else 0.0

    def counted(self, progress: Progress) -> Progress:
        """The progress with what has been demonstrated beside what was so before."""
        demonstrated, rows = progress.demonstrated, self._rows.num_rows
        if self._kept is not None and self._weight:
            asked = -int(-self._end // rows) * rows
            demonstrated = max(demonstrated, min(progress.steps, asked))
        return replace(
            progress, demonstrated=demonstrated + self._recorded, recorded=self._recorded
        )

    def ask(self, rollout: Rollout, step: int) -> None:
        """Asks the source what it would do before a step that is played, maybe on a thread."""
        if self._kept is not None and self._weight_at(self._played) > 0.0:
            rollout.show(step, self._source.actions(self._rows))
        self._played += rollout.rows

    def take(self, rollout: Rollout, steps: int) -> float:
        """Takes over what was asked in a rollout; returns the weight after so many steps."""
        weight = self._weight_at(steps)
        if self._kept is not None and weight:
            self._kept.add(*rollout.shown())
        return weight

    def loss(self, size: int) -> Tensor:
        """Minus the mean logarithm of how likely so many demonstrated actions are."""
        batch = self._data.batch(size)
        return -self._student.judge(batch).logs.mean()
