"""Predicts where, of all that is in sight, the thing is that the episode will end at.

Nobody has to say what an instruction means if somebody acts on it: in hindsight it is known which
thing was walked up to. Of a moment before, the place of that thing is asked for, so an encoder has
to find it by whatever tells it apart, such as the words that name it.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final

import gymnasium
import torch
from torch import Tensor, nn

from als_engine.errors import ArgumentError
from als_engine.sensors.columns import ENTITIES as COLUMNS
from als_engine.sensors.columns import SIGHT
from als_plugins.encoders.base import Encoder
from als_plugins.encoders.stems import Form, form_of
from als_plugins.pretraining.objectives.base import Clip, Objective

__all__ = ["Destination"]

_PLACE: Final = slice(COLUMNS.index("forward"), COLUMNS.index("left") + 1)
_WHO: Final = slice(COLUMNS.index("fixed"), COLUMNS.index("identity") + 1)
"""Its kind, and which one of its kind it is: the same as long as an episode lasts."""


class Destination(Objective):
    """Guesses the place; a moment at which that thing is out of sight asks for nothing."""

    ends: ClassVar[bool] = True

    def __init__(self, encoder: Encoder, action_space: gymnasium.Space[Any]) -> None:
        super().__init__(encoder, action_space)
        spaces = encoder.observation_space.spaces
        things = [key for key, space in spaces.items() if _are_entities(space)]
        if not things:
            raise ArgumentError('the objective "destination" needs the sensor "entities"')
        self.key = things[0]
        # No more than a line, so that the features themselves say where.
        self.guess = nn.Linear(encoder.features, 2)

    def loss(self, encoder: Encoder, clip: Clip) -> tuple[Tensor, dict[str, float]]:
        """Squared metres; logs how often the thing nearest to the guess is the right one."""
        now = clip.at(0)
        guess = self.guess(encoder(now))
        things = now[self.key].float()
        # Rows go from the nearest to the farthest, so what the episode ends at is in the first.
        end = clip.last[self.key][:, :1].float()
        same = (things[..., _WHO] == end[..., _WHO]).all(-1) & (things[..., 0] > 0.5)
        seen = (same.any(1) & (end[:, 0, 0] > 0.5)).float()
        place = SIGHT * things[..., _PLACE]
        rows = torch.arange(len(place), device=place.device)
        right = same.float().argmax(1)
        error = (guess - place[rows, right]).square().mean(1)
        away = (place - guess.detach()[:, None]).square().sum(-1)
        nearest = away.masked_fill(things[..., 0] <= 0.5, torch.inf).argmin(1)
        found = clip.mean((nearest == right).float(), seen) / clip.group.size
        return clip.mean(error, seen), clip.whole({"found": found})


def _are_entities(space: gymnasium.Space[Any]) -> bool:
    return form_of(space) is Form.THINGS and (space.shape or ())[-1] == len(COLUMNS)
