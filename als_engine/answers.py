"""Checks what a task answers with: shapes, types and finite numbers.

The simulation asks this at every step, and `als check` as well: what the one refuses, the other
does. An answer of a wrong shape would be broadcast silently and train an agent on nonsense.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from als_engine.errors import TaskError
from als_engine.world.state import WorldState

__all__ = ["Answers", "Watch"]

_NUMBERS: Final = "fiub"  # The kinds of dtype that are real numbers.
_NUMPY_BOOL: Final = "b"
_WATCHED: Final = 128
"""How often it is looked at what a task writes: twice in a step, and in a reset."""


@dataclass(frozen=True, slots=True)
class Answers:
    """Checks the answers of one task.

    Attributes:
        scenario: the id.
        task: name of the task's class.
        state: the worlds that are answered for.
    """

    scenario: str
    task: str
    state: WorldState

    def reward(self, values: Any, method: str = "reward") -> NDArray[Any]:
        """Returns a reward, or one of its terms, (worlds, avatars)."""
        shape = (self.state.num_worlds, self.state.num_avatars)
        return self._shaped(method, values, shape, "(worlds, avatars)", _NUMBERS)

    def terms(self, values: Any, names: tuple[str, ...]) -> dict[str, NDArray[Any]]:
        """Returns the terms of a reward, each (worlds, avatars), in the order of `names`."""
        if not isinstance(values, Mapping) or tuple(values) != names:
            found = ", ".join(map(str, values)) if isinstance(values, Mapping) else repr(values)
            raise self.error(
                f"reward_terms must be named {', '.join(names)}, as reward_names says, got {found}"
            )
        return {name: self.reward(each, f'reward_terms["{name}"]') for name, each in values.items()}

    def flags(self, values: Any, method: str) -> NDArray[np.bool_]:
        """Returns what is true or false of each world, (worlds,) bool."""
        shape = (self.state.num_worlds,)
        return self._shaped(method, values, shape, "(worlds,)", _NUMPY_BOOL)

    def metrics(self, values: Any) -> dict[str, NDArray[Any]]:
        """Returns the task's metrics, each (worlds,)."""
        if not isinstance(values, Mapping):
            raise self.error(f"metrics must be arrays by name, got {type(values).__name__}")
        shape = (self.state.num_worlds,)
        return {
            name: self._shaped(f'metrics["{name}"]', each, shape, "(worlds,)", _NUMBERS)
            for name, each in values.items()
        }

    def finite(self, method: str, values: NDArray[Any]) -> None:
        """Refuses NaN and infinite numbers.

        Raises:
            TaskError: names the first world, and avatar, that has one.
        """
        is_finite = np.isfinite(values)
        if np.count_nonzero(is_finite) == is_finite.size:
            return
        world, *avatar = np.argwhere(~is_finite)[0].tolist()
        what = "NaN" if np.isnan(values[(world, *avatar)]) else "infinite"
        who = f"avatar {avatar[0]} of " if avatar else ""
        where = f"{who}world {self.state.first_world + world}"
        raise self.error(f"{method} is {what} for {where}", world)

    def _shaped(
        self, method: str, values: Any, shape: tuple[int, ...], axes: str, kinds: str
    ) -> NDArray[Any]:
        if type(values) is np.ndarray and values.shape == shape and values.dtype.kind in kinds:
            return values
        try:
            array = np.asarray(values)
        except ValueError as error:  # A list of lists of different lengths.
            raise self.error(f"{method} is no array: {error}") from None
        if array.dtype.kind not in kinds:
            wanted = "bool" if kinds == _NUMPY_BOOL else "numbers"
            raise self.error(f"{method} must be {wanted}, got {array.dtype}")
        if array.shape != shape:
            raise self.error(f"{method} must be {axes}, here {shape}, got {array.shape}")
        return array

    def error(self, what: str, world: int = 0) -> TaskError:
        """The error about a method of the task; names scenario, level and step of a world."""
        level, step = int(self.state.level[world]), int(self.state.step[world])
        error = TaskError(f"{self.scenario}, level {level}, step {step}: {self.task}.{what}")
        error.method = re.split(r"\W", what, maxsplit=1)[0]
        return error


class Watch:
    """Notices a task that writes where things are, in the first steps of a simulation.

    The physics would go on from where it has them, and a replay would differ. Later steps are not
    looked at, so that nobody pays for it, but where `als check` asks for it.
    """

    def __init__(self, answers: Answers) -> None:
        self._answers, self._left = answers, _WATCHED
        self._seen: list[NDArray[Any]] | None = None

    def keep_on(self) -> None:
        """Looks at every step from now on."""
        self._left = 1 << 62

    def _places(self) -> list[NDArray[Any]]:
        avatars, props = self._answers.state.avatars, self._answers.state.props
        return [
            avatars.position, avatars.heading, avatars.velocity,
            props.position, props.orientation, props.velocity,
        ]  # fmt: skip

    def begin(self) -> None:
        """Notes where everything is, and how fast."""
        self._seen = [array.copy() for array in self._places()] if self._left > 0 else None
        self._left -= 1 if self._left > 0 else 0

    def check(self, method: str) -> None:
        """Refuses what a method of the task has written since `begin`.

        Raises:
            TaskError: names the method, the array, level and step.
        """
        if self._seen is None:
            return
        # By a call, so that the physics takes it over.
        moved, placed = self._answers.state.moved, self._answers.state.avatars.placed
        names = (
            "avatars.position", "avatars.heading", "avatars.velocity",
            "props.position", "props.orientation", "props.velocity",
        )  # fmt: skip
        for name, old, new in zip(names, self._seen, self._places(), strict=True):
            changed = (old != new) & ((old == old) | (new == new))
            changed = changed.any(-1) if changed.ndim > moved.ndim else changed
            changed &= ~(moved if name.startswith("props") else placed)
            if changed.any():
                world = int(np.argwhere(changed)[0, 0])
                remedy = (
                    "call state.move(prop, worlds, position, heading)"
                    if name.startswith("props")
                    else "call state.place(avatar, worlds, position, heading)"
                )
                raise self._answers.error(
                    f"{method} writes {name}, which the physics does not take over; {remedy}", world
                )
