"""A recurrent encoder: an LSTM or GRU over the features of each step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import gymnasium
import torch
from torch import Tensor, nn

from als_engine.errors import ArgumentError
from als_plugins.encoders.arguments import whole
from als_plugins.encoders.base import Encoder, Observation, Statistic
from als_plugins.encoders.initialising import initialise
from als_plugins.encoders.stems import Stems, module_name

__all__ = ["RecurrentEncoder", "StepEncoder"]

_CELLS: dict[str, type[nn.LSTM] | type[nn.GRU]] = {"lstm": nn.LSTM, "gru": nn.GRU}


class StepEncoder(Encoder):
    """One step by itself: a stem for each sensor, then a layer that mixes them.

    That layer is a matrix for each sensor, and what they give is added up: an encoder that has seen
    more sensors serves one with fewer.
    """

    def __init__(self, observation_space: gymnasium.spaces.Dict, width: int) -> None:
        super().__init__(observation_space, width=width)
        self.stems = Stems(observation_space.spaces)
        sizes = zip(self.stems.keys, self.stems.sizes, strict=True)
        self.mix = nn.ModuleDict(
            {module_name(key): nn.Linear(size, width, bias=False) for key, size in sizes}
        )
        self.after = nn.Sequential(nn.LayerNorm(width), nn.ReLU())
        self.features = width
        initialise(self)

    def forward(self, observation: Observation) -> Tensor:
        """(rows, width); a sensor that is missing adds nothing.

        Raises:
            ArgumentError: the observation has no sensor that the encoder reads.
        """
        parts = [
            self.mix[module_name(key)](self.stems.of(key, observation[key]))
            for key in self.stems.keys
            if key in observation
        ]
        if not parts:
            known = ", ".join(self.stems.keys)
            raise ArgumentError(f"an observation needs at least one of these sensors: {known}")
        return cast("Tensor", self.after(torch.stack(parts).sum(0)))

    def standardise(self, statistics: Mapping[str, Statistic]) -> None:
        """Hands every stem what is known of its sensor."""
        self.stems.standardise(statistics)


class RecurrentEncoder(Encoder):
    """Steps, then a memory of those before; and of those to come, where it is bidirectional.

    Attributes:
        steps: the part that sees each step by itself.
        memory: the LSTM or GRU, batch first.
    """

    def __init__(
        self,
        observation_space: gymnasium.spaces.Dict,
        width: int = 128,
        hidden: int = 128,
        layers: int = 1,
        cell: str = "lstm",
        bidirectional: bool = False,
    ) -> None:
        """Makes the network.

        Args:
            observation_space: of one avatar.
            width: of what each step says by itself, 1 to 1,024.
            hidden: of the memory, 1 to 1,024, in each direction.
            layers: of the memory, 1 to 2.
            cell: "lstm" or "gru".
            bidirectional: whether it also reads backwards, for sequences that are known whole.

        Raises:
            ArgumentError: an argument is not allowed.
        """
        super().__init__(
            observation_space,
            width=whole("width", width, 1, 1_024),
            hidden=whole("hidden", hidden, 1, 1_024),
            layers=whole("layers", layers, 1, 2),
            cell=cell,
            bidirectional=bidirectional,
        )
        if not isinstance(cell, str) or cell not in _CELLS:
            raise ArgumentError(f'cell must be "lstm" or "gru", got {cell!r}')
        if not isinstance(bidirectional, bool):
            raise ArgumentError(f"bidirectional must be true or false, got {bidirectional!r}")
        self.steps = StepEncoder(observation_space, width)
        self.memory = _CELLS[cell](
            width, hidden, layers, batch_first=True, bidirectional=bidirectional
        )
        self.features = hidden * (2 if bidirectional else 1)

    @property
    def remembers_forwards(self) -> bool:
        """Whether its memory is an LSTM that reads forwards, such as a learner may have too."""
        return isinstance(self.memory, nn.LSTM) and not self.memory.bidirectional

    def forward(self, observation: Observation) -> Tensor:
        """(rows, features) of one step without a past."""
        return self.sequence({key: x[:, None] for key, x in observation.items()})[:, 0]

    def sequence(self, observation: Observation) -> Tensor:
        """Encodes steps that follow one another.

        Args:
            observation: key to (rows, time, ...); a sensor may be missing.

        Returns:
            (rows, time, features); unless it is bidirectional, no step knows of a later one.
        """
        rows, time = next(iter(observation.values())).shape[:2]
        each = self.steps({key: x.flatten(0, 1) for key, x in observation.items()})
        return cast("Tensor", self.memory(each.view(rows, time, -1))[0])

    def standardise(self, statistics: Mapping[str, Statistic]) -> None:
        """Hands every stem what is known of its sensor."""
        self.steps.standardise(statistics)
