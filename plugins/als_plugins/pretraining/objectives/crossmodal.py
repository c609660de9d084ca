"""Contrasts the senses: which words, or which sound, belong to this picture?

Every sensor is encoded by itself. Moments that are the same to a sense, such as an instruction
that is told for many steps, are all right answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Any, Final

import gymnasium
import torch
from torch import Tensor, nn
from torch.nn import functional

from als_engine.errors import ArgumentError
from als_plugins.encoders.base import Encoder
from als_plugins.encoders.stems import Form, form_of, module_name
from als_plugins.pretraining.objectives.base import Clip, Objective, projector
from als_plugins.pretraining.objectives.contrast import fingerprints, info_nce

__all__ = ["Crossmodal", "pairs"]

WIDTH: Final = 64
HOTTEST: Final = 4.6  # The logarithm of the largest scale, 100.


class Crossmodal(Objective):
    """InfoNCE both ways for each pair of senses."""

    def __init__(self, encoder: Encoder, action_space: gymnasium.Space[Any]) -> None:
        super().__init__(encoder, action_space)
        self.pairs = pairs(encoder.observation_space.spaces)
        keys = sorted({key for pair in self.pairs for key in pair})
        self.heads = nn.ModuleDict(
            {module_name(key): projector(encoder.features, 2 * WIDTH, WIDTH) for key in keys}
        )
        self.heat = nn.Parameter(torch.tensor(2.3))
        self.keys = tuple(keys)

    def embed(self, encoder: Encoder, key: str, values: Tensor) -> Tensor:
        """One sense of some moments, (rows, width) of unit length."""
        return functional.normalize(self.heads[module_name(key)](encoder({key: values})))

    def loss(self, encoder: Encoder, clip: Clip) -> tuple[Tensor, dict[str, float]]:
        """The mean over pairs and ways; logs how often the nearest is a right one."""
        now, group = clip.at(0), clip.group
        embedded = {key: group.gather(self.embed(encoder, key, now[key])) for key in self.keys}
        prints = {key: group.gather(fingerprints(now[key])) for key in self.keys}
        scale = self.heat.clamp(max=HOTTEST).exp()
        losses, logged = [], {}
        for a, b in self.pairs:
            same = (prints[a][:, None] == prints[a]) | (prints[b][:, None] == prints[b])
            for here, there in ((a, b), (b, a)):
                losses.append(info_nce(embedded[here], embedded[there], same, scale).mean())
            nearest = (embedded[a] @ embedded[b].T).argmax(1)
            found = same.gather(1, nearest[:, None]).float().mean()
            logged[f"{a} to {b}"] = float(found.detach())
        return torch.stack(losses).mean(), logged


def pairs(spaces: Mapping[str, gymnasium.Space[Any]]) -> list[tuple[str, str]]:
    """Which senses are compared: pictures with words and sound, or else all that say much.

    Raises:
        ArgumentError: there are not two sensors to compare.
    """
    forms = {key: form_of(space) for key, space in spaces.items()}
    pictures = [key for key, form in forms.items() if form is Form.PICTURE]
    others = [key for key, form in forms.items() if form is Form.WORDS or key == "audio"]
    if pictures and others:
        return [(picture, other) for picture in pictures for other in others]
    telling = [key for key, form in forms.items() if form is not Form.NUMBERS or key == "audio"]
    found = list(combinations(telling if len(telling) > 1 else forms, 2))
    if not found:
        raise ArgumentError(
            f'the objective "crossmodal" compares two sensors; there is only {", ".join(forms)}'
        )
    return found
