"""Logs of a bundle: the episodes of a unit as a safetensors file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from als_bench.records import Chunk, EpisodeResult
from als_engine.errors import SavedFileError
from als_engine.system.safe_files import (
    pack_tensors,
    unpack_tensors,
)

__all__ = ["pack_log", "unpack_log"]

_COLUMNS: Final[Mapping[str, type[Any]]] = {
    "seed": np.int64,
    "level": np.int64,
    "length": np.int64,
    "total": np.float64,
    "success": np.float64,
    "terminated": np.uint8,
}
_METRIC: Final = "metric/"


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
