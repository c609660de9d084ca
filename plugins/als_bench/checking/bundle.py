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
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from als_bench.checking.manifest import (
    MANIFEST,
    MAX_MANIFEST,
    SEAL,
    Failure,
    FileRecord,
    Manifest,
    PlayerRecord,
    TrainingClaims,
    UnitRecord,
    encode,
    parse,
    score,
)
from als_bench.claims import digest_of
from als_bench.records import Chunk, EpisodeResult, RunRecord, TrainedAgent, Unit
from als_bench.results.store import Store
from als_engine.errors import ArgumentError, SavedFileError, StoreError, unknown
from als_engine.plugins.specs import SuiteEntry, SuiteSpec
from als_engine.system.safe_files import (
    MAX_TENSORS,
    pack_tensors,
    read_bytes,
    replace_folder,
    unpack_tensors,
)

__all__ = [
    "PAIRED",
    "Bundle",
    "Source",
    "assemble",
    "entry_of",
    "pack_log",
    "unpack_log",
    "write_bundle",
]

PAIRED: Final = " + "
"""Between an entry's name and a partner's label, where two agents play together."""

MAX_ENTRIES: Final = 300_000
"""The most files and folders that are looked at in a bundle."""

_COLUMNS: Final[Mapping[str, type[Any]]] = {
    "seed": np.int64,
    "level": np.int64,
    "length": np.int64,
    "total": np.float64,
    "success": np.float64,
    "terminated": np.uint8,
}
_METRIC: Final = "metric/"

Write = Callable[[str, bytes], None]


@dataclass(frozen=True)
class Source:
    """What a unit's part of a bundle is made of.

    Attributes:
        unit: its names.
        claims: as `claims.claims_of` gave them when it was played.
        chunk: all of its episodes.
        training: None for an agent that was not trained by the run.
    """

    unit: Unit
    claims: Mapping[str, Any]
    chunk: Chunk
    training: TrainedAgent | None = None


def write_bundle(
    store: Store,
    out: Path,
    run: str | None = None,
    agents: Sequence[str] = (),
    on_unit: Callable[[int, int], None] = lambda done, total: None,
) -> Manifest:
    """Writes a bundle of a run in a store.

    Args:
        store: the results.
        out: a new or empty folder, or an older bundle, which is replaced.
        run: the run's key; by default the last one that was not itself checked from a bundle.
        agents: labels; empty for all.
        on_unit: called with the units that are done, and how many there are.

    Raises:
        StoreError: there is no such run or agent, or a unit is not finished.
        SavedFileError: it cannot be written, or the folder holds something else.
    """
    _check_replaceable(out)
    with store.snapshot():
        record = _run(store, run)
        units = [unit for unit in store.units(record.key) if not agents or unit.agent in agents]
        labels = {unit.agent for unit in store.units(record.key)}
    for agent in agents:
        if agent not in labels:
            raise StoreError(f"run {record.key}: {unknown('agent', agent, sorted(labels))}")
    failures = {u: why for u, why in store.failures(record.key).items() if u in units}
    played = [unit for unit in units if unit not in failures]
    if not played:
        raise StoreError(f'"{store.path}" has no finished results of run {record.key}')
    found: list[Manifest] = []

    def fill(folder: Path) -> None:
        def write(name: str, data: bytes) -> None:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)

        def sources() -> Iterator[Source]:
            for done, unit in enumerate(played):
                on_unit(done, len(played))
                yield _source(store, record, unit)

        files = _agent_files(store, record.key)
        found.append(assemble(record, sources(), failures, files, write))

    replace_folder(out, fill)
    return found[0]


def assemble(
    run: RunRecord,
    sources: Iterable[Source],
    failures: Mapping[Unit, str],
    agents: Callable[[str], Mapping[str, bytes]],
    write: Write,
) -> Manifest:
    """Makes a bundle of results.

    Args:
        run: which they belong to.
        sources: the units, in any order.
        failures: units without a result, and why.
        agents: gives a saved agent's files by the `digest_of` their hashes.
        write: takes each file's name and content.
    """
    files: dict[str, FileRecord] = {}
    suite = SuiteSpec.from_fields(run.suite)
    units: list[UnitRecord] = []

    def keep(name: str, data: bytes) -> None:
        if name not in files:
            write(name, data)
            files[name] = FileRecord(bytes=len(data), sha256=hashlib.sha256(data).hexdigest())

    for source in sources:
        record = _unit_record(suite, source)
        _check_shared(run, source)
        keep(record.log, pack_log(source.chunk))
        for player in (record.player, record.partner):
            if player is not None and player.files:
                for name, data in agents(digest_of(player.files)).items():
                    keep(f"{player.folder}/{name}", data)
        units.append(record)
    manifest = Manifest(
        run=run.key,
        suite=dict(run.suite),
        code=dict(run.code),
        versions=dict(run.versions),
        machine=dict(run.machine),
        units=tuple(sorted(units, key=_names)),
        failures=tuple(
            Failure(entry=unit.entry, agent=unit.agent, seed=unit.seed, reason=reason[:1_000])
            for unit, reason in sorted(failures.items())
        ),
        files=files,
    )
    data = encode(manifest)
    write(MANIFEST, data)
    write(SEAL, f"{hashlib.sha256(data).hexdigest()}\n".encode())
    return manifest


def _names(unit: UnitRecord) -> tuple[str, str, int]:
    return unit.entry, unit.agent, unit.seed


def _unit_record(suite: SuiteSpec, source: Source) -> UnitRecord:
    unit, claims, results = source.unit, source.claims, source.chunk.results
    entry = entry_of(suite, unit.entry)
    if entry is None:
        raise ArgumentError(f"{unit.entry} is no entry of {suite.id}")
    if [result.episode for result in results] != list(range(suite.episodes)):
        raise StoreError(
            f"{unit.entry}, {unit.agent}, seed {unit.seed} has {len(results)} of {suite.episodes} "
            "episodes: let `als bench run` finish, with the same arguments"
        )
    trained = source.training
    return UnitRecord(
        entry=unit.entry,
        agent=unit.agent,
        seed=unit.seed,
        scenario=claims["scenario"],
        arguments=claims["arguments"],
        split=claims["split"],
        observers=claims["observers"],
        player=PlayerRecord(**claims["player"]),
        partner=None if claims["partner"] is None else PlayerRecord(**claims["partner"]),
        first_seed=results[0].seed,
        episodes=len(results),
        scores=score(entry, results),
        training=None
        if trained is None
        else TrainingClaims(
            steps=trained.steps,
            budget=entry.steps,
            seconds=trained.seconds,
            attempts=trained.attempts,
            curve=tuple((int(steps), float(mean)) for steps, mean in trained.curve),
        ),
        log=f"logs/{digest_of([unit.entry, unit.agent, unit.seed])[:16]}.safetensors",
    )


def _check_shared(run: RunRecord, source: Source) -> None:
    """Raises a StoreError for a unit that was played under another suite, code or library."""
    ours = {"code": run.code, "suite": digest_of(dict(run.suite)), "versions": run.versions}
    for name, value in ours.items():
        if source.claims.get(name) != value:
            raise StoreError(f"{source.unit.entry}, {source.unit.agent} has another {name}")


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


def _run(store: Store, key: str | None) -> RunRecord:
    runs = [run for run in store.runs() if (key is None and not run.bundle) or run.key == key]
    if runs:
        return runs[-1]
    what = "a run of its own" if key is None else f"the run {key}"
    known = ", ".join(run.key for run in store.runs()) or "none"
    raise StoreError(f'"{store.path}" does not hold {what}; its runs are: {known}')


def _source(store: Store, run: RunRecord, unit: Unit) -> Source:
    claims = store.claims(unit)
    chunks = list(store.chunks(unit))
    if claims is None or not chunks:
        raise StoreError(
            f"{unit.entry}, {unit.agent}, seed {unit.seed} has not been played: let "
            "`als bench run` finish, with the same arguments"
        )
    whole = Chunk(
        results=tuple(result for chunk in chunks for result in chunk.results),
        actions=np.concatenate([chunk.actions for chunk in chunks]),
        rewards=np.concatenate([chunk.rewards for chunk in chunks]),
        chain=np.concatenate([chunk.chain for chunk in chunks]),
    )
    trained = store.training(unit, with_files=False)
    return Source(unit, claims, whole, trained if trained and trained.steps else None)


def _agent_files(store: Store, run: str) -> Callable[[str], Mapping[str, bytes]]:
    """Finds the files of saved agents by what their hashes come to."""
    known: dict[str, Unit] = {}

    def find(digest: str) -> Mapping[str, bytes]:
        if digest not in known:
            for unit in store.units(run):
                claims = store.claims(unit)
                if claims is not None and claims["partner"] is None:
                    known.setdefault(digest_of(claims["player"]["files"]), unit)
        trained = store.training(known[digest]) if digest in known else None
        if trained is None:
            raise StoreError(f'"{store.path}" lacks the files of an agent of run {run}')
        return trained.files

    return find


def _check_replaceable(out: Path) -> None:
    if out.is_symlink() or (out.exists() and not out.is_dir()):
        raise SavedFileError(f"{out} is a file or a link: name a folder")
    if out.is_dir() and any(out.iterdir()) and not (out / SEAL).is_file():
        raise SavedFileError(f"{out} holds other files: name a new or empty folder")


# -- logs ---------------------------------------------------------------------------------------


def pack_log(chunk: Chunk) -> bytes:
    """The episodes of a unit as a safetensors file."""
    results = chunk.results
    arrays: dict[str, NDArray[Any]] = {
        "actions": chunk.actions,
        "rewards": np.asarray(chunk.rewards, np.float64),
        "chain": np.asarray(chunk.chain, np.uint64),
        "episode": np.array([result.episode for result in results], np.int64),
    }
    for name, kind in _COLUMNS.items():
        arrays[name] = np.array([getattr(result, name) for result in results], kind)
    for name in results[0].metrics:
        values = [result.metrics[name] for result in results]
        arrays[f"{_METRIC}{name}"] = np.array(values, np.float64)
    return pack_tensors(arrays)


def unpack_log(data: bytes, path: str) -> Chunk:
    """The episodes of a unit, as far as the file is one of a log; what they say may be wrong.

    Raises:
        SavedFileError: it is no log.
    """
    arrays = unpack_tensors(data, path)
    metrics = [name for name in arrays if name.startswith(_METRIC)]
    kinds: dict[str, Any] = {**_COLUMNS, "episode": np.int64, **dict.fromkeys(metrics, np.float64)}
    others = {"actions": None, "rewards": np.float64, "chain": np.uint64}
    if set(arrays) != set(kinds) | set(others):
        odd = sorted(set(arrays) ^ (set(kinds) | set(others)))[0]
        raise SavedFileError(f'{path} is no log of episodes: "{odd}"')
    count = len(arrays["episode"]) if arrays["episode"].ndim else 0
    for name, kind in {**kinds, **others}.items():
        array = arrays[name]
        shaped = array.shape == (count,) if name in kinds else array.ndim >= 1
        if not shaped or (kind is not None and array.dtype != kind):
            raise SavedFileError(f'{path}: "{name}" is {array.dtype} {array.shape}')
    if arrays["chain"].ndim != 1 or not (arrays["terminated"] <= 1).all():
        raise SavedFileError(f"{path} is no log of episodes")
    columns = {name: arrays[name].tolist() for name in kinds}
    # The last link of each episode, where there is one.
    ends = np.cumsum(np.clip(arrays["length"], 0, len(arrays["chain"]))) - 1
    chain = arrays["chain"]
    results = tuple(
        EpisodeResult(
            episode=columns["episode"][i],
            seed=columns["seed"][i],
            level=columns["level"][i],
            length=columns["length"][i],
            total=columns["total"][i],
            success=columns["success"][i],
            terminated=bool(columns["terminated"][i]),
            chain=int(chain[ends[i]]) if 0 <= ends[i] < len(chain) else 0,
            metrics={name.removeprefix(_METRIC): columns[name][i] for name in sorted(metrics)},
        )
        for i in range(count)
    )
    return Chunk(results, arrays["actions"], arrays["rewards"], chain)


# -- reading ------------------------------------------------------------------------------------


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
        """What was played.

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
