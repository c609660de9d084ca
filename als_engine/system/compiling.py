"""Compiles kernels once for a machine, and says so while it does.

What is compiled lies in the user's cache folder, and every checkout, environment and installed
wheel with the same source shares it. Numba by itself looks at one file only; here a `kernel` is
looked up by all that it reaches: the code of the kernels that it calls, and the constants that it
reads, in whichever file they are.
"""

# mypy: allow-untyped-calls

from __future__ import annotations

import functools
import gc
import hashlib
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, Final, NamedTuple, TypeVar, overload

import numba
import numpy as np
from numba.core import config, event
from numba.core.caching import (
    CompileResultCacheImpl,
    FunctionCache,
    IndexDataCacheFile,
    InTreeCacheLocator,
)
from numba.core.dispatcher import Dispatcher
from numba.extending import overload as overload_function

from als_engine.system.files import cache_folder

__all__ = ["Kept", "announce", "inner", "kept", "kernel", "replaces"]

_Function = TypeVar("_Function", bound=Callable[..., Any])

_KIND: Final = "numba:compile"
_PACKAGES: Final = ("als_engine", "als_scenarios", "als_plugins")
_SHORT: Final = 2.0
"""What nobody needs to be told of, seconds: a kernel or two."""

_LINE: Final = (
    "Compiling for this machine, once; it takes a minute or two (`als warm` does it beforehand)"
)


@overload
def kernel(function: _Function, /) -> Dispatcher[_Function]: ...
@overload
def kernel(**options: Any) -> Callable[[_Function], Dispatcher[_Function]]: ...
def kernel(function: Any = None, /, **options: Any) -> Any:
    """Compiles what Python calls, at its first call or from the disk.

    Arrays that belong together come as a plain tuple, which the kernel names in its first lines:
    `walls = WallRows(*walls)`. Numba knows the type of a plain tuple at once; it looks through a
    named one, in Python, in every call.

    Args:
        function: what to compile.
        **options: of `numba.njit`; other threads of Python run meanwhile, unless nogil=False.
    """
    if function is None:
        return functools.partial(kernel, **options)
    compiled: Any = numba.njit(**{"nogil": True, **options})(function)
    if hasattr(compiled, "_cache"):  # Else NUMBA_DISABLE_JIT is set.
        compiled._cache = _Cache(function)
    return compiled


@overload
def inner(function: _Function, /) -> Dispatcher[_Function]: ...
@overload
def inner(**options: Any) -> Callable[[_Function], Dispatcher[_Function]]: ...
def inner(function: Any = None, /, **options: Any) -> Any:
    """Compiles what only kernels call; it is kept on the disk as a part of them.

    Args:
        function: what to compile.
        **options: of `numba.njit`; `forceinline=True` where a call would cost more than the work.
    """
    if function is None:
        return functools.partial(inner, **options)
    chosen: Any = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True, "nogil": True, **options}
    return numba.njit(**chosen)(function)


def replaces(function: Callable[..., Any], called: Any, typed: Callable[..., Any]) -> None:
    """Lets kernels call a kernel by the name of a function of Python's.

    Args:
        function: what Python calls, and kernels name.
        called: the kernel that kernels call in its place.
        typed: as `numba.extending.overload` wants it: from the arguments' types to a function that
            calls it.
    """
    function.kernel = called  # type: ignore[attr-defined]
    overload_function(function)(typed)


class _Shared(InTreeCacheLocator):
    """A folder for each source file, by its content and not by its place."""

    def __init__(self, function: Any, file: str) -> None:
        super().__init__(function, file)
        given = getattr(config, "CACHE_DIR", "")
        root = Path(given) if given else cache_folder("kernels")
        content = self.get_source_stamp().hex()[:16]
        self._cache_path = str(root / f"{function.__module__}-{content}")


class _Place(CompileResultCacheImpl):
    # Where the user's folder cannot be written: beside the source, as Numba does it.
    _locator_classes = [_Shared, *CompileResultCacheImpl._locator_classes]  # noqa: RUF012


class _Files(IndexDataCacheFile):
    """Names a file by what is in it, so that two processes cannot mix up what they compile."""

    def save(self, key: Any, data: Any) -> None:
        overloads = self._load_index()
        name = self._index_name[:-3] + hashlib.sha256(repr(key).encode()).hexdigest()[:16] + ".nbc"
        self._save_data(name, data)
        self._save_index({**overloads, key: name})


class _Cache(FunctionCache):
    """What `cache=True` does, for a kernel and all that it reaches."""

    _impl_class = _Place

    def __init__(self, function: Any) -> None:
        super().__init__(function)
        self._cache_file = _Files(
            cache_path=self._cache_path,
            filename_base=self._impl.filename_base,
            source_stamp=self._impl.locator.get_source_stamp(),
        )

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        from numba.np import linalg

        # Numba looks for SciPy's BLAS before its first kernel, and again where one multiplies
        # matrices. Ours do not, and importing it takes as long as loading all of them.
        look, linalg.ensure_blas = linalg.ensure_blas, lambda: None
        try:
            target_context.refresh()
        finally:
            linalg.ensure_blas = look
        return super().load_overload(sig, target_context)

    def _index_key(self, signature: Any, codegen: Any) -> Any:
        key = super()._index_key(signature, codegen)
        return (*key, _reached(self._py_func))


@functools.cache
def _reached(function: Any) -> str:
    """A digest of the code and the constants that a kernel is compiled from."""
    digest = hashlib.sha256()
    seen: set[Any] = set()
    waiting = [function]
    while waiting:
        function = waiting.pop()
        if function in seen:
            continue
        seen.add(function)
        for code in _codes(function.__code__):
            constants = [part for part in code.co_consts if not isinstance(part, CodeType)]
            digest.update(repr((code.co_code, code.co_names, constants)).encode())
            for name, value in _values(code, function.__globals__):
                called = getattr(value, "kernel", value)
                if isinstance(called, Dispatcher):
                    waiting.append(called.py_func)
                    digest.update(_written(called.targetoptions).encode())
                elif isinstance(value, type):  # The place of a name in a tuple is compiled in.
                    digest.update(f"{name}={getattr(value, '_fields', ())}".encode())
                elif isinstance(value, np.ndarray):
                    digest.update(f"{name}={value.dtype}{value.shape}".encode() + value.tobytes())
                elif isinstance(value, (bool, int, float, str, bytes, tuple, np.generic)):
                    digest.update(f"{name}={value!r}".encode())
    return digest.hexdigest()


class Kept(NamedTuple):
    """The kernels on the disk.

    Attributes:
        folder: where.
        kernels: how many, for this version of Python.
        size: bytes.
        writable: whether more can be kept there.
    """

    folder: Path
    kernels: int
    size: int
    writable: bool


def kept() -> Kept:
    """Describes the kernels on the disk; nothing is compiled for the answer.

    Raises:
        RuntimeError: there is no folder that can be written.
    """
    place = Path(_Cache(kept).cache_path)
    python = f"py{sys.version_info[0]}{sys.version_info[1]}"
    files = [*place.parent.rglob(f"*.{python}*.nb[ic]")]
    kernels = sum(file.suffix == ".nbi" for file in files)
    size = sum(file.stat().st_size for file in files)
    return Kept(place.parent, kernels, size, os.access(place, os.W_OK))


def _written(options: Mapping[str, Any]) -> str:
    """Options as text, the same in every process: sets have an order of their own in each."""
    found = {k: sorted(v) if isinstance(v, (set, frozenset)) else v for k, v in options.items()}
    return repr(sorted(found.items()))


def _codes(code: CodeType) -> Iterator[CodeType]:
    """A function's code and that of the functions in it."""
    yield code
    for part in code.co_consts:
        if isinstance(part, CodeType):
            yield from _codes(part)


def _values(code: CodeType, names: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """The globals that some code reads, also those of other modules."""
    for name in code.co_names:
        value = names.get(name)
        if isinstance(value, ModuleType):
            for attribute in code.co_names:
                if attribute in vars(value):
                    yield f"{name}.{attribute}", vars(value)[attribute]
        else:
            yield name, value


class _Uncollected(event.Listener):
    """Rests the garbage collector: what a compilation makes stays until the compilation ends.

    The collector would look through it again and again.
    """

    def __init__(self) -> None:
        self._depth, self._collects = 0, False

    def on_start(self, event: Any) -> None:
        if self._depth == 0:
            self._collects = gc.isenabled()
            gc.disable()
        self._depth += 1

    def on_end(self, event: Any) -> None:
        self._depth -= 1
        if self._depth == 0 and self._collects:
            gc.enable()


event.register(_KIND, _Uncollected())


@functools.cache
def announce() -> None:
    """Lets this process say so in one line on stderr when it spends its time compiling.

    Kernels that come from Numba's cache are not compiled, and nothing is said.
    """
    if not os.environ.get("ALS_NO_NOTICES"):
        event.register(_KIND, _Listener())


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
