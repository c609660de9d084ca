"""A served world in this process, and programs that talk to it."""

from __future__ import annotations

import asyncio
import faulthandler
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from typing import Any

from websockets.sync.client import ClientConnection, connect

from als_plugins.serve.lobby import Lobby
from als_plugins.serve.opening import lobby_of, open_stage, open_teaching
from als_plugins.serve.server import LOCAL, Server, bind
from als_plugins.serve.show import Show

BROWSER = [
    "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--no-sandbox",
    "--disable-background-networking",
]  # fmt: skip


class Served:
    """A server that runs.

    Attributes:
        server, show, stage: what it consists of.
        said: what stands at the terminal.
    """

    def __init__(self, place: str, **options: Any) -> None:
        self.said: list[str] = []
        timing = {
            name: options.pop(name) for name in ("paused", "speed", "limited") if name in options
        }
        arguments, teach = options.pop("arguments", {}), options.pop("teach", None)
        agent, taught = options.pop("agent", None), teach is not None
        self.stage = open_stage(place, agent, arguments, as_agents=taught, **options)
        self.teaching = open_teaching(self.stage, teach, agent or place) if taught else None
        lobby = lobby_of(self.stage, patient=taught)
        self.show = Show(self.stage, lobby, say=self.said.append, guide=self.teaching, **timing)
        self._listen()

    @classmethod
    def study(cls, session: Any) -> Served:
        """A study, as fast as it goes."""
        found = cls.__new__(cls)
        found.said, found.stage = [], session.stage
        lobby = Lobby(session.stage.simulation)
        found.show = Show(session.stage, lobby, say=found.said.append, guide=session, speed=0.0)
        found._listen()
        return found

    def _listen(self) -> None:
        self.server = Server(self.show, bind(LOCAL, 0))
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        until(lambda: self.server.started)

    def _run(self) -> None:
        self.server.run(open=False, say=self.said.append)

    def close(self) -> None:
        self.server.stop()
        self._thread.join(20)
        if self._thread.is_alive():
            faulthandler.dump_traceback()  # Where it is, for who reads the report.
        assert not self._thread.is_alive()

    def token(self) -> str:
        return self.server._access.token()

    def cookie(self) -> str:
        """A cookie for a new browser or program."""
        status, headers, _ = self.get(f"/?token={self.token()}")
        assert status == 303
        return headers["set-cookie"].partition(";")[0]

    def get(
        self, path: str, method: str = "GET", body: bytes | None = None, **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        """One request; names of headers are written with underscores."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection = HTTPConnection(LOCAL, self.server.port, timeout=20)
        try:
            connection.request(method, path, body=body, headers=named)
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return answer.status, found, answer.read()
        finally:
            connection.close()

    @contextmanager
    def program(self, **options: Any) -> Iterator[Program]:
        cookie = options.pop("cookie", None) or self.cookie()
        place = f"ws://{LOCAL}:{self.server.port}/socket"
        options.setdefault("subprotocols", ["als.v1.json"])
        # Who has not read for a while does not find the end of what was sent.
        options.setdefault("close_timeout", 0.2)
        headers = {"Cookie": cookie, **options.pop("headers", {})}
        with connect(place, additional_headers=headers, open_timeout=20, **options) as socket:
            yield Program(socket)


class Program:
    """A client that keeps the board.

    Attributes:
        board: keys and values.
        answers: all other messages.
    """

    def __init__(self, socket: ClientConnection) -> None:
        self.socket, self.number = socket, 0
        self.board: dict[str, Any] = {}
        self.answers: list[dict[str, Any]] = []

    def send(self, kind: str, **fields: Any) -> None:
        self.number += 1
        self.socket.send(json.dumps({"n": self.number, "type": kind, **fields}))

    def read(self) -> None:
        """Takes in one message."""
        message = json.loads(self.socket.recv(timeout=20))
        if message["type"] != "change":
            self.answers.append(message)
            return
        for key, value in message["values"].items():
            if value is None:
                self.board.pop(key, None)
            else:
                self.board[key] = value

    def until(self, what: Callable[[], Any], seconds: float = 30.0) -> Any:
        """Reads until something is true."""
        end = time.monotonic() + seconds
        while not (found := what()):
            assert time.monotonic() < end, "it never came true"
            self.read()
        return found

    def refusal(self) -> str:
        """Waits for the next refusal."""
        known = len(self.refusals)
        self.until(lambda: len(self.refusals) > known)
        return self.refusals[-1]

    @property
    def refusals(self) -> list[str]:
        return [each["why"] for each in self.answers if each["type"] == "refused"]


@contextmanager
def served(place: str, **options: Any) -> Iterator[Served]:
    """A served world."""
    found = Served(place, **options)
    try:
        yield found
    finally:
        found.close()


def until(what: Callable[[], Any], seconds: float = 30.0) -> None:
    """Waits until something is true."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.01)


def run(show: Show, steps: int) -> None:
    """Lets a show make steps without a server."""

    async def play() -> None:
        task = asyncio.create_task(show.run())
        while show.steps < steps and not task.done():
            await asyncio.sleep(0.001)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(play())
