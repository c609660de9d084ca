"""What learners with a network in torch share: hyperparameters, acting in rows, saved weights."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import gymnasium
import numpy as np
import torch
from gymnasium.spaces import Box, Discrete, MultiDiscrete
from numpy.typing import NDArray

from als_engine.agents.agent import Learner, Observation
from als_engine.agents.masks import ACTION_MASK
from als_engine.agents.saving import WEIGHTS
from als_engine.errors import ArgumentError
from als_engine.seeding import Generators, RowGenerators, spread
from als_engine.system.safe_files import read_tensors, write_tensors
from als_plugins.encoders.base import rows_together
from als_plugins.learners.hyperparameters import Hyperparameters, parse
from als_plugins.learners.row_wise import CHUNK, RowStates, RowWise, filled
from als_plugins.learners.setup import few_threads, resolved

if TYPE_CHECKING:
    from als_plugins.learners.reader import Reader
    from als_plugins.learners.student import Student

__all__ = ["NetworkLearner", "masks_apart"]


class NetworkLearner(Learner):
    """A learner whose policy is a network; subclasses build it, choose with it and train it."""

    samples: ClassVar[bool] = True
    bears_missing_sensors: ClassVar[bool] = True
    paths: ClassVar[tuple[str, ...]] = ("pretrained",)
    shapes: ClassVar[tuple[str, ...]] = (
        "encoder",
        "encoder_config",
        "net_arch",
        "tuning",
        "lora_rank",
    )
    id: ClassVar[str]
    parameters_class: ClassVar[type[Hyperparameters]]
    action_spaces: ClassVar[tuple[type[gymnasium.Space[Any]], ...]] = (
        Discrete,
        Box,
        MultiDiscrete,
    )

    def __init__(
        self,
        observation_space: gymnasium.spaces.Dict,
        action_space: gymnasium.Space[Any],
        **hyperparameters: Any,
    ) -> None:
        """Checks the hyperparameters; the network is built when it is first needed.

        Raises:
            ArgumentError: a hyperparameter is unknown or not allowed, there is no sensor, or the
                algorithm does not take this action space.
        """
        self.parameters, self._pretrained = resolved(
            parse(self.id, self.parameters_class, hyperparameters)
        )
        if not isinstance(action_space, self.action_spaces):
            mode = "discrete" if Discrete in self.action_spaces else "continuous"
            raise ArgumentError(f'{self.id} does not take {action_space}: use action_mode="{mode}"')
        if not observation_space.spaces:
            raise ArgumentError(f"{self.id} needs at least one sensor to learn from")
        super().__init__(observation_space, action_space, **self.parameters.model_dump())
        # What it draws when it acts, and what its training draws.
        self._rows = RowGenerators(spread("agent", 0))
        self._training = Generators(spread("learner", 0))

    @property
    @abstractmethod
    def policy(self) -> torch.nn.Module:
        """The network."""

    def network_space(self) -> gymnasium.spaces.Dict:
        """What the network reads."""
        return self.observation_space

    def student(self) -> Student:
        """What learns from demonstrations in its place.

        Raises:
            ArgumentError: it cannot learn from them.
        """
        raise ArgumentError(f"{self.id} cannot learn from demonstrations: use mappo or ppo")

    def continuing(self) -> dict[str, Any]:
        """Hyperparameters with other values where what was trained learns on.

        Schedules are at their end, and nobody shows once more how to begin.
        """
        return {"anneal": False}

    @abstractmethod
    def reader(self) -> Reader:
        """A copy of its encoder as it is now, on the CPU."""

    # -- acting -----------------------------------------------------------------------------------

    def seed(self, seed: int) -> None:
        """Seeds the samples of rows that are given no seed of their own."""
        self._rows = RowGenerators(seed)

    def act(
        self, observation: Observation, state: Any = None, deterministic: bool = True
    ) -> tuple[NDArray[Any], Any]:
        """Chooses an action for every row; the state is a `RowStates`.

        Sensors may be missing, as long as one is there; others than the agent's are not looked at.

        Raises:
            ArgumentError: none of the agent's sensors is there.
        """
        network = self.network_space().spaces
        sensors = [key for key in self.observation_space.spaces if key in network]
        if not observation.keys() & set(sensors):
            known = ", ".join(sensors)
            raise ArgumentError(f"{self.id} needs at least one of these sensors: {known}")
        read = {*network, *([ACTION_MASK] if self.reads_masks else [])}
        seen = {key: array for key, array in observation.items() if key in read}
        before = RowStates() if state is None else state
        generators = before.generators
        if self.samples and not deterministic:
            rows = len(next(iter(observation.values())))
            generators = self._rows.of(generators, rows)
        with few_threads(self.observation_space):
            actions, memory = self._act(
                seen, before.memory, None if deterministic or not self.samples else generators
            )
        return actions, RowStates(memory, generators)

    def _act(
        self,
        observation: Observation,
        memory: tuple[NDArray[Any], ...] | None,
        generators: Sequence[np.random.Generator] | None,
    ) -> tuple[NDArray[Any], tuple[NDArray[Any], ...] | None]:
        """The best actions, or with generators sampled ones, and what an LSTM remembers."""
        if not self.row_wise:
            with torch.no_grad(), rows_together(self.policy):
                return self._choose(observation, memory, generators)
        rows = len(next(iter(observation.values())))
        actions, memories = [], []
        for low in range(0, rows, CHUNK):
            count = min(CHUNK, rows - low)
            part = {key: filled(array[low : low + count]) for key, array in observation.items()}
            before = memory and tuple(filled(m[:, low : low + count], axis=1) for m in memory)
            drawn = None if generators is None else generators[low : low + count]
            with torch.no_grad(), RowWise():
                chosen, after = self._choose(part, before, drawn)
            actions.append(chosen[:count])
            memories.append(after and tuple(m[:, :count] for m in after))
        if memories[0] is None:
            return np.concatenate(actions), None
        return np.concatenate(actions), tuple(
            np.concatenate(parts, axis=1) for parts in zip(*memories, strict=True)
        )

    @abstractmethod
    def _choose(
        self,
        observation: Observation,
        memory: tuple[NDArray[Any], ...] | None,
        generators: Sequence[np.random.Generator] | None,
    ) -> tuple[NDArray[Any], tuple[NDArray[Any], ...] | None]:
        """Chooses for one chunk, of `CHUNK` rows, or of all where nothing has to be `row_wise`.

        Args:
            observation: key to (rows, ...), sensors that are missing left out; see `masks_apart`.
            memory: each (layers, rows, size), or None where there is none yet.
            generators: of the rows that are no filling; None for the best actions.

        Returns:
            Actions (rows, ...), and what is remembered, None without a memory.
        """

    def restart(
        self, state: Any, rows: NDArray[np.bool_], seeds: Sequence[int] | None = None
    ) -> Any:
        """Empties the memory of rows that begin, and draws in them with their seeds."""
        before = RowStates() if state is None else state
        for memory in before.memory or ():
            memory[:, rows] = 0.0
        if not self.samples or (seeds is None and before.generators is None):
            return before
        return RowStates(before.memory, self._rows.restarted(before.generators, rows, seeds))

    # -- saving -----------------------------------------------------------------------------------

    def save_weights(self, folder: Path) -> None:
        """Writes the network."""
        write_tensors(folder / WEIGHTS, _arrays(self.policy))

    def load_weights(self, folder: Path) -> None:
        """Reads the network.

        Raises:
            SavedFileError: it is not of this shape, or damaged.
        """
        arrays = read_tensors(folder / WEIGHTS, _arrays(self.policy))
        self.policy.load_state_dict({name: torch.tensor(a) for name, a in arrays.items()})


def masks_apart(observation: Observation) -> tuple[Observation, NDArray[np.bool_] | None]:
    """What is sensed, and which actions are possible, (rows, n); None where nobody has said so."""
    sensed = {key: array for key, array in observation.items() if key != ACTION_MASK}
    return sensed, observation.get(ACTION_MASK)


def _arrays(policy: torch.nn.Module) -> dict[str, NDArray[Any]]:
    return {name: tensor.cpu().numpy() for name, tensor in policy.state_dict().items()}
