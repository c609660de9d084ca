"""One connection: what it is sent, at its own pace, and how much it may send."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from als_plugins.serve.protocol import (
    FORMATS,
    SPEEDS,
    VERSION,
    BadMessage,
    FromClient,
    Invite,
    Ping,
    pack,
    read,
)

if TYPE_CHECKING:
    from fastapi import WebSocket

    from als_plugins.serve.show import Show

__all__ = ["Client"]

RATE, BURST = 120.0, 240.0
"""Messages a second that a client may send in the long run, and at once."""
REFUSALS: Final = 20
"""Messages that are refused before the connection is closed."""
ANSWERS: Final = 32
"""Answers to one client that wait to be sent; the oldest goes."""
POLICY: Final = 1008
"""The code with which a connection is closed that does what it may not."""


class Client:
    """A connection that is let in."""

    def __init__(
        self, number: int, socket: WebSocket, form: str, show: Show, invite: Callable[[], str]
    ) -> None:
        """Prepares; `serve` talks.

        Args:
            number: tells it from all others.
            socket: accepted.
            form: of `FORMATS`.
            show: what it watches.
            invite: makes an address that lets one more in.
        """
        self.number = number
        self._socket, self._form, self._show, self._invite = socket, form, show, invite
        self._wake = asyncio.Event()
        self._answers: deque[dict[str, Any]] = deque(maxlen=ANSWERS)
        self._seen, self._last = -1, -1
        self._allowance, self._at = BURST, time.monotonic()
        self._refused = 0

    async def serve(self) -> None:
        """Talks until the connection ends; whatever happens disturbs nobody else."""
        self._answer(
            {
                "type": "hello", "version": VERSION, "client": self.number, "speeds": SPEEDS,
                "limits": {"messages_per_second": RATE},
            }
        )  # fmt: skip
        self._board = self._show.enter(self.number, self._wake)
        sending = asyncio.create_task(self._send())
        hearing = asyncio.create_task(self._hear())
        try:
            done, _ = await asyncio.wait((sending, hearing), return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.exception()  # A connection that breaks off is no error of ours.
        finally:
            for task in (sending, hearing):
                task.cancel()
            await asyncio.gather(sending, hearing, return_exceptions=True)
            self._show.exit(self.number, self._wake)

    def _answer(self, message: dict[str, Any]) -> None:
        self._answers.append(message)
        self._wake.set()

    async def _send(self) -> None:
        """Sends what is new whenever the last message has gone out."""
        board = self._board
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._answers:
                await self._put(pack(self._answers.popleft(), self._form))
            if board.changes > self._seen:
                data, self._seen = board.packed_since(self._seen, self._form), board.changes
                await self._put(data)

    async def _put(self, data: str | bytes) -> None:
        if isinstance(data, str):
            await self._socket.send_text(data)
        else:
            await self._socket.send_bytes(data)

    async def _hear(self) -> None:
        """Takes messages until there are too many, or too many bad ones."""
        while True:
            received = await self._socket.receive()
            if received["type"] == "websocket.disconnect":
                return
            if not self._may():
                await self._socket.close(POLICY, "too many messages")
                return
            data = received.get("text")
            try:
                self._take(read(data if data is not None else received["bytes"], self._form))
            except BadMessage as error:
                self._refused += 1
                if self._refused > REFUSALS:
                    await self._socket.close(POLICY, "too many messages were refused")
                    return
                self._answer({"type": "refused", "why": str(error)})

    def _may(self) -> bool:
        """Whether one more message is within the rate: a bucket that fills up again."""
        now = time.monotonic()
        self._allowance = min(BURST, self._allowance + (now - self._at) * RATE) - 1.0
        self._at = now
        return self._allowance >= 0.0

    def _take(self, message: FromClient) -> None:
        """Does what a message says.

        Raises:
            BadMessage: it has come before, or cannot be done.
        """
        if message.n <= self._last:
            raise BadMessage(f"n has to go up: {message.n} after {self._last}")
        self._last = message.n
        if isinstance(message, Ping):
            self._answer({"type": "pong", "n": message.n})
        elif isinstance(message, Invite):
            self._answer({"type": "invitation", "address": self._invite()})
        else:
            answer = self._show.take(self.number, message)
            if answer is not None:
                self._answer(answer)


def form_of(offered: list[str]) -> str | None:
    """The first subprotocol of a client that we speak; None where it speaks others alone."""
    if not offered:
        return FORMATS[0]
    return next((each for each in offered if each in FORMATS), None)
