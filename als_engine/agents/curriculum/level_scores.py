"""The scores of levels, and how prioritised level replay draws by them (Jiang et al. 2021)."""

from __future__ import annotations

from typing import Any, Final, overload

import numpy as np
from numpy.typing import NDArray

from als_engine.agents.curriculum.settings import ReplaySettings
from als_engine.geometry import portable_math as pmath
from als_engine.seeding import spread
from als_engine.task import LEVELS

__all__ = ["LevelScores", "rank_weights", "replay_distribution", "stale_weights"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def rank_weights(scores: Floats, temperature: float) -> Floats:
    """P_S of the paper: (1 / rank) ** (1 / temperature), normalised; the highest score ranks first.

    Levels of equal score share the weights of their ranks.

    Args:
        scores: (n,), at least one.
        temperature: beta.
    """
    ranks = np.arange(1, len(scores) + 1)
    # Logarithms: the power of a high rank is less than the smallest number.
    weights = pmath.exp(-pmath.log(ranks) / temperature)
    _, group, count = np.unique(-scores, return_inverse=True, return_counts=True)
    shared = np.add.reduceat(weights, np.cumsum(count) - count) / count
    found: Floats = shared[group] / weights.sum()
    return found


def stale_weights(last: Integers, now: int) -> Floats:
    """P_C of the paper: by how many draws ago each level was drawn last, normalised.

    Args:
        last: (n,), the number of the draw.
        now: the number of draws.
    """
    ages = (now - last).astype(np.float64)
    total = ages.sum()
    return ages / total if total > 0.0 else np.full(len(ages), 1.0 / len(ages))


def replay_distribution(by_score: Floats, by_age: Floats, staleness: float) -> Floats:
    """P_replay of the paper: (1 - rho) P_S + rho P_C, (n,)."""
    return (1.0 - staleness) * by_score + staleness * by_age


class LevelScores:
    """What is known of each level that is trained on, and the draws of the next ones.

    Attributes:
        numbers: (levels,) of the levels, ascending; the other arrays have a value for each.
        score: (levels,), of the last episode. scored: whether there is one.
        drawn: (levels,), how often. last: the number of the draw that was its last.
        played, mean: (levels,), ended episodes and their mean return.
        draws, replays: how often a level was drawn, and how often one that had a score.
    """

    ARRAYS: Final = ("score", "scored", "drawn", "last", "played", "mean")

    def __init__(self, settings: ReplaySettings, seed: int) -> None:
        """Knows nothing yet."""
        numbers = settings.chosen or LEVELS["train"][: settings.levels]
        self.numbers: Integers = np.sort(np.asarray(numbers, np.int64))
        count = len(self.numbers)
        self._settings, self._root = settings, spread("levels of a curriculum", seed)
        self.score: Floats = np.zeros(count)
        self.scored: NDArray[np.bool_] = np.zeros(count, np.bool_)
        self.drawn: Integers = np.zeros(count, np.int64)
        self.last: Integers = np.zeros(count, np.int64)
        self.played: Integers = np.zeros(count, np.int64)
        self.mean: Floats = np.zeros(count)
        self.draws = self.replays = 0
        # Levels that have a score and their weights by rank, as long as no score changes.
        self._ranked: tuple[NDArray[np.intp], Floats] | None = None

    @property
    def seen(self) -> int:
        """How many levels have a score."""
        return int(self.scored.sum())

    def forget_ranks(self) -> None:
        """Told when the arrays were written."""
        self._ranked = None

    def judge(self, level: int, score: float) -> None:
        """Notes the score of an episode on a level."""
        at = self._at(level)
        self.score[at], self.scored[at] = score, True
        self._ranked = None

    def surprise(self, level: int, total: float) -> float:
        """How far a return lies from the level's mean, or from that of all where it is the first.

        It stands in for the advantages of learners that do not tell any.
        """
        at = self._at(level)
        played = int(self.played.sum())
        mean = self.mean[at]
        if not self.played[at]:
            mean = float(self.mean @ self.played) / played if played else total
        return abs(total - float(mean))

    def note_return(self, level: int, total: float) -> None:
        """Notes the return of an episode that has ended."""
        at = self._at(level)
        self.played[at] += 1
        self.mean[at] += (total - self.mean[at]) / self.played[at]

    def draw(self, busy: Integers) -> int:
        """Draws the level of a next episode.

        Each draw has a generator of its own, made of its number: a checkpoint needs no random
        state.

        Args:
            busy: levels that are played, or will be next: they are not drawn as new ones.
        """
        rng = np.random.default_rng([self._root, self.draws])
        fresh = ~self.scored
        fresh[self._at(busy)] = False
        new = np.flatnonzero(fresh)
        replays = rng.random() < self._chance(len(new))
        if replays:
            at = self._replayed(rng.random())
        else:
            # All may be busy where there are fewer levels than worlds.
            at = int(new[rng.integers(len(new))]) if len(new) else int(rng.integers(fresh.size))
        self.draws += 1
        self.replays += replays
        self.drawn[at] += 1
        self.last[at] = self.draws
        return int(self.numbers[at])

    @overload
    def _at(self, levels: int) -> int: ...

    @overload
    def _at(self, levels: Integers) -> NDArray[np.intp]: ...

    def _at(self, levels: int | Integers) -> Any:
        return np.searchsorted(self.numbers, levels)

    def _chance(self, new: int) -> float:
        """The probability of a replay; `new` levels could be drawn instead."""
        seen, settings = self.seen, self._settings
        if not seen:
            return 0.0
        return settings.replay * min(1.0, seen / settings.anneal) if new else 1.0

    def _replayed(self, uniform: float) -> int:
        if self._ranked is None:
            seen = np.flatnonzero(self.scored)
            self._ranked = seen, rank_weights(self.score[seen], self._settings.temperature)
        seen, by_score = self._ranked
        by_age = stale_weights(self.last[seen], self.draws)
        sums = np.cumsum(replay_distribution(by_score, by_age, self._settings.staleness))
        return int(
            seen[min(int(np.searchsorted(sums, uniform * sums[-1], "right")), seen.size - 1)]
        )
