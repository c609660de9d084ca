"""A multimodal transformer: whatever is sensed becomes tokens that look at one another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, cast

import gymnasium
import torch
from torch import Tensor, nn

from als_engine.errors import ArgumentError
from als_plugins.encoders.arguments import share, whole
from als_plugins.encoders.base import Encoder, Observation, Statistic, Tokens
from als_plugins.encoders.embedding import Embedding, embedding_of
from als_plugins.encoders.stems import module_name
from als_plugins.encoders.transformer import Block, Pooling, packed, rollout

__all__ = ["AttentionEncoder"]

QUERIES: Final = 4
MOST_TOKENS: Final = 2_048


class AttentionEncoder(Encoder):
    """Patches, words, things, frames and numbers as tokens; blocks; pooling by attention."""

    def __init__(
        self,
        observation_space: gymnasium.spaces.Dict,
        width: int = 64,
        depth: int = 2,
        heads: int = 4,
        patch: int = 8,
        features: int = 128,
        dropout: float = 0.0,
        modality_dropout: float = 0.0,
    ) -> None:
        """Makes the network.

        Args:
            observation_space: of one avatar.
            width: of a token, 8 to 512, a multiple of 4 and of `heads`.
            depth: blocks, 1 to 12.
            heads: of attention, 1 to 16.
            patch: side of a patch, 2 to 64 pixels.
            features: of the result, 1 to 2,048.
            dropout: share of what a block adds that is left out while training, 0 to 0.9.
            modality_dropout: share of sensors that are left out of each row while training, 0 to
                0.9; one always stays.

        Raises:
            ArgumentError: an argument is not allowed, or the tokens would be too many.
        """
        super().__init__(
            observation_space,
            width=whole("width", width, 8, 512),
            depth=whole("depth", depth, 1, 12),
            heads=whole("heads", heads, 1, 16),
            patch=whole("patch", patch, 2, 64),
            features=whole("features", features, 1, 2_048),
            dropout=share("dropout", dropout),
            modality_dropout=share("modality_dropout", modality_dropout),
        )
        if width % 4 or width % heads:
            raise ArgumentError(f"width must be a multiple of 4 and of heads={heads}, got {width}")
        self.features = features
        self.modality_dropout = modality_dropout
        made = {
            key: embedding_of(space, width, patch)
            for key, space in observation_space.spaces.items()
        }
        total = sum(embedding.parts for embedding in made.values())
        if total > MOST_TOKENS:
            raise ArgumentError(
                f"these sensors make {total} tokens, more than {MOST_TOKENS}: use a larger patch, "
                "smaller frames or fewer sensors"
            )
        self.embeddings = nn.ModuleDict({module_name(key): part for key, part in made.items()})
        # What is there in a row in which nothing is: attention needs something to look at.
        self.nothing = nn.Parameter(0.2 * torch.randn(width))
        self.blocks = nn.ModuleList([Block(width, heads, dropout) for _ in range(depth)])
        self.norm = nn.LayerNorm(width)
        self.pooling = Pooling(width, heads, QUERIES)
        self.head = nn.Sequential(nn.Linear(self.pooling.size, features), nn.LayerNorm(features))

    def forward(self, observation: Observation) -> Tensor:
        """(rows, features); a sensor that is missing has no tokens."""
        x, present, spans = self._embed(observation)
        present = self._with_nothing(self._dropped(present, spans))
        if self.training:
            # A row's result then depends on the others by a rounding error; it must not in use.
            x, present, _ = packed(x, present)
        for block in self.blocks:
            x = block(x, present)
        return cast("Tensor", self.head(self.pooling(self.norm(x), present)))

    def tokens(
        self, observation: Observation, masked: Mapping[str, Tensor] | None = None
    ) -> Tokens:
        """The tokens of every sensor that is there, as they are after the blocks.

        Args:
            observation: key to (rows, ...).
            masked: sensor to (rows, parts) bool, parts whose content is hidden: of these only their
                place and their modality is seen.
        """
        x, there, spans = self._embed(observation, masked)
        present = self._with_nothing(self._dropped(there, spans))
        short, seen, order = packed(x, present)
        for block in self.blocks:
            short = block(short, seen)
        short = self.norm(short)
        values = torch.zeros_like(x).scatter(1, order[..., None].expand_as(short), short)
        return Tokens(values[:, :-1], present[:, :-1], spans)

    def pool(self, tokens: Tokens) -> Tensor:
        """(rows, features) from what `tokens` gave, or from some of it."""
        present = tokens.present
        # Where nothing is present, all of the zeros that stand there are looked at.
        present = present | ~present.any(1, keepdim=True)
        return cast("Tensor", self.head(self.pooling(tokens.values, present)))

    def attention(self, observation: Observation) -> dict[str, Tensor]:
        """How much each part of each sensor weighs: attention rollout from the pooling down.

        Returns:
            Sensor to (rows, parts), in the order of its patches (row by row), words, things or
            frames. They sum to 1 in a row, or to 0 where nothing is present.
        """
        x, there, spans = self._embed(observation)
        present = self._with_nothing(there)
        weights = []
        for block in self.blocks:
            weights.append(cast("Block", block).weights(x, present))
            x = block(x, present)
        weight = rollout(weights, self.pooling.weights(self.norm(x), present))
        # A token that is absent still hands itself on in the rollout, but nobody takes from it.
        weight = weight * torch.nn.functional.pad(there, (0, 1))
        return {key: weight[:, span] for key, span in spans.items()}

    def standardise(self, statistics: Mapping[str, Statistic]) -> None:
        """Hands the tokens of numbers what is known of their sensor."""
        for key in self.observation_space.spaces:
            if key in statistics:
                self._embedding(key).standardise(statistics[key])

    def _embedding(self, key: str) -> Embedding:
        return cast("Embedding", self.embeddings[module_name(key)])

    def _embed(
        self, observation: Observation, masked: Mapping[str, Tensor] | None = None
    ) -> tuple[Tensor, Tensor, dict[str, slice]]:
        """Tokens, (rows, tokens + 1, width) with "nothing" as the last, those present, and spans.

        Raises:
            ArgumentError: the observation has no sensor that the encoder reads.
        """
        values, present, spans = [], [], {}
        place = 0
        for key in self.observation_space.spaces:
            if key in observation:
                embedding, x = self._embedding(key), observation[key]
                values.append(embedding(x, (masked or {}).get(key)))
                present.append(embedding.present(x))
                spans[key] = slice(place, place := place + embedding.parts)
        if not spans:
            known = ", ".join(self.observation_space.spaces)
            raise ArgumentError(f"an observation needs at least one of these sensors: {known}")
        rows = len(values[0])
        values.append(self.nothing.expand(rows, 1, -1))
        return torch.cat(values, 1), torch.cat(present, 1), spans

    def _with_nothing(self, present: Tensor) -> Tensor:
        """Adds the last token, which is present where no other is."""
        return torch.cat([present, ~present.any(1, keepdim=True)], dim=1)

    def _dropped(self, present: Tensor, spans: Mapping[str, slice]) -> Tensor:
        """Leaves sensors out while training, at random, but never all that a row has."""
        if not self.training or self.modality_dropout == 0.0:
            return present
        has = torch.stack([present[:, span].any(1) for span in spans.values()], dim=1)
        drawn = torch.rand(has.shape, device=present.device) * has
        # The one that was drawn highest stays in any case.
        keep = (drawn > self.modality_dropout) | (drawn == drawn.amax(1, keepdim=True))
        sizes = [span.stop - span.start for span in spans.values()]
        return present & keep.repeat_interleave(torch.tensor(sizes, device=present.device), dim=1)
