"""Scoring: rewards and their terms, returns, ends of episodes, and the metrics of all worlds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from als_engine.answers import Answers, Watch
from als_engine.plugins.registry import registry
from als_engine.plugins.specs import EpisodeRecord
from als_engine.task import Task, add_terms, split_of
from als_engine.world.arrays import BoolArray, FloatArray
from als_engine.world.state import WorldState

__all__ = ["Scoring", "term_key"]


class Scoring:
    """The task's checked answers about the last step.

    Attributes:
        rewards: (worlds, avatars). terminated, truncated: (worlds,) bool.
        reward_names: what the terms of a reward are called.
        has_terms: whether there are several.
        terms: (worlds, avatars, terms), what `rewards` is the sum of.
        returns: (worlds, avatars), the sum of rewards since the episode began.
        watch: notices a task that writes where things are.
    """

    def __init__(self, task: Task, scenario: str, state: WorldState) -> None:
        """Allocates the arrays."""
        self._task, self._scenario, self._state = task, scenario, state
        self._answers = Answers(scenario, type(task).__name__, state)
        self.watch = Watch(self._answers)
        shape = (state.num_worlds, state.num_avatars)
        self.rewards: FloatArray = np.zeros(shape)
        self.returns: FloatArray = np.zeros(shape)
        self.reward_names = tuple(task.reward_names)
        self.has_terms = len(self.reward_names) > 1
        # The only term of a reward is the reward itself, which need not be copied.
        self.terms: FloatArray = (
            np.zeros((*shape, len(self.reward_names)))
            if self.has_terms
            else self.rewards[..., None]
        )
        self.terminated: BoolArray = np.zeros(state.num_worlds, np.bool_)
        self.truncated: BoolArray = np.zeros(state.num_worlds, np.bool_)
        self._checked_metrics = False
        self._acting: BoolArray | None = None

    def note_who_acts(self) -> None:
        """Notes who is there as a step begins: the others get no reward for it."""
        avatars = self._state.avatars
        self._acting = avatars.present.copy() if avatars.come_and_go else None

    def arrays(self) -> Iterator[tuple[str, NDArray[Any]]]:
        """The arrays that a snapshot keeps, by name; the first axis is the world."""
        for name in ("rewards", "returns", "terminated", "truncated"):
            yield name, getattr(self, name)
        if self.has_terms:
            yield "terms", self.terms

    def begin(self, worlds: NDArray[np.intp]) -> None:
        """New episodes begin in these worlds."""
        self.rewards[worlds] = self.returns[worlds] = 0.0
        self.terms[worlds] = 0.0
        self.terminated[worlds] = self.truncated[worlds] = False

    def score(self, must_be_finite: bool) -> None:
        """Asks the task about the step that was just made.

        Args:
            must_be_finite: not so where physics has broken: that is what is wrong, and is said.

        Raises:
            TaskError: an answer has the wrong shape or type, or is not finite.
        """
        state, task, answers = self._state, self._task, self._answers
        # A world that ended before is told of once, though it may be stepped on until its reset.
        running = ~(self.terminated | self.truncated) if registry.listens_to_episodes else None
        self.terminated[:] = answers.flags(task.terminated(state), "terminated")
        self.watch.check("terminated")
        # Both may be true in one step, as with Gymnasium's own TimeLimit: what an algorithm asks
        # is whether it terminated.
        self.truncated[:] = state.step >= state.max_episode_steps
        self._reward()
        if must_be_finite:
            answers.finite("reward", self.rewards)
            if not self._checked_metrics:
                self._checked_metrics = True
                self.check_metrics()
        self.returns += self.rewards
        if running is not None and (ended := (self.terminated | self.truncated) & running).any():
            self._report(ended)

    def _reward(self) -> None:
        if self.has_terms:
            terms = self._answers.terms(self._task.reward_terms(self._state), self.reward_names)
            for i, values in enumerate(terms.values()):
                self.terms[..., i] = values
            self.rewards[:] = add_terms(terms)
        else:
            self.rewards[:] = self._answers.reward(self._task.reward(self._state))
        if self._acting is not None:
            self.rewards[~self._acting] = self.terms[~self._acting] = 0.0
        self.watch.check("reward_terms" if self.has_terms else "reward")

    def metrics(self) -> dict[str, NDArray[Any]]:
        """The metrics in `info`: (worlds,) arrays, `success` and `level` first.

        Numbers are bool, int64 or float64, whatever the task's own arrays are, so that every view
        gives the same type.
        """
        success = self._answers.flags(self._task.success(self._state), "success")
        own = self._answers.metrics(self._task.metrics(self._state))
        metrics = {"success": success, "level": self._state.level, **own}
        return {name: _widest(values) for name, values in metrics.items()}

    def check_metrics(self) -> None:
        """Refuses metrics that are not finite; asked at the first step, and by `als check` at all.

        Raises:
            TaskError: names the metric.
        """
        for name, values in self.metrics().items():
            self._answers.finite(f'metrics["{name}"]', values)

    def named_terms(self, avatar: int) -> dict[str, float]:
        """The terms in the `info` of an avatar of world 0: `reward_NAME`; empty for one term."""
        if not self.has_terms:
            return {}
        values = self.terms[0, avatar].tolist()
        return dict(zip(map(term_key, self.reward_names), values, strict=True))

    def _report(self, ended: BoolArray) -> None:
        """Tells the plugins that listen of the episodes that have just ended."""
        metrics = self.metrics()
        for world in np.flatnonzero(ended).tolist():
            level = int(self._state.level[world])
            registry.episode_end(
                EpisodeRecord(
                    scenario=self._scenario,
                    split=split_of(level),
                    level=level,
                    length=int(self._state.step[world]),
                    returns=tuple(self.returns[world].tolist()),
                    terminated=bool(self.terminated[world]),
                    metrics={name: float(array[world]) for name, array in metrics.items()},
                )
            )


def term_key(name: str) -> str:
    """The key in `info` of a term of the reward.

    Without a slash: HDF5, and so Minari, would make groups of it.
    """
    return f"reward_{name}"


def _widest(values: NDArray[Any]) -> NDArray[Any]:
    array = np.asarray(values)
    return array.astype(
        {"b": np.bool_, "f": np.float64}.get(array.dtype.kind, np.int64), copy=False
    )
