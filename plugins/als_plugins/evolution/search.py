"""How a population is drawn and what is learnt from it: OpenAI-ES and CMA-ES.

A search is a function of where it begins, of its seed, and of the fitness of every member of every
generation so far. So that is all that a checkpoint keeps of it: told the same again, it is where it
was, to the last bit, and no file says what its parts are to be.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from als_engine.seeding import spread
from als_plugins.evolution.parameters import EvolutionParameters

__all__ = ["CmaEs", "OpenAiEs", "Search", "make_search", "ranked"]

FULL: Final = 300
"""Up to so many weights CMA-ES learns how they go together; of more, their deviations alone."""

Floats = NDArray[np.float64]


class Search(ABC):
    """Draws populations around a mean, and moves the mean to where the fitness is higher.

    Attributes:
        mean: (size,), of the population.
    """

    mean: Floats

    @abstractmethod
    def ask(self) -> NDArray[Any]:
        """The next population, (members, size)."""

    @abstractmethod
    def tell(self, fitness: Floats) -> None:
        """Learns from the fitness of the population that was asked for, (members,)."""


class OpenAiEs(Search):
    """Mirrored noise, ranks, Adam (Salimans et al. 2017)."""

    def __init__(self, begin: Floats, members: int, seed: int, given: EvolutionParameters) -> None:
        """Begins around a mean; `members` is even."""
        self.mean = begin.copy()
        self._members, self._seed, self._given = members, seed, given
        self._first, self._second = np.zeros_like(begin), np.zeros_like(begin)
        self._generation = 0
        self._noise: NDArray[np.float32] = np.zeros((0, 0), np.float32)

    def ask(self) -> NDArray[Any]:
        """See `Search.ask`: the second half is the first one mirrored at the mean."""
        rng = np.random.default_rng(spread("noise of evolution", self._seed, self._generation))
        shape = self._members // 2, len(self.mean)
        self._noise = rng.standard_normal(shape, np.float32)
        away = np.float32(self._given.sigma) * self._noise
        return np.concatenate([self.mean + away, self.mean - away])

    def tell(self, fitness: Floats) -> None:
        """See `Search.tell`."""
        given, half = self._given, self._members // 2
        worth = ranked(fitness)
        slope = (worth[:half] - worth[half:]) @ self._noise / (self._members * given.sigma)
        slope -= given.weight_decay * self.mean
        self._generation += 1
        self._first = 0.9 * self._first + 0.1 * slope
        self._second = 0.999 * self._second + 0.001 * slope**2
        first = self._first / (1.0 - 0.9**self._generation)
        second = self._second / (1.0 - 0.999**self._generation)
        self.mean = self.mean + given.learning_rate * first / (np.sqrt(second) + 1e-8)


class CmaEs(Search):
    """CMA-ES of the library `cma` (Hansen 2016); with many weights, only their deviations adapt."""

    def __init__(self, begin: Floats, members: int, seed: int, given: EvolutionParameters) -> None:
        """Begins around a mean."""
        import cma

        rng = np.random.default_rng(spread("noise of evolution", seed))
        options = {
            "popsize": members,
            "CMA_diagonal": len(begin) > FULL,
            "randn": lambda *shape: rng.standard_normal(shape),
            "seed": np.nan,  # NumPy's global generator is not the library's to seed.
            "verbose": -9,
        }
        self.mean = begin.copy()
        self._search = cma.CMAEvolutionStrategy(begin, given.sigma, options)
        self._asked: list[Floats] = []

    def ask(self) -> NDArray[Any]:
        """See `Search.ask`."""
        self._asked = self._search.ask()
        return np.array(self._asked)

    def tell(self, fitness: Floats) -> None:
        """See `Search.tell`."""
        self._search.tell(self._asked, (-ranked(fitness)).tolist())
        self.mean = np.array(self._search.mean)


def make_search(begin: Floats, members: int, seed: int, given: EvolutionParameters) -> Search:
    """The search that the hyperparameters name."""
    kind = OpenAiEs if given.algorithm == "openai" else CmaEs
    return kind(begin, members, seed, given)


def ranked(fitness: Floats) -> Floats:
    """Ranks in place of fitness, from -0.5 to 0.5; who is as good as another shares its rank."""
    order = np.sort(fitness)
    low, high = np.searchsorted(order, fitness, "left"), np.searchsorted(order, fitness, "right")
    ranks: Floats = (low + high - 1) / 2.0 / max(len(fitness) - 1, 1) - 0.5
    return ranks
