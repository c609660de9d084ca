"""What plugins are told of an episode that has ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["EpisodeRecord"]


@dataclass(frozen=True)
class EpisodeRecord:
    """One finished episode of one world, as `als_episode_end` receives it.

    Attributes:
        scenario: The scenario's id.
        split: The split that the level was drawn from.
        level: The level's number.
        length: Steps that the episode took.
        returns: Sum of the rewards, one for each avatar.
        terminated: True when the task ended it, False when the time limit did.
        metrics: The task's metrics at the end, such as `success`.
    """

    scenario: str
    split: str
    level: int
    length: int
    returns: tuple[float, ...]
    terminated: bool
    metrics: Mapping[str, float] = field(default_factory=dict)
