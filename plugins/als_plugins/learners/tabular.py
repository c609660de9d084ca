"""Q-learning and SARSA with a table, as simple baselines.

All rows learn into one table, in whole arrays. Where several rows leave the same state by the same
action in one step, the entry moves once, as far as that many updates towards their mean would move
it. How observations become states is said in `discretisation`.
"""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final

import gymnasium
import numpy as np
from gymnasium.spaces import Discrete
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from als_engine.agents.agent import REPORT_EVERY, Learner, Observation, Progress, Training
from als_engine.agents.saving import TRAINING
from als_engine.errors import ArgumentError, SavedFileError
from als_engine.seeding import spread
from als_engine.system.safe_files import read_tensors, write_tensors
from als_plugins.learners.discretisation import MAX_CELLS, Borders, Discretisation, Tiles
from als_plugins.learners.hyperparameters import Rate, Share, parse

if TYPE_CHECKING:
    from als_engine.envs.rows import Rows

__all__ = ["QLearning", "Sarsa", "TabularParameters"]

TABLE: Final = "weights.safetensors"
_LOG_EVERY: Final = 2_000
"""Steps between two entries in the log."""

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


class TabularParameters(BaseModel):
    """The hyperparameters of both learners.

    Attributes:
        learning_rate: how far an entry moves towards its target, at the beginning.
        learning_rate_end: the same at the end; in between it falls in a straight line.
        gamma: the discount.
        epsilon: the share of random actions at the beginning.
        epsilon_end: the same from `exploration_fraction` of the training on; it falls in a straight
            line.
        exploration_fraction: a part of the training.
        initial: what every entry is at first; above what can be earned, it drives exploration.
        things: which things are looked for and how finely; see `discretisation`.
        body: columns of `proprioception` and the borders between their intervals.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    learning_rate: Rate = 0.2
    learning_rate_end: Rate = 0.02
    gamma: Rate = 0.98
    epsilon: Share = 1.0
    epsilon_end: Share = 0.05
    exploration_fraction: Share = 0.6
    initial: Annotated[float, Field(ge=-1e6, le=1e6)] = 0.0
    things: Annotated[dict[str, Tiles], Field(max_length=10)] = {"avatar": Tiles()}
    body: Annotated[dict[str, Borders], Field(max_length=11)] = {"holding": [0.5]}


class QLearning(Learner):
    """Q-learning (Watkins 1989): the value of what follows is that of its best action."""

    id: ClassVar[str] = "q-learning"
    shapes = ("things", "body")

    def __init__(
        self,
        observation_space: gymnasium.spaces.Dict,
        action_space: gymnasium.Space[Any],
        **hyperparameters: Any,
    ) -> None:
        """Makes the table.

        Raises:
            ArgumentError: a hyperparameter is unknown or not allowed, a sensor that the
                discretisation reads is missing, the table would be too large, or actions are not
                discrete.
        """
        self.parameters = parse(self.id, TabularParameters, hyperparameters)
        if not isinstance(action_space, Discrete):
            raise ArgumentError(
                f'{self.id} does not take {action_space}: use action_mode="discrete"'
            )
        super().__init__(observation_space, action_space, **self.parameters.model_dump())
        parameters = self.parameters
        self.index = Discretisation(observation_space, parameters.things, parameters.body)
        self.actions = int(action_space.n)
        if self.index.states * self.actions > MAX_CELLS:
            raise ArgumentError(
                f"{self.id}: a table of {self.index.states} states and {self.actions} actions has "
                f"more than {MAX_CELLS} entries: use fewer things, sectors, rings or borders"
            )
        shape = (self.index.states, self.actions)
        self.table: NDArray[np.float32] = np.full(shape, parameters.initial, np.float32)
        self._rng = np.random.default_rng(0)
        self._steps = 0

    # -- acting -----------------------------------------------------------------------------------

    def act(
        self, observation: Observation, state: Any = None, deterministic: bool = True
    ) -> tuple[NDArray[Any], Any]:
        """The best action for every row: random ones are a part of learning alone."""
        return self._choose(self.index(observation), 0.0), None

    def _choose(self, states: Integers, epsilon: float) -> Integers:
        best: Integers = self.table[states].argmax(axis=1)
        if epsilon == 0.0:
            return best
        explores = self._rng.random(len(states)) < epsilon
        return np.where(explores, self._rng.integers(self.actions, size=len(states)), best)

    # -- saving -----------------------------------------------------------------------------------

    def save_weights(self, folder: Path) -> None:
        """Writes the table."""
        write_tensors(folder / TABLE, {"table": self.table})

    def load_weights(self, folder: Path) -> None:
        """Reads the table.

        Raises:
            SavedFileError: it is not of this shape, or damaged.
        """
        self.table = read_tensors(folder / TABLE, {"table": self.table})["table"].copy()

    def save_training(self, folder: Path) -> None:
        """Writes the number of steps and the random state."""
        state = self._rng.bit_generator.state
        words = [state["state"]["state"], state["state"]["inc"]]
        halves = [part for word in words for part in (word >> 64, word & (1 << 64) - 1)]
        spare = [state["has_uint32"], state["uinteger"]]
        arrays = {
            "steps": np.array(self._steps, np.int64),
            "random": np.array([*halves, *spare], np.uint64),
        }
        write_tensors(folder / TRAINING, arrays)

    def _load_training(self, folder: Path) -> None:
        like = {"steps": np.array(0, np.int64), "random": np.zeros(6, np.uint64)}
        arrays = read_tensors(folder / TRAINING, like)
        high, low, inc_high, inc_low, has, spare = map(int, arrays["random"])
        steps = int(arrays["steps"])
        if steps < 0 or has > 1 or spare >= 1 << 32:
            raise SavedFileError(f"{folder / TRAINING} does not fit this training")
        self._steps = steps
        self._rng.bit_generator.state = {
            "bit_generator": "PCG64",
            "state": {"state": high << 64 | low, "inc": inc_high << 64 | inc_low},
            "has_uint32": has,
            "uinteger": spare,
        }

    # -- learning ---------------------------------------------------------------------------------

    def learn(self, rows: Rows, training: Training) -> Progress:
        """Trains; a table that is there already is gone on from."""
        self._steps, self._rng = 0, np.random.default_rng(spread("learner", training.seed))
        if training.resume is not None:
            self.load_weights(training.resume)
            self._load_training(training.resume)
        rows.seed(training.seed)
        record = _Record(training, rows)
        states = self.index(rows.reset())
        actions = self._choose(states, self._epsilon(training))
        while self._steps < training.steps and not training.should_stop():
            then = self.index(rows.step(actions))
            self._steps += rows.num_rows
            next_actions = self._choose(then, self._epsilon(training))
            value = self._value_of(then, next_actions)
            for row in np.flatnonzero(rows.ended).tolist():
                value[row] = self._last_value(rows, row, training)
            targets = rows.rewards.astype(np.float32) + self.parameters.gamma * value
            self._update(states, actions, targets, self._rate(training))
            states, actions = then, next_actions
            record.step(self, rows.num_rows)
        return record.close(self._steps)

    def _value_of(self, states: Integers, actions: Integers) -> Floats:
        """What being in these states is worth, where these actions are taken next."""
        value: Floats = self.table[states].max(axis=1).astype(np.float64)
        return value

    def _last_value(self, rows: Rows, row: int, training: Training) -> float:
        """What follows an episode's end: nothing, unless only the time was up."""
        if rows.terminated[row]:
            return 0.0
        last = {key: array[[row]] for key, array in rows.final_observations.items()}
        state = self.index(last)
        return float(self._value_of(state, self._choose(state, self._epsilon(training)))[0])

    def _update(self, states: Integers, actions: Integers, targets: Floats, rate: float) -> None:
        """Moves every entry that was used towards the mean of its targets."""
        cells, which = np.unique(states * self.actions + actions, return_inverse=True)
        count = np.bincount(which)
        mean = np.bincount(which, targets) / count
        flat = self.table.reshape(-1)
        flat[cells] += (1.0 - (1.0 - rate) ** count) * (mean - flat[cells])

    def _rate(self, training: Training) -> float:
        done = min(self._steps / training.steps, 1.0)
        begin, end = self.parameters.learning_rate, self.parameters.learning_rate_end
        return begin + done * (end - begin)

    def _epsilon(self, training: Training) -> float:
        until = self.parameters.exploration_fraction * training.steps
        done = 1.0 if until <= self._steps else self._steps / until
        begin, end = self.parameters.epsilon, self.parameters.epsilon_end
        return begin + done * (end - begin)


class Sarsa(QLearning):
    """SARSA (Rummery and Niranjan 1994): the value of what follows is that of what is done next."""

    id = "sarsa"

    def _value_of(self, states: Integers, actions: Integers) -> Floats:
        return self.table[states, actions].astype(np.float64)


class _Record:
    """Progress, checkpoints and logs along a training."""

    def __init__(self, training: Training, rows: Rows) -> None:
        self._training, self._recent = training, rows.recent
        self._reported, self._logged = 0.0, 0
        self._checkpoint_at: int | None = None

    def step(self, learner: QLearning, rows: int) -> None:
        """Notes what one step of all rows has brought."""
        training, steps = self._training, learner._steps
        if time.monotonic() - self._reported >= REPORT_EVERY:
            self._reported = time.monotonic()
            training.on_progress(self._progress(steps))
        if steps - self._logged >= _LOG_EVERY:
            self._log(learner)
        if self._checkpoint_at is None:
            self._checkpoint_at = steps + training.checkpoint_every - rows
        # The last steps end with a saved agent anyway.
        if self._checkpoint_at <= steps < training.steps:
            self._checkpoint_at = steps + training.checkpoint_every
            training.on_checkpoint(self._progress(steps))

    def close(self, steps: int) -> Progress:
        """Reports for the last time."""
        progress = self._progress(steps)
        self._training.on_progress(progress)
        return progress

    def _progress(self, steps: int) -> Progress:
        return self._training.progress(steps, self._recent)

    def _log(self, learner: QLearning) -> None:
        self._logged = learner._steps
        progress = self._progress(learner._steps)
        values = {
            "train/epsilon": learner._epsilon(self._training),
            "train/learning_rate": learner._rate(self._training),
        }
        if not math.isnan(progress.mean_return):
            values["rollout/ep_rew_mean"] = progress.mean_return
            values["rollout/success_rate"] = progress.success
        self._training.on_numbers(values, learner._steps)
