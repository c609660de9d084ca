"""What persons want their avatars to do, and how that becomes commands of the simulation."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from als_engine.bodies.avatar import HAND_REST
from als_engine.bodies.repertoire import Repertoire, repertoire_of
from als_engine.task import vocabulary_of
from als_engine.world.arrays import NOTHING
from als_engine.world.body import HANDS, LOCOMOTION
from als_engine.world.speech import Verb
from als_plugins.serve.protocol import BadMessage

if TYPE_CHECKING:
    from als_engine.bodies.avatar import Commands
    from als_engine.simulation import Simulation
    from als_engine.world.arrays import BoolArray
    from als_engine.world.state import WorldState

__all__ = ["AsAgents", "Order", "Powers", "order_of"]

_SETTLED: Final = 0.04
"""Radians from the direction to face within which nobody turns any more."""


@dataclass(frozen=True, slots=True)
class Order:
    """What one avatar is to do in a step.

    Attributes:
        forward, left, turn: parts of full speed, in [-1, 1].
        face: the direction to look in instead of `turn`, radians; None for none.
        hand: HAND_REST or another.
        say: the number of a sentence in the world, or NOTHING.
        work: effector to command.
    """

    forward: float = 0.0
    left: float = 0.0
    turn: float = 0.0
    face: float | None = None
    hand: int = HAND_REST
    say: int = NOTHING
    work: Mapping[str, int] = field(default_factory=dict)

    def after(self) -> Order:
        """What goes on in the next step: a hand and a voice act once."""
        return replace(self, hand=HAND_REST, say=NOTHING, work={})

    def write(self, state: WorldState, avatar: int, commands: Commands) -> None:
        """Writes the commands of an avatar of world 0, all of them."""
        turn = self.turn
        if self.face is not None:
            turn = _turn_to(state, avatar, self.face)
        commands.move[0, avatar] = (self.forward, self.left)
        commands.turn[0, avatar] = turn
        commands.hand[0, avatar] = self.hand
        commands.say[0, avatar] = self.say
        for name, column in commands.effectors.items():
            column[0, avatar] = self.work.get(name, 0)


def order_of(commands: Commands, avatar: int) -> Order:
    """What an avatar of world 0 was told, however that came about; `write` tells it the same."""
    forward, left = commands.move[0, avatar].tolist()
    work = {name: int(column[0, avatar]) for name, column in commands.effectors.items()}
    return Order(
        forward, left, float(commands.turn[0, avatar]), None, int(commands.hand[0, avatar]),
        int(commands.say[0, avatar]), {name: told for name, told in work.items() if told},
    )  # fmt: skip


def _turn_to(state: WorldState, avatar: int, face: float) -> float:
    """The part of full turn speed with which it faces there soon, and does not turn past it."""
    off = math.remainder(face - float(state.avatars.heading[0, avatar]), 2.0 * math.pi)
    if abs(off) < _SETTLED:
        return 0.0
    full = float(state.bodies.turn_speed[avatar]) * state.time_step
    return float(np.clip(off / (1.5 * full), -1.0, 1.0))


class Guests:
    """Drives avatars by orders; `Simulation.seat` takes its `act`."""

    def __init__(self) -> None:
        """Drives nobody."""
        self.orders: Mapping[int, Order] = {}

    def act(self, state: WorldState, who: BoolArray, commands: Commands) -> None:
        """Writes the commands of the avatars in `who`."""
        for avatar in np.flatnonzero(who[0]).tolist():
            self.orders.get(avatar, Order()).write(state, avatar, commands)


class AsAgents:
    """Writes what persons want as the actions with which an agent would do the same.

    So persons act as the agent can, and what they have done can be learnt, or played again, from
    its actions. What the action mode has no words for becomes what comes nearest.
    """

    def __init__(self, simulation: Simulation) -> None:
        """Looks at a simulation of one world."""
        self._simulation = simulation
        self._commands = simulation.acting.new_commands()

    def write(self, orders: Mapping[int, Order], actions: NDArray[Any]) -> NDArray[Any]:
        """The agent's actions, (1, observers, ...), with those of persons in their place."""
        if not orders:
            return actions
        simulation = self._simulation
        self._commands.clear()
        for avatar, order in orders.items():
            order.write(simulation.state, avatar, self._commands)
        theirs = simulation.acting.codec.encode(self._commands, simulation.observers)
        written = actions.copy()
        written[0, [*orders]] = theirs[0, [*orders]]
        return written


class Powers:
    """What each avatar of a simulation can do and say, by its role."""

    def __init__(self, simulation: Simulation) -> None:
        """Reads the roles."""
        roles = list(simulation.task.roles())
        bodies = [role.body for role in roles]
        self._vocabularies = [vocabulary_of(simulation.task, role) for role in roles]
        world = repertoire_of(bodies, self._vocabularies)
        self._each: Sequence[Repertoire] = [
            repertoire_of(bodies[i : i + 1], self._vocabularies[i : i + 1], world)
            for i in range(len(roles))
        ]
        self._sentences = world.speech.sentences

    def offered(self, avatar: int) -> dict[str, Any]:
        """What the page offers for an avatar: ways, hands, verbs with slots, effectors."""
        can = self._each[avatar]
        return {
            "ways": [LOCOMOTION[i] for i in can.ways[1:]],
            "hands": [HANDS[i] for i in can.hands[1:]],
            "verbs": [
                {"say": said.name, "slots": list(said.slots)}
                if isinstance(said, Verb)
                else {"say": said, "slots": []}
                for said in self._vocabularies[avatar]
            ],
            "effectors": {name: list(does[1:]) for name, does in can.effectors.items()},
        }

    def hand(self, avatar: int, does: str) -> int:
        """The number of what a hand does.

        Raises:
            BadMessage: this avatar's cannot.
        """
        number = HANDS.index(does)
        if number not in self._each[avatar].hands:
            raise BadMessage(f"this avatar cannot {does}")
        return number

    def sentence(self, avatar: int, text: str) -> int:
        """The number of a sentence.

        Raises:
            BadMessage: this avatar's role cannot say that.
        """
        own = self._each[avatar].speech.sentences
        if text not in own:
            raise BadMessage("this avatar's role cannot say that")
        return self._sentences.index(text)

    def work(self, avatar: int, effector: str, does: str) -> dict[str, int]:
        """What an effector is told.

        Raises:
            BadMessage: this avatar has none of the name, or it cannot do that.
        """
        choices = self._each[avatar].effectors.get(effector, ())
        if does not in choices:
            raise BadMessage("this avatar has no such effector, or it cannot do that")
        return {effector: choices.index(does)}
