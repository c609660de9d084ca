"""Runs the server: a socket of our own, uvicorn on it, and a browser if one is wanted."""

from __future__ import annotations

import asyncio
import errno
import socket
import threading
import webbrowser
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from als_engine.errors import ArgumentError, PluginError
from als_plugins.serve.protocol import MAX_BYTES

if TYPE_CHECKING:
    import uvicorn

    from als_plugins.serve.show import Show

__all__ = ["LOCAL", "PORT", "Server", "bind"]

PORT: Final = 8600
LOCAL: Final = "127.0.0.1"
_NAMES: Final = frozenset((LOCAL, "localhost", "[::1]"))
_ANYWHERE: Final = frozenset(("0.0.0.0", "::", ""))
_PATIENCE: Final = 1.0
"""Seconds for what still runs when the server has ended."""


def bind(host: str, port: int | None) -> socket.socket:
    """A socket that listens there; the next free port where none was asked for.

    Raises:
        ArgumentError: the port is taken, or may not be used; says what to do.
    """
    found = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        try:
            found.bind((host, PORT if port is None else port))
            # Two servers with SO_REUSEADDR may share a port until one listens.
            found.listen(128)
        except OSError as error:
            if port is not None or error.errno != errno.EADDRINUSE:
                raise
            found.close()
            return bind(host, 0)
    except OSError as error:
        found.close()
        raise ArgumentError(_why(host, port, error)) from None
    return found


def _why(host: str, port: int | None, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} is taken: choose another, or --port 0 for any that is free"
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"port {port} may not be used: choose one above 1023, or --port 0 for any"
    return f"--host {host} is no address of this machine ({error.strerror or error})"


class Server:
    """A show on the network.

    Attributes:
        address: what lets the first browser in, with its token.
        port: where it listens.
    """

    def __init__(self, show: Show, listening: socket.socket, host: str = LOCAL) -> None:
        """Prepares; `run` serves.

        Raises:
            PluginError: the extra `serve` is not installed.
        """
        try:
            import uvicorn

            from als_plugins.serve.access import Access
            from als_plugins.serve.app import make_app
        except ImportError as error:
            raise PluginError(missing(error)) from None
        self.port = int(listening.getsockname()[1])
        self._socket, self._name = listening, _own_name() if host in _ANYWHERE else host
        self._access = Access(_NAMES | {host}, self.port, any_host=host in _ANYWHERE)
        self.address = self._address(self._access.token())
        config = uvicorn.Config(
            make_app(show, self._access, self._address),
            lifespan="on", log_level="critical", access_log=False, ws="websockets-sansio",
            ws_max_size=4 * MAX_BYTES, ws_per_message_deflate=False, server_header=False,
            h11_max_incomplete_event_size=16_384, limit_concurrency=400, timeout_keep_alive=5,
            timeout_graceful_shutdown=1,
        )  # fmt: skip
        self._uvicorn = _make(config)

    def _address(self, token: str) -> str:
        name = f"[{self._name}]" if ":" in self._name else self._name
        return f"http://{name}:{self.port}/?token={token}"

    def run(self, *, open: bool, say: Callable[[str], None]) -> None:
        """Serves until Ctrl-C.

        Args:
            open: whether to open a browser.
            say: is told where no browser can be opened.
        """
        if open:
            threading.Thread(target=_open, args=(self.address, say), daemon=True).start()
        # Not `uvicorn.run`, nor `asyncio.run`, which wait for every task as long as it takes.
        loop = asyncio.new_event_loop()
        try:
            loop.run_until_complete(self._uvicorn.serve([self._socket]))
        finally:
            loop.run_until_complete(_end_others())
            loop.close()

    def stop(self) -> None:
        """Lets `run` return."""
        self._uvicorn.should_exit = True

    @property
    def started(self) -> bool:
        """Whether it answers."""
        return bool(self._uvicorn.started)


async def _end_others() -> None:
    """Cancels what still runs; one that does not end is left behind with its loop."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    if others:
        await asyncio.wait(others, timeout=_PATIENCE)


def _make(config: uvicorn.Config) -> uvicorn.Server:
    """A server that leaves no connection open when it ends."""
    import uvicorn

    class Ending(uvicorn.Server):
        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            await super().shutdown(sockets)
            # Who does not read never takes in that it is over.
            for connection in list(self.server_state.connections):
                if (transport := getattr(connection, "transport", None)) is not None:
                    transport.abort()
            await asyncio.sleep(0)

    return Ending(config)


def _own_name() -> str:
    """The address by which others in the network find this machine; nothing is sent for it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # An address of no machine (RFC 5737).
        except OSError:
            return LOCAL
        return str(probe.getsockname()[0])


def _open(address: str, say: Callable[[str], None]) -> None:
    try:
        opened = webbrowser.open(address)
    except webbrowser.Error:
        opened = False
    if not opened:
        say("No browser could be opened here: open the address yourself.")


def missing(error: ImportError) -> str:
    """What to say where a library is not installed."""
    return f'als serve needs {error.name}: pip install "als-engine[serve]"'
