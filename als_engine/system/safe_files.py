"""Folders that are written whole or not at all, and files of tensors that cannot run code.

Nothing here trusts what it reads: sizes are bounded, only regular files are opened, and every
failure is one `SavedFileError`.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import stat
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from io import BufferedReader
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from als_engine.errors import SavedFileError
from als_engine.system import host
from als_engine.system.leftovers import remove_leftovers, unfinished

__all__ = [
    "TYPES",
    "check_folder",
    "inside",
    "is_file",
    "pack_tensors",
    "read_bytes",
    "read_tensors",
    "recover_folder",
    "replace_folder",
    "standing",
    "sync",
    "unpack_tensors",
    "write_tensors",
]

Tensors = Mapping[str, NDArray[Any]]

MAX_HEADER: Final = 1 << 20
"""The largest header of a tensor file that is read, bytes: room for ten thousand tensors."""

MAX_PLACES: Final = 100_000
"""The most files and folders that a folder from somebody else may hold."""

MAX_TENSORS: Final = 1 << 30
"""The largest tensor file that is read when the reader does not know its size, bytes."""

_MAX_AXES: Final = 32
"""More axes than NumPy has."""

TYPES: Final = {
    "BOOL": "bool",
    "U8": "uint8",
    "I8": "int8",
    "U16": "uint16",
    "I16": "int16",
    "U32": "uint32",
    "I32": "int32",
    "U64": "uint64",
    "I64": "int64",
    "F16": "float16",
    "F32": "float32",
    "F64": "float64",
}
"""What safetensors calls NumPy's types."""

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
        remove_leftovers(folder.parent, folder.name)
        new = unfinished(folder)
        new.mkdir()
        try:
            fill(new)
            for path in (*sorted(new.rglob("*")), new):
                sync(path)
            _swap(new, folder)
        except BaseException:
            shutil.rmtree(new, ignore_errors=True)
            raise


def recover_folder(folder: Path) -> None:
    """Puts the old folder back where a write was killed between its two renames.

    Only for whoever is about to write it: who reads it uses `standing`.
    """
    old = _old(folder)
    with _reported("restore", folder):
        if old.exists() and not folder.exists():
            old.rename(folder)


def standing(folder: Path) -> Path:
    """Where a folder is to be read: the old one where a write was killed between its renames."""
    old = _old(folder)
    return old if not folder.exists() and old.is_dir() else folder


def check_folder(folder: Path) -> list[Path]:
    """Looks through a folder that may be somebody else's before it is written to.

    The folder itself may be a link: its name came from the user. What lies in it may not: it would
    lead a writer, or a removal, to somewhere else.

    Returns:
        The folder, and all folders in it.

    Raises:
        SavedFileError: something in it is a link, a pipe, a socket or a device, or there is too
            much in it.
    """
    places, count = [folder], 0
    with _reported("read", folder):
        for place in places:
            with os.scandir(place) as entries:
                for entry in entries:
                    count += 1
                    if entry.is_symlink():
                        raise SavedFileError(
                            f"{entry.path} is a link: put what it leads to in its place"
                        )
                    if entry.is_dir(follow_symlinks=False):
                        places.append(Path(entry.path))
                    elif not entry.is_file(follow_symlinks=False):
                        raise SavedFileError(f"{entry.path} is neither a file nor a folder")
                    if count > MAX_PLACES:
                        raise SavedFileError(f"{folder} holds more than {MAX_PLACES} files")
    return places


def inside(folder: Path, *names: str) -> Path:
    """A path in a folder that may be somebody else's, on which there are no links.

    Raises:
        SavedFileError: the path, or a folder on the way to it, is a link.
    """
    path = folder
    for name in names:
        path = path / name
        if path.is_symlink():
            raise SavedFileError(f"{path} is a link: put what it leads to in its place")
    return path


def is_file(path: Path) -> bool:
    """Whether there is a regular file; a link to one is none."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except (OSError, ValueError):
        return False


def read_bytes(path: Path, limit: int) -> bytes:
    """Reads a regular file of at most `limit` bytes; never follows a link, never waits on a pipe.

    Raises:
        SavedFileError: it is missing, something else, or too large.
    """
    with _opened(path, limit) as (file, size):
        return file.read(size)


@contextmanager
def _opened(path: Path, limit: int) -> Iterator[tuple[BufferedReader, int]]:
    """A regular file of at most `limit` bytes, and how many it has."""
    with _reported("read", path):
        # Without NO_WAIT, opening a named pipe would wait for somebody to write into it.
        descriptor = os.open(path, os.O_RDONLY | host.NO_FOLLOW | host.NO_WAIT | host.RAW)
        with open(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise SavedFileError(f"{path} is not a file")
            if status.st_size > limit:
                raise SavedFileError(f"{path} has {status.st_size} bytes; at most {limit} are read")
            yield file, status.st_size


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


def read_tensors(
    path: Path,
    like: Tensors | None = None,
    *,
    optional: Collection[str] = (),
    others: bool = False,
) -> dict[str, NDArray[Any]]:
    """Reads arrays by name; what the file says of them is compared before any of them is read.

    Args:
        path: a safetensors file.
        like: arrays with the names, shapes and types that it must have; None takes any.
        optional: the names in `like` that may be missing.
        others: whether the file may hold more than `like`, which is then left there.

    Raises:
        SavedFileError: it is no such file, does not match `like`, or has numbers that are not
            finite.
    """
    known = None if like is None else sum(array.nbytes for array in like.values()) + MAX_HEADER
    with _opened(path, MAX_TENSORS if known is None or others else known) as (file, size):
        described = _described(file.read(min(size, 8 + MAX_HEADER)), size, path)
        if like is not None:
            _compare(path, described, like, optional, others)
        names = [name for name in described if like is None or name in like]
        tensors = {}
        for name in names:
            one = described[name]
            file.seek(one.begin)
            data = bytearray(one.end - one.begin)
            if file.readinto(data) != len(data):
                raise SavedFileError(f"{path} is not a whole safetensors file")
            tensors[name] = np.frombuffer(data, one.dtype).reshape(one.shape)
    _check_finite(path, tensors)
    return tensors


class _Described(NamedTuple):
    """What a file's header says of a tensor; from where to where it lies, bytes."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    begin: int
    end: int


def _described(data: bytes, size: int, path: Path | str) -> dict[str, _Described]:
    """The tensors that a file has, by its header.

    Args:
        data: the beginning of the file, with the header.
        size: of the whole file, bytes.
        path: what the file is called, for messages.

    Raises:
        SavedFileError: it is no safetensors file, or its tensors do not fill it exactly.
    """
    header = int.from_bytes(data[:8], "little")
    # A length may begin with any byte, that of a pickle too; what follows it begins with a brace.
    if len(data) < 9 or header > min(MAX_HEADER, size - 8) or data[8:9] != b"{":
        for start, what in _FOREIGN.items():
            if data.startswith(start):
                raise SavedFileError(f"{path} is {what}, which could run code: it was not opened")
        raise SavedFileError(f"{path} is not a whole safetensors file")
    try:
        entries = json.loads(data[8 : 8 + header], object_pairs_hook=_once)
        found = {
            name: _tensor(entry, 8 + header)
            for name, entry in entries.items()
            if name != "__metadata__"
        }
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise SavedFileError(f"{path} is not a whole safetensors file: {reason[:200]}") from None
    end = 8 + header
    for one in sorted(found.values(), key=lambda one: (one.begin, one.end)):
        if one.begin != end:
            break
        end = one.end
    if end != size or any(one.end > size for one in found.values()):
        raise SavedFileError(f"{path} is not a whole safetensors file")
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    entries = dict(pairs)
    if len(entries) != len(pairs):
        raise ValueError("a name occurs twice")
    return entries


def _tensor(entry: Mapping[str, Any], after: int) -> _Described:
    """One entry of a header; offsets count from `after`.

    Raises:
        ValueError: it is none, or its bytes are not as many as its shape needs.
    """
    dtype, shape, offsets = np.dtype(TYPES[entry["dtype"]]), entry["shape"], entry["data_offsets"]
    whole = all(type(number) is int and number >= 0 for number in (*shape, *offsets))
    if not whole or len(shape) > _MAX_AXES or len(offsets) != 2:
        raise ValueError("a shape or an offset is none")
    begin, end = offsets
    if end - begin != math.prod(shape) * dtype.itemsize:
        raise ValueError(f"{end - begin} bytes for the shape {tuple(shape)}")
    return _Described(dtype, tuple(shape), after + begin, after + end)


def unpack_tensors(data: bytes, path: Path | str) -> dict[str, NDArray[Any]]:
    """Arrays by name from the bytes of a safetensors file, whatever numbers they hold.

    Args:
        data: the file's content.
        path: what the file is called, for messages.

    Raises:
        SavedFileError: it is no such file.
    """
    described = _described(data, len(data), path)
    return {
        name: np.frombuffer(bytearray(data[one.begin : one.end]), one.dtype).reshape(one.shape)
        for name, one in described.items()
    }


def _check_finite(path: Path | str, tensors: Tensors) -> None:
    for name, array in tensors.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise SavedFileError(f'{path}: "{name}" has numbers that are not finite')


def _compare(
    path: Path,
    described: Mapping[str, _Described],
    like: Tensors,
    optional: Collection[str],
    others: bool,
) -> None:
    missing = sorted(set(like) - set(described) - set(optional))
    if odd := missing or ([] if others else sorted(set(described) - set(like))):
        what = "has no" if missing else "has an unexpected"
        raise SavedFileError(f'{path} {what} tensor "{odd[0]}"')
    for name in described.keys() & like.keys():
        found, wanted = described[name], like[name]
        if found.shape != wanted.shape or found.dtype != wanted.dtype:
            raise SavedFileError(
                f'{path}: "{name}" is {found.dtype} {found.shape}, '
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
    sync(folder.parent)
    shutil.rmtree(old, ignore_errors=True)


def _old(folder: Path) -> Path:
    return folder.parent / f".{folder.name}.old"


def sync(path: Path) -> None:
    """Waits until a file or folder is on the disk."""
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
