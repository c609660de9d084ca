"""The interface of a sensor: named observation spaces, and one `read` for all worlds at once.

A third party writes a subclass, names it in a task's `extra_sensors` or offers it through the
`als_sensors` hook, and every view of the environment carries its observations.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import gymnasium

    from als_engine.world.speech import Speech
    from als_engine.world.state import WorldState


@dataclass(frozen=True, slots=True)
class Setup:
    """The arguments with which every sensor is made.

    Attributes:
        num_worlds: worlds in the simulation.
        num_avatars: avatars in each world.
        observers: how many of them observe: avatars 0 to observers - 1.
        frame_size: (height, width) of pictures, pixels.
        utterances: what avatars can say. speech: its verbs and slots; None for phrases alone.
        time_step: seconds per step.
        max_episode_steps: the time limit, steps.
        text_tokens: how many tokens a text observation holds.
        roles: of all avatars; empty where they all have the same.
        scenario, task: what warnings call the scenario and the class of its task.
    """

    num_worlds: int
    num_avatars: int
    observers: int
    frame_size: tuple[int, int] = (64, 64)
    utterances: tuple[str, ...] = ()
    speech: Speech | None = None
    time_step: float = 1 / 15
    max_episode_steps: int = 1_000
    text_tokens: int = 128
    roles: tuple[str, ...] = ()
    scenario: str = "scenario"
    task: str = "Task"


class Sensor(ABC):
    """Turns the state of all worlds into observations.

    A sensor provides one or several observation keys (a camera: `rgb`, `depth`, `semantic`). Only
    those that the user enabled are asked for. It draws no random numbers but `state.uniform`, and
    changes nothing in the state: switching a sensor on or off never changes a trajectory.

    Attributes:
        provides: the observation keys that this class can fill.
        enabled: those that this instance must fill.
        truncated_instructions: how many instructions were too long to be observed as a whole.
    """

    provides: ClassVar[tuple[str, ...]]
    truncated_instructions: int = 0

    def __init__(self, setup: Setup, enabled: Collection[str]) -> None:
        """Allocates what reading needs, once."""
        self.setup = setup
        self.enabled = tuple(name for name in self.provides if name in enabled)

    @abstractmethod
    def spaces(self) -> Mapping[str, gymnasium.Space[Any]]:
        """One avatar's space for each enabled key."""

    @abstractmethod
    def read(self, state: WorldState, out: Mapping[str, NDArray[Any]]) -> None:
        """Fills `out[key]`, (worlds, observers, *space.shape), for every enabled key."""

    def read_some(
        self, state: WorldState, out: Mapping[str, NDArray[Any]], worlds: NDArray[np.intp]
    ) -> None:
        """Fills what some worlds observe, after their resets; the rest of `out` is up to date.

        A sensor for which looking is dear looks at these worlds alone. The others need not care.
        """
        self.read(state, out)

    def rays(self, state: WorldState, world: int, avatar: int) -> NDArray[np.float64]:
        """Lines that show people what it senses, (n, 2, 3), both ends, metres; none by default.

        `als play --show rays` draws them. They are no observation.
        """
        return np.zeros((0, 2, 3))


class WorldwiseSensor(Sensor):
    """A sensor that can look at some worlds alone; a subclass writes `read_some`."""

    def __init__(self, setup: Setup, enabled: Collection[str]) -> None:
        """Allocates what reading needs, once."""
        super().__init__(setup, enabled)
        self._every: NDArray[np.intp] = np.arange(setup.num_worlds)

    def read(self, state: WorldState, out: Mapping[str, NDArray[Any]]) -> None:
        """Looks at all worlds."""
        self.read_some(state, out, self._every)

    @abstractmethod
    def read_some(
        self, state: WorldState, out: Mapping[str, NDArray[Any]], worlds: NDArray[np.intp]
    ) -> None:
        """Fills what these worlds observe, `out[key]`, (worlds, observers, *space.shape)."""


def is_table(space: gymnasium.spaces.Box) -> bool:
    """Whether a sensor looks like `entities`: many rows, of which a column says which are there."""
    if len(space.shape) != 2 or space.shape[0] < 4:
        return False
    return bool((space.low[:, 0] == 0).all() and (space.high[:, 0] == 1).all())
