"""Folders that are written whole or not at all, and files of tensors that cannot run code.

Nothing here trusts what it reads: sizes are bounded, only regular files are opened, and every
failure is one `SavedFileError`.
"""

from __future__ import annotations

import os
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from als_engine.errors import SavedFileError

__all__ = [
    "pack_tensors",
    "read_bytes",
    "read_tensors",
    "recover_folder",
    "replace_folder",
    "unpack_tensors",
    "write_tensors",
]

Tensors = Mapping[str, NDArray[Any]]

MAX_HEADER: Final = 1 << 20
"""The largest header of a tensor file that is read, bytes: room for ten thousand tensors."""

MAX_TENSORS: Final = 4 << 30
"""The largest tensor file that is read when the reader does not know its size, bytes."""

_FOREIGN: Final = {
    b"PK\x03\x04": "a zip archive, such as torch.save or SB3 write",
    b"\x80": "a pickle",
}


def replace_folder(folder: Path, fill: Callable[[Path], None]) -> None:
    """Writes a folder so that, whatever happens, either the old or the new one is there.

    Everything is written to a folder beside it, synced to the disk, and renamed.

    Args:
        folder: the folder; what it held before is gone afterwards.
        fill: writes the files into the empty folder that it is given.

    Raises:
        SavedFileError: it cannot be written; the old folder is as it was.
    """
    folder = folder.resolve()
    with _reported("write", folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        recover_folder(folder)
        new = folder.parent / f".{folder.name}.new-{secrets.token_hex(4)}"
        new.mkdir()
        try:
            fill(new)
            for path in (*sorted(new.rglob("*")), new):
                _sync(path)
            _swap(new, folder)
        except BaseException:
            shutil.rmtree(new, ignore_errors=True)
            raise


def recover_folder(folder: Path) -> None:
    """Puts the old folder back where a write was killed between its two renames."""
    old = _old(folder)
    with _reported("restore", folder):
        if old.exists() and not folder.exists():
            old.rename(folder)


def read_bytes(path: Path, limit: int) -> bytes:
    """Reads a regular file of at most `limit` bytes; never follows a link, never waits on a pipe.

    Raises:
        SavedFileError: it is missing, something else, or too large.
    """
    with _reported("read", path):
        # Without O_NONBLOCK, opening a named pipe would wait for somebody to write into it.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise SavedFileError(f"{path} is not a file")
            if status.st_size > limit:
                raise SavedFileError(f"{path} has {status.st_size} bytes; at most {limit} are read")
            with open(descriptor, "rb", closefd=False) as file:
                return file.read(limit)
        finally:
            os.close(descriptor)


def write_tensors(path: Path, tensors: Tensors) -> None:
    """Writes arrays by name as safetensors.

    Raises:
        SavedFileError: it cannot be written, or has numbers that are not finite: a training that
            has diverged must not replace weights that work.
    """
    _check_finite(path, tensors)
    with _reported("write", path):
        path.write_bytes(pack_tensors(tensors))


def pack_tensors(tensors: Tensors) -> bytes:
    """Arrays by name as the bytes of a safetensors file; the same arrays, the same bytes."""
    from safetensors.numpy import save

    return save({name: np.asarray(a, order="C") for name, a in tensors.items()})


def read_tensors(path: Path, like: Tensors | None = None) -> dict[str, NDArray[Any]]:
    """Reads arrays by name.

    Args:
        path: a safetensors file.
        like: arrays with the names, shapes and types that it must have; None takes any.

    Raises:
        SavedFileError: it is no such file, does not match `like`, or has numbers that are not
            finite.
    """
    known = None if like is None else sum(array.nbytes for array in like.values())
    data = read_bytes(path, MAX_TENSORS if known is None else known + MAX_HEADER)
    tensors = unpack_tensors(data, path)
    if like is not None:
        _compare(path, tensors, like)
    _check_finite(path, tensors)
    return tensors


def unpack_tensors(data: bytes, path: Path | str) -> dict[str, NDArray[Any]]:
    """Arrays by name from the bytes of a safetensors file, whatever numbers they hold.

    Args:
        data: the file's content.
        path: what the file is called, for messages.

    Raises:
        SavedFileError: it is no such file.
    """
    from safetensors.numpy import load

    header = int.from_bytes(data[:8], "little")
    # A length may begin with any byte, that of a pickle too; what follows it begins with a brace.
    if len(data) < 9 or header > min(MAX_HEADER, len(data) - 8) or data[8:9] != b"{":
        for start, what in _FOREIGN.items():
            if data.startswith(start):
                raise SavedFileError(f"{path} is {what}, which could run code: it was not opened")
        raise SavedFileError(f"{path} is not a whole safetensors file")
    try:
        tensors: dict[str, NDArray[Any]] = load(data)
    # The library raises its own error, and KeyError or TypeError for types NumPy does not have.
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise SavedFileError(f"{path} is not a whole safetensors file: {reason}") from None
    return tensors


def _check_finite(path: Path | str, tensors: Tensors) -> None:
    for name, array in tensors.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise SavedFileError(f'{path}: "{name}" has numbers that are not finite')


def _compare(path: Path, tensors: Tensors, like: Tensors) -> None:
    if odd := sorted(set(tensors) ^ set(like)):
        what = "has no" if odd[0] in like else "has an unexpected"
        raise SavedFileError(f'{path} {what} tensor "{odd[0]}"')
    for name, array in tensors.items():
        wanted = like[name]
        if array.shape != wanted.shape or array.dtype != wanted.dtype:
            raise SavedFileError(
                f'{path}: "{name}" is {array.dtype} {array.shape}, '
                f"and should be {wanted.dtype} {wanted.shape}"
            )


def _swap(new: Path, folder: Path) -> None:
    """Puts a folder in another's place; a kill in between is what `recover_folder` mends."""
    old = _old(folder)
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    try:
        new.rename(folder)
    except OSError:
        with suppress(OSError):
            old.rename(folder)
        raise
    _sync(folder.parent)
    shutil.rmtree(old, ignore_errors=True)


def _old(folder: Path) -> Path:
    return folder.parent / f".{folder.name}.old"


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _reported(verb: str, path: Path) -> Iterator[None]:
    """Turns what the operating system says into one line that names the file."""
    try:
        yield
    except OSError as error:
        raise SavedFileError(f"cannot {verb} {path}: {error.strerror or error}") from error
