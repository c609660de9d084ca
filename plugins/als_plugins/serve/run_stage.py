"""The side of the spectators: a stage that shows the worlds of a run that somebody else makes."""

from __future__ import annotations

import os
import secrets
import selectors
import socket
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from als_engine.errors import SavedFileError
from als_engine.system.files import replacing
from als_engine.system.locking import LOCK
from als_engine.system.safe_files import is_file
from als_engine.system.watched import place_of
from als_plugins.serve.calls import Hello, Lines, Place, Sight, Wish, read_line
from als_plugins.serve.orders import Order
from als_plugins.serve.spectating import LOCAL

__all__ = ["RunStage", "is_run"]

_SOURCES: Final = 1_000
_CHUNK: Final = 1 << 20
_NOBODY: Final = "waiting for the run to make a step ..."


def is_run(path: Path) -> bool:
    """Whether a run goes on there: a folder that is being written, or a benchmark's results."""
    return is_file(path / LOCK) if path.is_dir() else path.suffix == ".sqlite" and path.is_file()


class _Source:
    """A process of the run, and the worlds of one simulation in it."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection, self.lines = connection, Lines()
        self.hello: Hello | None = None

    def read(self) -> list[bytes] | None:
        """The lines that have come; None where nobody is there any more."""
        try:
            data = self.connection.recv(_CHUNK)
        except BlockingIOError:
            return []
        except OSError:
            return None
        return self.lines.take(data) if data else None


class RunStage:
    """The worlds of a run; it is only watched, and cannot be paced.

    Attributes:
        time_step: seconds between two looks. length, over, episode: as a live stage has them.
        simulation: none, the run has it.
        note: what people should know.
    """

    def __init__(self, run: Path) -> None:
        """Tells the run where to call.

        Raises:
            SavedFileError: the folder cannot be written.
        """
        self.time_step, self.episode, self.over = 1 / 15, 0, False
        self.length: int | None = None
        self.simulation = None
        self.note, self._secret = _NOBODY, secrets.token_urlsafe(32)
        self._values: dict[str, Any] = {}
        self._shown: set[str] = set()
        self._sources: list[_Source] = []
        self._watched: tuple[_Source, int] | None = None
        self._listening = socket.create_server((LOCAL, 0), backlog=128)
        self._listening.setblocking(False)
        self._waiting = selectors.DefaultSelector()
        self._waiting.register(self._listening, selectors.EVENT_READ)
        self._place = place_of(run)
        try:
            self._write_place()
        except BaseException:
            self.close()
            raise

    def _write_place(self) -> None:
        port = int(self._listening.getsockname()[1])
        text = Place(port=port, secret=self._secret).model_dump_json()
        with replacing(self._place) as temporary:
            # Who cannot read the secret cannot show anything here.
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
            with os.fdopen(os.open(temporary, flags, 0o600), "w", encoding="utf-8") as file:
                file.write(text)

    def begin(self) -> None:
        """Does nothing: the run begins its episodes itself."""

    def advance(self, orders: Mapping[int, Order]) -> None:
        """Takes in what the run has sent."""
        for key, _ in self._waiting.select(0):
            if key.fileobj is self._listening:
                self._answer()
            else:
                self._hear(key.data)

    def seek(self, step: int) -> None:
        """Does nothing: what was not recorded cannot be looked at."""

    def watch(self, number: int) -> None:
        """Shows another world from now on, by its place in `worlds`; one that has gone is none."""
        worlds = self._worlds()
        if number < len(worlds):
            self._show(*worlds[number])

    def drivers(self) -> list[str]:
        """Nobody: who drives is part of what the run sends."""
        return []

    def changes(self) -> dict[str, Any]:
        """What differs from the last call, by key of the board; None for what is gone."""
        found, self._values = self._values, {}
        worlds = self._worlds()
        now = worlds.index(self._watched) if self._watched in worlds else None
        names = [f"world {source.hello.first + i}" for source, i in worlds if source.hello]
        processes = [source.hello.process for source, _ in worlds if source.hello]
        if len(set(processes)) > 1:
            order = sorted(set(processes))
            names = [
                f"{name} of process {order.index(process) + 1}"
                for name, process in zip(names, processes, strict=True)
            ]
        return {**found, "worlds": {"names": names[:_SOURCES], "now": now}}

    def eyes(self, avatar: int, size: int | None = None) -> dict[str, Any] | None:
        """Nothing: a run is not kept from its work by being asked for pictures."""
        return None

    def close(self) -> None:
        """Hangs up, and takes the file away where it is still ours."""
        with suppress(OSError, SavedFileError):
            if self._secret in self._place.read_text(encoding="utf-8"):
                self._place.unlink()
        for source in self._sources:
            source.connection.close()
        self._sources.clear()
        self._waiting.close()
        self._listening.close()

    def _worlds(self) -> list[tuple[_Source, int]]:
        known = [source for source in self._sources if source.hello is not None]
        known.sort(key=lambda source: (source.hello.process, source.hello.first))  # type: ignore[union-attr]
        return [(one, i) for one in known for i in range(one.hello.worlds if one.hello else 0)]

    def _answer(self) -> None:
        with suppress(OSError):
            connection, _ = self._listening.accept()
            if len(self._sources) >= _SOURCES:
                connection.close()
                return
            connection.setblocking(False)
            source = _Source(connection)
            self._sources.append(source)
            self._waiting.register(connection, selectors.EVENT_READ, source)

    def _hear(self, source: _Source) -> None:
        lines = source.read()
        if lines is None or not all(self._take(source, line) for line in lines):
            self._drop(source)

    def _take(self, source: _Source, line: bytes) -> bool:
        """Takes in one line; False where it is none of ours."""
        if source.hello is None:
            hello = read_line(line, Hello)
            if hello is None or not secrets.compare_digest(
                hello.secret.encode(), self._secret.encode()
            ):
                return False
            source.hello, self.note = hello, ""
            if self._watched is None:
                self._show(source, 0)
            return True
        sight = read_line(line, Sight)
        if sight is None:
            return False
        if (source, sight.world) == self._watched:
            if sight.whole:
                self._values = dict.fromkeys(self._shown - sight.values.keys())
                self._shown = set()
            self._values.update(sight.values)
            self._shown |= sight.values.keys()
        return True

    def _show(self, source: _Source, world: int) -> None:
        if self._watched is not None and self._watched[0] is not source:
            self._wish(self._watched[0], None)
        self._watched = (source, world)
        self._wish(source, world)

    def _wish(self, source: _Source, world: int | None) -> None:
        # A wish is shorter than any socket's buffer.
        with suppress(OSError):
            source.connection.send(Wish(world=world).model_dump_json().encode() + b"\n")

    def _drop(self, source: _Source) -> None:
        self._waiting.unregister(source.connection)
        source.connection.close()
        self._sources.remove(source)
        if self._watched is not None and self._watched[0] is source:
            self._watched = None
            left = self._worlds()
            if left:
                self._show(*left[0])
            else:
                self.note = "these worlds are closed: the run has ended, or will go on with others"
