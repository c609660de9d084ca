"""The lobby: which avatars there are, and which person drives which of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from als_plugins.serve.orders import Order, Powers
from als_plugins.serve.protocol import BadMessage, Drive, FromClient, Hand, Say, Work

if TYPE_CHECKING:
    from als_engine.simulation import Simulation

__all__ = ["Closed", "Lobby"]


@dataclass
class _Person:
    client: int
    name: str
    order: Order
    told: bool = False


class Lobby:
    """Who sits where. Clients are numbers; a client has one avatar at most, and an avatar one.

    Attributes:
        open: whether persons may join.
        simulation: whose avatars there are.
    """

    def __init__(self, simulation: Simulation, *, open: bool = True, patient: bool = False) -> None:
        """Nobody sits anywhere.

        Args:
            simulation: whose avatars there are.
            open: whether persons may join; nobody can act in a recording.
            patient: whether who has joined drives only from the first thing on that it tells its
                avatar, so that to take over is no step that it stood still.
        """
        self._patient = patient
        self.open, self.simulation = open, simulation
        self._powers = Powers(simulation)
        self._seats: dict[int, _Person] = {}

    def of(self, simulation: Simulation, *, seated: bool = False) -> Lobby:
        """Such a lobby of another simulation.

        Args:
            simulation: whose avatars there are.
            seated: whether persons keep the avatars that there are still; else it is empty.
        """
        made = Lobby(simulation, open=self.open, patient=self._patient)
        for avatar, person in self._seats.items() if seated else ():
            if (
                simulation.agents[avatar : avatar + 1]
                == self.simulation.agents[avatar : avatar + 1]
            ):
                made._seats[avatar] = _Person(person.client, person.name, Order())
        return made

    def join(self, client: int, avatar: int, name: str) -> None:
        """Gives an avatar to a client, who leaves the one that it had.

        Raises:
            BadMessage: there is no such avatar, somebody else has it, or nobody may join.
        """
        if not self.open:
            raise BadMessage("nobody can join a recording, or a training")
        if avatar >= self.simulation.num_avatars:
            raise BadMessage(f"there are {self.simulation.num_avatars} avatars")
        there = self._seats.get(avatar)
        if there is not None and there.client != client:
            raise BadMessage(f"{there.name} has this avatar: take another, or wait")
        self.leave(client)
        self._seats[avatar] = _Person(client, name or f"person {client}", Order())

    def leave(self, client: int) -> bool:
        """Takes a client's avatar back; returns whether it had one."""
        avatar = self.avatar_of(client)
        if avatar is not None:
            del self._seats[avatar]
        return avatar is not None

    def avatar_of(self, client: int) -> int | None:
        """The avatar that a client drives."""
        found = [avatar for avatar, person in self._seats.items() if person.client == client]
        return found[0] if found else None

    def tell(self, client: int, message: FromClient) -> None:
        """Takes what a person wants its avatar to do.

        Raises:
            BadMessage: it has none, or its avatar cannot.
        """
        avatar = self.avatar_of(client)
        if avatar is None:
            raise BadMessage("join an avatar first")
        person, powers = self._seats[avatar], self._powers
        now = person.order
        moves = (now.forward, now.left, now.turn, now.face)
        hand, say, work = now.hand, now.say, now.work
        if isinstance(message, Drive):
            moves = (message.forward, message.left, message.turn, message.face)
        elif isinstance(message, Hand):
            hand = powers.hand(avatar, message.does)
        elif isinstance(message, Say):
            say = powers.sentence(avatar, message.sentence)
        elif isinstance(message, Work):
            work = {**work, **powers.work(avatar, message.effector, message.does)}
        person.order, person.told = Order(*moves, hand, say, work), True

    def take_orders(self) -> dict[int, Order]:
        """What persons want in the step that is about to be made."""
        orders = {
            avatar: person.order
            for avatar, person in self._seats.items()
            if person.told or not self._patient
        }
        for person in self._seats.values():
            person.order = person.order.after()
        return orders

    def drivers(self) -> dict[int, int]:
        """Avatar to the client that drives it."""
        return {avatar: person.client for avatar, person in self._seats.items()}

    @property
    def players(self) -> int:
        """How many persons have an avatar."""
        return len(self._seats)

    def values(self, drivers: Sequence[str], world: int = 0) -> dict[str, Any]:
        """The lobby as keys of the board.

        Args:
            drivers: who drives each avatar when no person does.
            world: whose colours they have.
        """
        simulation, found = self.simulation, dict[str, Any]()
        for avatar, agent in enumerate(simulation.agents):
            person = self._seats.get(avatar)
            color = simulation.state.avatars.color[world, avatar].tolist()
            found[f"seat.{avatar}"] = {
                "agent": agent,
                "role": simulation.roles[avatar],
                "color": "#{:02x}{:02x}{:02x}".format(*color),
                "driver": drivers[avatar],
                "person": None if person is None else person.name,
                "client": None if person is None else person.client,
            }
            found[f"can.{simulation.roles[avatar]}"] = self._powers.offered(avatar)
        return found


class Closed(Lobby):
    """The lobby of worlds that belong to somebody else, who says who drives in them."""

    def __init__(self) -> None:
        """Nobody sits anywhere, and nobody may."""
        self.open = False
        self._seats = {}

    def join(self, client: int, avatar: int, name: str) -> None:
        """Refuses.

        Raises:
            BadMessage: always.
        """
        raise BadMessage("this world belongs to a run: it can be watched, and nobody can join it")

    def values(self, drivers: Sequence[str], world: int = 0) -> dict[str, Any]:
        """Nothing: see `spectating.Onlooker`."""
        return {}
