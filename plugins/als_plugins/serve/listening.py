"""How `als serve` and `als study` listen: the options of both, and what they tell people."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Annotated

import typer

from als_engine.cli.console import say

if TYPE_CHECKING:
    from als_plugins.serve.show import Show

__all__ = ["Host", "Open", "Port", "listen", "tell"]

Port = Annotated[
    int | None, typer.Option(help="By default 8600, or any that is free.", min=0, max=65_535)
]
Host = Annotated[str, typer.Option(help="Where to listen; by default only this machine is let in.")]
Open = Annotated[bool, typer.Option(help="Open a browser.")]


def listen(
    show: Show, listening: socket.socket, host: str, open: bool, title: str, ends: str
) -> None:
    """Serves a show until Ctrl-C.

    Args:
        show: that is served.
        listening: what `server.bind` gave.
        host: where that listens.
        open: whether to open a browser.
        title: what the address is of.
        ends: what is to be known about the end.
    """
    from als_plugins.serve.server import LOCAL, Server

    # Asyncio's objects belong to the loop that uvicorn makes; none of them is waited for before.
    server = Server(show, listening, host)
    if host not in (LOCAL, "localhost", "::1"):
        say(f"Warning: whoever reaches {host} and has the address below is let in.", error=True)
    say(f"{title}: {server.address}")
    say(ends)
    server.run(open=open, say=tell)


def tell(line: str) -> None:
    """Says a line to people at the terminal."""
    say(line, error=True)
