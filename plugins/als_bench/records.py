"""Data classes of a benchmark: units of work, episodes, trainings.

A *unit* is one agent with one training seed in one entry of a suite: it is trained once and plays
the entry's episodes. Training seeds are the unit of replication; episodes are not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from pydantic import JsonValue

__all__ = [
    "EVALUATION_SEED",
    "TIERS",
    "Chunk",
    "EpisodeResult",
    "RunRecord",
    "TrainedAgent",
    "Unit",
]

EVALUATION_SEED: Final = 0
"""Of episode 0 of every unit, where no secret decides: all agents meet the same levels, and nobody
chooses seeds that suit them."""

TIERS: Final = ("claimed", "replayed", "executed")
"""How far a result has been checked, the least first; only the last one ranks.

- claimed: somebody says so
- replayed: every episode was simulated again from its seed and its actions
- executed: the agent itself was run, on seeds that nobody knew before
"""


@dataclass(frozen=True, order=True)
class Unit:
    """The unit of work that a row of the store belongs to.

    Attributes:
        run: the run's key; see `RunRecord`.
        entry: name of the suite's entry, by default the scenario's id.
        agent: label of the agent, such as "ppo" or "ppo:encoder=attention".
        seed: of the training.
    """

    run: str
    entry: str
    agent: str
    seed: int


@dataclass(frozen=True)
class RunRecord:
    """One suite under one state of the code.

    Attributes:
        key: suite id and a digest of everything else here, such as "core-3f9a0c12".
        suite: the suite, as `SuiteSpec.as_dict` gives it.
        code: distribution to sha256 of its source, hexadecimal; the engine's and the plugins'.
        versions: of the libraries that results depend on.
        machine: processor, cores and platform, for people to read; no part of the key.
        tier: of `TIERS`; "executed" for episodes that `als verify --execute` played.
        bundle: hash of the bundle that the episodes come from; empty for a run of our own.
    """

    key: str
    suite: Mapping[str, JsonValue]
    code: Mapping[str, str]
    versions: Mapping[str, str]
    machine: Mapping[str, JsonValue] = field(default_factory=dict)
    tier: str = "claimed"
    bundle: str = ""


@dataclass(frozen=True)
class EpisodeResult:
    """One episode: a row of the store.

    Attributes:
        episode: its number within the unit, from 0.
        seed: that its world was reset with.
        level: that was laid out.
        length: steps.
        total: the return, mean over the avatars that the agent drove.
        success: 0 or 1.
        terminated: whether the task ended it; the time limit did otherwise.
        chain: the last link of its hash chain, an unsigned 64-bit number.
        metrics: the scenario's other metrics at its end.
    """

    episode: int
    seed: int
    level: int
    length: int
    total: float
    success: float
    terminated: bool
    chain: int
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Chunk:
    """Some episodes of a unit that were played together, and the log that replays them.

    Attributes:
        results: the episodes, by number.
        actions: (steps, observers, ...), of all episodes one after the other.
        rewards: (steps, observers) float64.
        chain: (steps,) uint64, the hash chain of each episode.
    """

    results: tuple[EpisodeResult, ...]
    actions: NDArray[Any]
    rewards: NDArray[np.float64]
    chain: NDArray[np.uint64]


@dataclass(frozen=True)
class TrainedAgent:
    """The result of a unit's training.

    Attributes:
        files: name to content of the saved agent's folder; empty for agents that need no folder.
        curve: (environment steps, mean training return) points.
        steps: environment steps. seconds: of wall-clock time.
        attempts: how often the training was begun, for people to read.
        demonstrated: steps whose action somebody else has shown.
    """

    files: Mapping[str, bytes]
    curve: tuple[tuple[int, float], ...] = ()
    steps: int = 0
    seconds: float = 0.0
    attempts: int = 1
    demonstrated: int = 0
