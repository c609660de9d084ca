"""The server's addresses: the page and its files, and the websocket.

What is served was read when the server started: no request names a file on the disk.
"""

from __future__ import annotations

import asyncio
import gzip
import itertools
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from fastapi import FastAPI, Request, Response, WebSocket

from als_plugins.serve.access import Access
from als_plugins.serve.clients import POLICY, Client, form_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from importlib.resources.abc import Traversable

    from als_plugins.serve.show import Show

__all__ = ["CLIENTS", "make_app", "page_files"]

CLIENTS: Final = 100
"""Connections at the same time."""
GRACE: Final = 5.0
"""Seconds that a step may take when the server ends, and that closing the world may."""
_BUSY: Final = 1013
_TYPES: Final = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
}
_HEADERS: Final = {
    "Cache-Control": "no-cache",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self' {socket}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def page_files() -> dict[str, tuple[str, bytes]]:
    """The page's files by their path: content type and content, compressed."""
    found: dict[str, tuple[str, bytes]] = {}

    def walk(folder: Traversable, path: str) -> None:
        for each in folder.iterdir():
            if each.is_dir():
                walk(each, f"{path}{each.name}/")
            elif (ending := each.name.rpartition(".")[2]) in _TYPES:
                packed = gzip.compress(each.read_bytes(), 9, mtime=0)
                found[f"{path}{each.name}"] = (_TYPES[ending], packed)

    walk(files("als_plugins.serve") / "page", "")
    return found


def make_app(show: Show, access: Access, address: Callable[[str], str]) -> FastAPI:
    """The application.

    Args:
        show: what people watch; it runs while the application does.
        access: who is let in.
        address: makes the address that lets somebody in with a token.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        running = asyncio.create_task(show.run())
        yield
        show.stop()
        running.cancel()
        await asyncio.wait({running}, timeout=GRACE)
        await show.close(GRACE)

    # Its own documentation pages would load scripts from elsewhere.
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan)
    page, numbers, open_now = page_files(), itertools.count(1), set[int]()

    @app.get("/{path:path}")
    async def get(path: str, request: Request) -> Response:
        if why := access.foreign(request.headers):
            return _refusal(403, why)
        token = request.query_params.get("token")
        if token is not None and not access.knows(request.cookies):
            return _let_in(access, token)
        if not access.knows(request.cookies):
            return _refusal(403, "open the address that `als serve` has printed")
        if token is not None:
            return Response(status_code=303, headers={**_HEADERS, "Location": "/"})
        found = page.get(path or "index.html")
        if found is None:
            return _refusal(404, "there is no such page")
        host = request.headers["host"]
        headers = {"Content-Encoding": "gzip", "Vary": "Cookie"}
        policy = _POLICY.format(socket=f"ws://{host}")
        headers |= {**_HEADERS, "Content-Security-Policy": policy}
        return Response(found[1], media_type=found[0], headers=headers)

    @app.websocket("/socket")
    async def talk(socket: WebSocket) -> None:
        form = form_of(socket.scope.get("subprotocols") or [])
        if access.foreign(socket.headers) or not access.knows(socket.cookies) or form is None:
            await socket.close(POLICY)
            return
        if len(open_now) >= CLIENTS:
            await socket.close(_BUSY)
            return
        number = next(numbers)
        open_now.add(number)
        try:
            asked = bool(socket.scope.get("subprotocols"))
            await socket.accept(subprotocol=form if asked else None)
            await Client(number, socket, form, show, lambda: address(access.token())).serve()
        finally:
            open_now.discard(number)

    return app


def _let_in(access: Access, token: str) -> Response:
    """Gives a cookie for a token, and an address without it."""
    session = access.exchange(token)
    if session is None:
        return _refusal(
            403, "this address was used before, or is too old: ask for an invitation on the page"
        )
    answer = Response(status_code=303, headers={**_HEADERS, "Location": "/"})
    # Lax: who comes by a link in a letter is let in, and no other page's request has the cookie.
    answer.set_cookie(access.cookie, session, httponly=True, samesite="lax", path="/")
    return answer


def _refusal(status: int, why: str) -> Response:
    headers: dict[str, Any] = {**_HEADERS, "Content-Security-Policy": "default-src 'none'"}
    return Response(f"{why}\n", status, media_type="text/plain; charset=utf-8", headers=headers)
