"""Acting: the actions of the caller, of scripted behaviours and of the expert, as commands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from als_engine.bodies.avatar import Commands, Possible, drive
from als_engine.bodies.codec import LOCOMOTION, Codec
from als_engine.checks import flag
from als_engine.errors import NoExpertError
from als_engine.simulation.arguments import Arguments
from als_engine.task import Behaviour, Task
from als_engine.world.arrays import BoolArray, FloatArray
from als_engine.world.state import WorldState

__all__ = ["Acting"]


class Acting:
    """What the avatars of all worlds do in one step.

    Attributes:
        codec: checks actions and turns them into commands.
        commands: of the step, for every avatar.
        observers: how many avatars of each world the caller drives: the first ones.
        has_masks: whether the task says which actions are possible, and they can be masked.
    """

    def __init__(self, task: Task, given: Arguments, state: WorldState, observers: int) -> None:
        """Allocates the commands.

        Raises:
            ArgumentError: there is no such action mode.
        """
        self._task, self._scenario, self._state = task, given.scenario, state
        self.observers = observers
        clip = flag("clip_actions", given.clip_actions)
        self.codec = Codec(given.action_mode, state.speech, clip)
        self.commands = Commands(state.num_worlds, state.num_avatars)
        self._expert_commands = Commands(state.num_worlds, state.num_avatars)
        self._possible = Possible(
            state.num_worlds, state.num_avatars, len(LOCOMOTION), len(state.utterances)
        )
        self.has_masks = type(task).action_mask is not Task.action_mask and bool(self.codec.choices)
        self._force: FloatArray = np.zeros((state.num_worlds, state.num_avatars, 3))

    def decode(self, actions: ArrayLike, company: bool) -> None:
        """Writes the commands of the caller's avatars; a wrong action changes nothing.

        Args:
            actions: (worlds, observers, ...) as the action space has it.
            company: whether anybody else is driven; their commands are cleared.

        Raises:
            ActionError: an action is not in the action space.
        """
        if company:
            self.commands.clear()
        self.codec.decode(actions, self.commands, self.observers, self._state.first_world)

    def drive(self, drivers: Sequence[tuple[Behaviour, BoolArray]]) -> FloatArray:
        """Lets the company decide, turns heads and bodies, and returns what pushes them.

        Returns:
            Forces, (worlds, avatars, 3), newtons; overwritten by the next call.
        """
        for behaviour, who in drivers:
            behaviour.act(self._state, who, self.commands)
        drive(self._state, self.commands, self._force)
        return self._force

    def masks(self) -> BoolArray:
        """Which actions are possible now, (worlds, observers, n); see `Codec.masks`.

        Raises:
            NoMasksError: continuous actions have none.
        """
        self._possible.begin(self._state)
        self._task.action_mask(self._state, self._possible)
        self._possible.end(self._state)
        return self.codec.masks(self._possible, self.observers)

    def expert_actions(self) -> NDArray[Any]:
        """What the task's expert does now, (worlds, observers, ...) as the action space has it.

        Raises:
            NoExpertError: the task has none.
        """
        who = np.zeros((self._state.num_worlds, self._state.num_avatars), np.bool_)
        who[:, : self.observers] = True
        self._expert_commands.clear()
        try:
            self._task.expert(self._state, who, self._expert_commands)
        except NotImplementedError as error:
            reason = str(error) or f"{type(self._task).__name__} has no expert"
            raise NoExpertError(f"{self._scenario}: {reason}") from None
        return self.codec.encode(self._expert_commands, self.observers)
