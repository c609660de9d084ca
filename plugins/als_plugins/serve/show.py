"""The one task that owns the world: it keeps time, makes steps, and writes on the board.

It never waits for a client. Steps are made in a thread of their own, so that connections are
answered meanwhile; all else happens in the event loop, one thing after the other.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from als_engine.errors import ALSError
from als_engine.texts import one_line
from als_plugins.serve.board import Board
from als_plugins.serve.limits import Windows
from als_plugins.serve.lobby import Lobby
from als_plugins.serve.orders import Order
from als_plugins.serve.protocol import (
    BadMessage,
    FromClient,
    Join,
    Leave,
    Look,
    Next,
    Pace,
    Seek,
    Told,
    Watch,
)
from als_plugins.serve.run_stage import RunStage
from als_plugins.serve.stage import Stage
from als_plugins.serve.thread import WorldThread

__all__ = ["Guide", "Show"]

PICTURES: Final = 30.0
"""How often a second the board is published at most."""
BEHIND: Final = 0.25
"""Seconds that the world may lag before it stops trying to make up for them."""
_OF_A_WORLD: Final = (
    "look", "pose", "picture", "seat", "can", "said", "told", "holds", "score", "sound", "metrics"
)  # fmt: skip
"""Kinds of keys that are of one world, and of no other."""
_LED: Final = (Join, Leave, Pace, Next, Seek)
"""What a guide that leads lets nobody do."""
CURTAIN: Final = 2.5
"""Seconds between the end of an episode and the next one."""


class Guide(Protocol):
    """What persons do beside driving avatars: they teach, judge, or take part in a study.

    Attributes:
        key: of the board, under which `values` stand.
        leads: whether it decides when the world goes on, and who drives, in place of the clients.
        holds: whether the world waits now.
    """

    key: str
    leads: bool

    @property
    def holds(self) -> bool:
        """See above."""

    def take(
        self, client: int, message: Told, between_steps: Callable[[Callable[[], Any]], Any]
    ) -> dict[str, Any] | None:
        """Does what a message asks for; returns the answer to it, if there is one."""

    def leave(self, client: int) -> None:
        """A client has gone."""

    def seat(self, lobby: Lobby) -> None:
        """Gives avatars to clients, if it leads."""

    def before_step(self, orders: Mapping[int, Order], drivers: Mapping[int, int]) -> None:
        """Called before each step with what persons want, and which client drives whom."""

    def after_step(self) -> None:
        """Called after each step."""

    def values(self) -> dict[str, Any]:
        """What stands on the board."""

    def close(self) -> None:
        """Called in the world's thread when it makes no more steps."""


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
        guide: Guide | None = None,
    ) -> None:
        """Prepares; `run` begins.

        Args:
            stage: belongs to the show from now on.
            lobby: of the same simulation.
            paused: whether it waits for somebody to start it.
            speed: times real time; 0 for as fast as it can.
            limited: whether each client is sent only what its avatar perceives: see `limits.py`.
            say: is told what people at the terminal should know.
            guide: of the same stage; None where persons only watch and drive.
        """
        self.board, self.lobby, self.steps, self.failed = Board(), lobby, 0, ""
        self._stage, self._say = stage, say
        self._paused, self._speed = paused, speed
        self._single, self._next = 0, False
        self._seek: int | None = None
        self._world: int | None = None
        self._guide = guide
        self._errands: deque[tuple[Callable[[], Any], asyncio.Future[Any]]] = deque()
        self._people = 0
        self._windows: Windows | None = Windows(stage, lobby) if limited else None
        self._looks: dict[int, int] = {}
        self._wake = asyncio.Event()
        self._listeners: set[asyncio.Event] = set()
        self._thread = WorldThread("als-serve-world")
        self._noted, self._stopped = "", False
        self._last_published = 0.0

    @property
    def watched(self) -> bool:
        """Whether anybody looks."""
        return bool(self._listeners)

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
        if self._guide is not None:
            self._guide.leave(client)
        self._note_people()

    def take(self, client: int, message: FromClient) -> dict[str, Any] | None:
        """Does what a client's message asks for; returns what is answered, if anything is.

        Raises:
            BadMessage: that cannot be done now.
        """
        if self._guide is not None and self._guide.leads and isinstance(message, _LED):
            raise BadMessage("here this is decided by the study")
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
        elif isinstance(message, Told):
            if self._guide is None:
                raise BadMessage("nothing is taught here: als serve AGENT --teach FOLDER")
            return self._guide.take(client, message, self._between_steps)
        else:
            self.lobby.tell(client, message)
            return None
        self._wake.set()
        return None

    def _between_steps(self, work: Callable[[], Any]) -> asyncio.Future[Any]:
        """Lets something be done in the world's thread before the next step."""
        done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._errands.append((work, done))
        self._wake.set()
        return done

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
        freed = self._thread.do(self._free)
        self._thread.end()
        await asyncio.wait({freed}, timeout=grace)
        if freed.done() and (error := freed.exception()) is not None:
            self._say(f"The world could not be closed: {one_line(str(error))[:300]}")

    def _free(self) -> None:
        try:
            if self._guide is not None:
                self._guide.close()
        finally:
            self._stage.close()

    async def _episode(self) -> None:
        """Plays until the episode is over and has been looked at, or somebody wants the next."""
        due, ended_at = time.perf_counter(), 0.0
        self._next = False
        while not self._next and not self._stopped:
            await self._run_errands()
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
            led = self._guide is not None and self._guide.leads
            goes_on = over and self._stage.length is None and not (self._paused or led)
            if goes_on and time.perf_counter() >= ended_at + CURTAIN / max(self._speed, 1.0):
                return
            held = self._guide is not None and self._guide.holds
            if (self._paused and not self._single) or over or held:
                await self._idle()
                due = time.perf_counter()
                continue
            self._single = max(0, self._single - 1)
            await self._advance()
            self.steps += 1
            await self._tell()
            due = await self._keep_time(due)

    async def _advance(self) -> None:
        self._meet()
        orders = self.lobby.take_orders()
        if self._guide is not None:
            self._guide.before_step(orders, self.lobby.drivers())
        await self._do(self._stage.advance, orders)
        if self._guide is not None:
            self._guide.after_step()

    def _meet(self) -> None:
        """Makes a new lobby where the stage has another world by now, and seats who is led."""
        simulation = self._stage.simulation
        if simulation is not None and self.lobby.simulation is not simulation:
            led = self._guide is not None and self._guide.leads
            self.lobby = self.lobby.of(simulation, seated=not led)
            self.board.wipe_all(_OF_A_WORLD)
            if self._windows is not None:
                self._windows.lobby = self.lobby
        if self._guide is not None:
            self._guide.seat(self.lobby)

    async def _run_errands(self) -> None:
        while self._errands:
            work, done = self._errands.popleft()
            try:
                found = await self._do(work)
            except Exception as error:
                if not isinstance(error, ALSError):
                    raise
                self._say(str(error))
                if not done.cancelled():
                    done.set_exception(error)
                    done.exception()  # It has been told; who waits hears of it all the same.
            else:
                if not done.cancelled():
                    done.set_result(found)

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
        self._meet()
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
        if self._guide is not None:
            board.write(self._guide.key, self._guide.values())
        board.write(
            "clock",
            {
                "paused": self._paused, "speed": self._speed, "over": stage.over,
                "length": stage.length, "episode": getattr(stage, "episode", 0) + 1,
                "open": self.lobby.open, "difficulty": getattr(stage, "standing", None),
            },
        )  # fmt: skip

    def _publish(self) -> None:
        changed = self.board.publish()
        if self._windows is not None:
            changed = self._windows.publish() or changed
        if changed:
            for wake in self._listeners:
                wake.set()
