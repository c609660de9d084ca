"""Many small networks at once: each member of a population reads rows of its own."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Discrete, MultiDiscrete
from numpy.typing import NDArray

from als_engine.errors import ArgumentError
from als_plugins.learners.flat_numbers import Table

__all__ = ["Networks", "Weights"]

Floats = NDArray[np.float32]
Weights = list[tuple[Floats, Floats]]
"""Of each layer: factors (members, inputs, outputs) and offsets (members, 1, outputs)."""


class Networks:
    """Layers with tanh between numbers and an action; a member is a vector of all its weights.

    Things of a table go through a layer one by one, of which the largest numbers are read on: so it
    makes no difference in which order they stand.

    Vectors are in one scale: what stands in a layer is the vector divided by the root of the
    layer's inputs, so that the same deviation means as much in every layer. All members are
    multiplied in one call, each with its own matrix.

    Attributes:
        size: of a vector.
    """

    def __init__(
        self,
        inputs: int,
        tables: Sequence[Table],
        widths: Sequence[int],
        things: int,
        actions: gymnasium.Space[Any],
    ) -> None:
        """Lays the vector out.

        Args:
            inputs: how many numbers a row has.
            tables: those of them that are tables, in their order.
            widths: of the layers between what is read and the action.
            things: width of the layer that reads each thing.
            actions: of a row.

        Raises:
            ArgumentError: there is no policy over such actions.
        """
        if not isinstance(actions, (Discrete, MultiDiscrete, Box)):
            raise ArgumentError(f"there is no policy over the action space {actions}")
        self._actions = actions
        if isinstance(actions, Discrete):
            self._choices = [int(actions.n)]
        elif isinstance(actions, MultiDiscrete):
            self._choices = [int(n) for n in actions.nvec.ravel()]
        else:
            self._choices = []
        outputs = sum(self._choices) or math.prod(actions.shape or ())
        self._tables, self._things = tuple(tables), things
        ends = [0, *(end for one in tables for end in (one.where.start, one.where.stop)), inputs]
        pairs = zip(ends[::2], ends[1::2], strict=True)
        self._plain = [slice(*pair) for pair in pairs if pair[0] < pair[1]]
        plain = sum(part.stop - part.start for part in self._plain)
        sizes = [plain + things * len(tables), *widths, outputs]
        self._shapes = [(one.columns, things) for one in tables]
        self._shapes += itertools.pairwise(sizes)
        self.size = sum((before + 1) * after for before, after in self._shapes)

    def begin(self, rng: np.random.Generator) -> NDArray[np.float64]:
        """A vector to begin with, (size,), whose last layer is 0."""
        before, after = self._shapes[-1]
        vector = rng.standard_normal(self.size)
        vector[self.size - (before + 1) * after :] = 0.0
        return vector

    def weights(self, vectors: NDArray[Any]) -> Weights:
        """What stands in the layers of some members, whose vectors are (members, size)."""
        found, first = [], 0
        for before, after in self._shapes:
            last = first + before * after
            both = vectors[:, first : last + after].astype(np.float32)
            both *= np.float32(1.0 / math.sqrt(before))
            factors = both[:, : before * after].reshape(-1, before, after)
            found.append((factors, both[:, None, before * after :]))
            first = last + after
        return found

    def vector(self, weights: Weights) -> NDArray[np.float64]:
        """The vector of one member, the first, from what stands in its layers."""
        parts = []
        for (before, _), (factors, offsets) in zip(self._shapes, weights, strict=True):
            parts += [
                factors[0].ravel() * math.sqrt(before),
                offsets[0].ravel() * math.sqrt(before),
            ]
        return np.concatenate(parts).astype(np.float64)

    def act(self, weights: Weights, numbers: Floats) -> NDArray[Any]:
        """The action of every row, (members * rows, ...).

        Args:
            weights: of the members.
            numbers: (members * rows, inputs): the rows of the first member come first.
        """
        members, tables = len(weights[0][0]), len(self._tables)
        each = numbers.reshape(members, -1, numbers.shape[1])
        parts = [each[..., part] for part in self._plain]
        for one, layer in zip(self._tables, weights[:tables], strict=True):
            things = each[..., one.where].reshape(members, -1, one.columns)
            found = _layer(things, layer)
            found[things[..., 0] < 0.5] = -1.0  # As small as tanh gets.
            apart = found.reshape(members, -1, one.things, self._things)
            parts.append(apart.max(axis=2))
        rows = np.concatenate(parts, axis=2)
        for layer in weights[tables:-1]:
            rows = _layer(rows, layer)
        factors, offsets = weights[-1]
        rows = np.matmul(rows, factors) + offsets
        return self._action(rows.reshape(len(numbers), -1))

    def _action(self, found: Floats) -> NDArray[Any]:
        action: NDArray[Any]
        space = self._actions
        if isinstance(space, Box):
            bounded = np.isfinite(space.low) & np.isfinite(space.high)
            low, high = np.where(bounded, space.low, -1.0), np.where(bounded, space.high, 1.0)
            shaped = found.reshape(-1, *space.shape)
            inside = low + (np.tanh(shaped) + 1.0) / 2.0 * (high - low)
            action = np.where(bounded, inside, np.clip(shaped, space.low, space.high))
            action = np.clip(action, space.low, space.high).astype(space.dtype)
            return action
        ends = np.cumsum(self._choices)[:-1]
        chosen = [part.argmax(axis=1) for part in np.split(found, ends, axis=1)]
        if isinstance(space, Discrete):
            action = chosen[0] + int(space.start)
            return action
        assert isinstance(space, MultiDiscrete)
        start = np.ravel(space.start)
        action = (np.stack(chosen, axis=1) + start).reshape(-1, *space.shape)
        return action


def _layer(rows: Floats, layer: tuple[Floats, Floats]) -> Floats:
    found: Floats = np.matmul(rows, layer[0])
    found += layer[1]
    return np.tanh(found, out=found)
