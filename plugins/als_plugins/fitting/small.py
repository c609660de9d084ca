"""The agent `small`: a trained agent whose network takes less room."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from typing import Annotated, Any

import gymnasium
import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, JsonValue

from als_engine.agents.agent import Agent, ExpertSource, Observation, acting
from als_engine.agents.saving import WEIGHTS
from als_engine.errors import ArgumentError, SavedFileError
from als_engine.models import Model, Name, checked_fields
from als_engine.plugins.registry import registry
from als_engine.system.safe_files import read_tensors, write_tensors
from als_plugins.fitting.linear import Bits, SmallLinear, replace_layers
from als_plugins.learners.network_learner import NetworkLearner

__all__ = ["SmallAgent", "network_of"]


class _Config(Model):
    """How a small agent was made.

    Attributes:
        of: registered id of the learner that has trained it.
        of_config: that learner's configuration.
        bits: of each weight of a linear layer, 8 or 32.
        kept: the part of each linear layer's weights that was kept.
    """

    of: Name
    of_config: dict[Name, JsonValue] = Field(default_factory=dict, max_length=200)
    bits: Bits = 8
    kept: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0


class SmallAgent(Agent):
    """Acts as the agent that it was made of does, with `SmallLinear` for every linear layer.

    Attributes:
        samples: true; it acts by the rule for the agent that it was made of.
    """

    samples = True
    bears_missing_sensors = True

    def __init__(
        self,
        observation_space: gymnasium.spaces.Dict,
        action_space: gymnasium.Space[Any],
        **config: Any,
    ) -> None:
        """Builds the network, with weights that are still to be loaded.

        Raises:
            ArgumentError: there is no such learner, it has no network, or it would read a file.
        """
        with checked_fields():
            asked = _Config(**config)
        made_by = registry.load(registry.agent(asked.of))
        if not (isinstance(made_by, type) and issubclass(made_by, NetworkLearner)):
            raise ArgumentError(f'of: "{asked.of}" has no network that could be made small')
        for name in made_by.paths:
            if asked.of_config.get(name) is not None:
                raise ArgumentError(f"of_config.{name}: a saved agent needs no other file")
        inner: NetworkLearner = made_by(observation_space, action_space, **asked.of_config)
        super().__init__(observation_space, action_space, **asked.model_dump())
        self.reads_masks = inner.reads_masks
        self._inner = inner
        replace_layers(inner.policy, asked.bits, asked.kept)
        inner.policy.requires_grad_(False)

    @classmethod
    def of(cls, agent: NetworkLearner, bits: Bits = 8, kept: float = 1.0) -> SmallAgent:
        """A small agent that does what a trained one does, as well as it can.

        Args:
            agent: the trained one, which stays as it is.
            bits: of each weight of a linear layer, 8 or 32.
            kept: the part of each linear layer's weights that is kept, the largest ones.

        Raises:
            ArgumentError: its network has no linear layer.
        """
        config = {
            name: value
            for name, value in agent.config.items()
            if name not in agent.paths or value is not None
        }
        made = cls(
            agent.observation_space, agent.action_space,
            of=agent.id, of_config=config, bits=bits, kept=kept,
        )  # fmt: skip
        network = deepcopy(agent.policy)
        if not replace_layers(network, bits, kept):
            raise ArgumentError("the agent's network has no linear layer to make small")
        made.policy.load_state_dict(network.state_dict())
        return made

    @property
    def policy(self) -> torch.nn.Module:
        """The network."""
        return self._inner.policy

    @property
    def row_wise(self) -> bool:
        """See `Agent`."""
        return self._inner.row_wise

    @row_wise.setter
    def row_wise(self, value: bool) -> None:
        self._inner.row_wise = value

    def network_space(self) -> gymnasium.spaces.Dict:
        """What the network reads."""
        return self._inner.network_space()

    def attach(self, env: ExpertSource) -> None:
        """Passes the environment on."""
        self._inner.attach(env)

    def seed(self, seed: int) -> None:
        """Seeds the samples of rows that are given no seed of their own."""
        self._inner.seed(seed)

    def act(
        self, observation: Observation, state: Any = None, deterministic: bool = True
    ) -> tuple[NDArray[Any], Any]:
        """Chooses an action for every row, as the agent that it was made of does."""
        best = acting(self._inner, deterministic) == "best"
        return self._inner.act(observation, state, best)

    def restart(
        self, state: Any, rows: NDArray[np.bool_], seeds: Sequence[int] | None = None
    ) -> Any:
        """Empties what is remembered in rows that begin."""
        return self._inner.restart(state, rows, seeds)

    def save_weights(self, folder: Path) -> None:
        """Writes the network, as small as it is."""
        write_tensors(folder / WEIGHTS, _arrays(self.policy))

    def load_weights(self, folder: Path) -> None:
        """Reads the network.

        Raises:
            SavedFileError: it is not of this shape, or damaged.
        """
        arrays = read_tensors(folder / WEIGHTS, _arrays(self.policy))
        self.policy.load_state_dict({name: torch.tensor(a) for name, a in arrays.items()})
        try:
            for part in self.policy.modules():
                if isinstance(part, SmallLinear):
                    part.check()
        except ValueError as error:
            raise SavedFileError(f"{folder / WEIGHTS}: {error}") from None


def network_of(agent: Agent, name: object) -> NetworkLearner:
    """An agent as one with a network.

    Raises:
        ArgumentError: it has none.
    """
    if not isinstance(agent, NetworkLearner):
        raise ArgumentError(
            f"{name} has no network that could be made small: name the folder of a trained agent"
        )
    return agent


def _arrays(network: torch.nn.Module) -> dict[str, NDArray[Any]]:
    return {name: tensor.cpu().numpy() for name, tensor in network.state_dict().items()}
