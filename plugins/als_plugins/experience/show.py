"""Prints what is in a dataset, for people to read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from als_plugins.experience.cache import open_source
from als_plugins.experience.records import PARTS, DatasetRecord, SourceRecord, part_of

__all__ = ["print_dataset"]


def print_dataset(folder: Path, record: DatasetRecord) -> None:
    """Prints sources, parts and sensors to stdout.

    Raises:
        SavedFileError: the episodes are damaged.
    """
    from rich.console import Console

    console = Console()
    if not record.sources:
        console.print(f"{folder} has no finished episodes: repeat the `als collect` that made it.")
        return
    console.print(_sources(record))
    left_out = Counter[str]()
    for source in record.sources:
        left_out.update(source.left_out)
    for reason, count in left_out.items():
        console.print(f"Left out: {count} because {reason}.", highlight=False)
    opened = [open_source(folder, s, lambda i, n: None) for s in record.sources if s.episodes]
    if opened:
        console.print(_parts(opened))
        console.print(_sensors(opened))
    minari, cache = (_size(folder / name) for name in ("minari", "cache"))
    console.print(
        f"On disk: {_bytes(minari)} in Minari's format, "
        f"{_bytes(cache)} of arrays for fast reading.",
        highlight=False,
    )
    console.print(
        f"For other tools: MINARI_DATASETS_PATH={folder / 'minari'} minari list local",
        highlight=False,
        soft_wrap=True,
    )


def _table(*columns: str, title: str) -> Any:
    from rich import box
    from rich.table import Table

    table = Table(title=title, box=box.SIMPLE, title_justify="left")
    for i, column in enumerate(columns):
        table.add_column(column, justify="left" if i == 0 else "right", overflow="fold")
    return table


def _sources(record: DatasetRecord) -> Any:
    names = ("scenario", "policy", "split", "seed", "episodes", "steps", "left out")
    table = _table(*names, title="Sources")
    for source in record.sources:
        table.add_row(
            source.scenario,
            source.policy,
            source.split,
            str(source.seed),
            f"{source.episodes:,}",
            f"{source.steps:,}",
            f"{sum(source.left_out.values()):,}",
        )
    return table


def _parts(opened: list[Any]) -> Any:
    table = _table("part", "episodes", "steps", "levels", title="Parts, by level")
    for part in PARTS:
        episodes = steps = 0
        levels: set[int] = set()
        for arrays in opened:
            mine = [part_of(level) == part for level in arrays.levels.tolist()]
            episodes += sum(mine)
            steps += int(arrays.lengths[mine].sum())
            levels |= set(arrays.levels[mine].tolist())
        table.add_row(part, f"{episodes:,}", f"{steps:,}", f"{len(levels):,}")
    return table


def _sensors(opened: list[Any]) -> Any:
    names = ("sensor", "type", "shape", "mean", "deviation", "scenarios")
    table = _table(*names, title="Sensors, over the train part")
    for name, shape, dtype, arrays, scenarios in _alike(opened):
        whole = sum((a.moments[name] for a in arrays[1:]), start=arrays[0].moments[name])
        known = whole.count > 0
        # Of all values of the sensor: their mean, and how far from it they are.
        mean = float(whole.mean.mean()) if known else np.nan
        spread = np.sqrt((whole.std**2 + (whole.mean - mean) ** 2).mean()) if known else np.nan
        table.add_row(
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
