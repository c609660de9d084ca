"""Reads TOML files that anybody may have written."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Final

from als_engine.errors import ArgumentError
from als_engine.system.safe_files import read_bytes

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["read_toml"]

MAX_FILE: Final = 1 << 20
"""The largest TOML file that is read, bytes."""


def read_toml(path: Path) -> tuple[dict[str, Any], str]:
    """Reads a TOML file; returns its values and its text.

    Raises:
        SavedFileError: it cannot be read, or is too large.
        ArgumentError: it is not TOML.
    """
    data = read_bytes(path, MAX_FILE)
    try:
        text = data.decode()
        return tomllib.loads(text), text
    except RecursionError:
        raise ArgumentError(f"{path} is not TOML that we read: it is nested too deeply") from None
    # Numbers of thousands of digits and dates that do not exist are no TOMLDecodeErrors.
    except ValueError as error:
        raise ArgumentError(f"{path} is not TOML: {error}") from None
