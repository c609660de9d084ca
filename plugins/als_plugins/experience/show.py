"""Prints what is in a dataset, for people to read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from als_engine.cli.console import Column, Table, say, show
from als_engine.texts import command
from als_plugins.experience.cache import open_source
from als_plugins.experience.records import PARTS, DatasetRecord, SourceRecord, part_of

__all__ = ["print_dataset"]


def print_dataset(folder: Path, record: DatasetRecord) -> None:
    """Prints sources, parts and sensors to stdout.

    Raises:
        SavedFileError: the episodes are damaged.
    """
    if not record.sources:
        say(f"{folder} has no finished episodes: repeat the `als collect` that made it.")
        return
    show(_sources(record))
    left_out = Counter[str]()
    for source in record.sources:
        left_out.update(source.left_out)
    for reason, count in left_out.items():
        say(f"Left out: {count} because {reason}.")
    opened = [open_source(folder, s, lambda i, n: None) for s in record.sources if s.episodes]
    if opened:
        show(_parts(opened))
        show(_sensors(opened))
    minari, cache = (_size(folder / name) for name in ("minari", "cache"))
    say(
        f"On disk: {_bytes(minari)} in Minari's format, {_bytes(cache)} of arrays for fast reading."
    )
    place = command(folder / "minari")
    say(f"For other tools: MINARI_DATASETS_PATH={place} minari list local")


def _table(*columns: str, title: str) -> Table:
    first, *others = columns
    return Table((first, *(Column(name, right=True) for name in others)), title)


def _sources(record: DatasetRecord) -> Table:
    names = ("scenario", "policy", "split", "seed", "episodes", "steps", "left out")
    table = _table(*names, title="Sources")
    for source in record.sources:
        table.row(
            source.scenario,
            source.policy,
            source.split,
            str(source.seed),
            f"{source.episodes:,}",
            f"{source.steps:,}",
            f"{sum(source.left_out.values()):,}",
        )
    return table


def _parts(opened: list[Any]) -> Table:
    table = _table("part", "episodes", "steps", "levels", title="Parts, by level")
    for part in PARTS:
        episodes = steps = 0
        levels: set[int] = set()
        for arrays in opened:
            mine = [part_of(level) == part for level in arrays.levels.tolist()]
            episodes += sum(mine)
            steps += int(arrays.lengths[mine].sum())
            levels |= set(arrays.levels[mine].tolist())
        table.row(part, f"{episodes:,}", f"{steps:,}", f"{len(levels):,}")
    return table


def _sensors(opened: list[Any]) -> Table:
    names = ("sensor", "type", "shape", "mean", "deviation", "scenarios")
    table = _table(*names, title="Sensors, over the train part")
    for name, shape, dtype, arrays, scenarios in _alike(opened):
        whole = sum((a.moments[name] for a in arrays[1:]), start=arrays[0].moments[name])
        known = whole.count > 0
        # Of all values of the sensor: their mean, and how far from it they are.
        mean = float(whole.mean.mean()) if known else np.nan
        spread = np.sqrt((whole.std**2 + (whole.mean - mean) ** 2).mean()) if known else np.nan
        table.row(
            name,
            dtype,
            " x ".join(map(str, shape)) or "1",
            f"{mean:.3g}" if known else "-",
            f"{spread:.3g}" if known else "-",
            ", ".join(scenarios),
        )
    return table


def _alike(opened: list[Any]) -> Iterator[tuple[str, tuple[int, ...], str, list[Any], list[str]]]:
    """Each sensor once for every shape that it has, with the sources and scenarios that do."""
    found: dict[tuple[str, tuple[int, ...], str], list[Any]] = {}
    for arrays in opened:
        record: SourceRecord = arrays.record
        for key, sensor in record.observations.items():
            found.setdefault((key, sensor.shape, sensor.dtype), []).append(arrays)
    for (key, shape, dtype), sources in sorted(found.items()):
        names = list(dict.fromkeys(arrays.record.scenario for arrays in sources))
        yield key, shape, dtype, sources, names


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _bytes(size: float) -> str:
    for unit in ("bytes", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"
