"""`es`: evolution strategies, in which each world is played by a policy of its own.

A generation is one population: every member plays its world for some whole episodes, on levels that
depend on the seed and the number of the generation alone. The second half of the worlds meets what
the first half does. What is saved and acts is the mean of the population.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

import gymnasium
import numpy as np
from numpy.typing import NDArray

from als_engine.agents.agent import Learner, Observation, Progress, Training
from als_engine.agents.saving import TRAINING, WEIGHTS
from als_engine.errors import ArgumentError, SavedFileError
from als_engine.limits import STEPS, check_memory
from als_engine.seeding import spread
from als_engine.system.safe_files import read_tensors, write_tensors
from als_plugins.evolution.network import Networks, Weights
from als_plugins.evolution.parameters import EvolutionParameters
from als_plugins.evolution.search import Search, make_search
from als_plugins.learners.clock import Clock, UpdateLog
from als_plugins.learners.flat_numbers import FlatNumbers
from als_plugins.learners.hyperparameters import parse

if TYPE_CHECKING:
    from als_engine.envs.rows import Rows

__all__ = ["Evolution"]

_COPIES: Final = 6
"""Of a population's vectors, in numbers of four bytes: as drawn, its noise, in the layers."""

_TRAINING: Final = {"begin": ("float64", 1), "fitness": ("float64", 2), "steps": ("int64", 0)}


class Evolution(Learner):
    """OpenAI-ES or CMA-ES over the weights of a small network; see the module."""

    id: ClassVar[str] = "es"
    shapes: ClassVar[tuple[str, ...]] = ("net_arch", "things")

    def __init__(
        self,
        observation_space: gymnasium.spaces.Dict,
        action_space: gymnasium.Space[Any],
        **hyperparameters: Any,
    ) -> None:
        """Makes the network.

        Raises:
            ArgumentError: a hyperparameter is unknown or not allowed, a sensor is a picture, or
                there is no policy over these actions.
        """
        self.parameters = parse(self.id, EvolutionParameters, hyperparameters)
        self._numbers = FlatNumbers(self.id, observation_space)
        parameters, numbers = self.parameters, self._numbers
        self._networks = Networks(
            numbers.size, numbers.tables, parameters.net_arch, parameters.things, action_space
        )
        super().__init__(observation_space, action_space, **self.parameters.model_dump())
        self._weights = self._networks.weights(np.zeros((1, self._networks.size)))
        self._loaded = False
        self._begin = np.zeros(self._networks.size)
        self._fitness: list[NDArray[np.float64]] = []
        self._steps = 0

    # -- acting -----------------------------------------------------------------------------------

    def act(
        self, observation: Observation, state: Any = None, deterministic: bool = True
    ) -> tuple[NDArray[Any], Any]:
        """The action for every row: there is nothing to sample."""
        numbers = self._numbers(observation)
        # A product for each row, so that its bits do not depend on the others.
        alone: Weights = [
            (np.broadcast_to(w, (len(numbers), *w.shape[1:])), b) for w, b in self._weights
        ]
        return self._networks.act(alone, numbers), None

    # -- saving -----------------------------------------------------------------------------------

    def save_weights(self, folder: Path) -> None:
        """Writes the network of the mean."""
        write_tensors(folder / WEIGHTS, self._named())

    def load_weights(self, folder: Path) -> None:
        """Reads the network.

        Raises:
            SavedFileError: it is not of this shape, or damaged.
        """
        found = read_tensors(folder / WEIGHTS, self._named())
        layers = range(len(self._weights))
        self._weights = [
            (found[f"{i}.weight"][None].copy(), found[f"{i}.bias"][None, None].copy())
            for i in layers
        ]
        self._loaded = True

    def _named(self) -> dict[str, NDArray[Any]]:
        named = {}
        for i, (weight, bias) in enumerate(self._weights):
            named.update({f"{i}.weight": weight[0], f"{i}.bias": bias[0, 0]})
        return named

    def save_training(self, folder: Path) -> None:
        """Writes where the search began, and how fit every member has been."""
        write_tensors(
            folder / TRAINING,
            {
                "steps": np.array(self._steps, np.int64),
                "begin": self._begin,
                "fitness": np.array(self._fitness),
            },
        )

    def _retold(self, folder: Path, members: int, seed: int) -> Search:
        """The search as it was at a checkpoint: it is told again what it was told."""
        path = folder / TRAINING
        found = read_tensors(path)
        described = {name: (str(array.dtype), array.ndim) for name, array in found.items()}
        if described != _TRAINING or found["begin"].shape != (self._networks.size,):
            raise SavedFileError(f"{path} does not fit this training")
        begin, fitness, steps = (found[name] for name in _TRAINING)
        if not fitness.size <= int(steps) <= STEPS:
            raise SavedFileError(f"{path} does not fit this training: it has {int(steps)} steps")
        if fitness.shape[1] != members:
            raise SavedFileError(
                f"{path} is of {fitness.shape[1]} members, and there are {members} worlds"
            )
        self._begin, self._steps = begin.copy(), int(steps)
        self._fitness = [each.copy() for each in fitness]
        search = make_search(self._begin, members, seed, self.parameters)
        for each in self._fitness:
            search.ask()
            search.tell(each)
        saved = self._networks.vector(self._weights)
        if not np.allclose(search.mean, saved, rtol=1e-3, atol=1e-3):
            raise SavedFileError(f"{path} does not lead to the weights beside it")
        return search

    # -- learning ---------------------------------------------------------------------------------

    def learn(self, rows: Rows, training: Training) -> Progress:
        """Trains; weights that are there already are where the search begins."""
        members = rows.num_worlds
        if members < 4 or members % 2:
            raise ArgumentError(
                f"{self.id} needs an even number of worlds, at least 4: each plays a member of the "
                f"population, got {members}"
            )
        check_memory(f"{members} members", 4 * _COPIES * members * self._networks.size)
        seed = spread("learner", training.seed)
        if training.resume is not None:
            self.load_weights(training.resume)
            search = self._retold(training.resume, members, seed)
        else:
            rng = np.random.default_rng(seed)
            loaded = self._networks.vector(self._weights) if self._loaded else None
            self._begin = self._networks.begin(rng) if loaded is None else loaded
            self._steps, self._fitness = 0, []
            search = make_search(self._begin, members, seed, self.parameters)
        self._take(search)

        def progress(steps: int) -> Progress:
            return training.progress(steps, rows.recent)

        clock, log = Clock(training, progress, self._steps), UpdateLog(training, rows.recent)
        while self._steps < training.steps:
            fitness = self._play(rows, search, training, clock)
            if fitness is None:
                break
            search.tell(fitness)
            self._fitness.append(fitness)
            self._take(search)
            log.add(
                {"evolution/fitness_mean": float(fitness.mean()),
                 "evolution/fitness_best": float(fitness.max())},
                self._steps,
            )  # fmt: skip
            clock.check(self._steps)
        done = progress(self._steps)
        training.on_progress(done)
        return done

    def _take(self, search: Search) -> None:
        self._weights = self._networks.weights(search.mean[None])

    def _play(
        self, rows: Rows, search: Search, training: Training, clock: Clock
    ) -> NDArray[np.float64] | None:
        """The fitness of one population, (members,); None where it was told to stop."""
        networks, numbers, wanted = self._networks, self._numbers, self.parameters.episodes
        weights = networks.weights(search.ask())
        rows.spread_for("evolution", len(self._fitness), parts=2)
        rows.seed(training.seed)
        rows.reset()
        played = np.zeros(rows.num_worlds, np.int64)
        fitness = np.zeros(rows.num_worlds)
        steps = self._steps
        # Worlds that are done play on until all are: an episode that is cut off would tell nothing.
        while (played < wanted).any():
            if training.should_stop():
                return None
            rows.step(networks.act(weights, numbers(rows.observations)))
            steps += rows.num_rows
            counts = rows.ended_worlds & (played < wanted)
            if counts.any():
                fitness[counts] += rows.final_returns[counts].mean(axis=1)
                played[counts] += 1
            clock.report(steps)
        self._steps = steps
        return fitness / wanted
