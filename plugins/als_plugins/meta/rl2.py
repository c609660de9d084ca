"""`rl2`: `mappo` whose memory lasts over the episodes of one task, and so learns to learn (RL²)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, cast

import gymnasium
import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from als_engine.agents.agent import Learner, Observation, Progress, Training
from als_engine.errors import ArgumentError
from als_plugins.learners.hyperparameters import parse
from als_plugins.learners.row_wise import RowStates
from als_plugins.mappo.holding import going_on
from als_plugins.mappo.learner import Mappo
from als_plugins.mappo.network import Network
from als_plugins.mappo.parameters import MappoParameters
from als_plugins.meta.tasks import BUNDLED, TaskDistribution, TaskLevels, parse_tasks
from als_plugins.meta.trial_sensor import TRIAL, trial_values, with_trial

if TYPE_CHECKING:
    from als_engine.envs.rows import Rows
    from als_plugins.meta.trials import Tasks

__all__ = ["RL2", "RL2Parameters"]


class RL2Parameters(MappoParameters):
    """Those of `mappo`, and what a trial is.

    Attributes:
        tasks: what makes a task: the name of a bundled task distribution, or its fields. With
            "level" a trial plays the same level again and again, which every scenario can do.
        episodes: of a trial, over which memory and returns go on.
        hold: as in `mappo`. Steps of a training are those in which it chooses.
        memory: as in `mappo`; without one there is nothing to learn with.
    """

    tasks: Annotated[str, Field(max_length=100)] | TaskDistribution = "level"
    episodes: Annotated[int, Field(ge=1, le=100)] = 4
    memory: Literal["none", "gru", "attention"] = "gru"
    memory_steps: Annotated[int, Field(ge=2, le=256)] = 64

    @model_validator(mode="after")
    def _remembers(self) -> RL2Parameters:
        if self.memory == "none":
            raise ValueError('rl2 learns with its memory: use "gru" or "attention"')
        if isinstance(self.tasks, str) and self.tasks not in BUNDLED:
            raise ValueError(f"there is no task distribution {self.tasks!r}")
        return self


class _Recurrent(Mappo):
    """The learner inside, which takes a trial for an episode."""

    id: ClassVar[str] = "rl2"
    parameters_class: ClassVar[type[RL2Parameters]] = RL2Parameters
    parameters: RL2Parameters


@dataclass(frozen=True)
class _State:
    """What the rows of an agent have seen.

    Attributes:
        inner: the state of the learner inside.
        actions: (rows, ...), the last ones; None before any.
        begins: (rows,), where nothing was done yet.
        held: (rows,), steps for which the last action goes on yet.
    """

    inner: RowStates = field(default_factory=RowStates)
    actions: NDArray[Any] | None = None
    begins: NDArray[np.bool_] | None = None
    held: NDArray[np.int64] | None = None


class RL2(Learner):
    """Learns, by PPO over whole trials, a memory that adapts to each task (Duan et al. 2016).

    Where an observation has `TRIAL`, as `als meta score` gives it, memory lasts as long as the
    caller lets it. Elsewhere an episode is a trial of its own, and nobody tells rewards.
    """

    samples: ClassVar[bool] = True
    bears_missing_sensors: ClassVar[bool] = True
    paths: ClassVar[tuple[str, ...]] = Mappo.paths
    data: ClassVar[tuple[str, ...]] = Mappo.data
    shapes: ClassVar[tuple[str, ...]] = Mappo.shapes

    def __init__(
        self,
        observation_space: gymnasium.spaces.Dict,
        action_space: gymnasium.Space[Any],
        **hyperparameters: Any,
    ) -> None:
        """Checks the hyperparameters; the network is built when it is first needed.

        Raises:
            ArgumentError: as `Mappo`; there is no such task distribution.
        """
        seen = with_trial(observation_space, action_space)
        self.parameters = given = parse(_Recurrent.id, RL2Parameters, hyperparameters)
        # Trials hold the actions, and tell what came of them.
        self._inner = _Recurrent(seen, action_space, **{**hyperparameters, "hold": 1})
        held = {**self._inner.config, "hold": given.hold}
        super().__init__(observation_space, action_space, **held)
        self.tasks = parse_tasks(self.parameters.tasks)
        self.reads_masks = self._inner.reads_masks

    @property
    def policy(self) -> Network:
        """The network."""
        return self._inner.policy

    @property
    def row_wise(self) -> bool:
        """See `Agent.row_wise`."""
        return self._inner.row_wise

    @row_wise.setter
    def row_wise(self, value: bool) -> None:
        self._inner.row_wise = value

    # -- acting -----------------------------------------------------------------------------------

    def seed(self, seed: int) -> None:
        """See `Agent.seed`."""
        self._inner.seed(seed)

    def act(
        self, observation: Observation, state: Any = None, deterministic: bool = True
    ) -> tuple[NDArray[Any], Any]:
        """See `Agent.act`; what it has done itself it knows, where nobody tells."""
        before = _State() if state is None else state
        rows = len(next(iter(observation.values())))
        if TRIAL in observation:  # Whoever tells it also holds the actions.
            actions, inner = self._inner.act(observation, before.inner, deterministic)
            return actions, _State(inner, actions)
        begins = np.ones(rows, np.bool_) if before.begins is None else before.begins
        told = trial_values(self.action_space, before.actions, np.zeros(rows), begins, begins)
        actions, inner = self._inner.act({**observation, TRIAL: told}, before.inner, deterministic)
        left = np.zeros(rows, np.int64) if before.held is None else np.where(begins, 0, before.held)
        goes_on, done = left > 0, actions
        if goes_on.any():
            assert before.actions is not None
            actions[goes_on] = before.actions[goes_on]
            done = actions.copy()
            done[goes_on] = going_on(before.actions, self.action_space)[goes_on]
            for old, new in zip(before.inner.memory or (), inner.memory or (), strict=True):
                new[:, goes_on] = old[:, goes_on]
        left = np.where(goes_on, left, self.parameters.hold) - 1
        return done, _State(inner, actions, np.zeros(rows, np.bool_), left)

    def restart(
        self, state: Any, rows: NDArray[np.bool_], seeds: Sequence[int] | None = None
    ) -> Any:
        """Forgets the task in rows that begin."""
        before = _State() if state is None else state
        begins = rows if before.begins is None else before.begins | rows
        inner = self._inner.restart(before.inner, rows, seeds)
        return _State(inner, before.actions, begins, before.held)

    # -- learning and saving ----------------------------------------------------------------------

    def learn(self, rows: Rows, training: Training) -> Progress:
        """Trains on trials; see `Learner.learn`."""
        # Whoever only acts needs no worlds, and in a sandbox may have none.
        from als_engine.agents.curriculum.replay import ReplayRows

        if isinstance(rows, ReplayRows):
            raise ArgumentError("rl2 chooses its levels by their task: leave the curriculum out")
        split = rows.arguments.get("split", "train")
        levels = TaskLevels(self.tasks, rows.scenario, split, rows.arguments, rows.observers)
        return self.learn_on(rows, levels, training)

    def learn_on(self, rows: Rows, tasks: Tasks, training: Training) -> Progress:
        """Trains on trials of such tasks, maybe of one alone."""
        given = self.parameters
        from als_plugins.meta.trials import TrialRows

        trials = TrialRows(rows, tasks, given.episodes, self.tasks.told, training.seed, given.hold)
        return self._inner.learn(cast("Rows", trials), training)

    def continuing(self) -> dict[str, Any]:
        """Hyperparameters with other values where it learns on; see `Mappo.continuing`."""
        return self._inner.continuing()

    def save_training(self, folder: Path) -> None:
        """See `Learner.save_training`."""
        self._inner.save_training(folder)

    def save_weights(self, folder: Path) -> None:
        """See `Agent.save_weights`."""
        self._inner.save_weights(folder)

    def load_weights(self, folder: Path) -> None:
        """See `Agent.load_weights`."""
        self._inner.load_weights(folder)
