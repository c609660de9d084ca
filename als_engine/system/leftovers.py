"""Names unfinished files after their process, and removes those that killed processes left.

Whatever is written whole or not at all is first written beside its place, under a name that says
which process does it. When that process has been killed, the next writer of the place removes it.
Temporary folders have such names, too.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from als_engine.errors import SavedFileError
from als_engine.system.host import is_alive
from als_engine.system.locking import locked

__all__ = ["is_unfinished", "remove_leftovers", "temporary_folder", "unfinished"]

_NAME: Final = re.compile(r"\.(?P<name>.+)\.unfinished-(?P<process>\d{1,10})-[0-9a-f]{8}(\.[^.]*)?")


def unfinished(path: Path) -> Path:
    """A new name beside `path` to write to; it keeps the suffix, since encoders look at it."""
    middle = f"unfinished-{os.getpid()}-{secrets.token_hex(4)}"
    return path.with_name(f".{path.name}.{middle}{path.suffix}")


def is_unfinished(name: str) -> bool:
    """Whether a name is one that `unfinished` makes."""
    return _NAME.fullmatch(name) is not None


def remove_leftovers(folder: Path, place: str | None = None) -> None:
    """Removes what processes that live no more were writing in a folder.

    Args:
        folder: where; a folder that is missing has none.
        place: only what was to become this file or folder.
    """
    with suppress(OSError):
        for entry in list(os.scandir(folder)):
            found = _NAME.fullmatch(entry.name)
            if (
                found is None
                or place not in (None, found["name"])
                or is_alive(int(found["process"]))
            ):
                continue
            if entry.is_dir(follow_symlinks=False):
                # Processes are numbered anew in every container, and a folder may be shared.
                with suppress(SavedFileError), locked(Path(entry.path)):
                    shutil.rmtree(entry.path, ignore_errors=True)
            else:
                with suppress(OSError):
                    os.unlink(entry.path)


@contextmanager
def temporary_folder(name: str) -> Iterator[Path]:
    """A folder for as long as the block lasts; those that killed processes left behind are removed.

    Args:
        name: what it is for, such as `als-bench`.

    Raises:
        OSError: there is no room for it.
    """
    root = Path(tempfile.gettempdir()).resolve()
    remove_leftovers(root, name)
    folder = unfinished(root / name)
    folder.mkdir(mode=0o700)
    try:
        with locked(folder):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
