"""The largest numbers that options take: what is beyond them is a slip, and costs no memory."""

from __future__ import annotations

from typing import Final

__all__ = [
    "MAX_AVATARS",
    "MAX_EPISODES",
    "MAX_LEVEL",
    "MAX_SEED",
    "MAX_STEPS",
    "MAX_TRAINING_SEED",
    "MAX_WORKERS",
    "MAX_WORLDS",
]

MAX_AVATARS: Final = 1_000
MAX_EPISODES: Final = 1_000_000
MAX_LEVEL: Final = 1_000_000
MAX_SEED: Final = (1 << 63) - 1
"""Of episodes: `seed + i` fits into 64 bits, whatever `i` is."""
MAX_TRAINING_SEED: Final = (1 << 31) - 1
MAX_STEPS: Final = 1_000_000_000_000
MAX_WORKERS: Final = 1_000
MAX_WORLDS: Final = 100_000
