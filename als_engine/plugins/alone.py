"""Loads plugins in a process of its own, each in a fork, and tells how that ended.

The process imports the engine once and is then asked for one plugin after the other. Where a
system has no fork, the process itself loads the plugin and ends with it; the next one is given
another process.
"""

from __future__ import annotations

import json
import os
import queue
import secrets
import signal
import subprocess
import sys
import threading
import time
import warnings
from contextlib import suppress
from typing import Any, Final, NoReturn

from als_engine.plugins.discovery import Plugin
from als_engine.system import host

__all__ = ["Alone", "serve"]

_LOOK: Final = """
import json, os, sys
given = json.loads(sys.argv[1])
sys.path[:], sys.argv[:] = given["path"], given["argv"]
ends = os.dup(0), os.dup(1)  # Before anybody does something else with them.
from als_engine.plugins.alone import serve
serve(given["word"], *ends)
"""

_FAREWELL: Final = 2.0
"""Seconds that a process may take to end after all has been said."""

_STARTING: Final = 100.0
"""Seconds that the process may take to import the engine; on a busy machine that is a few."""


class Alone:
    """A process in which plugins are looked at; it is started for the first one."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._lines: queue.Queue[list[Any]] = queue.Queue()
        self._word = ""

    def start(self) -> bool:
        """Makes sure that there is a process that can be asked; False where none can be had."""
        if self._process is not None and self._process.poll() is None:
            return True
        self.stop()
        self._word, self._lines = secrets.token_hex(8), queue.Queue()
        given = {"path": sys.path, "argv": sys.argv, "word": self._word}
        environment = {k: v for k, v in os.environ.items() if not k.startswith("ALS_")}
        environment["ALS_DISABLE_PLUGINS"] = "1"  # The others are not what is looked at.
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _LOOK, json.dumps(given)],
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                **host.own_group(),
            )
        except OSError:
            return False
        reading = threading.Thread(target=self._read, args=(self._process, self._lines))
        reading.daemon = True
        reading.start()
        try:
            if self._next(time.monotonic() + _STARTING) == ["ready"]:
                return True
        except BaseException:  # Ctrl-C.
            self.stop()
            raise
        self.stop()
        return False

    def look(self, plugin: Plugin, limit: float) -> str:
        """Loads a plugin there; returns how that ended, or `''` when it went well.

        Args:
            plugin: which one.
            limit: seconds that it may take.
        """
        assert self._process is not None
        assert self._process.stdin is not None
        asked = json.dumps([plugin.distribution, plugin.name])
        try:
            self._process.stdin.write(f"{asked}\n".encode())
            self._process.stdin.flush()
            return self._outcome(limit)
        except OSError:  # It has ended by itself.
            self.stop()
            return ""
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Ends the process, and what it has started."""
        process, self._process = self._process, None
        if process is None:
            return
        host.end_group(process)
        process.wait()
        for stream in (process.stdin, process.stdout):
            with suppress(OSError):
                if stream is not None:
                    stream.close()

    def _outcome(self, limit: float) -> str:
        end, doing = time.monotonic() + limit, "while it was loaded"
        while True:
            match self._next(end):
                case ["loaded"]:
                    doing = "in als_commands"
                case ["done", threads]:
                    if self._has_ended() or not threads:
                        return ""
                    return f"keeps its process from ending: {_named(threads)} goes on"
                case ["ended", code]:
                    return f"ended its process {doing} ({_how(code)})"
                case None:
                    self.stop()
                    return f"was not loaded after {limit:g} s in a process of its own"

    def _has_ended(self) -> bool:
        """Whether what has loaded the plugin comes to its end; if not, it is made to."""
        end = time.monotonic() + _FAREWELL
        while (line := self._next(end)) is not None:
            if line[0] == "ended":
                return True
        self.stop()
        return False

    def _next(self, end: float) -> list[Any] | None:
        """Returns what the process says next, or None if it says nothing until then."""
        try:
            return self._lines.get(timeout=max(0.0, end - time.monotonic()))
        except queue.Empty:
            return None

    def _read(self, process: subprocess.Popen[bytes], lines: queue.Queue[list[Any]]) -> None:
        assert process.stdout is not None
        word = self._word.encode()
        with suppress(OSError, ValueError):  # It may be closed meanwhile.
            for line in process.stdout:
                if line.startswith(word):  # A plugin's own process may write to it as well.
                    lines.put(json.loads(line[len(word) :]))
        lines.put(["ended", process.wait()])


def serve(word: str, asking: int, telling: int) -> NoReturn:
    """Loads the plugins that are asked for, and tells what comes of each.

    Args:
        word: every line of an answer begins with it.
        asking: the descriptor that questions come from.
        telling: that of the answers.
    """
    import typer  # noqa: F401  # Here, and not in every fork.

    from als_engine.plugins.registry import registry

    registry.start(strict=False)
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1):
        os.dup2(nothing, number)

    def tell(*what: object) -> None:
        os.write(telling, f"{word}{json.dumps(what)}\n".encode())

    tell("ready")
    questions = os.fdopen(asking, "rb")
    for line in iter(questions.readline, b""):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # NumPy's threads sleep; Python warns all the same.
            child = os.fork() if hasattr(os, "fork") else 0
        if not child:
            distribution, name = json.loads(line)
            registry.try_out(distribution, name, tell)
            others = {*threading.enumerate()} - {threading.current_thread()}
            threads = [thread.name for thread in others if not thread.daemon]
            tell("done", threads)
            if threads:
                sys.exit()  # Waits for them, as every process would.
            os._exit(0)
        tell("ended", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    os._exit(0)


def _named(threads: list[str]) -> str:
    return f"its thread {' and '.join(sorted(threads))}"


def _how(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
