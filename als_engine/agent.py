"""Agents act on observations; learners are agents that can be trained; both save to a safe folder.

A saved agent is a folder with `agent.json` (registered id, validated configuration, versions,
training record) and, where there are weights, `weights.safetensors`: nothing in it can run code.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import gymnasium
import numpy as np
from numpy.typing import NDArray

Observation = Mapping[str, NDArray[Any]]


class ExpertSource(Protocol):
    """An environment that can say what its scenario's expert would do."""

    def expert_actions(self) -> NDArray[Any]:
        """One action for each row."""


class Agent(ABC):
    """A policy for one observation space and one action space.

    Attributes:
        observation_space, action_space: of one avatar.
        config: the JSON-able arguments that made it, written to `agent.json`.
    """

    def __init__(
        self,
        observation_space: gymnasium.spaces.Dict,
        action_space: gymnasium.Space[Any],
        **config: Any,
    ) -> None:
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
            observation: key to (rows, ...); a row is one avatar of one world.
            state: what the last call returned; None when all rows begin an episode.
            deterministic: the best action instead of a sampled one.

        Returns:
            Actions (rows, ...) and the state for the next call.
        """

    def restart(self, state: Any, rows: NDArray[np.bool_]) -> Any:
        """The state with some rows, a mask, at an episode's beginning; for recurrent agents."""
        return state

    def save_weights(self, folder: Path) -> None:
        """Writes `weights.safetensors` into a folder; an agent without weights writes nothing."""

    def load_weights(self, folder: Path) -> None:
        """Reads what `save_weights` wrote."""


@dataclass
class Progress:
    """How far a training has come; handed to the caller's `on_progress`.

    Attributes:
        steps: environment steps so far, over all rows. total: how many there will be.
        episodes: ended so far.
        mean_return, success: over the last hundred episodes; NaN before the first.
    """

    steps: int
    total: int
    episodes: int = 0
    mean_return: float = float("nan")
    success: float = float("nan")


@dataclass(frozen=True)
class Training:
    """What `Learner.learn` is asked to do.

    Attributes:
        steps: environment steps, over all rows.
        seed: of the learner and the worlds.
        folder: where checkpoints and TensorBoard logs go; None for nowhere.
        checkpoint_every: steps between checkpoints.
        resume: go on from the newest checkpoint in `folder`.
        on_progress: called every now and then.
    """

    steps: int
    seed: int = 0
    folder: Path | None = None
    checkpoint_every: int = 50_000
    resume: bool = False
    on_progress: Callable[[Progress], None] = field(default=lambda progress: None)


class Learner(Agent):
    """An agent that can be trained."""

    @abstractmethod
    def learn(self, env: Any, training: Training) -> None:
        """Trains on an SB3 `VecEnv`, as `als_engine.sb3_vec_env` makes it."""


class RandomAgent(Agent):
    """Draws from the action space, evenly."""

    def __init__(
        self,
        observation_space: gymnasium.spaces.Dict,
        action_space: gymnasium.Space[Any],
    ) -> None:
        super().__init__(observation_space, action_space)
        self._rng = np.random.default_rng(0)

    def seed(self, seed: int) -> None:
        """Starts its draws anew."""
        self._rng = np.random.default_rng(seed)

    def act(
        self, observation: Observation, state: Any = None, deterministic: bool = True
    ) -> tuple[NDArray[Any], Any]:
        """Draws an action for every row."""
        rows = len(next(iter(observation.values())))
        space = self.action_space
        if isinstance(space, gymnasium.spaces.Discrete):
            return self._rng.integers(space.n, size=rows) + space.start, None
        assert isinstance(space, gymnasium.spaces.Box)
        drawn = self._rng.uniform(space.low, space.high, (rows, *space.shape))
        return drawn.astype(space.dtype), None


class ExpertAgent(Agent):
    """The scenario's own expert, which sees everything: the yardstick, not a competitor."""

    _env: ExpertSource

    def attach(self, env: ExpertSource) -> None:
        """Takes the environment to ask."""
        self._env = env

    def act(
        self, observation: Observation, state: Any = None, deterministic: bool = True
    ) -> tuple[NDArray[Any], Any]:
        """Asks the environment."""
        return self._env.expert_actions(), None
