"""Remembers which plugins have been loaded without ending or hanging the process.

An error of a plugin can be caught; `os._exit`, a crash in its C code or an endless loop cannot.
So before a package is loaded for the first time, a marker is written to the user's cache folder,
and removed afterwards. When a marker is left whose process is gone, the package is looked at in a
process of its own, and set aside if that process does not come to its end either.

A package that has been loaded once costs one read of a small file, until it or what is installed
beside it changes. Where the cache folder cannot be written, nothing is remembered.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import re
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Final, Literal

from als_engine.plugins.containment import PATIENCE, alarm
from als_engine.plugins.discovery import Plugin
from als_engine.system import host
from als_engine.system.files import cache_folder

__all__ = ["Trials"]

_TIME_LIMIT: Final = 30.0
"""Seconds that a package may take in a process of its own, unless ALS_PLUGIN_TIMEOUT says else."""

_FLAGS: Final = os.O_CREAT | os.O_RDWR | host.CLOSE_ON_EXEC | host.NO_FOLLOW

Stage = Literal["loading", "commands"]
"""What can end the process: the import with the hooks that are asked then, and `als_commands`."""

_STAGES: Final[tuple[Stage, ...]] = ("loading", "commands")

_RETRY: Final = "`als plugins --retry` tries it again"

_LOOK: Final = """
import json, sys
given = json.loads(sys.argv[1])
sys.path[:], sys.argv[:] = given["path"], given["argv"]
from als_engine.plugins.registry import registry
registry.try_out(given["distribution"], given["name"], given["word"])
"""


class Trials:
    """The known results of loading the installed packages.

    One plugin has up to four files for each stage, all beginning with the same name: `.known` and
    `.aside` hold the fingerprint of what was loaded or set aside, `.passed` that of what came
    through in a process of its own but has not been loaded since, and `.<pid>.trying` is the
    marker.
    """

    def __init__(self, folder: Path | None = None) -> None:
        """Remembers in `folder`; by default in the user's cache folder."""
        self._folder = folder or cache_folder("plugins")

    def why_not(self, plugin: Plugin, point: EntryPoint, stage: Stage) -> str:
        """Returns why a plugin is not to be loaded in this process, or `''` when it is.

        Looks at it in a process of its own when the last attempt to load it has died.
        """
        print_of, stem = _fingerprint(plugin, point), _stem(plugin, stage)
        if self._read(stem, "known") == print_of:
            return ""
        aside, _, reason = self._read(stem, "aside").partition(" ")
        if aside == print_of:
            return reason
        if not self._has_died(stem):
            return ""
        reason = ""
        if self._read(stem, "passed") == print_of:
            reason = "ended this process twice while it was loaded"
        else:
            line = f"plugin {plugin.distribution} died when it was loaded last: looking at it alone"
            with alarm(PATIENCE, lambda: _say(line)):
                reason = _look(plugin)
        if not reason:
            self._write(stem, "passed", print_of)
            return ""
        reason = f"{reason}; it is left out until it changes: {_RETRY}"
        self._write(stem, "aside", f"{print_of} {reason}")
        _say(f"plugin {plugin.distribution} {reason}")
        return reason

    @contextmanager
    def attempt(self, plugin: Plugin, point: EntryPoint, stage: Stage) -> Iterator[None]:
        """Wraps the loading of a plugin in this process, which may not come to its end."""
        print_of, stem = _fingerprint(plugin, point), _stem(plugin, stage)
        if self._read(stem, "known") == print_of:
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
            self._write(stem, "known", print_of)
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
        if reason := _look(plugin):
            return reason
        for stage in _STAGES:
            for kind in ("aside", "passed"):
                _remove(self._folder / f"{_stem(plugin, stage)}.{kind}")
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

    def _write(self, stem: str, kind: str, text: str) -> None:
        with suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            new = self._folder / f"{stem}.{kind}.{os.getpid()}"
            new.write_text(text, encoding="utf-8")
            new.replace(self._folder / f"{stem}.{kind}")


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


def _look(plugin: Plugin) -> str:
    """Loads a plugin in a process of its own; returns how that ended, or `''` when it went well."""
    word, limit = secrets.token_hex(8), _time_limit()
    given = {
        "path": sys.path,
        "argv": sys.argv,
        "distribution": plugin.distribution,
        "name": plugin.name,
        "word": word,
    }
    environment = {k: v for k, v in os.environ.items() if not k.startswith("ALS_")}
    environment["ALS_DISABLE_PLUGINS"] = "1"  # The others are not what is looked at.
    try:
        process = subprocess.Popen(
            [sys.executable, "-c", _LOOK, json.dumps(given)],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            **host.own_group(),
        )
    except OSError:  # No process can be started here; then the plugin is given the chance.
        return ""
    try:
        written, _ = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        return f"was not loaded after {limit:g} s in a process of its own"
    finally:
        host.end_group(process)  # What it has started goes with it.
        process.wait()
    if written.decode("utf-8", "replace").strip() == word:
        return ""
    code = process.returncode
    how = _signal_name(-code) if code < 0 else f"exit code {code}"
    return f"ended its process while it was loaded ({how})"


def _time_limit() -> float:
    try:
        return max(0.1, min(3_600.0, float(os.environ["ALS_PLUGIN_TIMEOUT"])))
    except (KeyError, ValueError):
        return _TIME_LIMIT


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink()


def _say(line: str) -> None:
    with suppress(Exception):
        sys.stderr.write(f"als: {line}\n")
