"""Agents act on observations; learners are agents that can be trained.

Arrays are batch-first: a row is one avatar of one world. How an agent is saved is described in
`als_engine.agents.saving`; nothing that it saves can run code.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, Protocol

import gymnasium
import numpy as np
from numpy.typing import NDArray

from als_engine.bodies.bounds import action_bounds
from als_engine.seeding import RowGenerators

if TYPE_CHECKING:
    from als_engine.agents.saving import PrivacyRecord
    from als_engine.envs.recent import Recent
    from als_engine.envs.rows import Rows

__all__ = [
    "REPORT_EVERY",
    "Acting",
    "Agent",
    "ExpertAgent",
    "ExpertSource",
    "HeuristicAgent",
    "Learner",
    "Progress",
    "RandomAgent",
    "Training",
    "acting",
]

Observation = Mapping[str, NDArray[Any]]

Acting = Literal["sampled", "best"]

REPORT_EVERY: Final = 0.2
"""Seconds between two calls of `Training.on_progress`: often enough for a progress bar."""


class ExpertSource(Protocol):
    """An environment that can say what its scenario's expert, or a heuristic, would do."""

    def expert_actions(self, rule: str | None = None) -> NDArray[Any]:
        """One action for each row; `rule` is the heuristic's name, empty for the first."""


class Agent(ABC):
    """A policy for one observation space and one action space.

    Attributes:
        observation_space, action_space: of one avatar.
        config: the JSON-able arguments that made it, written to `agent.json`.
        samples: whether its policy is a distribution that its actions are drawn from; it draws in
            each row with the seed that `restart` gives the row.
        bears_missing_sensors: whether it acts where only some of its sensors are there.
        reads_masks: whether its observations have `action_mask` as well, (rows, n) bool: which of
            its actions are possible, or which choices of each part. See `agents.masks`.
        row_wise: whether its action in a row must be the same to the last bit whatever the other
            rows are. Without it some agents act faster; opponents in a training do.
        paths: the names of arguments that are files or folders. A checkpoint needs none of them.
        data: those of them that are data to learn from, of which no agent is made.
        shapes: the names of arguments that say what its weights are the weights of.
    """

    samples: ClassVar[bool] = False
    bears_missing_sensors: ClassVar[bool] = False
    reads_masks: bool = False
    row_wise: bool = True
    paths: ClassVar[tuple[str, ...]] = ()
    data: ClassVar[tuple[str, ...]] = ()
    shapes: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        observation_space: gymnasium.spaces.Dict,
        action_space: gymnasium.Space[Any],
        **config: Any,
    ) -> None:
        """Keeps the spaces and the configuration.

        A subclass takes its own keyword arguments and passes on what it made of them.

        Raises:
            ArgumentError: an argument is unknown, or the agent cannot act in these spaces.
        """
        self.observation_space = observation_space
        self.action_space = action_space
        self.config = config

    def attach(self, env: ExpertSource) -> None:
        """Called with the environment that it is about to act in; only experts look at it."""

    def seed(self, seed: int) -> None:
        """Seeds whatever is random in the agent."""

    @abstractmethod
    def act(
        self, observation: Observation, state: Any = None, deterministic: bool = True
    ) -> tuple[NDArray[Any], Any]:
        """Chooses an action for every row.

        Args:
            observation: key to (rows, ...).
            state: what the last call or `restart` returned; None when all rows begin an episode.
            deterministic: the best action instead of a sampled one.

        Returns:
            Actions (rows, ...) and the state for the next call.
        """

    def restart(
        self, state: Any, rows: NDArray[np.bool_], seeds: Sequence[int] | None = None
    ) -> Any:
        """The state with some rows at an episode's beginning; for recurrent and random agents.

        Args:
            state: what the last call returned, or None.
            rows: (rows,), which ones begin.
            seeds: one for each row that begins. An agent that draws from them acts in a row in the
                same way whatever the other rows do.
        """
        return state

    def save_weights(self, folder: Path) -> None:
        """Writes `weights.safetensors` into a folder; an agent without weights writes nothing."""

    def load_weights(self, folder: Path) -> None:
        """Reads what `save_weights` wrote.

        Raises:
            SavedFileError: it is not what this agent would have written.
        """


def acting(agent: Agent, deterministic: bool = False) -> Acting:
    """How an agent acts where it is evaluated, benchmarked or shown: the one rule for all.

    It acts by the policy that it has learnt. A policy that is a distribution is sampled from, as it
    was in training; any other gives its best action. What a learner adds to explore (an epsilon,
    noise) is a part of its training and of nothing else.

    Args:
        agent: who acts.
        deterministic: whether somebody asks for the best action of a distribution as well.
    """
    return "sampled" if agent.samples and not deterministic else "best"


@dataclass(frozen=True)
class Progress:
    """The progress of a training.

    Attributes:
        steps: environment steps so far, over all rows.
        total: how many there will be.
        episodes: ended so far, since the training was begun or taken up again.
        mean_return: over the last hundred episodes, in the order in which they began; NaN until
            all that began at first have ended, since those that end early would speak for all.
            `train_agent` fills it in, whatever the learner says.
        success: the part of the same episodes that succeeded, and NaN as long.
        demonstrated: steps whose action somebody else has shown, those of datasets among them.
        recorded: those that a dataset holds, which are not among `steps`.
        privacy: what it has told of a dataset, where it learns with privacy; else None.
    """

    steps: int
    total: int
    episodes: int = 0
    mean_return: float = math.nan
    success: float = math.nan
    demonstrated: int = 0
    recorded: int = 0
    privacy: PrivacyRecord | None = None


@dataclass(frozen=True)
class Training:
    """The arguments of `Learner.learn`; folders and logs are the caller's business.

    Attributes:
        steps: environment steps in all, over all rows.
        seed: of the learner and the worlds.
        resume: a checkpoint's folder, whose weights and training state to go on from.
        device: "auto", "cpu" or "cuda".
        checkpoint_every: steps between calls of `on_checkpoint`.
        on_checkpoint: called when `save_weights` and `save_training` can be called, and nothing
            acts with the weights.
        on_progress: called every now and then.
        on_numbers: called with what a learner measures of its updates, by name, and the steps so
            far: for TensorBoard and trackers.
        should_stop: asked at every step; a learner that hears True stops there.
    """

    steps: int
    seed: int = 0
    resume: Path | None = None
    device: str = "auto"
    checkpoint_every: int = 50_000
    on_checkpoint: Callable[[Progress], None] = lambda progress: None
    on_progress: Callable[[Progress], None] = lambda progress: None
    on_numbers: Callable[[Mapping[str, float], int], None] = lambda values, steps: None
    should_stop: Callable[[], bool] = lambda: False

    def progress(self, steps: int, recent: Recent, demonstrated: int = 0) -> Progress:
        """How far it has come with so many steps, and what its worlds have counted."""
        return Progress(
            steps, self.steps, recent.episodes, recent.mean_return, recent.success, demonstrated
        )


class Learner(Agent):
    """An agent that can be trained.

    Attributes:
        tells_advantages: whether it calls `rows.note_advantages` for the steps that it learns from.
    """

    tells_advantages: ClassVar[bool] = False

    @abstractmethod
    def learn(self, rows: Rows, training: Training) -> Progress:
        """Trains; `rows.seed(training.seed)` and `rows.reset()` are the learner's to call.

        Returns:
            How far it came; fewer steps than asked for when it was told to stop.
        """

    def save_training(self, folder: Path) -> None:
        """Writes what going on from here needs beside the weights; nothing that can run code.

        Only called from `Training.on_checkpoint` and after `learn`.
        """


class RandomAgent(Agent):
    """Draws from the action space, evenly; every row from a generator of its own."""

    samples = True

    def __init__(
        self,
        observation_space: gymnasium.spaces.Dict,
        action_space: gymnasium.Space[Any],
    ) -> None:
        """Takes no configuration."""
        super().__init__(observation_space, action_space)
        self.seed(0)

    def seed(self, seed: int) -> None:
        """Starts the draws of rows that are given no seed of their own anew."""
        self._rows = RowGenerators(seed)

    def act(
        self, observation: Observation, state: Any = None, deterministic: bool = True
    ) -> tuple[NDArray[Any], Any]:
        """Draws an action for every row; "deterministic" makes no difference."""
        rows = len(next(iter(observation.values())))
        generators = self._rows.of(state, rows)
        return self._draw(generators), generators

    def restart(
        self, state: Any, rows: NDArray[np.bool_], seeds: Sequence[int] | None = None
    ) -> Any:
        """Gives rows that begin a new generator."""
        return self._rows.restarted(state, rows, seeds)

    def _draw(self, generators: Sequence[np.random.Generator]) -> NDArray[Any]:
        low, high = action_bounds(self.action_space)
        if isinstance(self.action_space, gymnasium.spaces.Box):
            drawn = [rng.uniform(low, high) for rng in generators]
        else:
            drawn = [rng.integers(low, high + 1) for rng in generators]
        return np.stack(drawn).astype(self.action_space.dtype)


class ExpertAgent(Agent):
    """The scenario's own expert, which sees everything: the yardstick, not a competitor."""

    _env: ExpertSource

    def __init__(
        self,
        observation_space: gymnasium.spaces.Dict,
        action_space: gymnasium.Space[Any],
    ) -> None:
        """Takes no configuration."""
        super().__init__(observation_space, action_space)

    def attach(self, env: ExpertSource) -> None:
        """Takes the environment to ask."""
        self._env = env

    def act(
        self, observation: Observation, state: Any = None, deterministic: bool = True
    ) -> tuple[NDArray[Any], Any]:
        """Asks the environment."""
        return self._env.expert_actions(), None


class HeuristicAgent(Agent):
    """One of the scenario's own simple rules: a yardstick between random and the expert."""

    _env: ExpertSource

    def __init__(
        self,
        observation_space: gymnasium.spaces.Dict,
        action_space: gymnasium.Space[Any],
        rule: str = "",
    ) -> None:
        """Takes the name of the rule; empty for the first that the scenario has."""
        super().__init__(observation_space, action_space, rule=rule)

    def attach(self, env: ExpertSource) -> None:
        """Takes the environment to ask."""
        self._env = env

    def act(
        self, observation: Observation, state: Any = None, deterministic: bool = True
    ) -> tuple[NDArray[Any], Any]:
        """Asks the environment.

        Raises:
            NoExpertError: its scenario has no such rule.
        """
        return self._env.expert_actions(self.config["rule"]), None
