"""Who is let in: a token in the address, once; then a cookie; and only from our own page.

A browser that some other page has sent here says so in `Origin`, and a name that somebody has
pointed at this machine stands in `Host`: both are looked at for every request.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from typing import Final

__all__ = ["Access"]

BYTES: Final = 16
"""Of a token: 128 bits."""
LASTS: Final = 3600.0
"""Seconds for which a token that nobody has used lets somebody in."""
TOKENS: Final = 20
"""Unused tokens that there are at most: the oldest goes."""
SESSIONS: Final = 200
"""Browsers and programs that are let in at most."""


class Access:
    """The tokens that are still good, and the cookies that were given for those that were used."""

    def __init__(self, hosts: frozenset[str], port: int, *, any_host: bool = False) -> None:
        """Lets nobody in.

        Args:
            hosts: the names by which this server is called, without a port.
            port: where it listens.
            any_host: whether it may be called by any name, as where it listens on all addresses.
        """
        self.cookie = f"als_{port}"
        self._hosts = frozenset(f"{host}:{port}" for host in hosts)
        self._port, self._any_host = port, any_host
        self._tokens: dict[str, float] = {}
        self._sessions: list[str] = []

    def token(self) -> str:
        """A new token, for the address of one more browser or program."""
        token = secrets.token_urlsafe(BYTES)
        self._tokens[token] = time.monotonic() + LASTS
        while len(self._tokens) > TOKENS:
            del self._tokens[next(iter(self._tokens))]
        return token

    def exchange(self, token: str) -> str | None:
        """The cookie for a token, which is worth nothing from then on; None for one that is bad."""
        found = next((one for one in self._tokens if _same(one, token)), None)
        if found is None or self._tokens.pop(found) < time.monotonic():
            return None
        session = secrets.token_urlsafe(BYTES)
        self._sessions = [*self._sessions[1 - SESSIONS :], session]
        return session

    def knows(self, cookies: Mapping[str, str]) -> bool:
        """Whether a request has a cookie of ours."""
        given = cookies.get(self.cookie, "")
        return any(_same(each, given) for each in self._sessions)

    def foreign(self, headers: Mapping[str, str]) -> str:
        """Why a request does not come from our own page or from a program; empty if it does."""
        host, origin = headers.get("host", ""), headers.get("origin")
        named = host in self._hosts or (self._any_host and host.endswith(f":{self._port}"))
        if not named:
            return "this server does not go by that name"
        if origin is not None and origin != f"http://{host}":
            return "another page has asked for this"
        return ""


def _same(secret: str, given: str) -> bool:
    """Compares in a time that tells nothing; what is given may be any text."""
    return secrets.compare_digest(secret.encode(), given.encode("utf-8", "replace"))
