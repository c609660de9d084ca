"""Writes a bundle: a run's results with all that others need to check them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from als_bench.checking.bundle import entry_of
from als_bench.checking.logs import pack_log
from als_bench.checking.manifest import (
    MANIFEST,
    SEAL,
    Failure,
    FileRecord,
    Manifest,
    PlayerRecord,
    TrainingClaims,
    UnitRecord,
    encode,
    score,
)
from als_bench.claims import digest_of
from als_bench.identity import HUMAN
from als_bench.records import Chunk, RunRecord, TrainedAgent, Unit
from als_bench.results.store import Store
from als_engine.errors import ArgumentError, SavedFileError, StoreError, unknown
from als_engine.plugins.specs import SuiteSpec
from als_engine.system.safe_files import (
    replace_folder,
)

__all__ = ["Source", "assemble", "write_bundle"]

Write = Callable[[str, bytes], None]


@dataclass(frozen=True)
class Source:
    """The source of a unit's part of a bundle.

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
        # What persons did stays with whoever has asked them.
        every = [unit for unit in store.units(record.key) if unit.agent != HUMAN]
        units = [unit for unit in every if not agents or unit.agent in agents]
        labels = {unit.agent for unit in every}
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
            demonstrated=trained.demonstrated,
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
