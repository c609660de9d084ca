"""What every check gets: one scenario, options that say how thorough to be, and a player."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from als_engine.bodies.bounds import action_bounds
from als_engine.errors import ArgumentError
from als_engine.plugins.registry import registry
from als_engine.plugins.specs import SPLITS, ScenarioSpec
from als_engine.simulation import Simulation, simulate
from als_engine.task import LEVELS

__all__ = ["Case", "Options", "Player", "random_actions"]


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


@dataclass
class Case:
    """One scenario under examination; the checks ask it for worlds.

    Attributes:
        spec: the scenario.
        options: how hard to look.
        arguments: of the scenario.
        figures: filled by the checks.
        notes: filled by the checks, by their name.
    """

    spec: ScenarioSpec
    options: Options
    arguments: dict[str, Any]
    figures: dict[str, float] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """The scenario's id."""
        return self.spec.id

    def task_class(self) -> Any:
        """The Task's class."""
        return registry.load(self.spec)

    def simulate(
        self, num_worlds: int = 1, observers: int | None = None, **arguments: Any
    ) -> Simulation:
        """Worlds of the scenario, not yet reset."""
        return simulate(self.id, num_worlds, observers, **{**self.arguments, **arguments})

    def sampled(self, split: str) -> list[int]:
        """Levels of a split: the first ones, and some from all over it."""
        levels = LEVELS[split]
        spread = np.linspace(levels.start, levels.stop - 1, max(2, self.options.levels // 2))
        first = range(levels.start, levels.start + self.options.levels - len(spread))
        return sorted({*first, *spread.astype(int).tolist()})

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
