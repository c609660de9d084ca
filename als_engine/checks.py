"""Checks of arguments: each returns the value as the engine uses it, or says what was wrong."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from contextlib import suppress
from typing import SupportsIndex, cast

import numpy as np

from als_engine.errors import ArgumentError, unknown
from als_engine.limits import LIMITS, MAX_SEED

__all__ = ["MAX_SEED", "at_least_one", "check_seed", "one_of", "whole_number"]


def one_of(name: str, value: str, allowed: Sequence[str]) -> str:
    """Returns one of some names.

    Raises:
        ArgumentError: it is another one; the message names the nearest.
    """
    if value not in allowed:
        raise ArgumentError(unknown(name, str(value), allowed))
    return value


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
