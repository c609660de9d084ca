"""Gives every row of a batch the attributes that a single environment has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from typing import Any

import gymnasium
import numpy as np
from gymnasium.envs.registration import EnvSpec
from gymnasium.utils import seeding

from als_engine.errors import ArgumentError
from als_engine.world.snapshot import Client, Generator, Moment


class Attributes:
    """Implements `get_attr`, `set_attr` and `call` as Gymnasium's and SB3's own batches do.

    A row's attribute is, in this order: what was set with `set`, one row of what the batch has,
    the batch's own attribute of that name.
    """

    def __init__(self, batch: Any, rows: int, each: Mapping[str, str]) -> None:
        """Serves a batch.

        Args:
            batch: the view.
            rows: how many there are.
            each: attribute of a single environment to the batch's method that returns one for each
                row; by name, so that a copy of the batch asks itself.
        """
        self._batch, self._rows, self._each = batch, rows, each
        self._set: dict[str, dict[int, Any]] = {}

    def call(self, name: str, *args: Any, **kwargs: Any) -> list[Any]:
        """The attribute of every row; what can be called is called.

        Raises:
            AttributeError: there is none of that name, or it needs an environment of its own.
        """
        if name in self._each and name not in self._set:
            found = getattr(self._batch, self._each[name])(*args, **kwargs)
            return [None] * self._rows if found is None else list(found)
        values = self.get(name)
        return [value(*args, **kwargs) if callable(value) else value for value in values]

    def get(self, name: str) -> list[Any]:
        """The attribute of every row.

        Raises:
            AttributeError: there is none of that name, or it needs an environment of its own.
        """
        if name in ("reset", "step", "close"):
            raise AttributeError(f"the rows step together: call {name}() of the whole batch")
        given = self._set.get(name, {})
        if len(given) == self._rows:
            return [given[row] for row in range(self._rows)]
        if name in self._each:
            values = list(getattr(self._batch, self._each[name])())
        elif name.startswith("_") or not hasattr(self._batch, name):
            raise AttributeError(f"{type(self._batch).__name__} has no {name!r} for its rows")
        else:
            values = [getattr(self._batch, name)] * self._rows
        return [given.get(row, value) for row, value in enumerate(values)]

    def set(self, name: str, values: Sequence[Any], rows: Iterable[int] | None = None) -> None:
        """Keeps a client's attribute for some rows; those of the worlds themselves are fixed.

        Raises:
            ArgumentError: the environment has one of that name, or the values are too few.
        """
        if name in self._each or hasattr(self._batch, name):
            raise ArgumentError(f"{name!r} cannot be set: give it when the environment is made")
        which = list(range(self._rows) if rows is None else rows)
        if len(values) != len(which):
            raise ArgumentError(f"{len(values)} values of {name!r} for {len(which)} environments")
        self._set.setdefault(name, {}).update(zip(which, values, strict=True))


class Generators:
    """`np_random` of single environments, each seeded when its row was last reset with a seed.

    They are the client's: nothing in the worlds draws from them.
    """

    def __init__(self, rows: int) -> None:
        self._seeds: list[int | None] = [None] * rows
        self._made: dict[int, Any] = {}

    def seed(self, seeds: Sequence[int | None], rows: Iterable[int]) -> None:
        """Notes the seeds of the rows that are reset; None leaves a row's generator as it is."""
        for row in rows:
            if seeds[row] is not None:
                self._seeds[row] = seeds[row]
                self._made.pop(row, None)

    def clients(self, rows: Iterable[int]) -> list[Client]:
        """The seeds and generators of some rows, for a snapshot."""
        return [client_of(self._seeds[row], self._made.get(row)) for row in rows]

    def restore(self, rows: Iterable[int], moments: Sequence[Moment]) -> None:
        """Puts rows back; those of which a snapshot holds nothing stay."""
        for row, moment in zip(rows, moments, strict=True):
            if moment.seed is not None:
                self._seeds[row] = moment.seed
                self._made.pop(row, None)
                if moment.np_random is not None:
                    self._made[row] = moment.np_random.make()

    def generators(self) -> tuple[Any, ...]:
        """One for each row; a row without a seed gets a random one."""
        for row, seed in enumerate(self._seeds):
            if row not in self._made:
                self._made[row], self._seeds[row] = seeding.np_random(seed)
        return tuple(self._made[row] for row in range(len(self._seeds)))

    def seeds(self) -> tuple[int, ...]:
        """The seed of each."""
        self.generators()
        return tuple(seed for seed in self._seeds if seed is not None)


def client_of(seed: int | None, generator: Any) -> Client:
    """A client's seed and generator for a snapshot; generators of another kind are left out."""
    if generator is None or type(generator.bit_generator) is not np.random.PCG64:
        return seed, None
    return seed, Generator.of(generator)


def spec_of(scenario: str, arguments: Mapping[str, Any], limit: int) -> EnvSpec | None:
    """The spec that `gymnasium.make` would make a row from; None for an unregistered scenario."""
    known = gymnasium.registry.get(scenario)
    if known is None:
        return None
    spec = deepcopy(known)
    spec.max_episode_steps = limit
    given = {name: value for name, value in arguments.items() if name != "max_episode_steps"}
    spec.kwargs.update(given)
    return spec
