"""Finds the lines of the checked code: where it raised, where it printed, where a method stands."""

from __future__ import annotations

import inspect
import linecache
import logging
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import FrameType, ModuleType, TracebackType
from typing import Any, Final

__all__ = ["Own"]

_LOGGING: Final = logging.__file__

_OTHERS: Final = frozenset(
    ("als_engine", "numpy", "gymnasium", "pettingzoo", "torch", "stable_baselines3", "sb3_contrib")
)
"""Packages whose lines are nobody's who is checked; neither are the standard library's."""


class Own:
    """The code that belongs to whoever is checked: the packages of some classes and their bases.

    Attributes:
        packages: the names of these packages, or of modules that lie in none.
    """

    def __init__(
        self, classes: Iterable[type], packages: Sequence[str] = (), roots: Sequence[str] = ()
    ) -> None:
        """Takes the classes, such as a task's, and packages with their folders or files."""
        named = [base.__module__ for each in classes for base in inspect.getmro(each)]
        tops = dict.fromkeys(name.partition(".")[0] for name in named)
        others = _OTHERS | sys.stdlib_module_names
        own = [name for name in tops if name not in others]
        self.packages = (*own, *packages)
        self._roots = [root for name in own if (root := _root(sys.modules.get(name)))]
        self._roots += [root for root in roots if root]

    def owns(self, file: str) -> bool:
        """Whether a file of code is one of these."""
        return any(file == root or file.startswith(f"{root}{os.sep}") for root in self._roots)

    def modules(self) -> Iterator[ModuleType]:
        """The modules of these packages that are loaded."""
        for name, module in sorted(sys.modules.items()):
            if name.partition(".")[0] in self.packages and isinstance(module, ModuleType):
                yield module

    def classes(self, of: type) -> list[type]:
        """A class and those of its bases that are of these packages."""
        return [base for base in inspect.getmro(of) if self.has(base.__module__)]

    def has(self, module: str) -> bool:
        """Whether a module is one of these, by its name."""
        return module.partition(".")[0] in self.packages

    def of_error(self, error: BaseException) -> str:
        """The last line of these that an error came through, or `''`."""
        found = ""
        for frame, line in _frames(error.__traceback__):
            if self.owns(frame.f_code.co_filename):
                found = _shown(frame.f_code.co_filename, line, frame.f_code.co_name)
        return found

    def of_printer(self) -> str:
        """The line of these that is printing now, or `''`; who is warned of has not printed."""
        frame: FrameType | None = sys._getframe(1)
        while frame is not None:
            file = frame.f_code.co_filename
            if os.path.basename(file) in ("warnings.py", "_py_warnings.py") or file == _LOGGING:
                return ""
            if self.owns(file):
                return _shown(file, frame.f_lineno, frame.f_code.co_name)
            frame = frame.f_back
        return ""

    def of_line(self, file: str, line: int, function: str) -> str:
        """A line that somebody else has found, or `''` where it is none of these."""
        return _shown(file, line, function) if self.owns(file) else ""

    def of_method(self, owner: Any, name: str) -> str:
        """Where a method of an object, or of a class, is defined, or `''`."""
        method = inspect.unwrap(getattr(owner, name, None) or _none)
        code = getattr(inspect.unwrap(getattr(method, "__func__", method)), "__code__", None)
        if code is None or not self.owns(code.co_filename):
            return ""
        return _shown(code.co_filename, code.co_firstlineno, name)


def _none() -> None:
    """Stands for a method that is not there."""


def _root(module: ModuleType | None) -> str:
    """The folder of a package, or the file of a module."""
    file = getattr(module, "__file__", None)
    folders = list(getattr(module, "__path__", ()))
    return str(folders[0]) if folders else str(file or "")


def _frames(trace: TracebackType | None) -> Iterator[tuple[FrameType, int]]:
    while trace is not None:
        yield trace.tb_frame, trace.tb_lineno
        trace = trace.tb_next


def _shown(file: str, line: int, function: str) -> str:
    path = Path(file)
    if path.is_relative_to(Path.cwd()):
        path = path.relative_to(Path.cwd())
    code = linecache.getline(file, line).strip()
    begins = not code or code.startswith(("def ", "@", "class "))
    where = f"{path}:{line}, in {function}"
    return where if begins else f"{where}: {code}"
