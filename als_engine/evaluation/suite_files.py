"""Finds a suite: one that a plugin offers, by its id, or one in a TOML file, by its path.

A file has the fields of `SuiteSpec` at its top, and an `[[entries]]` table for each `SuiteEntry`.
It names registered scenarios and agents and holds no code.
"""

from __future__ import annotations

from pathlib import Path

from als_engine.errors import ArgumentError
from als_engine.plugins.registry import registry
from als_engine.plugins.specs import SuiteSpec
from als_engine.system.toml_files import read_toml

__all__ = ["find_suite", "read_suite", "read_suites"]


def find_suite(name: str) -> SuiteSpec:
    """The suite of a registered id, or of a file.

    Raises:
        UnknownIdError: there is neither such a suite nor such a file.
        SavedFileError: the file cannot be read.
        ArgumentError: the file is no suite.
    """
    found = registry.suite_or_path(name)
    return read_suite(found) if isinstance(found, Path) else registry.suite(found)


def read_suites(folder: Path) -> list[SuiteSpec]:
    """The suites of a folder's TOML files, by file name: what a plugin's `als_suites` returns."""
    return [read_suite(path) for path in sorted(folder.glob("*.toml"))]


def read_suite(path: Path) -> SuiteSpec:
    """Reads one file; the suite's id is by default the file's name.

    Raises:
        SavedFileError: it cannot be read.
        ArgumentError: it is no suite; names the file and what is wrong.
    """
    fields, _ = read_toml(path)
    try:
        return SuiteSpec.from_fields({"id": path.stem, **fields})
    except ArgumentError as error:
        raise ArgumentError(f"{path}: {error}") from None
