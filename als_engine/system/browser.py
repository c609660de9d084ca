"""Finds a Chromium on this machine, which only the tests of our pages look with."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Final

__all__ = ["find_chromium"]

_NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_BUILDS: Final = (
    "chromium-*/chrome-linux*/chrome",
    "chromium-*/chrome-mac*/*.app/Contents/MacOS/*",
    "chromium-*/chrome-win*/chrome.exe",
)
"""Where `playwright install chromium` puts one, within its folder."""


def find_chromium() -> Path | None:
    """A Chromium of the system's or, else, the newest one of playwright's."""
    for name in _NAMES:
        if found := shutil.which(name):
            return Path(found)
    folder = _playwright_folder()
    builds = (path for pattern in _BUILDS for path in folder.glob(pattern))
    return max(builds, key=_number, default=None)


def _playwright_folder() -> Path:
    if given := os.environ.get("PLAYWRIGHT_BROWSERS_PATH"):
        return Path(given)
    if sys.platform == "win32":
        return Path.home() / "AppData" / "Local" / "ms-playwright"
    caches = "Library/Caches" if sys.platform == "darwin" else ".cache"
    return Path.home() / caches / "ms-playwright"


def _number(path: Path) -> int:
    """The number of the build, from the folder `chromium-1234`."""
    folder = next(part for part in path.parts if part.startswith("chromium-"))
    digits = folder.rpartition("-")[2]
    return int(digits) if digits.isdecimal() else 0
