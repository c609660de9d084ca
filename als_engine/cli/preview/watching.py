"""Draws a preview again whenever a file of the scenario is saved."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from als_engine.cli.console import say, say_line
from als_engine.errors import ArgumentError
from als_engine.plugins.specs import ScenarioSpec

__all__ = ["sources", "watch"]

EVERY: Final = 0.4
"""How often the files are looked at, seconds."""

_MOST_FILES: Final = 5_000
_AGAIN: Final = "import sys; from als_engine.cli import main; sys.exit(main())"


def watch(spec: ScenarioSpec, words: Sequence[str]) -> None:
    """Draws in a process of its own, with the code as it is then, after every change of a file."""
    files = sources(spec)
    where = files[0] if len(files) == 1 else os.path.commonpath(files)
    say(f"Watching {where}; Ctrl-C ends it.")
    before: dict[Path, int] = {}
    while True:
        now = _stamps(sources(spec))
        if now != before:
            before = now
            _draw_again(words)
        time.sleep(EVERY)


def _draw_again(words: Sequence[str]) -> None:
    """Draws once; what goes wrong has been said by the process that drew, and ends nothing."""
    again = [sys.executable, "-c", _AGAIN, "preview", *words]
    done = subprocess.run(again, stdin=subprocess.DEVNULL)
    if done.returncode:
        say_line("Not drawn; waiting for the next save.")


def sources(spec: ScenarioSpec) -> list[Path]:
    """The files that define a scenario: its module, or all files of the package that it is in.

    Raises:
        ArgumentError: it was not imported from files.
    """
    top = spec.task.partition(":")[0].partition(".")[0]
    found = find_spec(top)
    if found is not None and found.submodule_search_locations:
        folders = [Path(folder) for folder in found.submodule_search_locations]
        return [file for folder in folders for file in _files(folder)][:_MOST_FILES]
    if found is None or not found.origin or not os.path.isfile(found.origin):
        raise ArgumentError(
            f'{spec.id} is defined in "{top}", which is no file that can be watched'
        )
    return [Path(found.origin)]


def _files(folder: Path) -> Iterator[Path]:
    for inner, folders, names in os.walk(folder):
        folders[:] = sorted(each for each in folders if each[0] not in "._")
        yield from (Path(inner, name) for name in sorted(names) if name[0] != ".")


def _stamps(files: list[Path]) -> dict[Path, int]:
    """When each file was written; one that is gone in this moment is written anew."""
    found = {}
    for file in files:
        try:
            found[file] = file.stat().st_mtime_ns
        except OSError:
            found[file] = 0
    return found
