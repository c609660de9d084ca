"""Acting: the actions of the caller, of scripted behaviours and of the expert, as commands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from als_engine.bodies.avatar import Commands, Possible, drive
from als_engine.bodies.codec import ACTION_MODES, Codec
from als_engine.bodies.repertoire import Limits, repertoire_of
from als_engine.checks import flag, one_of
from als_engine.errors import NoExpertError, unknown
from als_engine.simulation.arguments import Arguments
from als_engine.simulation.guide import Guide
from als_engine.task import Act, Task, vocabulary_of
from als_engine.world.arrays import BoolArray, FloatArray
from als_engine.world.state import WorldState

__all__ = ["Acting"]


class Acting:
    """What the avatars of all worlds do in one step.

    Attributes:
        codec: checks actions and turns them into commands: all that the observers' roles can do.
        own: the codec of each observer's own role; `codec` itself where they are the same.
        commands: of the step, for every avatar.
        observers: how many avatars of each world the caller drives: the first ones.
        has_masks: whether the task says which actions are possible, and they can be masked.
    """

    def __init__(
        self,
        task: Task,
        given: Arguments,
        state: WorldState,
        agents: Sequence[str],
        observers: int,
    ) -> None:
        """Allocates the commands; `agents` are the names of the avatars.

        Raises:
            ArgumentError: there is no such action mode.
        """
        self._task, self._scenario, self._state = task, given.scenario, state
        self.observers = observers
        clip = flag("clip_actions", given.clip_actions)
        bodies = [role.body for role in task.roles()]
        said = [vocabulary_of(task, role) for role in task.roles()]
        guided = one_of("action_mode", given.action_mode, ACTION_MODES) == "guided"
        things = (*state.props.names, *agents) if guided else ()
        world = repertoire_of(bodies, said, things=things)
        each = [repertoire_of(bodies[i : i + 1], said[i : i + 1], world) for i in range(len(said))]
        together = repertoire_of(bodies[:observers], said[:observers], world)
        self.codec = Codec(given.action_mode, together, clip)
        self.own = [
            self.codec if own.equals(together) else Codec(given.action_mode, own, clip)
            for own in each[:observers]
        ]
        self._effectors = state.bodies.effectors
        self.commands, self._expert_commands = self.new_commands(), self.new_commands(noted=guided)
        self._possible = Possible(
            state.num_worlds, state.num_avatars, len(state.utterances),
            {name: len(choices) for name, choices in world.effectors.items()}, len(things),
        )  # fmt: skip
        limits = Limits(each, world)
        self._limits = None if limits.everything else limits
        ruled = type(task).action_mask is not Task.action_mask
        ruled |= any(own is not self.codec for own in self.own)
        self.has_masks = ruled and bool(self.codec.choices)
        self._guide = Guide(state) if guided else None
        self._force: FloatArray = np.zeros((state.num_worlds, state.num_avatars, 3))

    def begin(self, worlds: NDArray[np.intp]) -> None:
        """Called once some worlds have begun an episode."""
        if self._guide is not None:
            self._guide.begin(worlds)

    def new_commands(self, num_worlds: int | None = None, noted: bool = False) -> Commands:
        """Commands that let everybody rest, of these worlds or of so many; see `Commands`."""
        state, effectors = self._state, tuple(self._effectors)
        return Commands(num_worlds or state.num_worlds, state.num_avatars, effectors, noted)

    def resting(self) -> NDArray[Any]:
        """The action with which an observer does nothing, (*shape)."""
        action: NDArray[Any] = self.codec.encode(self.new_commands(1), 1)[0, 0]
        return action

    def together(self, avatar: int, action: NDArray[Any]) -> NDArray[Any]:
        """An action of one observer's own space, (*shape), as `codec.space` has it.

        Raises:
            ActionError: it is not in its own space.
        """
        own = self.own[avatar]
        if own is self.codec:
            return action
        commands = self.new_commands(1)
        own.decode(action[None, None], commands, 1, self._state.first_world, avatar)
        joined: NDArray[Any] = self.codec.encode(commands, 1)[0, 0]
        return joined

    def decode(self, actions: ArrayLike, company: bool, taken: BoolArray | None = None) -> None:
        """Writes the commands of the caller's avatars; a wrong action changes nothing.

        Args:
            actions: (worlds, observers, ...) as the action space has it.
            company: whether anybody else is driven; their commands are cleared.
            taken: (worlds, avatars), for whom the caller's actions count for nothing; None for
                nobody.

        Raises:
            ActionError: an action is not in the action space.
        """
        if company:
            self.commands.clear()
        self.codec.decode(actions, self.commands, self.observers, self._state.first_world)
        if taken is not None:
            self.commands.rest(taken)
        self.steer(self.commands)

    def steer(self, commands: Commands, who: BoolArray | None = None) -> None:
        """Lets those, (worlds, avatars), who are sent to a thing walk there; None for all."""
        if self._guide is not None:
            self._guide.steer(commands, who)

    def ask(self, drivers: Sequence[tuple[Act, BoolArray]]) -> None:
        """Lets the company, and a guest, decide what they do."""
        for act, who in drivers:
            act(self._state, who, self.commands)

    def drive(self) -> FloatArray:
        """Turns heads and bodies as everybody has decided, and returns what pushes them.

        Returns:
            Forces, (worlds, avatars, 3), newtons; overwritten by the next call.
        """
        if self._limits is not None:
            self._limits.undo(self.commands)
        drive(self._state, self.commands, self._force)
        return self._force

    def work(self) -> None:
        """Lets the effectors do what they are told."""
        state = self._state
        for name, effector in self._effectors.items():
            who = state.avatars.present & state.bodies.has[name]
            effector.act(state, self.commands.effectors[name] * who, who)

    def masks(self) -> BoolArray:
        """Which actions are possible now, (worlds, observers, n); see `Codec.masks`.

        Raises:
            NoMasksError: continuous actions have none.
        """
        return self.codec.masks(self._now_possible(), self.observers)

    def own_masks(self) -> list[BoolArray]:
        """The same for each observer in its own space, (worlds, n)."""
        possible = self._now_possible()
        return [own.masks(possible, i + 1, i)[:, 0] for i, own in enumerate(self.own)]

    def _now_possible(self) -> Possible:
        self._possible.begin(self._state)
        if self._limits is not None:
            self._limits.rule_out(self._possible)
        self._task.action_mask(self._state, self._possible)
        self._possible.end(self._state)
        return self._possible

    def expert_actions(self, rule: str | None = None) -> NDArray[Any]:
        """What the task's expert does now, (worlds, observers, ...) as the action space has it.

        Args:
            rule: the heuristic to ask in the expert's place; empty for the task's first.

        Raises:
            NoExpertError: the task has none.
        """
        act = self._task.expert if rule is None else self.heuristic(rule)
        who = np.zeros((self._state.num_worlds, self._state.num_avatars), np.bool_)
        who[:, : self.observers] = True
        self._expert_commands.clear()
        try:
            act(self._state, who, self._expert_commands)
        except NotImplementedError as error:
            reason = str(error) or f"{type(self._task).__name__} has no expert"
            raise NoExpertError(f"{self._scenario}: {reason}") from None
        if self._guide is not None:
            self._guide.name(self._expert_commands)
        return self.codec.encode(self._expert_commands, self.observers)

    def heuristic(self, rule: str) -> Act:
        """A heuristic of the task, by name; empty for the first.

        Raises:
            NoExpertError: the task has none, or none of the name.
        """
        rules = self._task.heuristics()
        if not rules:
            raise NoExpertError(f"{self._scenario} has no heuristics")
        name = rule or next(iter(rules))
        if name not in rules:
            raise NoExpertError(f"{self._scenario}: {unknown('heuristic', name, rules)}")
        return rules[name]
