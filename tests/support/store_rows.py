"""Makes what a store keeps, and processes that write it: for tests."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from als_bench.records import Chunk, EpisodeResult, RunRecord, TrainedAgent, Unit
from als_bench.results.schema import row_of
from als_bench.results.store import Store, StoreWriter

RUN = RunRecord(
    key="core-3f9a0c12",
    suite={"id": "core", "episodes": 40},
    code={"als-engine": "ab" * 32},
    versions={"numpy": "2.0"},
    machine={"cores": 2},
)


def unit(entry: str = "ALS/Tag-v0", agent: str = "ppo:encoder=attention", seed: int = 0) -> Unit:
    return Unit(RUN.key, entry, agent, seed)


def result(episode: int, luck: int = 0) -> EpisodeResult:
    """A result that depends on its arguments alone."""
    rng = np.random.default_rng((episode, luck))
    return EpisodeResult(
        episode=episode,
        seed=episode,
        level=10_000 + episode,
        length=1 + episode % 5,
        total=float(rng.normal()),
        success=float(rng.integers(2)),
        terminated=bool(rng.integers(2)),
        chain=int(rng.integers(1 << 63, dtype=np.uint64)) * 2 + 1,
        metrics={"tags": float(rng.normal()), "success": 1.0},
    )


def chunk(episodes: Iterable[int], luck: int = 0) -> Chunk:
    """Two observers with two continuous actions each; no episode depends on the others."""
    results = tuple(result(episode, luck) for episode in episodes)
    links = []
    for one in results:
        rng = np.random.default_rng((one.chain, luck))
        links.append(rng.integers(1 << 63, size=one.length, dtype=np.uint64))
        links[-1][-1] = one.chain
    return Chunk(
        results,
        np.concatenate([np.full((r.length, 2, 2), r.total, np.float32) for r in results]),
        np.concatenate([np.full((r.length, 2), r.total) for r in results]),
        np.concatenate(links),
    )


def trained(luck: int = 0) -> TrainedAgent:
    files = {"agent.json": b"{}\n", "weights.safetensors": bytes([luck] * 100)}
    return TrainedAgent(files, ((1_000, 0.5), (2_000, 0.75)), 2_000, 12.5)


def fill(path: Path, entries: Iterable[str] = ("A/A-v0", "B/B-v0"), episodes: int = 40) -> None:
    """A store with a bit of everything."""
    with StoreWriter(path) as writer:
        writer.add_run(RUN)
        for entry in entries:
            for seed in (1, 0):
                of = unit(entry, "ppo", seed)
                writer.add_training(of, trained(seed))
                for first in range(0, episodes, 20):
                    writer.add_chunk(of, chunk(range(first, min(first + 20, episodes)), seed))
        writer.add_failure(unit(agent="dqn"), "it gave\nno actions")
        writer.add_verdict(RUN.key, "ppo", "replayed", "ab" * 32, "80 episodes")


def write_on(path: Path, notes: Path, luck: int) -> None:
    """Adds chunk after chunk; notes who writes, and which were acknowledged."""
    os.setsid()  # A terminal of its own, as it were: what ends it ends nobody else.
    with StoreWriter(path) as writer, notes.open("a") as file:
        print(writer._process.pid, file=file, flush=True)
        writer.add_run(RUN)
        for first in range(0, 1 << 20, 4):
            writer.add_chunk(unit(seed=luck), chunk(range(first, first + 4), luck))
            print(first, file=file, flush=True)


def write_some(path: Path, writers: int, index: int) -> None:
    """One of several writers at once: a unit of its own, and one that they all share."""
    with StoreWriter(path) as writer:
        writer.add_run(RUN)
        for first in range(0, 12, 4):
            writer.add_chunk(unit(seed=index), chunk(range(first, first + 4), index))
            # The same episodes, cut elsewhere by each of them.
            start = first + index % 4
            writer.add_chunk(unit(seed=writers), chunk(range(start, start + 6), writers))


def check_whole(path: Path) -> None:
    """The file is sound, and what has a row has its log, once."""
    with Store(path) as store:
        assert store._connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        for run in store.runs():
            for of in store.units(run.key):
                logged = {r.episode: row_of(r) for part in store.chunks(of) for r in part.results}
                assert logged == {r.episode: row_of(r) for r in store.episodes(of)}
