"""The scratch folder of an agent's process: watched while it runs, removed afterwards."""

from __future__ import annotations

import os
import secrets
import shutil
import stat
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from als_engine.system import host

__all__ = ["MAX_FILES", "fits", "make_folder", "remove", "threads", "unnamed_bytes"]

MAX_FILES: Final = 2_000
"""More files and folders than this are too many, however small."""

_PREFIX: Final = "als-sandbox-"
_STALE: Final = 60.0
"""A folder that nobody holds is left over when it is older than this, seconds."""

_locks: dict[Path, int] = {}


def make_folder() -> Path:
    """A folder for one process; those that were left over by a parent that was killed are removed.

    A lock on the folder says that its parent lives.
    """
    root = Path(tempfile.gettempdir())
    for old in root.glob(f"{_PREFIX}*"):
        with suppress(OSError):
            if time.time() - old.stat().st_mtime > _STALE and os.getuid() == old.stat().st_uid:
                os.close(_lock(old))
                remove(old)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX)).resolve()
    _locks[folder] = _lock(folder)
    for name in ("scratch", "agent"):
        (folder / name).mkdir()
    return folder


def _lock(folder: Path) -> int:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        host.lock(descriptor)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def remove(folder: Path) -> None:
    """Removes a folder, however deep and however locked: what lies in a folder is moved up first.

    `shutil.rmtree` recurses, and takes no folder that cannot be listed.
    """
    while places := [entry for entry in os.scandir(folder) if _open_folder(entry)]:
        for place in places:
            for entry in list(os.scandir(place.path)):
                if _open_folder(entry):
                    os.rename(entry.path, folder / secrets.token_hex(8))
                else:
                    os.unlink(entry.path)
            os.rmdir(place.path)
    shutil.rmtree(folder)
    if (held := _locks.pop(folder, None)) is not None:
        os.close(held)


def _open_folder(entry: os.DirEntry[str]) -> bool:
    """Whether it is a folder, which can be listed and moved from now on."""
    if not entry.is_dir(follow_symlinks=False):
        return False
    os.chmod(entry.path, 0o700)
    return True


def threads(pid: int) -> int:
    """The number of threads of a process; 0 when it is gone."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
            if line.startswith("Threads:"):
                return int(line.split()[1])
    return 0


def unnamed_bytes(pid: int, folder: Path) -> int:
    """How much of a folder's disk a process holds in files that have no name any more."""
    held: dict[int, int] = {}
    with suppress(OSError):
        for entry in os.scandir(f"/proc/{pid}/fd"):
            with suppress(OSError):  # It has just been closed.
                status = os.stat(entry.path)
                if stat.S_ISREG(status.st_mode) and status.st_nlink == 0:
                    held[status.st_ino] = status.st_blocks * 512
        for line in Path(f"/proc/{pid}/maps").read_text(encoding="utf-8").splitlines():
            # A file that is mapped needs no descriptor: "begin-end perms offset dev inode path".
            span, _, _, _, inode, *path = line.split(maxsplit=5)
            if path and path[0].startswith(str(folder)) and path[0].endswith("(deleted)"):
                begin, end = (int(word, 16) for word in span.split("-"))
                held.setdefault(int(inode), end - begin)
    return sum(held.values())


def fits(folder: Path, most: int) -> bool:
    """Whether what lies in a folder is small enough; follows no link."""
    size = count = 0
    places = [str(folder)]
    if most < 0:
        return False
    while places:
        try:
            with os.scandir(places.pop()) as entries:
                for entry in entries:
                    count += 1
                    if entry.is_dir(follow_symlinks=False):
                        places.append(entry.path)
                    else:
                        size += entry.stat(follow_symlinks=False).st_blocks * 512
                    if count > MAX_FILES or size > most:
                        return False
        except FileNotFoundError:
            continue  # It was removed meanwhile.
        except OSError:
            return False  # Deeper than a path is long, or locked.
    return True
