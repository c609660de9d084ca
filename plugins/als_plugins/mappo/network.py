"""The network of `mappo`: actor and critic share an encoder, unless the critic sees more."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple

import gymnasium
import torch
from torch import Tensor, nn

from als_plugins.encoders.base import Encoder
from als_plugins.encoders.initialising import initialise
from als_plugins.mappo.heads import Distribution, make_head
from als_plugins.mappo.memory import Memory, Past

__all__ = ["ActorCritic", "Judgement", "Network", "Scale"]


class Judgement(NamedTuple):
    """What a network finds in some rows.

    Attributes:
        policy: what to do.
        values: what is to be expected, in the critic's own scale, (rows,).
        memory: what is remembered after the last step, (layers, rows, size); None without one.
    """

    policy: Distribution
    values: Tensor
    memory: Tensor | None


class Network(nn.Module, ABC):
    """What to do, and what is to be expected.

    Attributes:
        scale: of the returns that the critic learns.
    """

    scale: Scale

    @property
    @abstractmethod
    def observation_space(self) -> gymnasium.spaces.Dict:
        """What the actor reads."""

    @abstractmethod
    def actors(self, observation: Mapping[str, Tensor]) -> list[tuple[ActorCritic, Tensor | None]]:
        """The networks that act, and in which rows, (rows,) bool; None for all."""

    @property
    @abstractmethod
    def features(self) -> int:
        """How many `read` gives."""

    @abstractmethod
    def read(self, observation: Mapping[str, Tensor]) -> Tensor:
        """What the actor's encoder makes of (rows, ...) by key, (rows, features)."""

    @abstractmethod
    def forward(
        self,
        observation: Mapping[str, Tensor],
        masks: Tensor | None = None,
        past: Past | None = None,
    ) -> Judgement:
        """What to do, what is to be expected, and what is remembered.

        Args:
            observation: key to (rows, ...); with a memory, to steps that follow one another,
                (steps times rows, ...).
            masks: (rows, n) bool, which choices are possible; None where all are.
            past: what was remembered before.
        """

    @abstractmethod
    def act(
        self,
        observation: Mapping[str, Tensor],
        masks: Tensor | None = None,
        past: Past | None = None,
    ) -> tuple[Distribution, Tensor | None]:
        """What to do, and what is remembered; without the critic. Arguments as `forward`."""

    @abstractmethod
    def value(self, observation: Mapping[str, Tensor], past: Past | None = None) -> Tensor:
        """The return that is expected, (rows,), from observations of (rows, ...) by key."""

    @abstractmethod
    def empty_memory(self, rows: int) -> Tensor | None:
        """What is remembered before anything was seen, (layers, rows, size); None without one."""


class ActorCritic(Network):
    """A network in which actor and critic share an encoder, unless the critic sees more.

    Attributes:
        encoder: from the observation to features; the actor reads it.
        critic_encoder: what the critic reads instead, or None where both read the same.
        memory: of what the encoder has seen before; None without one. A critic that reads something
            else has none.
        scale: of the returns that the critic learns.
    """

    def __init__(
        self,
        encoder: Encoder,
        action_space: gymnasium.Space[object],
        widths: Sequence[int],
        critic_encoder: Encoder | None = None,
        memory: Memory | None = None,
        bfloat16: bool = False,
    ) -> None:
        """Makes actor and critic.

        Args:
            encoder: what the actor reads, and the critic, too, unless it has its own.
            action_space: of one row.
            widths: of the layers between the features and the heads.
            critic_encoder: what the critic reads, of sensors that the actor may not see.
            memory: of features.
            bfloat16: whether encoders and memory compute in that format.
        """
        super().__init__()
        self.encoder, self.critic_encoder, self.memory = encoder, critic_encoder, memory
        self._bfloat16 = bfloat16
        self.actor_layers, size = _layers(encoder.features, widths)
        self.head = make_head(size, action_space)
        read = encoder if critic_encoder is None else critic_encoder
        self.critic_layers, size = _layers(read.features, widths)
        self.value_head = nn.Linear(size, 1)
        self.scale = Scale()
        initialise(self.actor_layers)
        initialise(self.critic_layers)
        # At first every action is as likely as any other.
        initialise(self.head.linear, 0.01)
        initialise(self.value_head, 1.0)

    @property
    def observation_space(self) -> gymnasium.spaces.Dict:
        """See `Network.observation_space`."""
        return self.encoder.observation_space

    def actors(self, observation: Mapping[str, Tensor]) -> list[tuple[ActorCritic, Tensor | None]]:
        """See `Network.actors`."""
        return [(self, None)]

    @property
    def features(self) -> int:
        """See `Network.features`."""
        return self.encoder.features

    def read(self, observation: Mapping[str, Tensor]) -> Tensor:
        """See `Network.read`."""
        with self._format():
            features: Tensor = self.encoder(observation)
        return features.float()

    def forward(
        self,
        observation: Mapping[str, Tensor],
        masks: Tensor | None = None,
        past: Past | None = None,
    ) -> Judgement:
        """See `Network.forward`."""
        features, after = self._features(observation, past)
        judged = features if self.critic_encoder is None else self._judged(observation)
        return Judgement(self._policy(features, masks), self._value(judged), after)

    def train(self, mode: bool = True) -> ActorCritic:
        """Switches dropout on, except in an encoder that does not learn."""
        super().train(mode)
        if not any(weight.requires_grad for weight in self.encoder.parameters()):
            self.encoder.eval()
        return self

    def act(
        self,
        observation: Mapping[str, Tensor],
        masks: Tensor | None = None,
        past: Past | None = None,
    ) -> tuple[Distribution, Tensor | None]:
        """See `Network.act`."""
        features, after = self._features(observation, past)
        return self._policy(features, masks), after

    def value(self, observation: Mapping[str, Tensor], past: Past | None = None) -> Tensor:
        """See `Network.value`."""
        if self.critic_encoder is not None:
            return self.scale.back(self._value(self._judged(observation)))
        return self.scale.back(self._value(self._features(observation, past)[0]))

    def empty_memory(self, rows: int) -> Tensor | None:
        """See `Network.empty_memory`."""
        return None if self.memory is None else self.memory.empty(rows)

    def _features(
        self, observation: Mapping[str, Tensor], past: Past | None
    ) -> tuple[Tensor, Tensor | None]:
        """What the heads read, and what is remembered after it."""
        with self._format():
            features: Tensor = self.encoder(observation)
            if self.memory is None:
                return features.float(), None
            if past is None:
                past = beginning(self.memory, len(features))
            found, after = self.memory(features, past)
        return found.float(), after.float()

    def _judged(self, observation: Mapping[str, Tensor]) -> Tensor:
        """What a critic with an encoder of its own reads."""
        assert self.critic_encoder is not None
        with self._format():
            features: Tensor = self.critic_encoder(observation)
        return features.float()

    def _format(self) -> AbstractContextManager[object]:
        if not self._bfloat16:
            return nullcontext()
        return torch.autocast(self.value_head.weight.device.type, torch.bfloat16)

    def _policy(self, features: Tensor, masks: Tensor | None) -> Distribution:
        found: Distribution = self.head(self.actor_layers(features), masks)
        return found

    def _value(self, features: Tensor) -> Tensor:
        value: Tensor = self.value_head(self.critic_layers(features))[:, 0]
        return value


def beginning(memory: Memory, rows: int) -> Past:
    """One step with which every row's episode begins."""
    state = memory.empty(rows)
    return Past(state, torch.ones(1, rows, dtype=torch.bool, device=state.device))


class Scale(nn.Module):
    """Mean and deviation of what a critic learns, kept among the weights.

    Attributes:
        mean, square: of all returns so far, the latest ones weighing most. count: 0 before any.
    """

    mean: Tensor
    square: Tensor
    count: Tensor

    def __init__(self, keeps: float = 0.99) -> None:
        """Starts as if returns had mean 0 and deviation 1.

        Args:
            keeps: the weight of what is known at an update.
        """
        super().__init__()
        self.keeps = keeps
        for name in ("mean", "square", "count"):
            self.register_buffer(name, torch.zeros((), dtype=torch.float64))

    def learn(self, returns: Tensor) -> None:
        """Takes over the mean and deviation of some returns."""
        found = returns.double()
        self.mean.mul_(self.keeps).add_(found.mean() * (1.0 - self.keeps))
        self.square.mul_(self.keeps).add_(found.square().mean() * (1.0 - self.keeps))
        self.count.mul_(self.keeps).add_(1.0 - self.keeps)

    def _moments(self) -> tuple[float, float]:
        """Without the bias towards where they started."""
        count = float(self.count)
        if count == 0.0:
            return 0.0, 1.0
        mean = float(self.mean) / count
        return mean, math.sqrt(max(float(self.square) / count - mean * mean, 1e-4))

    def scaled(self, returns: Tensor) -> Tensor:
        """Returns in the critic's scale."""
        mean, deviation = self._moments()
        return (returns - mean) / deviation

    def back(self, values: Tensor) -> Tensor:
        """Values in the scale of the rewards."""
        mean, deviation = self._moments()
        return values * deviation + mean


def _layers(size: int, widths: Sequence[int]) -> tuple[nn.Sequential, int]:
    parts: list[nn.Module] = []
    for width in widths:
        parts += [nn.Linear(size, width), nn.Tanh()]
        size = width
    return nn.Sequential(*parts), size
