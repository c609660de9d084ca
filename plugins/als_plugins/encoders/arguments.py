"""Checks an encoder's arguments against limits, since they may come from an untrusted file."""

from __future__ import annotations

from als_engine.errors import ArgumentError

__all__ = ["share", "whole"]


def whole(name: str, value: object, low: int, high: int) -> int:
    """The value, a whole number within the bounds.

    Raises:
        ArgumentError: it is not.
    """
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise ArgumentError(f"{name} must be a whole number from {low} to {high}, got {value!r}")
    return value


def share(name: str, value: object) -> float:
    """The value, a number from 0 to 0.9: nobody learns from what is always left out.

    Raises:
        ArgumentError: it is not.
    """
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not 0.0 <= float(value) <= 0.9:  # type: ignore[arg-type]
        raise ArgumentError(f"{name} must be a number from 0 to 0.9, got {value!r}")
    return float(value)  # type: ignore[arg-type]
