"""Functions that several views share: forks, and specs that name the real time limit."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any, TypeVar

from gymnasium.envs.registration import EnvSpec

from als_engine.world.snapshot import Snapshot

__all__ = ["forked", "with_limit"]

V = TypeVar("V")


def forked(make: Callable[[], V], snapshot: Snapshot) -> V:
    """A new view at a moment; closed where it does not take it."""
    view: Any = make()
    try:
        view.restore(snapshot)
    except BaseException:
        view.close()
        raise
    made: V = view
    return made


def with_limit(spec: EnvSpec | None, limit: int) -> EnvSpec | None:
    """A spec that names the time limit which is really kept: a copy, where it named another one."""
    if spec is None or spec.max_episode_steps == limit:
        return spec
    spec = deepcopy(spec)
    spec.max_episode_steps = limit
    return spec
