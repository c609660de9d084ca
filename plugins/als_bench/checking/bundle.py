"""Bundles: a run's results with all that is needed to check them, as a folder for other people.

    manifest.json              what is claimed: see `manifest.Manifest`
    manifest.sha256            the bundle's hash, that of the manifest
    logs/UNIT.safetensors      the episodes of a unit: results, actions, rewards, hash chains
    agents/AGENT/              a saved agent

A bundle holds data only: JSON and tensors. It is written whole or not at all, and the same results
give the same bytes.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from als_bench.checking.logs import unpack_log
from als_bench.checking.manifest import (
    MANIFEST,
    MAX_MANIFEST,
    SEAL,
    PlayerRecord,
    UnitRecord,
    parse,
)
from als_bench.records import Chunk
from als_engine.errors import ArgumentError, SavedFileError
from als_engine.plugins.specs import SuiteEntry, SuiteSpec
from als_engine.system.safe_files import (
    MAX_TENSORS,
    read_bytes,
)

__all__ = ["PAIRED", "Bundle", "entry_of"]

PAIRED: Final = " + "
"""Between an entry's name and a partner's label, where two agents play together."""

MAX_ENTRIES: Final = 300_000
"""The most files and folders that are looked at in a bundle."""


def entry_of(suite: SuiteSpec, name: str) -> SuiteEntry | None:
    """The suite's entry that a unit belongs to; None when there is none.

    Args:
        suite: the suite.
        name: an entry's, or in cross-play an entry's and the partner's.
    """
    base, paired, _ = name.partition(PAIRED)
    for entry in suite.entries:
        if entry.name == base and (entry.cross_play or not paired):
            return entry
    return None


# -- from a store -------------------------------------------------------------------------------


class Bundle:
    """A bundle that is whole: its files are those of its manifest. What it claims may be wrong.

    Attributes:
        manifest: what it claims.
        hash: its own, hexadecimal.
    """

    def __init__(self, names: Iterable[str], read: Callable[[str, int], bytes]) -> None:
        """Reads the manifest; other files are read, and held against it, when they are asked for.

        Args:
            names: of all files.
            read: gives a file's content, up to a number of bytes.

        Raises:
            SavedFileError: it is no bundle, or files are missing or too many.
        """
        self._read = read
        present = set(names)
        for name in (MANIFEST, SEAL):
            if name not in present:
                raise SavedFileError(f"this is no bundle: it has no {name}")
        data = read(MANIFEST, MAX_MANIFEST)
        self.hash = hashlib.sha256(data).hexdigest()
        if read(SEAL, 100) != f"{self.hash}\n".encode():
            raise SavedFileError(f"{MANIFEST} is not the one of {SEAL}")
        self.manifest = parse(data)
        listed = {*self.manifest.files, MANIFEST, SEAL}
        for name in sorted(present ^ listed):
            raise SavedFileError(
                f"{name} is missing" if name in listed else f"{name} is not in {MANIFEST}"
            )

    @classmethod
    def open(cls, folder: Path) -> Bundle:
        """Opens a folder; follows no link and runs nothing.

        Raises:
            SavedFileError: it is no bundle.
        """
        if folder.is_symlink() or not folder.is_dir():
            raise SavedFileError(f"there is no bundle {folder}")
        return cls(_list(folder), lambda name, limit: read_bytes(folder / name, limit))

    @classmethod
    def of(cls, files: Mapping[str, bytes]) -> Bundle:
        """A bundle in memory, name by name."""
        return cls(files, lambda name, limit: files[name])

    @functools.cached_property
    def suite(self) -> SuiteSpec:
        """The suite that was played.

        Raises:
            SavedFileError: it is no suite.
        """
        try:
            return SuiteSpec.from_fields(self.manifest.suite)
        except ArgumentError as error:
            raise SavedFileError(f"{MANIFEST}: suite: {error}") from None

    def entry(self, unit: UnitRecord) -> SuiteEntry:
        """The suite's entry that a unit belongs to.

        Raises:
            SavedFileError: there is none.
        """
        entry = entry_of(self.suite, unit.entry)
        if entry is None:
            raise SavedFileError(f"{MANIFEST}: {unit.entry} is no entry of its suite")
        return entry

    def read(self, name: str) -> bytes:
        """A file's content.

        Raises:
            SavedFileError: it is not the one of the manifest.
        """
        record = self.manifest.files.get(name)
        if record is None:
            raise SavedFileError(f"{name} is not in {MANIFEST}")
        data = self._read(name, min(record.bytes, MAX_TENSORS))
        if len(data) != record.bytes or hashlib.sha256(data).hexdigest() != record.sha256:
            raise SavedFileError(f"{name} is not the one of {MANIFEST}")
        return data

    def log(self, unit: UnitRecord) -> Chunk:
        """A unit's episodes.

        Raises:
            SavedFileError: the file is not the one of the manifest, or no log.
        """
        return unpack_log(self.read(unit.log), unit.log)

    def agent(self, player: PlayerRecord) -> dict[str, bytes]:
        """A saved agent's files.

        Raises:
            SavedFileError: a file is not the one of the manifest, or not the one that played.
        """
        files = {name: self.read(f"{player.folder}/{name}") for name in player.files}
        for name, data in files.items():
            if hashlib.sha256(data).hexdigest() != player.files[name]:
                raise SavedFileError(f"{player.folder}/{name} is not the agent that played")
        return files


def _list(folder: Path) -> Iterator[str]:
    """The names of all files, as far as they are plain files in plain folders."""
    seen = 0
    waiting = [folder]
    while waiting:
        for path in waiting.pop().iterdir():
            seen += 1
            name = path.relative_to(folder).as_posix()
            if seen > MAX_ENTRIES:
                raise SavedFileError(f"{folder} has more than {MAX_ENTRIES} files")
            if path.is_symlink() or not (path.is_file() or path.is_dir()):
                raise SavedFileError(f"{name} is neither a file nor a folder")
            if path.is_dir():
                waiting.append(path)
            else:
                yield name
