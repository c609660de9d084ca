"""The thread in which a world lives: what is asked for is done there, one thing after the other."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

__all__ = ["WorldThread"]

_Job = tuple[asyncio.AbstractEventLoop, "asyncio.Future[Any]", Callable[..., Any], tuple[Any, ...]]


class WorldThread:
    """Does work for an event loop.

    It is a daemon: a step that never ends, or a long way along a recording, keeps no process from
    ending, as the threads of a `ThreadPoolExecutor` would.
    """

    def __init__(self, name: str) -> None:
        """Starts nothing; the thread starts with its first work."""
        self._name = name
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def do(self, work: Callable[..., Any], *arguments: Any) -> asyncio.Future[Any]:
        """Does something in the thread; what it returns or raises is the future's."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        self._jobs.put((loop, future, work, arguments))
        return future

    def end(self) -> None:
        """Lets the thread end after what it does now."""
        self._jobs.put(None)

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            loop, future, work, arguments = job
            if future.cancelled():
                continue
            result, error = None, None
            try:
                result = work(*arguments)
            except BaseException as raised:
                error = raised
            with suppress(RuntimeError):  # The loop has ended, and nobody waits.
                loop.call_soon_threadsafe(_settle, future, result, error)
            del job, future, work, arguments, result, error


def _settle(future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if future.cancelled():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)
