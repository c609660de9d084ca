"""The side of the run: its worlds wait for a spectator, and show themselves to one.

Nothing here can change a run. It reads arrays, draws no number, waits for nobody, and gives up at
the first error. While nobody watches, a step costs a look at the clock, and a second a look at a
file.
"""

from __future__ import annotations

import csv
import json
import os
import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from als_engine.system.safe_files import read_bytes
from als_engine.system.watched import folder_of_run, place_to_look
from als_plugins.serve.calls import Hello, Lines, Place, Wish, read_line
from als_plugins.serve.describing import Describer
from als_plugins.serve.figures import Figures
from als_plugins.serve.lobby import Lobby
from als_plugins.serve.stage import drivers_of

if TYPE_CHECKING:
    from als_engine.simulation import Simulation

__all__ = ["LOCAL", "Watched", "learning_curve"]

LOCAL: Final = "127.0.0.1"
LOOKS: Final = 1.0
"""Seconds between two looks for somebody who watches."""
SIGHTS: Final = 1 / 20
"""Seconds between two sights at least."""
CURVES: Final = 2.0
"""Seconds between two looks at the learning curve."""
POINTS: Final = 200
"""Of the curve that are sent at most."""
_LARGEST_CURVE: Final = 8 << 20
_CALL: Final = 0.5


class Watched:
    """An onlooker of the worlds of one simulation."""

    def __init__(self, simulation: Simulation) -> None:
        """Waits for somebody."""
        self._simulation, self._place = simulation, place_to_look()
        self._process, self._next, self._tried = os.getpid(), 0.0, 0
        self._socket: socket.socket | None = None
        self._world: _World | None = None

    def look(self) -> None:
        """Looks for somebody once a second, and shows what there is to see; never fails."""
        now = time.monotonic()
        if self._socket is None and now < self._next:
            return
        try:
            self._look(now)
        except Exception:  # Whatever it is, the run goes on, and is watched no more.
            self.close()
            self._place = None

    def close(self) -> None:
        """Hangs up."""
        if self._socket is not None:
            self._socket.close()
        self._socket = self._world = None

    def _look(self, now: float) -> None:
        if self._socket is None:
            self._next = now + LOOKS
            self._call()
        if self._socket is not None:
            self._talk(self._socket, now)

    def _call(self) -> None:
        """Calls whoever has written the file, once."""
        if self._place is None or os.getpid() != self._process:
            return
        try:
            written = self._place.stat().st_mtime_ns
        except OSError:
            return
        if written == self._tried:
            return
        self._tried = written
        place = read_line(read_bytes(self._place, 1_000), Place)
        if place is None:
            return
        with suppress(OSError):
            self._socket = socket.create_connection((LOCAL, place.port), timeout=_CALL)
            self._socket.setblocking(False)
            state = self._simulation.state
            hello = Hello(
                secret=place.secret, scenario=self._simulation.scenario,
                first=int(state.first_world), worlds=self._simulation.num_worlds,
                process=self._process, time_step=float(state.time_step),
            )  # fmt: skip
            self._waiting = hello.model_dump_json().encode() + b"\n"
            self._heard, self._due = Lines(1_000), 0.0

    def _talk(self, to: socket.socket, now: float) -> None:
        if not self._hear(to):
            self.close()
            return
        world = self._world
        if world is not None:
            world.note()
        if self._waiting:
            with suppress(BlockingIOError):
                self._waiting = self._waiting[to.send(self._waiting) :]
        # Who does not read is shown nothing, and then all that has changed at once.
        if world is None or self._waiting or now < self._due:
            return
        self._due = now + SIGHTS
        self._waiting = world.sight(now)

    def _hear(self, to: socket.socket) -> bool:
        """Takes in what is wanted; False where nobody is there any more."""
        try:
            data = to.recv(4_096)
        except BlockingIOError:
            return True
        except OSError:
            return False
        lines = self._heard.take(data)
        if not data or lines is None:
            return False
        for line in lines:
            wish = read_line(line, Wish)
            if wish is None or (wish.world or 0) >= self._simulation.num_worlds:
                return False
            self._world = None if wish.world is None else _World(self._simulation, wish.world)
        return True


class _World:
    """What there is to see of one world."""

    def __init__(self, simulation: Simulation, world: int) -> None:
        self._simulation, self._number = simulation, world
        self._describer = Describer(simulation.state, world)
        self._figures = Figures(simulation, world)
        self._lobby = Lobby(simulation, open=False)
        self._fresh, self._step, self._curve_at = True, 0, 0.0

    def note(self) -> None:
        """Takes in a step."""
        step = int(self._simulation.state.step[self._number])
        if step < self._step:
            self._figures.begin()
        self._step = step
        self._figures.note()

    def sight(self, now: float) -> bytes:
        """What has changed, as a line."""
        world = self._number
        drivers = drivers_of(self._simulation, "the learner", world)
        values = {
            **self._describer.changes(), **self._figures.changes(),
            **self._lobby.values(drivers, world),
        }  # fmt: skip
        if now >= self._curve_at:
            self._curve_at = now + CURVES
            values["curve"] = learning_curve(folder_of_run())
        fresh, self._fresh = self._fresh, False
        sight = {"world": world, "whole": fresh, "values": values}
        return json.dumps(sight, separators=(",", ":"), allow_nan=False).encode() + b"\n"


def learning_curve(run: Path | None) -> dict[str, Any] | None:
    """Steps and mean returns of a run so far, and how often it succeeded, where that is known.

    Args:
        run: its folder; the file `progress.csv` is read.

    Returns:
        `steps`, `mean_return` and `success`, lists of the same length, of which at most 200 points
        are kept; None where there is no curve yet.
    """
    if run is None:
        return None
    try:
        text = read_bytes(run / "progress.csv", _LARGEST_CURVE).decode()
    except Exception:
        return None
    # An adaptation calls its returns `mean`.
    rows = [{"mean_return": row.get("mean"), **row} for row in csv.DictReader(text.splitlines())]
    names = ("steps", "mean_return", "success")
    found: dict[str, list[float | None]] = {name: [] for name in names}
    for i in sorted(
        {round(k * (len(rows) - 1) / (POINTS - 1)) for k in range(POINTS)} if rows else ()
    ):
        values = [_number(rows[i].get(name)) for name in names]
        if values[0] is not None and values[1] is not None:
            for name, value in zip(names, values, strict=True):
                found[name].append(value)
    return found if found["steps"] else None


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if abs(value) < 1e300 else None
