"""Checks of arguments: each returns the value as the engine uses it, or says what was wrong."""

from __future__ import annotations

import operator
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, NoReturn, SupportsIndex, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from als_engine.errors import ArgumentError, unknown
from als_engine.limits import LIMITS, MAX_SEED

__all__ = [
    "MAX_SEED",
    "ReadOnly",
    "at_least_one",
    "check_seed",
    "check_undecided",
    "chosen_rows",
    "flag",
    "index_of",
    "indices_of",
    "one_of",
    "per_world",
    "plain",
    "whole_number",
]

_DECIDED: Final = frozenset(
    ("scenario", "num_worlds", "worlds", "workers", "first_world", "observers", "seed", "split",
     "level", "level_key", "render_mode")
)  # fmt: skip


class ReadOnly(dict[str, Any]):
    """A dictionary that everybody reads and nobody changes; so are the dictionaries in it."""

    def __init__(self, values: Mapping[str, Any] | Iterable[tuple[str, Any]] = ()) -> None:
        items = dict(values).items()
        super().__init__({k: ReadOnly(v) if isinstance(v, dict) else v for k, v in items})

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise TypeError("it is everybody's and cannot be changed; change a copy: dict(...)")

    __setitem__ = __delitem__ = __ior__ = clear = pop = popitem = setdefault = update = _refuse

    def __reduce__(self) -> tuple[type[ReadOnly], tuple[dict[str, Any]]]:
        return ReadOnly, (dict(self),)


def plain(value: Any) -> Any:
    """Returns a value in which every dictionary, list and tuple is a new one."""
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    return type(value)(map(plain, value)) if type(value) in (list, tuple) else value


def one_of(name: str, value: object, allowed: Iterable[str]) -> str:
    """Returns one of some names.

    Raises:
        ArgumentError: it is another one, or no name; the message names the nearest.
    """
    allowed = tuple(allowed)
    if not isinstance(value, str) or value not in allowed:
        raise ArgumentError(unknown(name, value, allowed))
    return value


def flag(name: str, value: object) -> bool:
    """Returns True or False, also NumPy's, as Python's own.

    Raises:
        ArgumentError: it is something else.
    """
    if not isinstance(value, (bool, np.bool_)):
        raise ArgumentError(f"{name} must be True or False, got {value!r}")
    return bool(value)


def at_least_one(name: str, value: int) -> int:
    """Returns a count, which is at most what `limits.LIMITS` has for one of this name.

    Raises:
        ArgumentError: it is not a whole number of at least 1, or more than the limit.
    """
    number = whole_number(name, value, 1)
    most = LIMITS.get(name, number)
    if number > most:
        raise ArgumentError(f"{name} must be a whole number of at most {most}, got {number}")
    return number


def check_seed(seed: int | None) -> int | None:
    """Returns a seed as Python's own number, whatever kind of whole number it came as.

    Raises:
        ArgumentError: it is not a whole number from 0 to 2**64 - 1.
    """
    return None if seed is None else whole_number("seed", seed, 0, MAX_SEED)


def check_undecided(who: str, arguments: Collection[str], **options: str) -> None:
    """Refuses arguments of a scenario that whoever runs it decides by itself.

    Taken in silence, they would be overruled, or what is said about the result would not be true.

    Args:
        who: decides, such as "evaluate".
        arguments: the names that somebody has given.
        options: how each name that can be chosen is chosen; "" for an argument that is allowed.

    Raises:
        ArgumentError: one is decided already; the message names it, and the option if there is one.
    """
    for name in arguments:
        how = options.get(name)
        if name in _DECIDED and how != "":
            instead = f": use {how}" if how else ""
            raise ArgumentError(
                f'"{name}" cannot be an argument of the scenario, since {who} decides it{instead}'
            )


def whole_number(name: str, value: object, low: int, high: int | None = None) -> int:
    """Returns a whole number from `low` to `high`, also one of NumPy's, as Python's own.

    Raises:
        ArgumentError: it is something else.
    """
    number = None
    if not isinstance(value, (bool, np.bool_)):
        with suppress(TypeError):  # A float is none, not even 3.0.
            number = operator.index(cast("SupportsIndex", value))
    if number is None or number < low or (high is not None and number > high):
        allowed = f"of at least {low}" if high is None else f"from {low} to {high}"
        raise ArgumentError(f"{name} must be a whole number {allowed}, got {value!r}")
    return number


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
