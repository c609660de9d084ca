"""Demonstrations in worlds: whoever drives, the source says what it would do in every state.

With behaviour cloning the source drives. With DAgger (Ross et al. 2011) the student drives more and
more of the episodes, so that it is shown what to do where its own mistakes lead.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from gymnasium.spaces import Box, Discrete, MultiDiscrete
from numpy.typing import NDArray

from als_engine.agents.masks import with_masks
from als_engine.seeding import row_seeds, spread
from als_plugins.imitation.imitation import Imitation
from als_plugins.imitation.kept import Kept, Trails, returns_to_go, sequences_for, step_bytes
from als_plugins.imitation.sources import Demonstrator

if TYPE_CHECKING:
    from als_engine.envs.rows import Rows

__all__ = ["Lessons", "Noise"]

_LONGEST: Final = 19
"""Steps in a row of one random action, at most."""


class Noise:
    """Random actions in place of some, several steps in a row.

    An avatar that is pushed off its way moves otherwise than it should go on: what to do has to be
    learnt from where things are.
    """

    def __init__(self, rows: Rows, part: float, rng: np.random.Generator) -> None:
        """Begins without any.

        Args:
            rows: whose actions they are.
            part: of all steps, below 1.
            rng: draws when and what.
        """
        self._space, self._rng = rows.action_space, rng
        # Of the steps in which none goes on; each lasts (1 + `_LONGEST`) / 2 steps on average.
        self._begins = part / (1.0 - part) / ((_LONGEST + 1) / 2)
        self._left = np.zeros(rows.num_rows, np.int64)
        self._actions = np.zeros((rows.num_rows, *(self._space.shape or ())), self._space.dtype)

    def disturbed(self, actions: NDArray[Any]) -> NDArray[Any]:
        """Actions, (rows, ...), of which some are random."""
        begin = (self._left == 0) & (self._rng.random(len(self._left)) < self._begins)
        self._left[begin] = self._rng.integers(1, _LONGEST + 1, size=int(begin.sum()))
        self._actions[begin] = self._drawn(int(begin.sum()))
        on = self._left > 0
        self._left[on] -= 1
        return np.where(on.reshape(-1, *(1,) * (actions.ndim - 1)), self._actions, actions)

    def _drawn(self, rows: int) -> NDArray[Any]:
        space, shape = self._space, (rows, *(self._space.shape or ()))
        if isinstance(space, Box):
            return self._rng.uniform(space.low, space.high, shape)
        assert isinstance(space, Discrete | MultiDiscrete)
        counts = space.n if isinstance(space, Discrete) else space.nvec
        return self._rng.integers(counts, size=shape)


class Lessons:
    """Worlds in which a student is shown what to do."""

    def __init__(
        self,
        imitation: Imitation,
        rows: Rows,
        source: Demonstrator,
        seed: int,
        *,
        dagger: bool,
    ) -> None:
        """Makes room for what will be shown.

        Args:
            imitation: who learns, and how far it is.
            rows: the worlds; seeding them is the caller's business.
            source: who shows.
            seed: of who drives, and of what is kept.
            dagger: whether the student drives at times.

        Raises:
            ArgumentError: there is not memory enough.
        """
        learner, parameters = imitation.student.learner, imitation.parameters
        self._imitation, self._rows, self._source = imitation, rows, source
        self._dagger, self._seed = dagger, seed
        self._keys = list(learner.observation_space.spaces)
        self._rng = np.random.default_rng(spread("imitation", seed, imitation.steps))
        sensors, actions = learner.observation_space, learner.action_space
        room = parameters.room_for(step_bytes(sensors, actions), imitation.total)
        sequences = sequences_for(imitation.student, rows.num_rows)
        self._kept = Kept(sensors, actions, max(room, rows.num_rows), self._rng, sequences)
        self._trails = Trails(rows.num_rows)
        # Which worlds the student drives, and in which rows an episode begins.
        self._students = np.zeros(rows.num_worlds, np.bool_)
        self._begins = np.ones(rows.num_rows, np.bool_)
        self._noise = Noise(rows, parameters.noise, self._rng) if parameters.noise else None

    def run(
        self, until: int, should_stop: Callable[[], bool], after_step: Callable[[int], None]
    ) -> bool:
        """Goes on until so many steps were demonstrated; False where it was told to stop.

        Args:
            until: steps.
            should_stop: asked at every step.
            after_step: told how many steps there are by then.

        Raises:
            ArgumentError: there is no expert to ask.
        """
        rows, imitation, source = self._rows, self._imitation, self._source
        rows.reset()
        source.begin(rows, self._seed)
        rows.count_only(self._students)
        self._begin(np.ones(rows.num_worlds, np.bool_))
        try:
            while imitation.steps < until:
                if should_stop():
                    return False
                shown = source.actions(rows)
                places, numbers = self._kept.add(rows.observations, shown, self._begins)
                rows.step(self._chosen(shown))
                self._begins[:] = False
                self._trails.add(places, numbers, rows.rewards)
                if (ended := rows.ended_worlds).any():
                    self._end(ended)
                    self._begin(ended)
                imitation.learn(rows.num_rows, self._kept)
                after_step(imitation.steps)
        finally:
            rows.count_only(None)
        return True

    def _chosen(self, shown: NDArray[Any]) -> NDArray[Any]:
        """What is done: the student's actions where it drives, at times random ones elsewhere."""
        rows, student = self._rows, self._imitation.student
        if self._noise is not None:
            shown = self._noise.disturbed(shown)
        if not self._students.any():
            return shown
        seen = {key: rows.observations[key] for key in self._keys}
        told = with_masks(student.learner, seen, rows.action_masks)
        drawn = student.draw(told, self._begins)
        theirs = np.repeat(self._students, rows.observers)
        wide = theirs.reshape(-1, *(1,) * (shown.ndim - 1))
        return np.where(wide, drawn, shown)

    def _begin(self, worlds: NDArray[np.bool_]) -> None:
        """Draws who drives in the episodes that begin."""
        imitation, rows = self._imitation, self._rows
        reach = imitation.parameters.handover * imitation.total
        share = max(0.0, 1.0 - imitation.steps / reach) if reach else 0.0
        drawn = self._rng.random(rows.num_worlds) >= share
        self._students[worlds] = drawn[worlds] if self._dagger else False
        self._begins |= np.repeat(worlds, rows.observers)
        # Drawn in all worlds, so that who ends when makes no difference to the others.
        seeds = self._rng.integers(1 << 40, size=rows.num_worlds)[worlds].tolist()
        self._source.restart(
            np.repeat(worlds, rows.observers),
            [each for seed in seeds for each in row_seeds(seed, rows.observers)],
        )

    def _end(self, ended: NDArray[np.bool_]) -> None:
        """Notes what followed in the episodes that the source has driven to their end."""
        rows, student = self._rows, self._imitation.student
        gamma, scale = student.parameters.gamma, student.parameters.reward_scale
        theirs = np.flatnonzero(np.repeat(ended & ~self._students, rows.observers))
        others = np.flatnonzero(np.repeat(ended & self._students, rows.observers))
        if len(theirs):
            last = {key: rows.final_observations[key][theirs] for key in self._keys}
            # Nothing follows where the task has ended it; otherwise only the time was up, and what
            # a student expects who remembers depends on what it would remember.
            expected = student.expect(last) if student.together == 1 else np.nan
            follows = np.where(rows.terminated[theirs], 0.0, expected)
        for i, row in enumerate(theirs.tolist()):
            places, numbers, rewards = self._trails.end(row)
            found = returns_to_go(rewards * scale, gamma, float(follows[i]))
            self._kept.settle(places, numbers, found)
        for row in others.tolist():
            self._trails.end(row)
