"""Upper limits for what files, commands and callers may ask for.

Whatever comes from a file is checked against these numbers before anything is allocated for it.
They are far above what anybody uses, and low enough that no file fills a machine by a single digit.
What depends on several numbers at once is compared with the memory that there is.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from als_engine.errors import ArgumentError

__all__ = [
    "ARRAY",
    "EPISODES",
    "EPISODE_STEPS",
    "LIMITS",
    "MAX_NUMBER",
    "MAX_SEED",
    "OBSERVERS",
    "SEEDS",
    "STEPS",
    "UNITS",
    "WORKERS",
    "WORLDS",
    "check_memory",
]

STEPS: Final = 1_000_000_000_000
"""Environment steps, or gradient steps, of a training."""

EPISODE_STEPS: Final = 1_000_000_000
"""Steps of an episode."""

EPISODES: Final = 1_000_000
"""Episodes of an evaluation, of a suite's entry, or that are collected."""

WORLDS: Final = 16_384
"""Worlds that are stepped at once; to open so many takes ten minutes."""

WORKERS: Final = 512
"""Processes that step them."""

OBSERVERS: Final = 1_000
"""Avatars of a world."""

SEEDS: Final = 1_000
"""Training seeds, agents or entries of a suite."""

UNITS: Final = 100_000
"""Entries times agents times training seeds of a suite."""

MAX_NUMBER: Final = (1 << 63) - 1
"""Any whole number: what an int64 holds."""

MAX_SEED: Final = (1 << 64) - 1
"""The largest seed."""

ARRAY: Final = 4 << 30
"""Bytes of one array, or of one file of episodes in the making."""

LIMITS: Final[Mapping[str, int]] = {
    "steps": STEPS,
    "max_episode_steps": EPISODE_STEPS,
    "episodes": EPISODES,
    "num_worlds": WORLDS,
    "num_envs": WORLDS,
    "worlds": WORLDS,
    "workers": WORKERS,
    "observers": OBSERVERS,
    "num_avatars": OBSERVERS,
    "min_avatars": OBSERVERS,
    "max_avatars": OBSERVERS,
    "seeds": SEEDS,
}
"""The limit of a count, by what it is called everywhere."""

_GROUP: Final = Path("/sys/fs/cgroup/memory.max")


def memory() -> int:
    """The memory of this machine, or of the container that this runs in, bytes."""
    have = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with suppress(OSError, ValueError):  # No such file, or "max".
        have = min(have, int(_GROUP.read_text("ascii")))
    return have


def check_memory(what: str, needed: int) -> None:
    """Refuses what does not fit into memory, instead of a MemoryError or a machine that swaps.

    Args:
        what: what is to be allocated, such as "100 worlds with these sensors".
        needed: bytes.

    Raises:
        ArgumentError: it is more than there is; names both.
    """
    have = memory()
    if needed > have:
        raise ArgumentError(
            f"{what} need {needed / (1 << 30):,.1f} GiB of memory; "
            f"this machine has {have / (1 << 30):,.1f} GiB"
        )
