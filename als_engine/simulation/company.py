"""Company: the avatars that the caller does not drive, and the scripted behaviours that do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from als_engine.checks import one_of
from als_engine.errors import ArgumentError
from als_engine.simulation.arguments import Arguments, Background
from als_engine.simulation.levels import Levels
from als_engine.task import Act, Behaviour, Split, Task, split_of
from als_engine.world.arrays import NOTHING, BoolArray
from als_engine.world.state import WorldState

__all__ = ["Company"]

_STREAM = 1
"""Of a level's generators, the one that draws its company."""


class Company:
    """Draws who drives the background avatars of a level, and knows who drives whom now.

    Attributes:
        behaviours: those of the task, by name; `WorldState.behaviour` counts them.
        drivers: the behaviours that drive somebody now, with whom, (worlds, avatars).
        avatars: (worlds, avatars), whom a behaviour drives from a world's next reset on.
        taken: (worlds, avatars), whom one drives now, where observers are among them; else None.
        hired: the names of behaviours that are not the task's, such as agents.
        guest: who drives some avatars in everybody's place, such as a person; belongs to no state.
    """

    def __init__(
        self, task: Task, given: Arguments, roles: Sequence[str], observers: int, levels: Levels
    ) -> None:
        """Drives nobody yet.

        Args:
            task: whose behaviours there are.
            given: says what the user has chosen as `background`.
            roles: the role of each avatar.
            observers: how many avatars the caller drives: the first ones.
            levels: their generators draw.

        Raises:
            ArgumentError: the choice names no behaviour, or none for that role.
        """
        self.behaviours = dict(task.behaviours())
        self.drivers: list[tuple[Behaviour, BoolArray]] = []
        self._roles, self._observers, self._levels = tuple(roles), observers, levels
        self._chosen = self._check(given.background)
        beyond = np.arange(len(self._roles)) >= observers
        self.avatars: BoolArray = np.repeat(beyond[None], given.num_worlds, axis=0)
        self.taken: BoolArray | None = None
        self.hired: list[str] = []
        self.guest: Act | None = None
        self._seated: BoolArray = np.zeros_like(self.avatars)

    def hire(self, name: str, behaviour: Behaviour) -> None:
        """Lets a behaviour that is not the task's, such as an agent, drive all whom it can.

        It drives avatars from a world's next reset on. What it remembers is no part of a world's
        state.

        Args:
            name: what it is called.
            behaviour: of the roles that it takes over, or of all.

        Raises:
            ArgumentError: there is a behaviour of that name.
        """
        if name in self.behaviours:
            raise ArgumentError(f'there is a behaviour "{name}" already')
        self.behaviours[name] = behaviour
        self.hired.append(name)
        self._chosen.update({role: name for role in self._roles if _can(behaviour, role)})

    def seat(self, guest: Act | None, avatars: ArrayLike) -> None:
        """Lets a guest drive avatars from the next step on, whoever drives them else: a person.

        A guest is no part of a world: snapshots, copies and a reset know nothing of it. Its
        commands are kept within what the avatars' roles can do.

        Args:
            guest: writes their commands; None when it has left.
            avatars: (worlds, avatars) bool, which.

        Raises:
            ArgumentError: it has another shape.
        """
        given, shape = np.asarray(avatars), self.avatars.shape
        if given.shape != shape or given.dtype != np.bool_:
            raise ArgumentError(
                f"a guest takes a bool array {shape}, got {given.dtype} {given.shape}"
            )
        self.guest, self._seated = guest, given

    def now(self) -> list[tuple[Act, BoolArray]]:
        """Who drives whom in this step; a guest comes last, and so has the last word."""
        acts = [(behaviour.act, who) for behaviour, who in self.drivers]
        return acts if self.guest is None else [*acts, (self.guest, self._seated)]

    def take(self, observers: BoolArray) -> None:
        """Takes over some of the caller's avatars, (worlds, observers), from the next reset on."""
        self.avatars[:, : self._observers] = observers

    def draw(self, level: int, who: BoolArray | None = None) -> NDArray[np.int32]:
        """Which behaviour drives each avatar in this level; NOTHING where the caller does.

        Args:
            level: whose generator draws.
            who: (avatars,), whom behaviours drive; None for those that are no observers.
        """
        rng = self._levels.generator(level, _STREAM)
        names = list(self.behaviours)
        drawn = np.full(len(self._roles), NOTHING, np.int32)
        driven = np.arange(len(self._roles)) >= self._observers if who is None else who
        for avatar in np.flatnonzero(driven).tolist():
            role = self._roles[avatar]
            name = self._chosen.get(role)
            if name is None:
                fits = self._met(split_of(level), role)
                if not fits:
                    raise ArgumentError(
                        f'{self._levels.scenario}: no behaviour is for the role "{role}"'
                    )
                name = fits[int(rng.integers(len(fits)))]
            drawn[avatar] = names.index(name)
        return drawn

    def find_drivers(self, state: WorldState) -> None:
        """Sees which behaviour drives whom."""
        self.drivers = [
            (behaviour, who)
            for i, behaviour in enumerate(self.behaviours.values())
            if (who := state.behaviour == i).any()
        ]
        driven = state.behaviour != NOTHING
        self.taken = driven if driven[:, : self._observers].any() else None

    def _met(self, split: Split, role: str) -> list[str]:
        """The behaviours that a role can have in a split, by name."""
        fits = {name: one for name, one in self.behaviours.items() if _can(one, role)}
        met = [name for name, one in fits.items() if split in one.splits]
        # A task that holds nothing out for choosing has training's company there.
        return met or [name for name, one in fits.items() if "train" in one.splits]

    def _check(self, background: Background) -> dict[str, str]:
        """The user's choice as role to behaviour, for the roles that have one."""
        if background is None:
            return {}
        if not isinstance(background, (str, Mapping)):
            raise ArgumentError(
                f"background must be a name, or a name for each role, got {background!r}"
            )
        names = [background] if isinstance(background, str) else list(background.values())
        for name in names:
            one_of("background", name, self.behaviours)
        if isinstance(background, str):
            can = self.behaviours[background]
            return {role: background for role in self._roles if _can(can, role)}
        for role, name in background.items():
            one_of("role", role, sorted(set(self._roles)))
            if not _can(self.behaviours[name], role):
                raise ArgumentError(f"background {name!r} is not for the role {role!r}")
        return dict(background)


def _can(behaviour: Behaviour, role: str) -> bool:
    return not behaviour.roles or role in behaviour.roles
