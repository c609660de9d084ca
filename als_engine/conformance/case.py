"""What every check gets: one scenario, options that say how thorough to be, and a player."""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from als_engine.bodies.bounds import action_bounds
from als_engine.conformance.places import Own
from als_engine.conformance.report import Failure
from als_engine.conformance.running import Subject
from als_engine.errors import ArgumentError
from als_engine.plugins.registry import registry
from als_engine.plugins.specs import SPLITS, ScenarioSpec
from als_engine.sensors import SENSORS
from als_engine.simulation import Simulation, simulate
from als_engine.task import LEVELS
from als_engine.world.layout import Layout

__all__ = ["Case", "Options", "Player", "random_actions"]

_PICTURES: Final = ("rgb", "depth", "semantic")

SLOW_LAYOUT: Final = 0.2
"""Seconds that a layout may take: every reset of every world waits for one."""


@dataclass(frozen=True)
class Options:
    """The options of the checks: how thorough they are, and which ones run.

    Attributes:
        levels: how many levels of each split are laid out and compared.
        episodes: how many episodes of each split the expert and the random policy play.
        steps: for how many steps two runs are compared.
        workers: with 2 or more, that many processes must equal one; 1 leaves that out.
        expert_at_least: the expert's success rate.
        random_at_most: the success rate of random actions.
        only: names of checks; None for all.
        skip: names of checks.
    """

    levels: int = 16
    episodes: int = 8
    steps: int = 40
    workers: int = 1
    expert_at_least: float = 0.8
    random_at_most: float = 0.5
    only: Sequence[str] | None = None
    skip: Sequence[str] = ()

    def __post_init__(self) -> None:
        """Refuses numbers that prove nothing.

        Raises:
            ArgumentError: names the number.
        """
        for name, least in (("levels", 2), ("episodes", 1), ("steps", 2), ("workers", 1)):
            if getattr(self, name) < least:
                raise ArgumentError(f"{name} must be at least {least}, got {getattr(self, name)}")


@dataclass(frozen=True)
class Opening:
    """The beginning of a level, as one world shows it.

    Attributes:
        metrics: name to (1,).
        observations: key to an avatar's own; all but the engine's pictures.
        is_cut: whether an instruction is too long for the text observation.
    """

    metrics: dict[str, NDArray[Any]]
    observations: dict[str, NDArray[Any]]
    is_cut: bool


@dataclass
class Case(Subject):
    """One scenario under examination; the checks ask it for worlds.

    Attributes:
        spec: the scenario.
        options: how hard to look.
        arguments: of the scenario.
    """

    spec: ScenarioSpec = field(kw_only=True)
    options: Options = field(kw_only=True)
    arguments: dict[str, Any] = field(kw_only=True)
    _layouts: dict[int, Layout] = field(default_factory=dict, kw_only=True)

    @classmethod
    def of(cls, spec: ScenarioSpec, options: Options, arguments: dict[str, Any]) -> Case:
        """A case of a scenario; its task is imported."""
        own = Own([registry.load(spec)])
        return cls(spec.id, own, spec.answers, spec=spec, options=options, arguments=arguments)

    def task_class(self) -> Any:
        """The Task's class."""
        return registry.load(self.spec)

    def failure(self, text: str, method: str) -> Failure:
        """A failure at a method of the task."""
        return Failure(text, self.place_of(method))

    def place_of(self, method: str) -> str:
        """Where a method of the task is defined, or `''`."""
        return self.own.of_method(self.task_class(), method)

    def simulate(
        self, num_worlds: int = 1, observers: int | None = None, **arguments: Any
    ) -> Simulation:
        """Worlds of the scenario, not yet reset; it is looked at what the task writes."""
        made = simulate(self.id, num_worlds, observers, **{**self.arguments, **arguments})
        made.scoring.watch.keep_on()
        return made

    def every_sensor(self) -> tuple[str, ...]:
        """The engine's sensors and the task's own."""
        return tuple(dict.fromkeys((*SENSORS, *self.task_class().extra_sensors)))

    @cached_property
    def layout_seconds(self) -> float:
        """How long a layout takes, the quickest of five: other programs are no fault of it."""
        simulation, taken = self.simulate(), []
        for level in range(5):
            began = time.perf_counter()
            simulation.lay_out(level)
            taken.append(time.perf_counter() - began)
            if taken[-1] > 20 * SLOW_LAYOUT:  # Once is enough.
                break
        simulation.close()
        return min(taken)

    def sampled(self, split: str) -> list[int]:
        """Levels of a split: the first ones, and some from all over it; few where they are slow."""
        levels, wanted = LEVELS[split], self.options.levels
        if self.layout_seconds > SLOW_LAYOUT:
            wanted = 2
        spread = np.linspace(levels.start, levels.stop - 1, max(2, wanted // 2))
        first = range(levels.start, levels.start + wanted - len(spread))
        return sorted({*first, *spread.astype(int).tolist()})

    def lay_out(self, simulation: Simulation, level: int) -> Layout:
        """A level of the scenario as the case has it; laid out once, by whoever asks first."""
        if level not in self._layouts:
            self._layouts[level] = simulation.lay_out(level)
        return self._layouts[level]

    @cached_property
    def openings(self) -> dict[int, Opening]:
        """What the sampled levels of all splits begin with, by level."""
        sensors = [name for name in self.every_sensor() if name not in _PICTURES]
        simulation, found = self.simulate(sensors=sensors), dict[int, Opening]()
        levels = [level for split in SPLITS for level in self.sampled(split)]
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # What is cut off is said of all levels.
                for level in levels:
                    before = simulation.truncated_instructions
                    simulation.reset([0], level=level)
                    simulation.observe()
                    found[level] = Opening(
                        {name: values.copy() for name, values in simulation.metrics().items()},
                        {key: array[0, 0].copy() for key, array in simulation.observations.items()},
                        simulation.truncated_instructions > before,
                    )
        finally:
            simulation.close()
        return found

    def splits(self) -> tuple[str, ...]:
        """The splits to play: all, unless the caller's arguments name one."""
        return (self.arguments["split"],) if "split" in self.arguments else SPLITS


class Player:
    """Plays so that something happens: sometimes well, sometimes at random, never by surprise."""

    def __init__(self, seed: int = 0) -> None:
        self._rng = np.random.default_rng(seed)
        self._kept: NDArray[Any] | None = None

    def act(self, simulation: Simulation) -> NDArray[Any]:
        """Actions for all observers, (worlds, observers, ...); random ones are kept for a while."""
        if self._kept is None or self._rng.random() < 0.25:
            shape = (simulation.num_worlds, simulation.observers)
            self._kept = random_actions(self._rng, simulation.action_space, shape)
        if self._rng.random() < 0.5:
            return self._kept
        try:
            return simulation.expert_actions()
        except NotImplementedError:
            return self._kept


def random_actions(rng: np.random.Generator, space: Any, shape: tuple[int, ...]) -> NDArray[Any]:
    """Actions drawn evenly from one avatar's space, (*shape, ...)."""
    low, high = action_bounds(space)
    if space.dtype.kind == "i":
        return rng.integers(low, high + 1, size=(*shape, *space.shape))
    drawn: NDArray[Any] = rng.uniform(low, high, (*shape, *space.shape))
    return drawn.astype(space.dtype)
