"""The files beside a store: logs that replay episodes, and the folders of trained agents.

    FILE.d/logs/RUN/UNIT/FIRST.safetensors    episodes that were played together, from FIRST on
    FILE.d/agents/RUN/UNIT/                   what `Agent.save` wrote

UNIT is a digest, since names of entries and agents are no names of files. A file is on the disk
before its row is: what has a row has its files, and a file without a row counts for nothing.
"""

from __future__ import annotations

import hashlib
import math
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from als_bench.records import Chunk, EpisodeResult, Unit
from als_bench.results.schema import canonical, check_unit, describe
from als_engine.errors import SavedFileError, StoreError
from als_engine.system.files import replacing
from als_engine.system.safe_files import (
    MAX_TENSORS,
    read_bytes,
    read_tensors,
    replace_folder,
    write_tensors,
)

__all__ = [
    "agent_folder",
    "check_chunk",
    "digest",
    "log_path",
    "part_of",
    "read_agent",
    "read_log",
    "remove_logs",
    "write_agent",
    "write_log",
]

_LOG: Final = frozenset(("actions", "chain", "episodes", "lengths", "rewards"))
_MAX_FILES: Final = 1_000


def agent_folder(store: Path, unit: Unit) -> Path:
    """Where the unit's trained agent is kept."""
    return _folder(store, "agents", unit)


def log_path(store: Path, unit: Unit, first: int) -> Path:
    """Where the log is kept whose first episode is `first`."""
    return _folder(store, "logs", unit) / f"{first:06d}.safetensors"


def remove_logs(store: Path, unit: Unit) -> None:
    """Removes the unit's logs, if there are any.

    Raises:
        OSError: they cannot be removed.
    """
    if (folder := _folder(store, "logs", unit)).exists():
        shutil.rmtree(folder)


def _folder(store: Path, kind: str, unit: Unit) -> Path:
    check_unit(unit)  # Its run is a part of the path, and may come from a stranger's file.
    key = canonical([unit.entry, unit.agent, unit.seed]).encode()
    return store.with_name(f"{store.name}.d") / kind / unit.run / _hash(key)[:16]


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def check_chunk(unit: Unit, chunk: Chunk) -> None:
    """Raises a StoreError for a chunk that is not right in itself."""
    if problem := _problem(chunk):
        raise StoreError(f"a chunk of {describe(unit)} cannot be stored: {problem}")


def _problem(chunk: Chunk) -> str:
    numbers = [result.episode for result in chunk.results]
    if any(number < 0 for number in numbers) or numbers != sorted(set(numbers)):
        return "its episodes are not in the order of their numbers"
    steps = {len(chunk.actions), len(chunk.rewards), len(chunk.chain)}
    if steps != {sum(result.length for result in chunk.results)}:
        return "its actions, rewards and links are not as many as its steps"
    end = 0
    for result in chunk.results:
        end += result.length
        if result.length < 1 or not (math.isfinite(result.total) and 0 <= result.success <= 1):
            return f"episode {result.episode} has no steps, or a result that is no number"
        if max(abs(result.seed), abs(result.level)) >= 1 << 63:
            return f"the seed or level of episode {result.episode} has more than 64 bits"
        if int(chunk.chain[end - 1]) != result.chain:
            return f"the chain of episode {result.episode} ends otherwise than its result"
    return ""


def part_of(chunk: Chunk, episodes: set[int]) -> Chunk:
    """The chunk without what belongs to other episodes."""
    kept = tuple(result for result in chunk.results if result.episode in episodes)
    steps = np.repeat(
        [result.episode in episodes for result in chunk.results],
        [result.length for result in chunk.results],
    )
    return replace(
        chunk,
        results=kept,
        actions=chunk.actions[steps],
        rewards=chunk.rewards[steps],
        chain=chunk.chain[steps],
    )


def write_log(path: Path, chunk: Chunk) -> None:
    """Writes the log of a chunk, whole or not at all.

    Raises:
        SavedFileError: it cannot be written.
    """
    made = [folder for folder in path.parents[:4] if not folder.exists()]
    with replacing(path) as temporary:
        arrays: dict[str, NDArray[Any]] = {
            "actions": chunk.actions,
            "rewards": np.asarray(chunk.rewards, np.float64),
            "chain": np.asarray(chunk.chain, np.uint64),
            "episodes": np.array([result.episode for result in chunk.results], np.int64),
            "lengths": np.array([result.length for result in chunk.results], np.int64),
        }
        write_tensors(temporary, arrays)
    # A new name is on the disk when its folder is; a new folder, when the one around it is.
    for folder in (path.parent, *(new.parent for new in made)):
        _sync(folder)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_log(path: Path, results: Mapping[int, EpisodeResult]) -> Chunk:
    """Reads a log.

    Args:
        path: the file.
        results: the unit's rows, by episode, but for those whose log was read already.

    Raises:
        SavedFileError: the file is missing or no log, or is not the one of these rows.
    """
    tensors = read_tensors(path)
    if set(tensors) != _LOG:
        raise SavedFileError(f"{path} is no log of episodes")
    episodes, lengths = tensors["episodes"], tensors["lengths"]
    steps = {len(tensors[name]) for name in ("actions", "rewards", "chain")}
    expected = [results[e].length for e in episodes.tolist() if e in results]
    if lengths.tolist() != expected or steps != {sum(expected)}:
        raise SavedFileError(f"{path} does not belong to the rows of its store")
    links = tensors["chain"][np.cumsum(lengths) - 1].tolist()
    for episode, link in zip(episodes.tolist(), links, strict=True):
        if link != results[episode].chain:
            raise SavedFileError(f"{path}: episode {episode} does not belong to its row")
    return Chunk(
        results=tuple(results[episode] for episode in episodes.tolist()),
        actions=tensors["actions"],
        rewards=tensors["rewards"],
        chain=tensors["chain"],
    )


def digest(files: Mapping[str, bytes]) -> str:
    """One hash of the files of an agent; empty when there are none."""
    if not files:
        return ""
    return _hash(canonical({name: _hash(content) for name, content in files.items()}).encode())


def write_agent(folder: Path, files: Mapping[str, bytes]) -> None:
    """Writes the files of an agent, all or none.

    Raises:
        StoreError: a name leads out of the folder.
        SavedFileError: they cannot be written.
    """
    for name in files:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or not path.parts or "\0" in name:
            raise StoreError(f"an agent's file cannot be called {name!r}")

    def fill(new: Path) -> None:
        for name, content in files.items():
            path = new / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)

    replace_folder(folder, fill)


def read_agent(folder: Path, expected: str) -> dict[str, bytes]:
    """Reads the files of an agent.

    Args:
        folder: where they are.
        expected: their `digest`.

    Raises:
        SavedFileError: they are missing, or others than were stored.
    """
    paths: Sequence[Path] = sorted(path for path in folder.rglob("*") if not path.is_dir())
    if len(paths) > _MAX_FILES:
        raise SavedFileError(f"{folder} has more than {_MAX_FILES} files")
    files = {path.relative_to(folder).as_posix(): read_bytes(path, MAX_TENSORS) for path in paths}
    if digest(files) != expected:
        raise SavedFileError(f"the files in {folder} are missing, or others than were stored")
    return files
