"""Says once that kernels are being compiled, which takes about half a minute on a new machine."""

from __future__ import annotations

import functools
import os
import sys
import time
from contextlib import suppress
from typing import Any, Final

from numba.core import event

__all__ = ["announce"]

_KIND: Final = "numba:compile"
_PACKAGES: Final = ("als_engine", "als_scenarios", "als_plugins")
_SHORT: Final = 2.0
"""What nobody needs to be told of, seconds: a kernel or two."""

_LINE: Final = (
    "Compiling for this machine, once; it takes about half a minute (`als warm` does it beforehand)"
)


@functools.cache
def announce() -> None:
    """Lets this process say so in one line on stderr when it spends its time compiling.

    Kernels that come from Numba's cache are not compiled, and nothing is said.
    """
    if not os.environ.get("ALS_NO_NOTICES"):
        event.register(_KIND, _Listener())  # type: ignore[no-untyped-call]


def _say(line: str) -> None:
    with suppress(AttributeError, OSError, ValueError):  # There may be no stderr, or a closed one.
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()


class _Listener(event.Listener):
    """Adds up how long the engine's kernels take to compile, and says it once."""

    def __init__(self) -> None:
        self._spent, self._began = 0.0, 0.0
        self._depth = 0  # A kernel compiles those that it calls.
        self._said = False

    def on_start(self, event: Any) -> None:
        if not _is_ours(event):
            return
        if self._depth == 0:
            self._began = time.monotonic()
        self._depth += 1
        spent = self._spent + time.monotonic() - self._began
        if spent > _SHORT and not self._said:
            self._said = True
            _say(_LINE)

    def on_end(self, event: Any) -> None:
        if _is_ours(event):
            self._depth -= 1
            if self._depth == 0:
                self._spent += time.monotonic() - self._began


def _is_ours(event: Any) -> bool:
    module = getattr(event.data["dispatcher"].py_func, "__module__", "")
    return module.partition(".")[0] in _PACKAGES
