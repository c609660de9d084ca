"""What hooks are given and give beside specs: episodes, findings, what was purged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

__all__ = ["EpisodeRecord", "Finding", "Purged", "Status"]

Status = Literal["ok", "missing", "broken"]


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        topic: what was looked at, such as `sandbox`.
        status: `ok`; `missing`, which nothing needs that runs without it; or `broken`.
        text: what was found, one line.
        remedy: what to do about it, such as a command; empty where there is nothing to do.
        versions: of the libraries concerned, by the name of their distributions.
    """

    topic: str
    status: Status
    text: str
    remedy: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Purged:
    """What a purger has found in a file or folder of its kind.

    Attributes:
        gone: what of the person was taken out, in words; empty where there was nothing.
        known: names of those who are in it, where it knows them.
        notes: what is left to do by hand, a line each.
    """

    gone: str = ""
    known: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


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
