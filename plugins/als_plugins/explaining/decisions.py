"""The network of a learner as one function: from an observation to a number for each action."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

import numpy as np
import torch
from gymnasium.spaces import Discrete, MultiDiscrete
from numpy.typing import NDArray
from torch import Tensor

from als_engine.agents.agent import Agent
from als_engine.errors import ArgumentError
from als_plugins.encoders.base import Encoder
from als_plugins.learners.extractor import channels_first
from als_plugins.learners.off_policy import DDPG, DQN, QRDQN, SAC
from als_plugins.learners.on_policy import PPO, MaskablePPO, RecurrentPPO
from als_plugins.learners.sb3 import SB3Learner
from als_plugins.mappo.heads import Choices, Normal
from als_plugins.mappo.learner import Mappo
from als_plugins.mappo.memory import Past
from als_plugins.mappo.network import ActorCritic

__all__ = ["Decider", "Masks", "Memory"]

Memory = tuple[NDArray[Any], ...] | None
"""What a recurrent policy remembers before a step, each (layers, 1, size); else None."""

Masks = NDArray[np.bool_] | None
"""Which actions are possible, (1, actions); None for an agent that is not told."""

EXPLAINED: Final = "mappo, ppo, maskable-ppo, recurrent-ppo, dqn, qrdqn, sac, td3, ddpg"


class Decider:
    """The function that a learner decides by.

    Attributes:
        encoder: what turns its observations into features.
        discrete: whether it chooses among actions, or sets axes.
        quantity: what its numbers are: "log-probability", "Q value" or "action".
    """

    def __init__(self, agent: Agent, name: str = "this agent") -> None:
        """Takes over a trained agent.

        Raises:
            ArgumentError: it has no network of a kind that is known here.
        """
        if not isinstance(agent, (Mappo, PPO, DQN, SAC, DDPG)):
            raise ArgumentError(
                f"{name} has no network to look into: `als explain` takes trained agents of the "
                f"kinds {EXPLAINED}"
            )
        if isinstance(agent, Mappo) and not isinstance(agent.policy, ActorCritic):
            raise ArgumentError(
                f"{name} has a network for each role: `als explain` takes agents with "
                'networks="shared"'
            )
        if isinstance(agent.action_space, MultiDiscrete):
            raise ArgumentError(
                f"{name} has factored actions: `als explain` takes agents with "
                'action_mode="discrete" or "continuous"'
            )
        self._agent: Mappo | SB3Learner = agent
        self.policy: Any = agent.policy
        self.policy.train(False)
        self.encoder = cast("Encoder", _reader(agent, self.policy).encoder)
        # What only a critic sees decides nothing.
        ours = isinstance(agent, Mappo)
        self.observation_space = agent.network_space() if ours else agent.observation_space
        self.discrete = isinstance(agent.action_space, Discrete)
        self.quantity = _quantity(agent, self.discrete)
        seen = channels_first(self.observation_space)
        self._turned = {
            key
            for key, space in self.observation_space.spaces.items()
            if not ours and space.shape != seen[key].shape
        }

    def __call__(
        self, observation: Mapping[str, Tensor], memory: Memory = None, masks: Masks = None
    ) -> Tensor:
        """Decides, in a way that gradients can follow.

        Args:
            observation: every sensor, (rows, ...) as the environment gives it.
            memory: of a recurrent policy, the same for all rows.
            masks: the same for all rows.

        Returns:
            (rows, actions): log-probabilities or Q values; or (rows, axes): the action itself.
        """
        turned = {
            key: x.movedim(-1, 1) if key in self._turned else x for key, x in observation.items()
        }
        rows = len(next(iter(turned.values())))
        told = None if masks is None else masks.repeat(rows, axis=0)
        if isinstance(self._agent, Mappo):
            possible = None if told is None else torch.from_numpy(told)
            return _of_ours(self.policy.act(turned, possible, self._past(memory, rows))[0])
        if isinstance(self._agent, RecurrentPPO):
            states, starts = self._states(memory, rows), torch.zeros(rows)
            return _of(self.policy.get_distribution(turned, states, starts)[0])
        if isinstance(self._agent, MaskablePPO):
            return _of(self.policy.get_distribution(turned, told))
        if isinstance(self._agent, PPO):
            return _of(self.policy.get_distribution(turned))
        if isinstance(self._agent, QRDQN):
            return cast("Tensor", self.policy.quantile_net(turned).mean(dim=1))
        if isinstance(self._agent, DQN):
            return cast("Tensor", self.policy.q_net(turned))
        if isinstance(self._agent, SAC):
            return cast("Tensor", self.policy.actor(turned, deterministic=True))
        return cast("Tensor", self.policy.actor(turned))

    def attention(self, observation: Mapping[str, Tensor]) -> dict[str, NDArray[np.float64]]:
        """Where the encoder's attention goes, sensor to (parts,); empty without attention."""
        with torch.no_grad():
            found = self.encoder.attention(observation)
        return {key: weights[0].double().numpy() for key, weights in found.items()}

    def _past(self, memory: Memory, rows: int) -> Past | None:
        """What `mappo` remembers, in every row; None before the first step."""
        if memory is None:
            return None
        state = torch.from_numpy(memory[0]).repeat(1, rows, 1)
        return Past(state, torch.zeros(1, rows, dtype=torch.bool))

    def _states(self, memory: Memory, rows: int) -> tuple[Tensor, ...]:
        layers, _, size = self.policy.lstm_hidden_state_shape
        before = memory or (np.zeros((layers, 1, size), np.float32),) * 2
        return tuple(
            torch.as_tensor(part, dtype=torch.float32).repeat(1, rows, 1) for part in before
        )


def _reader(agent: Mappo | SB3Learner, policy: Any) -> Any:
    """The part of a policy whose `encoder` the acting part reads through."""
    if isinstance(agent, Mappo):
        return policy
    if isinstance(agent, QRDQN):
        return policy.quantile_net.features_extractor
    if isinstance(agent, DQN):
        return policy.q_net.features_extractor
    if isinstance(agent, PPO):
        return policy.pi_features_extractor
    return policy.actor.features_extractor


def _quantity(agent: Mappo | SB3Learner, discrete: bool) -> str:
    if not discrete:
        return "action"
    return "log-probability" if isinstance(agent, (Mappo, PPO)) else "Q value"


def _of(distribution: Any) -> Tensor:
    """Log-probabilities of a choice, or the mean of a vector."""
    inner = distribution.distribution
    return cast("Tensor", inner.logits if hasattr(inner, "logits") else inner.mean)


def _of_ours(distribution: Any) -> Tensor:
    """The same of a distribution of `mappo`."""
    if isinstance(distribution, Choices):
        return distribution.logs[0]
    assert isinstance(distribution, Normal)
    return distribution.mean
