"""Keeps what belongs to the whole process, and puts it back after a plugin's code has run."""

from __future__ import annotations

import gc
import locale
import logging
import os
import random
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, Final

__all__ = ["kept_state"]

PutBack = Callable[[], object]


@contextmanager
def kept_state() -> Iterator[None]:
    """Puts back what the body changes: where the process is, what it warns of, what it draws.

    What a library keeps, such as the random generators of PyTorch, is put back as it was when the
    body began, or when the body had imported that library.
    """
    kept = [take() for take in _OURS]
    watch = _Imports(_LIBRARIES, kept)
    sys.meta_path.insert(0, watch)
    try:
        with warnings.catch_warnings():
            yield
    finally:
        with suppress(ValueError):  # Somebody has taken it away.
            sys.meta_path.remove(watch)
        for put_back in kept:
            with suppress(Exception):
                put_back()


class _Imports:
    """Sees libraries being imported, and takes their state when that is done."""

    def __init__(
        self, libraries: Mapping[str, Callable[[Any], PutBack]], kept: list[PutBack]
    ) -> None:
        self._libraries, self._kept = libraries, kept
        for name in libraries:
            if module := sys.modules.get(name):
                self._take(name, module)

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Stands in front of the finders; finds what they find."""
        if name not in self._libraries:
            return None
        others = (finder for finder in sys.meta_path if finder is not self)
        spec = next(filter(None, (each.find_spec(name, path, target) for each in others)), None)
        if spec is not None and spec.loader is not None:
            loader: Any = spec.loader
            run = loader.exec_module

            def run_and_take(module: ModuleType) -> None:
                run(module)
                del loader.exec_module
                self._take(name, module)

            loader.exec_module = run_and_take
        return spec

    def _take(self, name: str, module: ModuleType) -> None:
        with suppress(Exception):  # While it is still being imported it has no state yet.
            self._kept.append(self._libraries[name](module))


def _folder() -> str:
    try:
        return os.getcwd()
    except OSError:  # Somebody has deleted it.
        return ""


def _take_folder() -> PutBack:
    folder, mask = _folder(), os.umask(0o077)
    os.umask(mask)

    def put_back() -> None:
        os.umask(mask)
        if folder and _folder() != folder:
            os.chdir(folder)

    return put_back


def _take_interpreter() -> PutBack:
    words, depth, collects = list(sys.argv), sys.getrecursionlimit(), gc.isenabled()
    hooks = sys.excepthook, sys.displayhook, sys.unraisablehook, threading.excepthook
    trace, profile, silenced = sys.gettrace(), sys.getprofile(), logging.root.manager.disable

    def put_back() -> None:
        sys.excepthook, sys.displayhook, sys.unraisablehook, threading.excepthook = hooks
        sys.argv[:] = words
        sys.setrecursionlimit(depth)
        (gc.enable if collects else gc.disable)()
        logging.root.manager.disable = silenced
        if sys.gettrace() is not trace:
            sys.settrace(trace)
        if sys.getprofile() is not profile:
            sys.setprofile(profile)

    return put_back


def _take_culture() -> PutBack:
    culture = locale.setlocale(locale.LC_ALL)

    def put_back() -> None:
        if locale.setlocale(locale.LC_ALL) != culture:
            locale.setlocale(locale.LC_ALL, culture)

    return put_back


def _take_random() -> PutBack:
    state = random.getstate()
    return lambda: random.setstate(state)


def _take_numpy(generator: Any) -> PutBack:
    drawn, errors = generator.get_state(), sys.modules["numpy"].geterr()

    def put_back() -> None:
        generator.set_state(drawn)
        sys.modules["numpy"].seterr(**errors)

    return put_back


def _take_torch(torch: Any) -> PutBack:
    drawn, kind, threads = torch.get_rng_state(), torch.get_default_dtype(), torch.get_num_threads()
    learns, exact = torch.is_grad_enabled(), torch.are_deterministic_algorithms_enabled()
    only_warns = torch.is_deterministic_algorithms_warn_only_enabled()

    def put_back() -> None:
        torch.set_rng_state(drawn)
        torch.set_default_dtype(kind)
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)
        torch.set_grad_enabled(learns)
        torch.use_deterministic_algorithms(exact, warn_only=only_warns)

    return put_back


def _take_gymnasium(registration: Any) -> PutBack:
    """What is registered stays what it is; a plugin may add to it."""
    registered = dict(registration.registry)

    def put_back() -> None:
        registration.registry.update(registered)

    return put_back


_OURS: Final = (_take_folder, _take_interpreter, _take_culture, _take_random)

_LIBRARIES: Final[Mapping[str, Callable[[Any], PutBack]]] = {
    "numpy.random": _take_numpy,
    "torch": _take_torch,
    "gymnasium.envs.registration": _take_gymnasium,
}
