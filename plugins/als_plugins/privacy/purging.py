"""Takes a person out of a whole folder: of all that any plugin knows of, and says what is left."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from als_engine.errors import ArgumentError, SavedFileError
from als_engine.plugins.registry import registry
from als_engine.system.safe_files import check_folder, is_file

__all__ = ["Erased", "erase"]

SHORTEST: Final = 4
"""Shorter names stand in many files that have nothing to do with anybody."""

_PSEUDONYM: Final = re.compile("[0-9a-f]{8}")
_CHUNK: Final = 1 << 20


@dataclass(frozen=True)
class Erased:
    """What was taken out of a folder.

    Attributes:
        gone: file or folder to what was taken out of it, in words.
        notes: what is left to do by hand.
        left: files that still name the person, and are of no kind that anybody knows of.
    """

    gone: dict[Path, str]
    notes: tuple[str, ...]
    left: tuple[Path, ...]


def erase(
    place: Path, person: str, on_path: Callable[[int, int], None] = lambda done, total: None
) -> Erased:
    """Takes a person out of all that plugins know of in a folder, and looks for what is left.

    Args:
        place: a folder with whatever it holds, or a single file.
        person: what they are called: a pseudonym, or the `user_id` of a CSV file.
        on_path: told how many of how many files and folders are done.

    Raises:
        SavedFileError: there is nothing, it holds links, or something in it cannot be written.
        ArgumentError: nothing in it is of such a person.
    """
    if not place.exists():
        raise SavedFileError(f"there is no {place}")
    purgers, paths = registry.purgers(), list(_paths(place))
    gone: dict[Path, str] = {}
    known: set[str] = set()
    notes: list[str] = []
    for done, path in enumerate(paths):
        for purger in purgers:
            # Whatever was taken out before may have removed it.
            if path.exists() and (found := purger(path, person)) is not None:
                known |= {*found.known}
                notes += found.notes
                if found.gone:
                    gone[path] = found.gone
        on_path(done + 1, len(paths))
    left = tuple(path for path in _paths(place) if is_file(path) and _names(path, person))
    if not gone and not left:
        others = sorted(known - {person})
        shown = f"there are {', '.join(others[:5])}" if others else "nobody is named in it"
        raise ArgumentError(f"{place} has nothing of {person[:40]}: {shown}")
    return Erased(gone, tuple(notes), left)


def _paths(place: Path) -> Iterator[Path]:
    """The folder, all folders in it, and their files, in order."""
    if not place.is_dir():
        yield place
        return
    for folder in sorted(check_folder(place)):
        yield folder
        yield from sorted(path for path in folder.iterdir() if is_file(path))


def _names(path: Path, person: str) -> bool:
    """Whether a file's name or its bytes have the person's name, or the number that it stands for.

    What is compressed is not seen.
    """
    if len(person) < SHORTEST:
        return False
    name = re.escape(person.encode())
    # What is drawn at random stands nowhere else, in a store as a number; a name is part of others.
    number = b"|%d" % int(person, 16) if _PSEUDONYM.fullmatch(person) else b""
    pattern = re.compile(name + number if number else rb"(?<!\w)%b(?!\w)" % name)
    if pattern.search(path.name.encode()):
        return True
    before = b""
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            if pattern.search(before + chunk):
                return True
            before = (before + chunk)[-256 - 4 * len(person) :]
    return False
