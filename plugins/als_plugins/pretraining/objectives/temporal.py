"""Contrasts over time: which moment is the one a few steps later?

A query is one augmented observation; its key, from an encoder that follows slowly, is another of
the same run up to four steps later; the other keys of the batch are what it is told apart from.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final

import gymnasium
import torch
from torch import Tensor, nn
from torch.nn import functional

from als_plugins.encoders.base import Encoder, Observation
from als_plugins.encoders.stems import MOST_KINDS, Form, form_of
from als_plugins.pretraining.objectives.base import (
    Clip,
    Objective,
    follow,
    follower,
    projector,
    standard,
)
from als_plugins.pretraining.objectives.contrast import info_nce

__all__ = ["Temporal", "augment"]

FURTHEST: Final = 4
SCALE: Final = 5.0  # The inverse of a temperature of 0.2.
MOMENTUM: Final = 0.99
WIDTH: Final = 64
SHIFT: Final = 4  # pixels to either side
BRIGHTNESS: Final = 0.2
NOISE: Final = 0.02  # of the range of numbers
DROPPED: Final = 0.2  # the chance of a sensor to be left out of a batch


class Temporal(Objective):
    """InfoNCE with a momentum encoder for the keys."""

    length: ClassVar[int] = FURTHEST + 1

    def __init__(self, encoder: Encoder, action_space: gymnasium.Space[Any]) -> None:
        super().__init__(encoder, action_space)
        self.forms = {k: form_of(s) for k, s in encoder.observation_space.spaces.items()}
        self.spaces = dict(encoder.observation_space.spaces)
        self.project = projector(encoder.features, 2 * WIDTH, WIDTH)
        self.predict = projector(WIDTH, 2 * WIDTH, WIDTH)
        self.slow = nn.ModuleDict({"encoder": follower(encoder), "project": follower(self.project)})

    def loss(self, encoder: Encoder, clip: Clip) -> tuple[Tensor, dict[str, float]]:
        """The contrast; logs how often the right key is the nearest."""
        offsets = 1 + (clip.uniform() * FURTHEST).long()
        gather = clip.group.gather
        # From here on every process has the whole batch, so that it can be standardised.
        earlier = gather(self.project(encoder(augment(clip.at(0), self.spaces, clip))))
        queries = functional.normalize(self.predict(standard(earlier)))
        self.slow.eval()
        with torch.no_grad():
            later = augment(clip.at_each(offsets), self.spaces, clip)
            keys = standard(gather(self.slow["project"](self.slow["encoder"](later))))
        keys = functional.normalize(keys)
        own = torch.arange(len(keys), device=clip.device)
        loss = info_nce(queries, keys, own[:, None] == own, SCALE).mean()
        found = (queries.detach() @ keys.T).argmax(1) == own
        return loss, {"found": float(found.float().mean())}

    def update(self, encoder: Encoder) -> None:
        """Lets the momentum encoder follow."""
        follow(self.slow["encoder"], encoder, MOMENTUM)
        follow(self.slow["project"], self.project, MOMENTUM)


def augment(
    observation: Observation, spaces: Mapping[str, gymnasium.Space[Any]], clip: Clip
) -> dict[str, Tensor]:
    """The same moment, a little changed: pictures shifted and lit, numbers blurred, sensors out."""
    changed: dict[str, Tensor] = {}
    for key, values in observation.items():
        space: Any = spaces[key]
        form = form_of(space)
        if form is Form.PICTURE:
            changed[key] = _shifted(values, clip)
            if not (space.dtype == "uint8" and space.high.max() < MOST_KINDS):
                light = 1 + BRIGHTNESS * (2 * clip.uniform(1, 1, 1) - 1)
                changed[key] = (changed[key].float() * light).clamp(max=float(space.high.max()))
        elif form is Form.NUMBERS:
            noise = 2 * clip.uniform(*values.shape[1:]) - 1
            changed[key] = values.float() * (1 + NOISE * noise)
        else:
            changed[key] = values
    return _some(changed, clip)


def _some(observation: dict[str, Tensor], clip: Clip) -> dict[str, Tensor]:
    """Leaves sensors out, but never all of them."""
    kept = {key: values for key, values in observation.items() if clip.chance() >= DROPPED}
    if kept:
        return kept
    keys = list(observation)
    key = keys[int(clip.chance() * len(keys))]
    return {key: observation[key]}


def _shifted(pictures: Tensor, clip: Clip) -> Tensor:
    """Each picture moved by a few pixels; its border fills what comes in."""
    height, width = pictures.shape[1:3]
    moves = (clip.uniform(2) * (2 * SHIFT + 1)).long() - SHIFT
    device = pictures.device
    down = (torch.arange(height, device=device) + moves[:, :1]).clamp(0, height - 1)
    right = (torch.arange(width, device=device) + moves[:, 1:]).clamp(0, width - 1)
    rows = torch.arange(len(pictures), device=device)[:, None, None]
    return pictures[rows, down[:, :, None], right[:, None, :]]
