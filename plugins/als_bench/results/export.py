"""Copies the rows of a store into one table for other programs: Parquet or CSV.

A copy as SQLite is a store again, without the logs and the agents: what a board is made from.

Rows stand in the order of their key and are written as they are read: a table of any size takes a
few megabytes of memory. The same rows give the same bytes.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final

from als_bench.records import RunRecord, Unit
from als_bench.results.store import Store
from als_engine.errors import ArgumentError, PluginError, unknown
from als_engine.system.files import replacing
from als_engine.texts import cell

__all__ = ["COLUMNS", "export"]

COLUMNS: Final = {
    "run": "string",
    "tier": "string",
    "entry": "string",
    "agent": "string",
    "training_seed": "int64",
    "episode": "int64",
    "world_seed": "int64",
    "level": "int64",
    "length": "int32",
    "return": "float64",
    "success": "float64",
    "terminated": "bool",
    "chain": "uint64",
    "metrics": "string",
}
"""Name to type, as Arrow calls it; `metrics` is JSON."""

_BATCH: Final = 1 << 15
"""Rows that are in memory at once."""

Rows = Iterator[Sequence[tuple[Any, ...]]]


def export(
    store: Store,
    out: Path,
    *,
    run: str | None = None,
    on_rows: Callable[[int], None] = lambda rows: None,
) -> int:
    """Writes a row for each episode, whole or not at all.

    Args:
        store: what is exported.
        out: a file that ends in `.parquet`, `.csv` or `.sqlite`; one that is there is replaced.
        run: only this one; a copy as SQLite has all of them.
        on_rows: called with the number of rows so far.

    Returns:
        How many rows were written.

    Raises:
        ArgumentError: `out` ends otherwise, or there is no such run.
        PluginError: Parquet needs a library that is not installed.
        StoreError: the store cannot be read.
        SavedFileError: the file cannot be written.
    """
    formats = {".parquet": _write_parquet, ".csv": _write_csv}
    if out.suffix == ".sqlite":
        if run is not None:
            raise ArgumentError("a copy as .sqlite has every run: leave --run out")
        with replacing(out) as temporary:
            return store.copy(temporary)
    if out.suffix not in formats:
        raise ArgumentError(f'the name of an export ends in .parquet, .csv or .sqlite, got "{out}"')
    written = 0

    def batches() -> Rows:
        nonlocal written
        rows = _rows(store, run)
        while batch := list(islice(rows, _BATCH)):
            yield batch
            written += len(batch)
            on_rows(written)

    with store.snapshot(), replacing(out) as temporary:
        formats[out.suffix](temporary, batches())
    return written


def _rows(store: Store, only: str | None) -> Iterator[tuple[Any, ...]]:
    runs = {record.key: record for record in store.runs()}
    if only is not None and only not in runs:
        raise ArgumentError(unknown("run", only, runs))
    for key in sorted(runs) if only is None else [only]:
        for unit in store.units(key):
            yield from _rows_of(store, runs[key], unit)


def _rows_of(store: Store, run: RunRecord, unit: Unit) -> Iterator[tuple[Any, ...]]:
    start = (run.key, run.tier, unit.entry, unit.agent, unit.seed)
    for row in store.rows(unit):
        *numbers, terminated, chain, metrics = row
        yield (*start, *numbers, bool(terminated), chain % (1 << 64), metrics)


def _write_csv(path: Path, batches: Rows) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for batch in batches:
            writer.writerows([cell(value) for value in row] for row in batch)


def _write_parquet(path: Path, batches: Rows) -> None:
    try:
        import pyarrow as arrow
        from pyarrow import parquet
    except ImportError as error:
        raise PluginError(
            'Parquet needs pyarrow; install it with: pip install "als-engine[parquet]", '
            "or name a file that ends in .csv"
        ) from error
    schema = arrow.schema([(name, arrow.type_for_alias(kind)) for name, kind in COLUMNS.items()])
    # A writer that opens the file by itself would keep it open when the disk is full.
    with (
        path.open("wb") as file,
        parquet.ParquetWriter(file, schema, compression="zstd") as writer,
    ):
        for batch in batches:
            columns = zip(*batch, strict=True)
            arrays = [arrow.array(c, f.type) for c, f in zip(columns, schema, strict=True)]
            writer.write_batch(arrow.record_batch(arrays, schema=schema))
