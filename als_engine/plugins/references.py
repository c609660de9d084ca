"""Tells whether a word names something registered, by its id, or a file, by its path.

Registered ids win, whatever lies in the working directory. A path is written as one: with a
separator, as `./ppo` or `/data/ppo`; a `Path` is one anyway.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from als_engine.errors import SavedFileError, UnknownIdError, did_you_mean, unknown
from als_engine.texts import command

__all__ = ["resolve"]


def resolve(
    word: str | os.PathLike[str], kind: str, known: Iterable[str], suffix: str = ""
) -> str | Path:
    """Returns the id that a word is, or the path.

    Args:
        word: what somebody has written.
        kind: what it should name, such as `agent`, for messages.
        known: the registered ids.
        suffix: of files that need no separator, such as `.toml`.

    Raises:
        UnknownIdError: it is neither an id nor written as a path; says so where a file or folder
            of that name exists.
        SavedFileError: it is written as a path, and nothing is there.
    """
    if not isinstance(word, str):
        return Path(word)
    names = list(known)
    if word in names:
        return word
    if not _is_path(word) and not (suffix and word.endswith(suffix)):
        if word and _exists(word):
            raise UnknownIdError(
                f'there is no {kind} "{word}"; for the file or folder of that name write '
                f"{command(Path(word))}"
            )
        raise UnknownIdError(unknown(kind, word, names))
    if not _exists(word):
        what = "file" if suffix else "folder"
        raise SavedFileError(f"there is no {what} {word}{did_you_mean(word, names)}")
    return Path(word)


def _is_path(word: str) -> bool:
    separators = [each for each in (os.sep, os.altsep) if each]
    return word in (".", "..") or any(each in word for each in separators)


def _exists(word: str) -> bool:
    try:
        return Path(word).exists()
    except (OSError, ValueError):  # A name too long, or with a null byte.
        return False
