"""Predicts the next step's latent from this step's latent and the action.

The target comes from an encoder that follows slowly. Since a constant latent would be predicted
perfectly, each of its dimensions is held to vary over a batch.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final

import gymnasium
import torch
from gymnasium.spaces import Box, Discrete, MultiDiscrete
from torch import Tensor, nn
from torch.nn import functional

from als_engine.errors import ArgumentError
from als_plugins.encoders.base import Encoder
from als_plugins.pretraining.objectives.base import (
    Clip,
    Objective,
    follow,
    follower,
    projector,
    standard,
)

__all__ = ["Dynamics"]

WIDTH: Final = 128
MOMENTUM: Final = 0.99
SPREAD: Final = 1.0  # the standard deviation that each dimension is held to


class Dynamics(Objective):
    """One step ahead, with a momentum encoder for the target."""

    length: ClassVar[int] = 2

    def __init__(self, encoder: Encoder, action_space: gymnasium.Space[Any]) -> None:
        super().__init__(encoder, action_space)
        self.action_space = action_space
        self.project = projector(encoder.features, 2 * WIDTH, WIDTH)
        self.predict = projector(WIDTH + _action_size(action_space), 2 * WIDTH, WIDTH)
        self.slow = nn.ModuleDict({"encoder": follower(encoder), "project": follower(self.project)})

    def loss(self, encoder: Encoder, clip: Clip) -> tuple[Tensor, dict[str, float]]:
        """Half the squared distance of unit vectors, and what is missing in spread."""
        latent = self.project(encoder(clip.at(0)))
        action = _encoded(clip.actions[:, 0], self.action_space)
        predicted = self.predict(torch.cat([latent, action], dim=1))
        self.slow.eval()
        with torch.no_grad():
            target = self.slow["project"](self.slow["encoder"](clip.at(1)))
            target = clip.own(standard(clip.group.gather(target)))
        similarity = functional.cosine_similarity(predicted, target).mean()
        deviation = clip.group.gather(latent).var(0, correction=0).add(1e-4).sqrt()
        lacking = (SPREAD - deviation).clamp(min=0).mean()
        logged = clip.whole({"similarity": similarity / clip.group.size})
        return 1 - similarity + lacking, {**logged, "spread": float(deviation.detach().mean())}

    def update(self, encoder: Encoder) -> None:
        """Lets the target follow."""
        follow(self.slow["encoder"], encoder, MOMENTUM)
        follow(self.slow["project"], self.project, MOMENTUM)


def _action_size(space: gymnasium.Space[Any]) -> int:
    if isinstance(space, Discrete):
        return int(space.n)
    if isinstance(space, MultiDiscrete):
        return int(space.nvec.sum())
    if isinstance(space, Box):
        return int(torch.Size(space.shape).numel())
    raise ArgumentError(f'the objective "dynamics" cannot read actions of {space}')


def _encoded(actions: Tensor, space: gymnasium.Space[Any]) -> Tensor:
    """Actions as vectors: choices one-hot."""
    if isinstance(space, Discrete):
        return functional.one_hot(actions.long() - int(space.start), int(space.n)).float()
    if isinstance(space, MultiDiscrete):
        chosen = actions.long().unbind(1)
        parts = [functional.one_hot(a, int(n)) for a, n in zip(chosen, space.nvec, strict=True)]
        return torch.cat(parts, dim=1).float()
    return actions.flatten(1).float()
