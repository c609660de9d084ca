"""A graph attention encoder: each thing in sight attends to all others."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import gymnasium
import torch
from torch import Tensor, nn

from als_engine.errors import ArgumentError
from als_engine.sensors.columns import ENTITIES
from als_plugins.encoders.arguments import whole
from als_plugins.encoders.base import Encoder, Observation, Statistic, Tokens
from als_plugins.encoders.initialising import initialise
from als_plugins.encoders.stems import Form, Stems, form_of


@contextmanager
def _quiet() -> Iterator[None]:
    """Inside, the library may use parts of Python and torch that are to go: no user can mend it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


with _quiet():
    from torch_geometric.nn import GATv2Conv

__all__ = ["GraphAttentionEncoder"]

KEY: Final = "entities"
PLACE: Final = [ENTITIES.index("forward"), ENTITIES.index("left")]
"""The columns that say where a thing stands."""


class GraphAttentionEncoder(Encoder):
    """`entities` by GATv2 over those that are there, every other sensor by its plain stem.

    Brody et al. (2022), "How attentive are graph attention networks?".
    """

    def __init__(
        self,
        observation_space: gymnasium.spaces.Dict,
        width: int = 64,
        depth: int = 2,
        heads: int = 4,
        features: int = 128,
        nearest: int = 0,
    ) -> None:
        """Makes the network.

        Args:
            observation_space: of one avatar, with `entities`.
            width: of a thing, 4 to 512, a multiple of `heads`.
            depth: layers of the graph, 1 to 8.
            heads: of attention, 1 to 16.
            features: of all things, 1 to 2,048; the other sensors' stand beside them.
            nearest: how many things each looks at, itself and those that are closest to it; 0 for
                all, up to 64.

        Raises:
            ArgumentError: an argument is not allowed, or `entities` is no set of things.
        """
        super().__init__(
            observation_space,
            width=whole("width", width, 4, 512),
            depth=whole("depth", depth, 1, 8),
            heads=whole("heads", heads, 1, 16),
            features=whole("features", features, 1, 2_048),
            nearest=whole("nearest", nearest, 0, 64),
        )
        self.nearest = nearest
        if width % heads:
            raise ArgumentError(f"width must be a multiple of heads={heads}, got {width}")
        spaces = observation_space.spaces
        if KEY not in spaces or form_of(spaces[KEY]) is not Form.THINGS:
            raise ArgumentError(
                f'graph-attention needs "{KEY}", rows of things whose first column says which are '
                "there"
            )
        columns = spaces[KEY].shape[1]  # type: ignore[index]
        self.inwards = nn.Sequential(nn.Linear(columns, width), nn.ReLU())
        with _quiet():
            self.layers = nn.ModuleList(
                [
                    GATv2Conv(width, width // heads, heads, add_self_loops=False, residual=True)
                    for _ in range(depth)
                ]
            )
        self.norm = nn.LayerNorm(width)
        self.scores = nn.Linear(width, heads)
        self.head = nn.Sequential(nn.Linear(heads * width, features), nn.ReLU())
        self.stems = Stems({key: space for key, space in spaces.items() if key != KEY})
        self.size = features
        self.features = features + self.stems.size
        initialise(self)

    def forward(self, observation: Observation) -> Tensor:
        """(rows, features); zeros stand in for a sensor that is missing, or for no thing."""
        others = self.stems(observation)
        if KEY not in observation:
            return torch.cat([others.new_zeros(len(others), self.size), others], dim=1)
        things, present, _ = self._look(observation[KEY])
        pooled = self._pooling(things, present).transpose(1, 2) @ things
        seen = self.head(pooled.flatten(1)) * present.any(1, keepdim=True)
        return torch.cat([seen, others], dim=1)

    def tokens(self, observation: Observation) -> Tokens:
        """A token for each thing; of the other sensors there are none."""
        if KEY not in observation:
            return super().tokens(observation)
        things, present, _ = self._look(observation[KEY])
        return Tokens(things, present, {KEY: slice(0, things.shape[1])})

    def attention(self, observation: Observation) -> dict[str, Tensor]:
        """The weight of each thing: GATv2's coefficients, rolled out from the pooling down.

        Returns:
            `entities` to (rows, things), added up as in attention rollout (Abnar and Zuidema 2020).
            They sum to 1 in a row, or to 0 where nothing is there.
        """
        if KEY not in observation:
            return {}
        things, present, coefficients = self._look(observation[KEY])
        weight = self._pooling(things, present).mean(2)[:, None]
        for layer in reversed(coefficients):
            # A layer adds to what was there, which counts as half.
            weight = 0.5 * weight + 0.5 * weight @ layer
        return {KEY: weight[:, 0] * present}

    def standardise(self, statistics: Mapping[str, Statistic]) -> None:
        """Hands every stem what is known of its sensor."""
        self.stems.standardise(statistics)

    def _pooling(self, things: Tensor, present: Tensor) -> Tensor:
        """(rows, things, heads): shares that sum to 1 over the things that are there."""
        scores: Tensor = self.scores(things)
        absent = ~present & present.any(1, keepdim=True)
        return scores.masked_fill(absent[..., None], -torch.inf).softmax(1)

    def _near(self, place: Tensor, present: Tensor) -> Tensor:
        """Whom each thing is close enough to, (rows, things, things) bool."""
        apart = torch.cdist(place, place).masked_fill(~present[:, None], torch.inf)
        chosen = apart.argsort(dim=-1, stable=True)[..., : self.nearest]
        return torch.zeros_like(apart, dtype=torch.bool).scatter(-1, chosen, True)

    def _look(self, x: Tensor) -> tuple[Tensor, Tensor, list[Tensor]]:
        """Things, (rows, things, width), which are there, and who looked at whom in each layer.

        All graphs of a batch are one graph without edges between them.
        """
        present = x[..., 0] > 0.5
        rows, count = present.shape
        looks = present[:, :, None] & present[:, None]
        if 0 < self.nearest < count:
            looks = looks & self._near(x[..., PLACE].float(), present)
        row, target, source = looks.nonzero().unbind(1)
        edges = torch.stack([row * count + source, row * count + target])
        things = self.inwards(x.float()).flatten(0, 1)
        coefficients = []
        for layer in self.layers:
            things, (_, weights) = layer(things, edges, return_attention_weights=True)
            things = nn.functional.elu(things)
            dense = things.new_zeros(rows, count, count)
            coefficients.append(dense.index_put((row, target, source), weights.mean(1)))
        return self.norm(things).view(rows, count, -1), present, coefficients
