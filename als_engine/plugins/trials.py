"""Remembers which plugins have been loaded without ending or hanging the process.

An error of a plugin can be caught; `os._exit`, a crash in its C code or an endless loop cannot.
So a version of a package that is new here is first looked at in a process of its own, and set aside
if that does not come to its end. Whenever a package is loaded that has changed since, a marker is
written to the user's cache folder, and removed afterwards: when one is left whose process is gone,
the package is looked at once more.

A package that has been loaded once costs one read of a small file, until it or what is installed
beside it changes. Where the cache folder cannot be written, nothing is tried or remembered.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Final, Literal

from als_engine.plugins.alone import Alone
from als_engine.plugins.containment import PATIENCE, GivenUpError, alarm, slow
from als_engine.plugins.discovery import Plugin
from als_engine.system import host
from als_engine.system.files import cache_folder

__all__ = ["Trials"]

_TIME_LIMIT: Final = 30.0
"""Seconds that a package may take in a process of its own, unless ALS_PLUGIN_TIMEOUT says else.

0 there: nothing is tried or remembered.
"""

_FLAGS: Final = os.O_CREAT | os.O_RDWR | host.CLOSE_ON_EXEC | host.NO_FOLLOW

Stage = Literal["loading", "commands"]
"""What can end the process: the import with the hooks that are asked then, and `als_commands`."""

_STAGES: Final[tuple[Stage, ...]] = ("loading", "commands")

_RETRY: Final = "`als plugins --retry` tries it again"


class Trials:
    """The known results of loading the installed packages.

    One plugin has up to four files for each stage, all beginning with the same name: `.known` holds
    the fingerprint and the version of what was loaded, `.aside` the fingerprint of what was set
    aside, `.passed` that of what came through in a process of its own but has not been loaded
    since, and `.<pid>.trying` is the marker.
    """

    def __init__(self, folder: Path | None = None) -> None:
        """Remembers in `folder`; by default in the user's cache folder."""
        self._folder = folder or cache_folder("plugins")
        self._alone = Alone()
        self._limit = _time_limit()

    def why_not(self, plugin: Plugin, point: EntryPoint, stage: Stage) -> str:
        """Returns why a plugin is not to be loaded in this process, or `''` when it is.

        Looks at it in a process of its own when this version is met for the first time, and when
        the last attempt to load it has died.
        """
        if not self._limit:
            return ""
        print_of, stem = _fingerprint(plugin, point), _stem(plugin, stage)
        known, _, version = self._read(stem, "known").partition(" ")
        if known == print_of:
            return ""
        aside, _, reason = self._read(stem, "aside").partition(" ")
        if aside == print_of:
            return reason
        died = self._has_died(stem)
        # Its commands are tried with the rest, where they are asked for the first time.
        if not died and (stage == "commands" or (known and version == plugin.version)):
            return ""
        return self._tried(plugin, point, stem, died)

    def _tried(self, plugin: Plugin, point: EntryPoint, stem: str, died: bool) -> str:
        """Looks at a plugin alone, and remembers what came of it."""
        print_of = _fingerprint(plugin, point)
        passed, _, again = self._read(stem, "passed").partition(" ")
        if passed == print_of and (again or not died):
            reason = "ended this process twice while it was loaded" if died else ""
        elif not self._write(stem, "passed", ""):
            return ""  # What cannot be remembered would be tried at every start.
        else:
            reason = self._look(plugin, died)
            print_of = _fingerprint(plugin, point)  # Bytecode may lie beside it now.
        if not reason:
            self._write(stem, "passed", f"{print_of} again" if died else print_of)
            return ""
        reason = f"{reason}; it is left out until it changes: {_RETRY}"
        self._write(stem, "aside", f"{print_of} {reason}")
        _say(f"plugin {plugin.distribution} {reason}")
        return reason

    def _look(self, plugin: Plugin, died: bool = False) -> str:
        """Loads a plugin in a process of its own; Ctrl-C gives it up once it has been named."""
        if not self._limit or not self._alone.start():
            return ""  # No process can be started here; then the plugin is given the chance.
        line = slow(plugin.distribution, "being imported", PATIENCE, can_end=True)
        if died:
            line = f"plugin {plugin.distribution} died when it was loaded last: looking at it alone"
        began = time.monotonic()
        try:
            with alarm(PATIENCE, lambda: _say(line)):
                return self._alone.look(plugin, self._limit)
        except KeyboardInterrupt:
            if (took := time.monotonic() - began) < PATIENCE:
                raise
            return str(GivenUpError(took))

    def close(self) -> None:
        """Ends the process in which plugins were looked at."""
        self._alone.stop()

    @contextmanager
    def attempt(self, plugin: Plugin, point: EntryPoint, stage: Stage) -> Iterator[None]:
        """Wraps the loading of a plugin in this process, which may not come to its end."""
        print_of, stem = _fingerprint(plugin, point), _stem(plugin, stage)
        if not self._limit or self._read(stem, "known").partition(" ")[0] == print_of:
            yield
            return
        marker = self._folder / f"{stem}.{os.getpid()}.trying"
        lock, began = _hold(marker), time.monotonic()
        try:
            yield
        except BaseException:
            # Ctrl-C, the usual end of a hang. But nobody would say so within a second.
            if time.monotonic() - began < PATIENCE:
                _remove(marker)
            raise
        else:
            self._write(stem, "known", f"{print_of} {plugin.version}")
            _remove(self._folder / f"{stem}.passed")
            _remove(marker)
        finally:
            if lock is not None:
                os.close(lock)

    def is_aside(self, plugin: Plugin) -> bool:
        """Whether a plugin was set aside because it ended the process."""
        return any(self._read(_stem(plugin, stage), "aside") for stage in _STAGES)

    def retry(self, plugin: Plugin) -> str:
        """Looks again at a plugin that was set aside; returns what is wrong, or `''`."""
        if reason := self._look(plugin):
            return reason
        for stage in _STAGES:
            stem = _stem(plugin, stage)
            if aside := self._read(stem, "aside"):
                self._write(stem, "passed", aside.partition(" ")[0])
                _remove(self._folder / f"{stem}.aside")
        return ""

    def _has_died(self, stem: str) -> bool:
        """Whether there is a marker whose process is gone; takes it away."""
        died = False
        with suppress(OSError):
            for marker in self._folder.glob(f"{stem}.*.trying"):
                with open(marker, "rb") as file:
                    # The lock goes with the process that holds it, however that ends.
                    host.lock(file.fileno())
                    _remove(marker)
                    died = True
        return died

    def _read(self, stem: str, kind: str) -> str:
        try:
            return (self._folder / f"{stem}.{kind}").read_text(encoding="utf-8")
        except (OSError, ValueError):
            return ""

    def _write(self, stem: str, kind: str, text: str) -> bool:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            new = self._folder / f"{stem}.{kind}.{os.getpid()}"
            new.write_text(text, encoding="utf-8")
            new.replace(self._folder / f"{stem}.{kind}")
        except OSError:
            return False
        return True


def _stem(plugin: Plugin, stage: Stage) -> str:
    """The name of a plugin's files: one for each interpreter that it is installed for."""
    place = f"{sys.prefix}\n{sys.implementation.cache_tag}\n{plugin.name}\n{plugin.module}"
    # Metadata may hold any name; what becomes a file's name is letters, digits and hyphens.
    name = re.sub(r"[^a-z0-9-]", "", plugin.distribution)[:60]
    return f"{name}-{hashlib.sha256(place.encode()).hexdigest()[:12]}-{stage}"


def _fingerprint(plugin: Plugin, point: EntryPoint) -> str:
    """Changes when the plugin does, or what is installed beside it."""
    module = point.value.partition(":")[0].strip()
    places: list[str] = []
    with suppress(Exception):  # A finder of somebody's, or metadata that nobody can read.
        if point.dist is not None:
            places.append(str(point.dist.locate_file("")))
        top, *inner = module.split(".")
        found = importlib.util.find_spec(top)
        if found is not None:
            places.append(found.origin or "")
            for folder in found.submodule_search_locations or ():
                path = os.path.join(folder, *inner)
                places += [f"{path}.py", os.path.join(path, "__init__.py")]
    parts = [plugin.version, point.value]
    for place in places:
        with suppress(OSError):
            status = os.stat(place)
            parts.append(f"{place} {status.st_mtime_ns} {status.st_size}")
    return hashlib.sha256("\n".join(parts).encode("utf-8", "replace")).hexdigest()


def _hold(marker: Path) -> int | None:
    """Makes a file that is locked for as long as this process lives."""
    with suppress(OSError):
        marker.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(marker, _FLAGS, 0o600)
        with suppress(OSError):
            host.lock(descriptor)
        return descriptor
    return None


def _time_limit() -> float:
    try:
        given = float(os.environ["ALS_PLUGIN_TIMEOUT"])
    except (KeyError, ValueError):
        return _TIME_LIMIT
    return max(0.1, min(3_600.0, given)) if given > 0 else 0.0


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink()


def _say(line: str) -> None:
    with suppress(Exception):
        if line:
            sys.stderr.write(f"als: {line}\n")
