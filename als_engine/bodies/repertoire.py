"""What avatars can do: of a body, of a role's vocabulary, of all of them together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from als_engine.bodies.avatar import Commands, Possible
from als_engine.errors import ArgumentError
from als_engine.world.arrays import NOTHING, BoolArray, IntArray
from als_engine.world.body import HANDS, LOCOMOTION, REST, Body, Effector
from als_engine.world.speech import Speech, Vocabulary, joined
from als_engine.world.state import Quantity

__all__ = ["Limits", "Repertoire", "repertoire_of", "with_arrays"]


def _all(names: Sequence[str]) -> tuple[int, ...]:
    return tuple(range(len(names)))


@dataclass(frozen=True)
class Repertoire:
    """What some avatars can do, in the order in which their actions have it.

    Attributes:
        speech: what they can say.
        ways: which of `LOCOMOTION`, hands: which of `HANDS`; the first is always there.
        effectors: what each of their effectors does, by name; to rest comes first.
        things: names of the things in the world, props and then avatars, that one can walk to.
        world: what all avatars of the world can do together; None where this is it.
    """

    speech: Speech
    ways: tuple[int, ...] = field(default_factory=lambda: _all(LOCOMOTION))
    hands: tuple[int, ...] = field(default_factory=lambda: _all(HANDS))
    effectors: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    things: tuple[str, ...] = ()
    world: Repertoire | None = None

    @cached_property
    def said(self) -> IntArray:
        """(sentences + 1,): the number that each sentence has in the world; the last NOTHING."""
        sentences = (self.world or self).speech.sentences
        numbers = {sentence: number for number, sentence in enumerate(sentences)}
        return np.array([*(numbers[each] for each in self.speech.sentences), NOTHING], np.int32)

    @cached_property
    def columns(self) -> IntArray:
        """(effectors,): the number that each effector has in the world."""
        names = list((self.world or self).effectors)
        return np.array([names.index(name) for name in self.effectors], np.int32)

    def equals(self, other: Repertoire) -> bool:
        """Whether the actions of both are the same."""
        ours, theirs = (
            (each.speech.sentences, each.ways, each.hands, dict(each.effectors))
            for each in (self, other)
        )
        return ours == theirs


def repertoire_of(
    bodies: Sequence[Body],
    vocabularies: Sequence[Vocabulary],
    world: Repertoire | None = None,
    things: tuple[str, ...] = (),
) -> Repertoire:
    """What some bodies with their vocabularies can do together, among some things."""
    told = {command for body in bodies for command in body.commands}
    return Repertoire(
        Speech(joined(vocabularies)),
        (0, *(i for i, name in enumerate(LOCOMOTION) if name in told)),
        (0, *(i for i, name in enumerate(HANDS) if name in told)),
        {e.name: (REST, *e.commands) for body in bodies for e in body.effectors},
        things,
        world,
    )


class Limits:
    """What each avatar can do of what the world's avatars can; the rest of its commands is undone.

    Attributes:
        everything: whether every avatar can do it all.
    """

    def __init__(self, each: Sequence[Repertoire], world: Repertoire) -> None:
        count = len(each)
        self._ways: BoolArray = np.zeros((count, len(LOCOMOTION)), np.bool_)
        self._hands: BoolArray = np.zeros((count, len(HANDS)), np.bool_)
        # NOTHING finds the last entry, which is always possible.
        self._said: BoolArray = np.zeros((count, len(world.speech.sentences) + 1), np.bool_)
        self._works: BoolArray = np.zeros((count, len(world.effectors)), np.bool_)
        for avatar, own in enumerate(each):
            self._ways[avatar, list(own.ways)] = True
            self._hands[avatar, list(own.hands)] = True
            self._said[avatar, own.said] = True
            self._works[avatar, own.columns] = True
        parts = (self._ways, self._hands, self._said, self._works)
        self.everything = all(bool(part.all()) for part in parts)
        forth, back, left, right, turn_left, turn_right = np.where(self._ways.T[1:], np.inf, 0.0)
        self._least = -np.stack([back, right, turn_right], axis=-1)
        self._most = np.stack([forth, left, turn_left], axis=-1)
        self._who = np.arange(count)
        self._walks = self._ways[:, LOCOMOTION.index("forward")]

    def undo(self, commands: Commands) -> None:
        """Lets nobody do what they cannot."""
        move, turn, hand, say = commands.move, commands.turn, commands.hand, commands.say
        np.clip(move, self._least[:, :2], self._most[:, :2], out=move)
        np.clip(turn, self._least[:, 2], self._most[:, 2], out=turn)
        hand *= self._hands[self._who, hand]
        say[~self._said[self._who, say]] = NOTHING
        commands.work *= self._works

    def rule_out(self, possible: Possible) -> None:
        """Sets to False what avatars cannot do."""
        possible.locomotion &= self._ways
        possible.hand &= self._hands
        possible.say &= self._said[:, :-1]
        possible.goals &= self._walks[:, None]
        for can, each in zip(possible.effectors.values(), self._works.T, strict=True):
            can &= each[:, None]


def with_arrays(
    quantities: Mapping[str, Quantity], effectors: Mapping[str, Effector], avatars: int
) -> dict[str, Quantity]:
    """A task's quantities and its effectors' arrays, by name.

    Raises:
        ArgumentError: a task and an effector have one of the same name.
    """
    every = dict(quantities)
    for effector in effectors.values():
        for array, quantity in effector.arrays.items():
            name = f"{effector.name}.{array}"
            if name in every:
                raise ArgumentError(
                    f'the effector "{effector.name}" clashes: the task has "{name}"'
                )
            shape = (avatars, *quantity.shape)
            every[name] = Quantity(shape, quantity.dtype, quantity.initial)
    return every
