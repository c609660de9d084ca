"""Writes files so that an interruption leaves the old one or the new one, never a half."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from als_engine.errors import SavedFileError
from als_engine.system.leftovers import remove_leftovers, unfinished

__all__ = ["cache_folder", "make_folder", "replacing", "write_text"]


def cache_folder(name: str) -> Path:
    """The user's folder for what can be made again; it need not be there yet."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    root = Path(base) if os.path.isabs(base) else Path(os.path.expanduser("~/.cache"))
    return root / "als-engine" / name


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yields a path beside `path` to write to; afterwards it is synced and takes its place.

    The name keeps its suffix, since encoders look at it. Missing folders are made.

    Raises:
        SavedFileError: it cannot be written; `path` is as it was before.
    """
    temporary = unfinished(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_leftovers(path.parent, path.name)
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise _cannot_write(path, error) from error
    finally:
        with suppress(OSError):  # It is gone when all went well, or was never made.
            temporary.unlink()


def write_text(path: Path, text: str) -> None:
    """Writes a text file, as `replacing` does.

    Raises:
        SavedFileError: it cannot be written.
    """
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def make_folder(folder: Path) -> None:
    """Makes a folder and proves that files can be written there, before hours of work are lost.

    Raises:
        SavedFileError: it cannot be made or written to.
    """
    probe = unfinished(folder / "probe")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise _cannot_write(folder, error) from error


def _cannot_write(path: Path, error: OSError) -> SavedFileError:
    return SavedFileError(f'cannot write "{path}": {error.strerror or error}')
