"""Who owns which names: namespaces by declaration, and every other name by having had it first.

Plugins are loaded in alphabetical order, which is nobody's merit. So it is remembered who offered
an id, a command or a namespace when it was there alone, and a distribution that is installed later
does not take it, wherever its name sorts.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Collection, Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from als_engine.plugins.discovery import BUNDLED, normalized
from als_engine.system.files import cache_folder

__all__ = ["Names", "Offered"]

_NAMESPACE = "namespace"


class Offered(NamedTuple):
    """A name that a distribution offers; its kind is a word, such as `agent`."""

    kind: str
    name: str
    distribution: str


class Names:
    """The owners of namespaces, ids and commands.

    A namespace belongs to the distributions that declare it, in the entry-point group
    `als_engine.namespaces`, where each names the owner: `Acme = "acme_kitchen"`. Several that name
    the same owner share it. One that nobody declares is open to everyone.
    """

    def __init__(self, folder: Path | None = None) -> None:
        """Remembers in `folder`; by default in the user's cache folder."""
        place = hashlib.sha256(sys.prefix.encode()).hexdigest()[:12]
        self._file = (folder or cache_folder("plugins")) / f"{place}.names"
        # Folded, so that nobody can pass for someone else by writing `als/`.
        self._claims: dict[str, dict[str, str]] = {"als": {BUNDLED: BUNDLED}}
        self._remembered: dict[str, str] = {}
        self._present: Collection[str] = ()

    def recall(self, present: Collection[str]) -> None:
        """Reads who has had what; what a distribution has had that is not there is free."""
        self._present = present
        with suppress(OSError, ValueError):
            found = json.loads(self._file.read_text(encoding="utf-8"))
            if isinstance(found, dict):
                self._remembered = {str(name): str(owner) for name, owner in found.items()}

    def declare(self, distribution: str, namespace: str, owner: str) -> None:
        """Notes that a distribution declares a namespace, for itself or for a common owner."""
        claims = self._claims.setdefault(namespace.casefold(), {})
        if BUNDLED not in claims:
            claims[distribution] = normalized(owner)

    def withdraw(self, distribution: str, namespace: str) -> None:
        """Takes a declaration back."""
        self._claims.get(namespace.casefold(), {}).pop(distribution, None)

    def why_not(self, distribution: str, namespace: str) -> str:
        """Returns why a distribution may not offer ids in a namespace, or `''` when it may."""
        claims = self._claims.get(namespace.casefold(), {})
        owners, mine = set(claims.values()), claims.get(distribution)
        first = self._remembered.get(_key(_NAMESPACE, namespace), "")
        rightful = owners if len(owners) == 1 or first not in owners else {first}
        if not claims or rightful == {mine}:
            return ""
        if mine in rightful:
            others = sorted(d for d, owner in claims.items() if owner != mine)
            return (
                f'the namespace "{namespace}/" is declared by {distribution} and by '
                f"{', '.join(others)}, for different owners: uninstall one, or name those that "
                "you trust in ALS_PLUGINS"
            )
        names = sorted(d for d, owner in claims.items() if owner in rightful)
        since = ", who had it first" if mine else ""
        return f'the namespace "{namespace}/" belongs to {", ".join(names)}{since}'

    def held(self, kind: str, name: str, distribution: str) -> str:
        """Returns who else has had a name before and is still there, or `''`."""
        owner = self._remembered.get(_key(kind, name), distribution)
        return owner if owner != distribution and owner in self._present else ""

    def remember(
        self, kinds: Collection[str], offered: Iterable[Offered], settled: Collection[str]
    ) -> None:
        """Keeps who offers what now, for later starts.

        Args:
            kinds: which kinds of names these are all of.
            offered: the names.
            settled: the distributions that were loaded, and offer nothing else of these kinds.
        """
        now = {
            key: owner
            for key, owner in self._remembered.items()
            if key.partition(" ")[0] not in kinds or owner not in settled
        }
        now |= {_key(each.kind, each.name): each.distribution for each in offered}
        for namespace, claims in self._claims.items():
            if len(owners := set(claims.values())) == 1 and BUNDLED not in owners:
                now[_key(_NAMESPACE, namespace)] = owners.pop()
        if now == self._remembered:
            return
        self._remembered, new = now, self._file.with_suffix(f".{os.getpid()}")
        with suppress(OSError):
            new.parent.mkdir(parents=True, exist_ok=True)
            new.write_text(json.dumps(now, sort_keys=True), encoding="utf-8")
            new.replace(self._file)


def _key(kind: str, name: str) -> str:
    return f"{kind} {name.casefold()}"
