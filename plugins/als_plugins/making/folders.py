"""Folders of what was made: a typed record, and files beside it; written whole or not at all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from als_engine.errors import SavedFileError
from als_engine.models import Model
from als_engine.system.safe_files import replace_folder

__all__ = ["write_made"]


def write_made(
    folder: Path,
    name: str,
    record: Model,
    beside: Callable[[Path], None] = lambda new: None,
) -> None:
    """Writes a folder, whole or not at all.

    Args:
        folder: a new or empty one, or one that has a record of that name, which is replaced.
        name: of the record, such as `maker.json`.
        record: what it says.
        beside: writes more files into the new folder.

    Raises:
        SavedFileError: it cannot be written, or the folder holds something else.
    """
    if folder.is_dir() and any(folder.iterdir()) and not (folder / name).is_file():
        raise SavedFileError(f"{folder} holds other files: name a new or empty folder")

    def fill(new: Path) -> None:
        (new / name).write_text(record.model_dump_json(indent=2) + "\n", encoding="utf-8")
        beside(new)

    replace_folder(folder, fill)
