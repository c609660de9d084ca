"""The board: what there is to see, as keys and values, and what has changed since a client looked.

Whoever owns the world writes on it and never waits. A client remembers the number of the last
change that it was sent, so that one that reads slowly is sent less often, and never more than
what the board holds: there is no queue that could grow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from als_plugins.serve.protocol import pack

__all__ = ["Board"]

_KEPT: Final = 4
"""Coded messages that are kept for the next client that asks for the same."""


class Board:
    """Keys with values of JSON, each with the number of the change that wrote it.

    Attributes:
        changes: the number of the last change that was made public.
        values: what stands there now; written by `write` and `wipe` alone.
    """

    def __init__(self) -> None:
        """Begins empty."""
        self.changes = 0
        self.values: dict[str, Any] = {}
        self._when: dict[str, int] = {}
        self._wiped: dict[str, int] = {}
        self._dirty = False
        self._packed: dict[tuple[int, str], str | bytes] = {}

    def write(self, key: str, value: Any) -> None:
        """Writes a value; the same value as before is no change."""
        if key in self.values and self.values[key] == value:
            return
        self.values[key] = value
        self._when[key] = self.changes + 1
        self._wiped.pop(key, None)
        self._dirty = True

    def wipe(self, key: str) -> None:
        """Takes a key off, if it is there."""
        if key in self.values:
            del self.values[key], self._when[key]
            self._wiped[key] = self.changes + 1
            self._dirty = True

    def wipe_all(self, kinds: Sequence[str]) -> None:
        """Takes all keys off that are one of some kinds: the part of a key before its first dot."""
        for key in [key for key in self.values if key.partition(".")[0] in kinds]:
            self.wipe(key)

    def replace(self, values: Mapping[str, Any]) -> None:
        """Lets the board hold these values and no others."""
        for key in [key for key in self.values if key not in values]:
            self.wipe(key)
        for key, value in values.items():
            self.write(key, value)

    def publish(self) -> bool:
        """Makes public what was written since; returns whether that was anything."""
        if not self._dirty:
            return False
        self._dirty = False
        self.changes += 1
        self._packed.clear()
        return True

    def since(self, change: int) -> dict[str, Any]:
        """What was public after a change, as a message; a client that knows nothing has seen -1.

        Keys that were wiped are null. Whoever knows nothing is told of none.
        """
        values = {key: self.values[key] for key, when in self._when.items() if when > change}
        if change >= 0:
            values.update((key, None) for key, when in self._wiped.items() if when > change)
        return {"type": "change", "change": self.changes, "values": values}

    def packed_since(self, change: int, form: str) -> str | bytes:
        """The same, coded; clients that have seen the same share it."""
        key = (change, form)
        if key not in self._packed:
            if len(self._packed) >= _KEPT:
                self._packed.pop(next(iter(self._packed)))
            self._packed[key] = pack(self.since(change), form)
        return self._packed[key]
