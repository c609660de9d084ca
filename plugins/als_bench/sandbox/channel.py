"""Exchanges messages with an untrusted process: bounded, checked, with time limits.

A frame is four bytes of length (little endian), that much JSON, and the raw bytes of the arrays
that the JSON announces. Nothing that is received is unpickled, nothing is allocated by what a
header claims, and every wait has an end.
"""

from __future__ import annotations

import json
import os
import select
import struct
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from numpy.typing import NDArray

from als_engine.errors import ALSError

__all__ = ["AgentFailure", "Channel", "one_line"]

_LENGTH: Final = struct.Struct("<I")
MAX_HEADER: Final = 4_096
"""The longest header that is read, bytes."""

_PIPE_SIZE: Final = 1 << 20
_F_SETPIPE_SZ: Final = 1031
_CHUNK: Final = 1 << 16
"""The most that is read at once, bytes."""

_SLICE: Final = 0.25
"""How often the watch is asked while an answer is awaited, seconds."""


class AgentFailure(ALSError):  # noqa: N818 - What the agent does is the failure, ours is none.
    """An agent that crashed, hung, or answered with what is no action; one line says which."""


class Channel:
    """One end of two pipes; the other is the agent's.

    Attributes:
        their_ends: the descriptors to hand to the other process; closed here by `handed_over`.
    """

    def __init__(self) -> None:
        theirs_in, self._out = os.pipe()
        self._in, theirs_out = os.pipe()
        self.their_ends = (theirs_in, theirs_out)
        for descriptor in (self._in, self._out):
            os.set_blocking(descriptor, False)
        import fcntl  # Windows has none, where this module is imported and never used.

        with suppress(OSError):  # A smaller pipe is a slower one, no more.
            fcntl.fcntl(self._out, _F_SETPIPE_SZ, _PIPE_SIZE)
        self._readable, self._writable = select.poll(), select.poll()
        self._readable.register(self._in, select.POLLIN)
        self._writable.register(self._out, select.POLLOUT)
        self._pending = bytearray()
        self._last: tuple[bytes, dict[str, Any]] = (b"", {})

    def handed_over(self) -> None:
        """Closes the other process's ends: when it dies, reading ends."""
        for descriptor in self.their_ends:
            os.close(descriptor)

    def close(self) -> None:
        """Closes our ends."""
        os.close(self._in)
        os.close(self._out)

    def send(
        self,
        message: Mapping[str, Any],
        arrays: Sequence[NDArray[Any]],
        deadline: float,
        watch: Callable[[], None],
    ) -> None:
        """Sends a frame.

        Args:
            message: JSON-able.
            arrays: contiguous; their bytes follow.
            deadline: of `time.monotonic`.
            watch: called every now and then while waiting; may raise.

        Raises:
            TimeoutError: the process does not read.
            EOFError: it is gone.
        """
        head = json.dumps(message).encode()
        views = [memoryview(_LENGTH.pack(len(head)) + head)]
        views += [array.data.cast("B") for array in arrays if array.nbytes]
        while views:
            try:
                count = os.writev(self._out, views)
            except BlockingIOError:
                _wait(self._writable, deadline, watch)
                continue
            except BrokenPipeError:
                raise EOFError from None
            while views and count >= len(views[0]):
                count -= len(views.pop(0))
            if views:
                views[0] = views[0][count:]

    def header(self, deadline: float, watch: Callable[[], None]) -> dict[str, Any]:
        """The header of the next frame.

        Raises:
            AgentFailure: it is too long, no JSON object, or says that the agent has failed.
            TimeoutError: it does not come in time.
            EOFError: the process is gone.
        """
        (length,) = _LENGTH.unpack(self.body(_LENGTH.size, deadline, watch))
        if length > MAX_HEADER:
            raise AgentFailure("the agent's process sent garbage instead of an answer")
        raw = self.body(length, deadline, watch)
        if raw != self._last[0]:  # One is mostly like the one before.
            self._last = (raw, _parse(raw))
        return self._last[1]

    def body(self, size: int, deadline: float, watch: Callable[[], None]) -> bytes:
        """Exactly so many bytes.

        Raises:
            TimeoutError: they do not come in time.
            EOFError: the process is gone.
        """
        while len(self._pending) < size:
            _wait(self._readable, deadline, watch)
            data = os.read(self._in, _CHUNK)
            if not data:
                raise EOFError
            self._pending += data
        taken = bytes(self._pending[:size])
        del self._pending[:size]
        return taken


def _parse(raw: bytes) -> dict[str, Any]:
    try:
        header = json.loads(raw)
    # Also a recursion error, for thousands of brackets.
    except (ValueError, RecursionError):
        header = None
    if not isinstance(header, dict):
        raise AgentFailure("the agent's process sent garbage instead of an answer")
    if "error" in header:
        raise AgentFailure(f"the agent failed: {one_line(header['error'])}")
    return header


def _wait(poll: select.poll, deadline: float, watch: Callable[[], None]) -> None:
    while True:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        if poll.poll(min(left, _SLICE) * 1_000):
            return
        watch()


def one_line(text: object) -> str:
    """Makes a stranger's text harmless: one line of printable characters, not too long."""
    return "".join(c if c.isprintable() else " " for c in str(text))[:300].strip()
