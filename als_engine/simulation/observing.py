"""Observing: the sensors of all worlds, their spaces, and the arrays that they write into."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, Final, TypeVar

import gymnasium
import numpy as np
from numpy.typing import NDArray

from als_engine.checks import flag, whole_number
from als_engine.errors import ArgumentError
from als_engine.limits import check_memory
from als_engine.plugins.registry import registry
from als_engine.sensors import make_sensors
from als_engine.sensors.base import Sensor, Setup
from als_engine.sensors.effectors import sensors_of
from als_engine.sensors.flat import FLAT, FlatObservations, StateVector
from als_engine.simulation.arguments import Arguments
from als_engine.task import Role, Task
from als_engine.world.state import WorldState

__all__ = ["Observing"]

V = TypeVar("V")

MAX_FRAME: Final = 1024
TEXT_TOKENS: Final = (128, 4096)

_WORLD_BYTES: Final = 1 << 18
"""What a world takes beside its observations, about: its state, and the engine's."""


class Observing:
    """Lets the sensors look at all worlds.

    Roles may observe different things. The arrays then hold what any of the observers' roles
    does; what an avatar's own role does not observe is 0.

    Attributes:
        space: of one avatar's observation, by key: of all roles together.
        own: for each observer, the keys that its role observes.
        observations: key to (worlds, observers, ...), overwritten by every `read`.
        sensors: what fills them.
    """

    def __init__(self, task: Task, given: Arguments, state: WorldState, observers: int) -> None:
        """Makes the sensors and allocates the observations.

        Raises:
            ArgumentError: there is no such sensor, no such frame, or not enough memory.
        """
        self._state, self._observers = state, observers
        frame_size = _frame(given.frame_size)
        flatten = flag("flatten", given.flatten)
        setup = Setup(
            num_worlds=state.num_worlds,
            num_avatars=state.num_avatars,
            observers=observers,
            frame_size=frame_size,
            utterances=state.utterances,
            speech=state.speech,
            time_step=state.time_step,
            max_episode_steps=state.max_episode_steps,
            text_tokens=whole_number(
                f"{type(task).__name__}.text_tokens", task.text_tokens, *TEXT_TOKENS
            ),
            roles=tuple(role.name for role in task.roles()),
            scenario=given.scenario,
            task=type(task).__name__,
        )
        roles = task.roles()[:observers]
        wanted = [_wanted(task, role) for role in roles]
        union = tuple(dict.fromkeys(name for names in wanted for name in names))
        self.sensors = _make(task, state, union if given.sensors is None else given.sensors, setup)
        spaces = {key: space for sensor in self.sensors for key, space in sensor.spaces().items()}
        named = gymnasium.spaces.Dict({key: spaces[key] for key in sorted(spaces)})
        everything = tuple(named)
        self.own = [
            everything if given.sensors is not None else tuple(k for k in everything if k in names)
            for names in wanted
        ]
        self._lacking = [
            (key, avatar)
            for avatar, keys in enumerate(self.own)
            for key in everything
            if key not in keys
        ]
        self._check_memory(named)
        self._flat = FlatObservations(named) if flatten else None
        self._parts = self._allocate(named) if flatten else {}
        self.space = (
            named if self._flat is None else gymnasium.spaces.Dict({FLAT: self._flat.space})
        )
        self.observations = self._allocate(self.space)

    @cached_property
    def state_vector(self) -> StateVector:
        """Every world as one vector, for critics that see it all; few ask for it."""
        return StateVector(self._state)

    def read(self, worlds: NDArray[np.intp] | None = None) -> None:
        """Lets every sensor write `observations` anew, of all worlds or of some."""
        parts = self.observations if self._flat is None else self._parts
        for sensor in self.sensors:
            if worlds is None:
                sensor.read(self._state, parts)
            else:
                sensor.read_some(self._state, parts, worlds)
        for key, avatar in self._lacking:
            parts[key][:, avatar] = 0
        if self._state.avatars.come_and_go:
            absent = ~self._state.avatars.present[:, : self._observers]
            for array in parts.values():
                array[absent] = 0
        if self._flat is not None:
            self._flat.join(parts, self.observations[FLAT])

    def of_avatar(self, avatar: int, by_key: Mapping[str, V]) -> dict[str, V]:
        """Of spaces or arrays by key, those that one avatar's role observes; a vector is whole."""
        keys = tuple(self.space) if self._flat is not None else self.own[avatar]
        return {key: by_key[key] for key in keys}

    @property
    def flat_layout(self) -> dict[str, slice]:
        """Where each observation lies in the flat vector; empty without one."""
        return dict(self._flat.slices) if self._flat is not None else {}

    @property
    def truncated_instructions(self) -> int:
        """How many instructions were too long for the `text` observation; 0 where none is made."""
        return sum(sensor.truncated_instructions for sensor in self.sensors)

    def _check_memory(self, named: gymnasium.spaces.Dict) -> None:
        sizes = (math.prod(s.shape or ()) * s.dtype.itemsize for s in named.values() if s.dtype)
        count = self._state.num_worlds
        check_memory(
            f"{count} worlds with these sensors",
            count * (_WORLD_BYTES + 2 * self._observers * sum(sizes)),
        )

    def _allocate(self, spaces: gymnasium.spaces.Dict) -> dict[str, NDArray[Any]]:
        shape = (self._state.num_worlds, self._observers)
        return {
            key: np.zeros((*shape, *(space.shape or ())), space.dtype)
            for key, space in spaces.items()
        }


def _wanted(task: Task, role: Role) -> tuple[str, ...]:
    """What a role observes when the user does not say."""
    names = task.default_sensors if role.sensors is None else role.sensors
    return (*names, *(each.name for each in role.body.effectors if each.columns))


def _make(task: Task, state: WorldState, names: Sequence[str], setup: Setup) -> list[Sensor]:
    is_list = isinstance(names, Iterable) and not isinstance(names, (str, Mapping))
    if not (is_list and all(isinstance(name, str) for name in names)):
        example = names if isinstance(names, str) else "rgb"
        raise ArgumentError(f'sensors must be a list of names, such as ["{example}"]')
    offered = {spec.id: spec for spec in registry.sensors()}
    own = sensors_of(state.bodies.effectors.values(), {*task.extra_sensors, *offered})
    return make_sensors(names, setup, {**task.extra_sensors, **own}, offered)


def _frame(size: int | Sequence[int]) -> tuple[int, int]:
    sides = (size, size) if isinstance(size, (int, np.integer)) else size
    is_pair = isinstance(sides, Sequence) and len(sides) == 2
    if not is_pair or not all(map(_is_side, sides)):
        raise ArgumentError(
            f"frame_size must be one or two whole numbers of 8 to {MAX_FRAME} pixels, got {size!r}"
        )
    height, width = sides
    return int(height), int(width)


def _is_side(pixels: object) -> bool:
    return isinstance(pixels, (int, np.integer)) and 8 <= int(pixels) <= MAX_FRAME
