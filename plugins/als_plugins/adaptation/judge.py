"""Tells whether an update made an agent better or worse, on the same episodes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from als_engine.agents.agent import Agent
from als_engine.evaluation.protocol import Evaluation, evaluate
from als_engine.evaluation.splits import for_choosing
from als_engine.evaluation.statistics import Interval, mean_interval

__all__ = ["Examiner", "Verdict", "compare"]


@dataclass(frozen=True)
class Verdict:
    """A comparison of two agents, or of one before and after the world changed.

    Attributes:
        difference: of the returns, episode by episode, with its 95 percent interval.
        worse: the whole interval is below 0 by more than the margin.
        better: the mean is higher.
    """

    difference: Interval
    worse: bool
    better: bool


def compare(after: Evaluation, before: Evaluation, margin: float) -> Verdict:
    """Compares returns in the same episodes, by which something is kept or taken back.

    Args:
        after: of as many episodes with the same seeds as `before`.
        before: what to compare with.
        margin: what does not count, in standard deviations of the returns before.

    Raises:
        ArgumentError: the episodes are of the test split, by which nothing is chosen.
    """
    for_choosing(after.split)
    difference = mean_interval(after.returns - before.returns)
    ignored = margin * float(before.returns.std())
    return Verdict(difference, difference.high < -ignored, difference.value > 0.0)


class Examiner:
    """Evaluates on a fixed set of held-out episodes, which are not those of `als evaluate`.

    The agent acts as everywhere else (see `acting`); what it draws follows from the
    seed of the episodes, so the same weights in the same world always do the same: what was
    measured once need not be run again.
    """

    def __init__(
        self, scenario: str, observers: int, *, split: str, seed: int, episodes: int, worlds: int
    ) -> None:
        """Takes what to evaluate on."""
        self._scenario, self._observers = scenario, observers
        self._split, self._seed = split, seed
        self._episodes, self._worlds = episodes, worlds
        self._known: dict[tuple[str, str], Evaluation] = {}

    def examine(
        self, agent: Agent, snapshot: str, world: str, arguments: Mapping[str, Any]
    ) -> Evaluation:
        """The evaluation of an agent that has the weights of a snapshot, in a world."""
        key = (snapshot, world)
        if key not in self._known:
            self._known[key] = evaluate(
                agent,
                self._scenario,
                self._episodes,
                split=self._split,
                seed=self._seed,
                use="examining",
                num_worlds=self._worlds,
                observers=self._observers,
                arguments=arguments,
            )
        return self._known[key]
