"""Runs a plugin's code so that its mistakes do not reach the rest of the process.

Everything that it raises is caught, what it writes to stdout goes to stderr with its name, and what
it changes of the process's state is put back. That protects from accidents, not from malice: a
plugin runs in this process with all its rights.
"""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from types import FrameType
from typing import Any, Final

from als_engine.errors import PluginError
from als_engine.plugins.process_state import kept_state
from als_engine.system import host
from als_engine.texts import visible

__all__ = [
    "PATIENCE",
    "Contained",
    "GivenUpError",
    "alarm",
    "caught",
    "contained",
    "describe",
    "slow",
]

PATIENCE: Final = 1.0
"""Seconds after which a plugin that is still at it is named."""

_MAX_REASON: Final = 1_000
"""The longest reason that is kept, characters."""

_MAX_NOISE: Final = 4_096
"""Bytes of what a plugin writes that are passed on."""

_STREAMS: Final = ("stdin", "stdout", "stderr")
_MODES: Final = {"stdin": "r", "stdout": "w", "stderr": "w"}

# Those that a program may have a handler for; the others cannot be caught or say that it crashed.
_SIGNALS: Final = host.signals(
    *("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGALRM"),
    *("SIGUSR1", "SIGUSR2", "SIGPIPE", "SIGCHLD", "SIGTSTP"),
)


_lock = threading.RLock()


class GivenUpError(PluginError):
    """Ctrl-C, after somebody was told that it goes on without the plugin."""

    def __init__(self, took: float) -> None:
        """Says after how many seconds."""
        super().__init__(f"was interrupted by Ctrl-C after {took:.0f} s")


class Contained:
    """The outcome of code that ran in `contained`.

    Attributes:
        error: what it raised; None when it came to its end.
    """

    def __init__(self) -> None:
        self.error: BaseException | None = None


@contextmanager
def contained(
    who: str,
    doing: str = "",
    patience: float | None = None,
    *,
    divert: bool = True,
    can_end: bool = False,
) -> Iterator[Contained]:
    """Runs the body, which is somebody else's code, and swallows everything that it raises.

    Only what our own signal handlers raise gets through, such as the KeyboardInterrupt of a real
    Ctrl-C, even if the code catches it.

    Args:
        who: the distribution, to name what it writes.
        doing: what it is doing, such as `importing acme_kitchen`; for the line that names it.
        patience: seconds after which that line is written; None for never.
        divert: whether what it writes to stdout goes to stderr.
        can_end: whether a Ctrl-C, once that line is due, ends this code and nothing else.

    Yields:
        An object whose `error` says afterwards what was raised.

    Raises:
        GivenUpError: Ctrl-C has ended this code.
    """
    result, handlers, began = Contained(), _Handlers(), time.monotonic()
    # What is kept belongs to the process. A second thread must not keep what the first has set, nor
    # wait for it: its plugin may wait for this one's. So there only errors are caught.
    alone = _lock.acquire(blocking=False)
    try:
        with ExitStack() as stack:
            if alone:
                streams = stack.enter_context(_own_streams(who, divert))
                stack.enter_context(kept_state())
                stack.enter_context(handlers)
                if patience is not None:
                    line = slow(who, doing, patience, can_end)
                    stack.enter_context(alarm(patience, lambda: streams.say(line)))
            try:
                yield result
            except BaseException as error:
                result.error = error
    finally:
        if alone:
            _lock.release()
    raised, took = handlers.raised, time.monotonic() - began
    if can_end and patience is not None and took >= patience and _is_interrupt(raised):
        raise GivenUpError(took)
    if raised is not None:
        raise raised


def slow(who: str, doing: str, patience: float, can_end: bool) -> str:
    """Returns the line that names a plugin which takes long; empty where nobody wants to know."""
    if os.environ.get("ALS_NO_NOTICES"):
        return ""
    way_out = "; Ctrl-C goes on without it" if can_end else ""
    return f"plugin {who} is still {doing} after {patience:g} s{way_out}"


def _is_interrupt(error: BaseException | None) -> bool:
    return isinstance(error, KeyboardInterrupt)


@contextmanager
def caught() -> Iterator[Contained]:
    """Runs the body and keeps its error, as `contained` does, but lets it do what it likes."""
    result = Contained()
    try:
        yield result
    except (Exception, SystemExit) as error:
        result.error = error


def describe(error: BaseException) -> str:
    """Returns an error as one line, whatever its own `__str__` does."""
    kind = type(error).__name__
    try:
        text = " ".join(str(error).split())
    except BaseException:
        text = "(its message cannot be read)"
    return f"{kind}: {text}"[:_MAX_REASON] if text else kind


class _Handlers:
    """Notices what the handlers of signals raise, and puts them back.

    A handler runs between two instructions of the plugin, so what it raises looks like the plugin's
    own doing. What is noted here is not: it has to go on to whoever installed the handler.
    """

    def __init__(self) -> None:
        self.raised: BaseException | None = None
        self._kept: dict[signal.Signals, Any] = {}
        self._had_timer = False
        self._blocked: set[Any] = set()

    def __enter__(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return  # Handlers run in the main thread, and only there can they be changed.
        for number in _SIGNALS:
            handler = signal.getsignal(number)
            self._kept[number] = handler
            if callable(handler):
                signal.signal(number, self._noting(handler))
        self._had_timer = host.timer_runs()
        self._blocked = host.mask()

    def __exit__(self, *_: object) -> None:
        if not self._kept:
            return
        if not self._had_timer:
            host.stop_timer()
        for number, handler in self._kept.items():
            # None: a handler that was not installed by Python, and that it cannot install.
            if handler is not None:
                signal.signal(number, handler)
        host.set_mask(self._blocked)

    def _noting(self, handler: Callable[[int, FrameType | None], Any]) -> Callable[..., None]:
        def call(number: int, frame: FrameType | None) -> None:
            try:
                handler(number, frame)
            except BaseException as error:
                self.raised = error
                raise

        return call


class _OwnStreams:
    """The process's standard streams, kept aside while a plugin may write to stdout."""

    def __init__(self, who: str, divert: bool) -> None:
        self._who = who
        self._kept = {name: getattr(sys, name) for name in _STREAMS}
        self._descriptors = [_duplicate(number) for number in range(3)]
        self._looks = {
            name: (getattr(stream, "encoding", None), getattr(stream, "errors", None))
            for name, stream in self._kept.items()
        }
        for name in ("stdout", "stderr"):
            _flush(self._kept[name])
        self._sink = _sink() if divert else None
        if self._sink is None:
            return
        os.dup2(self._sink.fileno(), 1)
        # Over the descriptor, and not over the sink: a plugin may keep it, as a handler of
        # `logging` does, and writes to the real stdout with it later.
        sys.stdout = open(  # noqa: SIM115
            1, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False
        )
        # A question that nobody sees would wait for its answer for ever.
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        if nothing:
            os.close(nothing)

    def say(self, line: str) -> None:
        """Writes a line to the real stderr, also while the plugin runs."""
        if not line:
            return
        stream, descriptor = self._kept["stderr"], self._descriptors[2]
        try:
            if descriptor is not None and stream is not None and stream.fileno() == 2:
                os.write(descriptor, f"als: {line}\n".encode("utf-8", "replace"))
                return
        except (OSError, ValueError):
            pass
        with suppress(Exception):
            stream.write(f"als: {line}\n")

    def give_back(self) -> None:
        """Puts descriptors and streams back, and passes on to stderr what was written."""
        _flush(sys.stdout)
        for number, kept in enumerate(self._descriptors):
            if kept is None:
                with suppress(OSError):
                    os.close(number)
            else:
                os.dup2(kept, number)
                os.close(kept)
        for name, stream in self._kept.items():
            setattr(sys, name, self._whole(name, stream))
        self._kept = {name: getattr(sys, name) for name in _STREAMS}
        self._descriptors = [None] * 3
        self._pass_on()

    def _whole(self, name: str, stream: Any) -> Any:
        """Returns a stream that works in place of one that was closed or detached."""
        try:
            if stream is None or not stream.closed:
                return stream
        except ValueError:  # Detached.
            pass
        encoding, errors = self._looks[name]
        number = _STREAMS.index(name)
        with suppress(OSError):
            new = open(  # noqa: SIM115
                number, _MODES[name], encoding=encoding, errors=errors, buffering=1, closefd=False
            )
            if getattr(sys, f"__{name}__") is stream:
                setattr(sys, f"__{name}__", new)
            return new
        return None

    def _pass_on(self) -> None:
        if self._sink is None:
            return
        with self._sink as sink:
            size = sink.seek(0, io.SEEK_END)
            sink.seek(0)
            text = sink.read(_MAX_NOISE).decode("utf-8", "replace")
        lines = [line.rstrip() for line in text.splitlines() if line.strip()]
        if size > _MAX_NOISE:
            lines.append(f"... ({size} bytes in all)")
        for line in lines:
            with suppress(Exception):  # Where stderr is closed, nobody can be told.
                sys.stderr.write(f"{self._who}: {visible(line)}\n")


@contextmanager
def _own_streams(who: str, divert: bool) -> Iterator[_OwnStreams]:
    streams = _OwnStreams(who, divert)
    try:
        yield streams
    finally:
        streams.give_back()


@contextmanager
def alarm(seconds: float, act: Callable[[], None]) -> Iterator[None]:
    """Calls `act` in a thread if the body takes longer than that many seconds."""
    timer = threading.Timer(seconds, act)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _duplicate(number: int) -> int | None:
    try:
        # From 3 up: a copy must not take the place of a standard stream that is closed.
        return host.duplicate(number)
    except OSError:  # It was closed before we came.
        return None


def _sink() -> io.FileIO | None:
    """A file in memory, with a descriptor that is no standard stream's."""
    try:
        made = host.memory_file("als-plugin")
    except OSError:
        return None
    sink = _duplicate(made)
    os.close(made)
    return None if sink is None else io.FileIO(sink, "r+")


def _flush(stream: Any) -> None:
    with suppress(Exception):
        stream.flush()
