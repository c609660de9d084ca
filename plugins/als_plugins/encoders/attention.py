"""A multimodal transformer: whatever is sensed becomes tokens, which a few queries read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, cast

import gymnasium
import torch
from torch import Tensor, nn

from als_engine.errors import ArgumentError
from als_plugins.encoders.arguments import share, whole
from als_plugins.encoders.base import Encoder, Observation, Statistic, Tokens
from als_plugins.encoders.embedding import FAINT, Embedding, Patches, embedding_of
from als_plugins.encoders.initialising import initialise
from als_plugins.encoders.stems import module_name
from als_plugins.encoders.transformer import Answer, Block, Reading, rollout, weigh

__all__ = ["AttentionEncoder"]

QUERIES: Final = 4
SHORT: Final = 4
"""How many tokens' width all sensors have together in short."""
MOST_TOKENS: Final = 2_048


class AttentionEncoder(Encoder):
    """Patches, words, things and numbers as tokens; learned queries that read them again and again.

    Each sensor is summed up on the way: numbers as they are, things by the largest of each feature,
    words and patches by their mean. The queries begin from these summaries, so that what they look
    for depends on the instruction and on the own body from the first block on; what they found in
    one block is what they look for in the next. The features are made of both, queries and
    summaries: what every small network learns from is there before attention has learnt anything.
    """

    def __init__(
        self,
        observation_space: gymnasium.spaces.Dict,
        width: int = 64,
        depth: int = 1,
        heads: int = 4,
        patch: int = 8,
        features: int = 128,
        dropout: float = 0.0,
        modality_dropout: float = 0.0,
        top: int = 0,
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
            top: how many tokens and queries each head of a query looks at, those with the largest
                weights; 0 for all, up to 2,048. Martins and Astudillo (2016) argue for attention
                that is 0 almost everywhere; to keep the largest is its plainest form.

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
            top=whole("top", top, 0, MOST_TOKENS),
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
        names = {module_name(key): part for key, part in made.items()}
        self.embeddings = nn.ModuleDict(names)
        self.queries = nn.Parameter(FAINT * torch.randn(QUERIES, width))
        # One layer for each sensor, added up: a saved encoder serves worlds that have only some.
        self.short = nn.ModuleDict({name: nn.Linear(width, SHORT * width) for name in names})
        self.ask = nn.Linear(SHORT * width, QUERIES * width)
        self.reading = Reading(width, heads)
        self.blocks = nn.ModuleList([Block(width, heads, dropout, top) for _ in range(depth)])
        self.head = nn.Sequential(
            nn.LayerNorm((QUERIES + SHORT) * width),
            nn.Linear((QUERIES + SHORT) * width, features),
            nn.LayerNorm(features),
        )
        self.answer = Answer(width, heads)
        initialise(self)

    def forward(self, observation: Observation) -> Tensor:
        """(rows, features); a sensor that is missing has no tokens."""
        # Words and things that no row has cost time. Where a row must be the same to the last bit
        # whatever the others are, every batch is of one size.
        x, there, spans = self._embed(observation, whole=self.rows_apart)
        present = self._dropped(there, spans)
        summary = self._sum_up(x, present, spans)
        read = self._read(x, present, summary)
        return cast("Tensor", self.head(torch.cat([read.flatten(1), summary], 1)))

    def tokens(
        self, observation: Observation, masked: Mapping[str, Tensor] | None = None
    ) -> Tokens:
        """The tokens of every sensor that is there, each in the light of all that is present.

        Args:
            observation: key to (rows, ...).
            masked: sensor to (rows, parts) bool, parts whose content is hidden: of these only their
                place and their modality is seen.
        """
        x, there, spans = self._embed(observation, masked)
        present = self._dropped(there, spans)
        read = self._read(x, present, self._sum_up(x, present, spans))
        return Tokens(self.answer(x, read), present, spans)

    def attention(self, observation: Observation) -> dict[str, Tensor]:
        """The weight of each part of each sensor: attention rollout.

        Returns:
            Sensor to (rows, parts), in the order of its patches (row by row), words, things or
            frames. They sum to 1 in a row, or to 0 where nothing is present.
        """
        x, there, spans = self._embed(observation)
        weights: list[Tensor] = []
        self._read(x, there, self._sum_up(x, there, spans), weights)
        weight = rollout(weights)
        return {key: weight[:, span] for key, span in spans.items()}

    def grids(self) -> dict[str, tuple[int, int]]:
        """The pictures' patches."""
        made = {key: self._embedding(key) for key in self.observation_space.spaces}
        return {key: part.grid for key, part in made.items() if isinstance(part, Patches)}

    def standardise(self, statistics: Mapping[str, Statistic]) -> None:
        """Hands the tokens of numbers what is known of their sensor."""
        for key in self.observation_space.spaces:
            if key in statistics:
                self._embedding(key).standardise(statistics[key])

    def _embedding(self, key: str) -> Embedding:
        return cast("Embedding", self.embeddings[module_name(key)])

    def _sum_up(self, x: Tensor, present: Tensor, spans: Mapping[str, slice]) -> Tensor:
        """What there is, in short, (rows, numbers)."""
        found = x.new_zeros(len(x), self.ask.in_features)
        for key, span in spans.items():
            short = self._embedding(key).in_short(x[:, span], present[:, span, None])
            found = found + self.short[module_name(key)](short)
        return nn.functional.gelu(found)

    def _read(
        self, x: Tensor, present: Tensor, summary: Tensor, weights: list[Tensor] | None = None
    ) -> Tensor:
        """The queries after all blocks, (rows, queries, width); appends each block's weights."""
        queries: Tensor = self.queries + self.ask(summary).view(len(x), *self.queries.shape)
        read = self.reading(x)
        present = nn.functional.pad(present, (0, QUERIES), value=True)
        for block in self.blocks:
            if weights is not None:
                query, key, _ = cast("Block", block).looking(queries, read)
                weights.append(weigh(query, key, present, cast("Block", block).top))
            queries = block(queries, read, present)
        return queries

    def _embed(
        self,
        observation: Observation,
        masked: Mapping[str, Tensor] | None = None,
        whole: bool = True,
    ) -> tuple[Tensor, Tensor, dict[str, slice]]:
        """Tokens, (rows, tokens, width), which are present, (rows, tokens), and spans.

        Args:
            observation: key to (rows, ...).
            masked: see `tokens`.
            whole: whether parts that no row has become tokens as well.

        Raises:
            ArgumentError: the observation has no sensor that the encoder reads.
        """
        values, present, spans = [], [], {}
        place = 0
        for key in self.observation_space.spaces:
            if key in observation:
                embedding, x = self._embedding(key), observation[key]
                there, hidden = embedding.present(x), (masked or {}).get(key)
                kept = None
                if embedding.ragged and not whole:
                    kept = there.any(0).nonzero()[:, 0]
                    there = there[:, kept]
                values.append(embedding(x, hidden, kept))
                present.append(there)
                spans[key] = slice(place, place := place + there.shape[1])
        if not spans:
            known = ", ".join(self.observation_space.spaces)
            raise ArgumentError(f"an observation needs at least one of these sensors: {known}")
        return torch.cat(values, 1), torch.cat(present, 1), spans

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
