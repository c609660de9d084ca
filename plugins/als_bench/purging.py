"""Takes a person out of a store of results: rows, logs, and what SQLite has kept of them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from als_bench.identity import HUMAN
from als_bench.results.schema import is_store
from als_bench.results.store import Store, StoreWriter
from als_engine.plugins.findings import Purged

__all__ = ["purge_store"]

_PSEUDONYM: Final = re.compile("[0-9a-f]{8}")


def purge_store(path: Path, person: str) -> Purged | None:
    """Takes a person out of a store; see `als_engine.plugins.hookspecs.Purger`.

    Raises:
        StoreError: it is damaged, or another process has it open.
    """
    if not is_store(path):
        return None
    with Store(path) as store:
        units = [unit for run in store.runs() for unit in store.units(run.key)]
        people = [unit for unit in units if unit.agent == HUMAN]
    known = tuple(sorted({f"{unit.seed:08x}" for unit in people}))
    theirs = [u for u in people if _PSEUDONYM.fullmatch(person) and u.seed == int(person, 16)]
    waiting = path.with_name(f"{path.name}-wal")
    if theirs or waiting.exists():
        with StoreWriter(path) as writer:
            for unit in theirs:
                writer.remove(unit)
            writer.forget()
    if not theirs:
        return Purged(known=known)
    notes = ("Boards and exports that were made of it show what it held: make them anew.",)
    gone = f"the rows and logs of {person} are gone, of {len(theirs)} entries"
    return Purged(gone, tuple(each for each in known if each != person), notes)
