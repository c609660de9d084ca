"""Masked modelling: parts of every sensor are hidden and guessed from all that is left.

A guess comes from the token in whose place the part was, where an encoder has such tokens, and
from the features together with what is asked for. The features are all that an agent gets to see,
so they are asked about every part, those that were not hidden too: what they cannot answer they
have lost. A part is asked for by its place; a thing, which has none, also by some of its columns,
such as "where is what is blue?". An encoder that can pool tokens itself does both in one go; for
another one it is drawn which of the two a batch trains.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

import gymnasium
import torch
from torch import Tensor, nn

from als_plugins.encoders.base import Encoder, Statistic, Tokens
from als_plugins.encoders.stems import Form, form_of, module_name
from als_plugins.pretraining.objectives.base import Clip, Objective
from als_plugins.pretraining.objectives.hiding import HiddenThings, Hider, hider_of

__all__ = ["Masked"]

WIDTH: Final = 128
ALL: Final = 0.1
"""The chance that all of a sensor is hidden: then it has to be guessed from the other senses."""

SHOWN: Final = 0.4
"""The share of a thing's columns by which it is asked for."""


class Masked(Objective):
    """Hides and guesses."""

    def __init__(self, encoder: Encoder, action_space: gymnasium.Space[Any]) -> None:
        super().__init__(encoder, action_space)
        spaces = encoder.observation_space.spaces
        self.keys = tuple(spaces)
        self.words = tuple(key for key, space in spaces.items() if form_of(space) is Form.WORDS)
        tokens = _probe(encoder)
        self.local = bool(tokens.spans)
        width = tokens.values.shape[2]
        guessers = {}
        for key, space in spaces.items():
            span = tokens.spans.get(key, slice(0, 0))
            count = span.stop - span.start
            guessers[module_name(key)] = _Guesser(
                key, hider_of(space, count), encoder.features, width, count
            )
        self.guessers = nn.ModuleDict(guessers)

    def loss(self, encoder: Encoder, clip: Clip) -> tuple[Tensor, dict[str, float]]:
        """The mean over the sensors; logs each one's, and how many words are guessed."""
        now = clip.at(0)
        hidden = self._draw(now, clip)
        losses: list[Tensor] = []
        logged: dict[str, Tensor] = {}
        for tokens, features in self._seen(encoder, now, hidden, clip):
            for key in self.keys:
                guesser, values = self._of(key), now[key]
                where = hidden[key] if features is None else guesser.hider.there(values)
                clue = guesser.clue(values, clip) if features is not None else None
                guesses = guesser(where, tokens, features, clue)
                if guesses is None:
                    continue
                judged = guesser.hider.judge(guesses, values, where)
                losses.append(clip.mean(judged, torch.ones_like(judged)))
                logged[key] = losses[-1]
                if key in self.words:
                    right = (guesses.detach().argmax(1) == values[where]).float()
                    logged[f"{key} accuracy"] = clip.mean(right, hidden[key][where].float())
        size = clip.group.size
        return torch.stack(losses).mean(), clip.whole({k: v / size for k, v in logged.items()})

    @torch.no_grad()
    def guess(self, encoder: Encoder, clip: Clip, key: str) -> tuple[Tensor, Tensor]:
        """The hidden words of a batch and what is guessed for them, both (hidden words,)."""
        now = clip.at(0)
        hidden = self._draw(now, clip)
        seen = self._hidden(now, hidden)
        local = self._of(key).at is not None
        tokens = encoder.tokens(seen) if local else None
        guesses = self._of(key)(hidden[key], tokens, None if local else encoder(seen))
        assert guesses is not None
        return now[key][hidden[key]], guesses.argmax(1)

    def standardise(self, statistics: Mapping[str, Statistic]) -> None:
        """Hands every sensor's scale to what judges its guesses."""
        for key in self.keys:
            if key in statistics:
                self._of(key).hider.standardise(statistics[key])

    def _of(self, key: str) -> _Guesser:
        return cast("_Guesser", self.guessers[module_name(key)])

    def _draw(self, now: Mapping[str, Tensor], clip: Clip) -> dict[str, Tensor]:
        """Which parts are hidden, key to (rows, parts) bool."""
        hidden = {}
        for key in self.keys:
            hider = self._of(key).hider
            whole = clip.uniform(1) < ALL
            hidden[key] = ((clip.uniform(hider.parts) < hider.share) | whole) & hider.there(
                now[key]
            )
        return hidden

    def _hidden(self, now: Mapping[str, Tensor], hidden: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {key: self._of(key).hider.hide(now[key], hidden[key]) for key in self.keys}

    def _seen(
        self,
        encoder: Encoder,
        now: Mapping[str, Tensor],
        hidden: Mapping[str, Tensor],
        clip: Clip,
    ) -> list[tuple[Tokens | None, Tensor | None]]:
        """What guesses are made from, in turn: tokens, features, or one of the two."""
        seen = self._hidden(now, hidden)
        if not self.local:
            return [(None, encoder(seen))]
        pool = getattr(encoder, "pool", None)
        if pool is None:
            by_place = clip.chance() < 0.5
            return [(encoder.tokens(seen), None) if by_place else (None, encoder(seen))]
        tokens = encoder.tokens(seen)
        return [(None, pool(tokens)), (tokens, None)]


class _Guesser(nn.Module):
    """Guesses the hidden parts of one sensor."""

    at: Tensor | None

    def __init__(self, key: str, hider: Hider, features: int, width: int, tokens: int) -> None:
        super().__init__()
        self.hider = hider
        self.place = nn.Parameter(0.02 * torch.randn(hider.parts, WIDTH))
        self.from_features = nn.Linear(features, WIDTH)
        self.from_token = nn.Linear(width, WIDTH) if tokens else None
        things = isinstance(hider, HiddenThings)
        self.from_clue = nn.Linear(hider.size, WIDTH) if things else None
        # Which of the sensor's tokens a part is in: its own, or one that it shares with others.
        at = torch.arange(hider.parts) * tokens // hider.parts if tokens else None
        self.register_buffer("at", at, persistent=False)
        self.out = nn.Sequential(
            nn.LayerNorm(WIDTH), nn.Linear(WIDTH, WIDTH), nn.GELU(), nn.Linear(WIDTH, hider.size)
        )
        self.key = key

    def clue(self, values: Tensor, clip: Clip) -> Tensor | None:
        """Some columns of each thing, drawn anew for each, the others 0; None for other parts."""
        if self.from_clue is None:
            return None
        return values.float() * (clip.uniform(*values.shape[1:]) < SHOWN)

    def forward(
        self,
        hidden: Tensor,
        tokens: Tokens | None,
        features: Tensor | None,
        clue: Tensor | None = None,
    ) -> Tensor | None:
        """(hidden parts, size); None where it has no tokens to guess from."""
        rows, parts = hidden.nonzero(as_tuple=True)
        if features is not None:
            known = self.from_features(features)[rows]
            if clue is not None and self.from_clue is not None:
                known = known + self.from_clue(clue[rows, parts])
        elif tokens is not None and self.from_token is not None and self.at is not None:
            begin = tokens.spans[self.key].start
            known = self.from_token(tokens.values[rows, begin + self.at[parts]])
        else:
            return None
        guesses: Tensor = self.out(known + self.place[parts])
        return guesses


def _probe(encoder: Encoder) -> Tokens:
    """The tokens of an observation of nothing, for their number and spans."""
    device = next((p.device for p in encoder.parameters()), torch.device("cpu"))
    nothing = {
        key: torch.zeros(1, *(space.shape or ()), device=device)
        for key, space in encoder.observation_space.spaces.items()
    }
    training = encoder.training
    try:
        with torch.no_grad():
            return encoder.eval().tokens(nothing)
    finally:
        encoder.train(training)
