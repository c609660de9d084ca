"""The one task that owns the world: it keeps time, makes steps, and writes on the board.

It never waits for a client. Steps are made in a thread of their own, so that connections are
answered meanwhile; all else happens in the event loop, one thing after the other.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final

from als_engine.errors import ALSError
from als_engine.texts import one_line
from als_plugins.serve.board import Board
from als_plugins.serve.limits import Windows
from als_plugins.serve.lobby import Lobby
from als_plugins.serve.protocol import (
    BadMessage,
    FromClient,
    Join,
    Leave,
    Look,
    Next,
    Pace,
    Seek,
    Watch,
)
from als_plugins.serve.run_stage import RunStage
from als_plugins.serve.stage import Stage
from als_plugins.serve.thread import WorldThread

__all__ = ["Show"]

PICTURES: Final = 30.0
"""How often a second the board is published at most."""
BEHIND: Final = 0.25
"""Seconds that the world may lag before it stops trying to make up for them."""
CURTAIN: Final = 2.5
"""Seconds between the end of an episode and the next one."""


class Show:
    """A stage that goes on by itself, a lobby, and the board that shows both.

    Attributes:
        board: what clients are sent.
        lobby: who drives whom.
        steps: made so far.
        failed: why the show has ended; empty while it goes on.
    """

    def __init__(
        self,
        stage: Stage,
        lobby: Lobby,
        *,
        paused: bool = False,
        speed: float = 1.0,
        limited: bool = False,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        """Prepares; `run` begins.

        Args:
            stage: belongs to the show from now on.
            lobby: of the same simulation.
            paused: whether it waits for somebody to start it.
            speed: times real time; 0 for as fast as it can.
            limited: whether each client is sent only what its avatar perceives: see `limits.py`.
            say: is told what people at the terminal should know.
        """
        self.board, self.lobby, self.steps, self.failed = Board(), lobby, 0, ""
        self._stage, self._say = stage, say
        self._paused, self._speed = paused, speed
        self._single, self._next = 0, False
        self._seek: int | None = None
        self._world: int | None = None
        self._people = 0
        self._windows: Windows | None = Windows(stage, lobby) if limited else None
        self._looks: dict[int, int] = {}
        self._wake = asyncio.Event()
        self._listeners: set[asyncio.Event] = set()
        self._thread = WorldThread("als-serve-world")
        self._noted, self._stopped = "", False
        self._last_published = 0.0

    # -- what clients do -------------------------------------------------------------------------

    def enter(self, client: int, wake: asyncio.Event) -> Board:
        """Somebody watches from now on; `wake` is set whenever the board has changed.

        Returns:
            What this client is to be sent.
        """
        self._listeners.add(wake)
        self._note_people()
        return self.board if self._windows is None else self._windows.open(client)

    def exit(self, client: int, wake: asyncio.Event) -> None:
        """Somebody has gone: what drove the avatar before drives it again."""
        self._listeners.discard(wake)
        self._looks.pop(client, None)
        if self._windows is not None:
            self._windows.shut(client)
        self.lobby.leave(client)
        self._note_people()

    def take(self, client: int, message: FromClient) -> None:
        """Does what a client's message asks for.

        Raises:
            BadMessage: that cannot be done now.
        """
        if isinstance(message, Join):
            self.lobby.join(client, message.avatar, message.name)
        elif isinstance(message, Leave):
            self.lobby.leave(client)
        elif isinstance(message, Pace):
            self._set_pace(message)
        elif isinstance(message, Next):
            self._next = True
        elif isinstance(message, Look):
            self._looks.pop(client, None)
            if message.avatar is not None and self._windows is None:
                self._looks[client] = message.avatar
        elif isinstance(message, Seek):
            if self._stage.length is None:
                raise BadMessage("only a recording has a time line")
            self._seek = min(message.step, self._stage.length)
        elif isinstance(message, Watch):
            if not isinstance(self._stage, RunStage):
                raise BadMessage("only a run has worlds to choose from")
            self._world = message.world
        else:
            self.lobby.tell(client, message)
            return
        self._wake.set()

    def _set_pace(self, pace: Pace) -> None:
        if pace.paused is not None:
            self._paused = pace.paused
        if pace.speed is not None:
            self._speed = pace.speed
        if pace.step:
            self._paused, self._single = True, self._single + 1

    def _note_people(self) -> None:
        self._people = len(self._listeners)
        self._wake.set()

    # -- the task --------------------------------------------------------------------------------

    async def run(self) -> None:
        """Plays until it is cancelled, or the world has broken too often."""
        try:
            while not self._stopped:
                await self._do(self._stage.begin)
                await self._tell()
                await self._episode()
        except asyncio.CancelledError:
            raise
        except Exception as error:
            line = str(error) if isinstance(error, ALSError) else f"{type(error).__name__}: {error}"
            self.failed = one_line(line)[:300]
            self._say(f"The show has ended: {self.failed}")
            self.board.write("note", f"The show has ended: {self.failed}")
            self._publish()

    def stop(self) -> None:
        """Lets `run` return after the step that is being made."""
        self._stopped = True
        self._wake.set()

    async def close(self, grace: float) -> None:
        """Frees the world in its own thread; one that is still busy after so many seconds stays."""
        freed = self._thread.do(self._stage.close)
        self._thread.end()
        await asyncio.wait({freed}, timeout=grace)
        if freed.done() and (error := freed.exception()) is not None:
            self._say(f"The world could not be closed: {one_line(str(error))[:300]}")

    async def _episode(self) -> None:
        """Plays until the episode is over and has been looked at, or somebody wants the next."""
        due, ended_at = time.perf_counter(), 0.0
        self._next = False
        while not self._next and not self._stopped:
            if self._seek is not None:
                step, self._seek, ended_at = self._seek, None, 0.0
                await self._do(self._stage.seek, step)
                await self._tell()
            if self._world is not None and isinstance(self._stage, RunStage):
                world, self._world = self._world, None
                await self._do(self._stage.watch, world)
            over = self._stage.over
            if over and not ended_at:
                ended_at = time.perf_counter()
                await self._tell()
            # A recording stays where it ended.
            goes_on = over and self._stage.length is None and not self._paused
            if goes_on and time.perf_counter() >= ended_at + CURTAIN / max(self._speed, 1.0):
                return
            if (self._paused and not self._single) or over:
                await self._idle()
                due = time.perf_counter()
                continue
            self._single = max(0, self._single - 1)
            await self._do(self._stage.advance, self.lobby.take_orders())
            self.steps += 1
            await self._tell()
            due = await self._keep_time(due)

    async def _idle(self) -> None:
        """Waits until something happens, or a moment, and shows who has come or gone."""
        self._wake.clear()
        # Not `wait_for`, which may lose a cancellation that comes together with the event.
        alarm = asyncio.get_running_loop().call_later(0.1, self._wake.set)
        try:
            await self._wake.wait()
        finally:
            alarm.cancel()
        await self._tell()

    async def _keep_time(self, due: float) -> float:
        """Waits for the next step; returns when it was to be made."""
        if not self._speed:
            await asyncio.sleep(0)
            return time.perf_counter()
        due += self._stage.time_step / self._speed
        now = time.perf_counter()
        if now < due:
            await asyncio.sleep(due - now)
            return due
        await asyncio.sleep(0)
        return due if now - due < BEHIND else now

    async def _do(self, work: Callable[..., Any], *arguments: Any) -> Any:
        return await self._thread.do(work, *arguments)

    async def _tell(self) -> None:
        """Writes what there is to see, if anybody looks, but not more often than they can see."""
        note = self._stage.note
        if note != self._noted:
            self._noted = note
            if note:
                self._say(note[0].upper() + note[1:])
        if not self._listeners:
            return
        now = time.perf_counter()
        soon = now - self._last_published < 1 / PICTURES and not self._stage.over
        if soon and not 0.0 < self._speed <= 1.0:
            return
        self._last_published = now
        for key, value in (await self._do(self._stage.changes)).items():
            if value is None:
                self.board.wipe(key)
            else:
                self.board.write(key, value)
        await self._look()
        self._write_lobby()
        if self._windows is not None:
            values = dict(self.board.values)
            self._windows.write(await self._do(self._windows.seen, values))
        self._publish()

    async def _look(self) -> None:
        """Writes what the avatars that somebody has asked for see, and wipes all other."""
        wanted = {f"eyes.{avatar}": avatar for avatar in self._looks.values()}
        for key in [key for key in self.board.values if key.startswith("eyes.")]:
            if key not in wanted:
                self.board.wipe(key)
        for key, avatar in wanted.items():
            seen = await self._do(self._stage.eyes, avatar)
            if seen is not None:
                self.board.write(key, seen)

    def _write_lobby(self) -> None:
        board, stage = self.board, self._stage
        for key, value in self.lobby.values(stage.drivers()).items():
            board.write(key, value)
        board.write("people", {"watching": self._people, "playing": self.lobby.players})
        board.write("note", stage.note)
        board.write(
            "clock",
            {
                "paused": self._paused, "speed": self._speed, "over": stage.over,
                "length": stage.length, "episode": getattr(stage, "episode", 0) + 1,
                "open": self.lobby.open,
            },
        )  # fmt: skip

    def _publish(self) -> None:
        changed = self.board.publish()
        if self._windows is not None:
            changed = self._windows.publish() or changed
        if changed:
            for wake in self._listeners:
                wake.set()
