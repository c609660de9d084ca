"""Resolves the worlds and the thing that a call names: masks, indices and names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from als_engine.errors import ArgumentError, unknown

__all__ = ["chosen_rows", "index_of", "indices_of", "per_world"]


def chosen_rows(worlds: ArrayLike | None, num_worlds: int) -> NDArray[np.intp]:
    """The indices that a mask, indices or one index name, at least one; None is for all.

    Raises:
        ArgumentError: the mask has another length, there is no such world, or none is chosen.
    """
    which = np.arange(num_worlds) if worlds is None else indices_of(worlds, num_worlds)
    if not which.size:
        raise ArgumentError("no world is chosen")
    return which


def indices_of(worlds: ArrayLike, num_worlds: int) -> NDArray[np.intp]:
    """The indices that a mask, indices or one index name.

    Raises:
        ArgumentError: the mask has another length, or there is no such world.
    """
    chosen = np.asarray(worlds)
    if chosen.dtype == np.bool_:
        if chosen.shape != (num_worlds,):
            raise ArgumentError(f"a mask of {num_worlds} worlds has the shape {chosen.shape}")
        return np.flatnonzero(chosen)
    indices = np.atleast_1d(chosen).astype(np.intp)
    if indices.size and not 0 <= indices.min() <= indices.max() < num_worlds:
        raise ArgumentError(f"worlds {indices.tolist()} are not all in 0 to {num_worlds - 1}")
    return indices


def index_of(kind: str, name: str, names: Sequence[str]) -> int:
    """Where a name is among others.

    Raises:
        ArgumentError: it is not among them; says what kind of thing it should name.
    """
    if name not in names:
        raise ArgumentError(unknown(kind, name, names))
    return names.index(name)


def per_world(worlds: NDArray[np.intp], texts: Sequence[str] | str) -> Iterator[tuple[int, str]]:
    """Pairs each world with its text; one text serves all."""
    if isinstance(texts, str):
        texts = [texts] * len(worlds)
    if len(texts) != len(worlds):
        raise ArgumentError(f"{len(texts)} texts for {len(worlds)} worlds")
    return zip((int(world) for world in worlds), texts, strict=True)
