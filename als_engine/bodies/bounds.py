"""The bounds of an action space, for whoever acts or checks actions without a world."""

from __future__ import annotations

from typing import Any

import gymnasium

__all__ = ["action_bounds"]


def action_bounds(space: gymnasium.Space[Any]) -> tuple[Any, Any]:
    """The least and the largest action of a space, both included.

    Returns:
        Two integers for a `Discrete` space, else two arrays of the space's shape.
    """
    if isinstance(space, gymnasium.spaces.Discrete):
        return int(space.start), int(space.start + space.n) - 1
    if isinstance(space, gymnasium.spaces.MultiDiscrete):
        return space.start, space.start + space.nvec - 1
    assert isinstance(space, gymnasium.spaces.Box)
    return space.low, space.high
