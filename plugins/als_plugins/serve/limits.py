"""Persons who see what their avatar sees, and no more: what each client is sent is chosen here.

Each client has a board of its own. What is not on it is never sent to that client: its page hides
nothing. Who has no avatar sees who is there, and nothing of the world.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from als_engine.sensors.audio import VOICE_RANGE
from als_plugins.serve.board import Board
from als_plugins.serve.lobby import Lobby

if TYPE_CHECKING:
    from als_plugins.serve.stage import Stage

__all__ = ["VIEW", "Windows"]

VIEW: Final = 256
"""Height and width of what a person sees, pixels: the avatar's camera, more finely."""

FOR_ALL: Final = frozenset(("clock", "step", "people", "note"))
"""Keys that say nothing of what happens in the world."""

OWN: Final = ("told", "holds", "said", "score")
"""Keys that a person is sent of its own avatar."""

_OF_WORLD: Final = ("scenario", "limit", "time_step")
"""What is known of the world: its level would tell all the rest to whoever looks it up."""

_OF_SEAT: Final = ("agent", "role", "color", "person", "client")
"""What is known of the others: who drives them may be what the avatar has to find out."""


class Windows:
    """The boards of all clients, each with what its avatar perceives.

    Attributes:
        lobby: says who has which avatar.
    """

    def __init__(self, stage: Stage, lobby: Lobby) -> None:
        """Nobody looks.

        Args:
            stage: live.
            lobby: says who has which avatar.
        """
        self._stage, self.lobby = stage, lobby
        self._boards: dict[int, Board] = {}

    def open(self, client: int) -> Board:
        """A board for a client, empty until `write`."""
        self._boards[client] = Board()
        return self._boards[client]

    def shut(self, client: int) -> None:
        """Takes a client's board away."""
        self._boards.pop(client, None)

    def seen(self, everything: dict[str, Any]) -> dict[int, dict[str, Any]]:
        """What each client may know of everything, by client; pictures are drawn for it."""
        clients = {client: self.lobby.avatar_of(client) for client in list(self._boards)}
        return {client: self._seen(everything, avatar) for client, avatar in clients.items()}

    def write(self, found: dict[int, dict[str, Any]]) -> None:
        """Writes on each board what `seen` has found for it."""
        for client, values in found.items():
            if client in self._boards:
                self._boards[client].replace(values)

    def publish(self) -> bool:
        """Makes it public; returns whether anything has changed for anybody."""
        changed = [board.publish() for board in self._boards.values()]
        return any(changed)

    def _seen(self, everything: dict[str, Any], avatar: int | None) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in everything.items():
            kind = key.partition(".")[0]
            if key in FOR_ALL:
                found[key] = value
            elif key == "world":
                found[key] = {name: value[name] for name in _OF_WORLD} | {"limited": True}
            elif kind == "seat":
                found[key] = {name: value[name] for name in _OF_SEAT} | {"driver": ""}
        if avatar is None:
            return found
        role = everything.get(f"seat.{avatar}", {}).get("role")
        heard = {f"said.{other}" for other in self._near(avatar)}
        for key, value in everything.items():
            kind, _, name = key.partition(".")
            if (kind in OWN and name == str(avatar)) or key in heard or key == f"can.{role}":
                found[key] = value
        seen = self._stage.eyes(avatar, VIEW)
        if seen is not None:
            found["view"] = seen["picture"]
        return found

    def _near(self, avatar: int) -> list[int]:
        """The avatars whose voices reach it."""
        simulation = self._stage.simulation
        if simulation is None:
            return []
        places = simulation.state.avatars.position[0, :, :2]
        apart = np.sqrt(((places - places[avatar]) ** 2).sum(-1))
        found: list[int] = np.flatnonzero(apart <= VOICE_RANGE).tolist()
        return found
