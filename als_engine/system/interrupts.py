"""Defers Ctrl-C and SIGTERM until the work in progress can stop."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from als_engine.system.host import blocked, start_tracker

__all__ = ["Interrupt", "interruptible", "uninterrupted"]


class Interrupt:
    """Whether to stop; called by whoever can stop at the end of a step."""

    def __init__(self) -> None:
        self._asked = self._answered = False

    def __call__(self) -> bool:
        """Whether somebody wants it to stop."""
        return self._asked

    def answered(self) -> None:
        """Says that what was interrupted has stopped, and that the caller is told so."""
        self._answered = True

    def _ask(self, number: int, frame: object) -> None:
        if self._asked:
            raise KeyboardInterrupt
        self._asked = True


@contextmanager
def interruptible() -> Iterator[Interrupt]:
    """Turns the first Ctrl-C, or a polite kill, into a question's answer; a second one interrupts.

    An interrupt is never lost: where the block ends as if there had been none, it is raised then.

    Yields:
        Whether to stop.

    Raises:
        KeyboardInterrupt: it was asked to stop, and has come to its end without an answer.
    """
    interrupt = Interrupt()
    if threading.current_thread() is not threading.main_thread():
        # Only the main thread may handle signals; elsewhere whoever started us has to.
        yield interrupt
        return
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, interrupt._ask) for number in numbers}
    try:
        yield interrupt
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if interrupt._asked and not interrupt._answered:
        raise KeyboardInterrupt


@contextmanager
def uninterrupted(*more: signal.Signals) -> Iterator[None]:
    """Processes started here never see Ctrl-C, which a terminal sends to all; we get it later.

    Args:
        more: further signals that they are not to see.
    """
    # It is started with the first process otherwise, and unblocks the signal behind our back.
    start_tracker()
    with blocked({signal.SIGINT, *more}):
        yield
