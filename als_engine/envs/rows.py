"""Rows: all worlds as a learner sees them, one row for every avatar that the caller drives."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from functools import partial
from typing import Any, Final

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import ArrayLike, NDArray

from als_engine.bodies.codec import as_array
from als_engine.checks import at_least_one, chosen_rows, flag
from als_engine.envs.batch import Arrays, outcomes_of
from als_engine.envs.recent import Recent
from als_engine.envs.vector import make_worlds, spread_seeds
from als_engine.errors import ActionError, ArgumentError, ResetNeededError, SnapshotError
from als_engine.plugins.specs import ScenarioSpec
from als_engine.seeding import spread
from als_engine.simulation import check_arguments
from als_engine.system.ownership import DeepCopied
from als_engine.world.arrays import BoolArray, FloatArray, IntArray
from als_engine.world.snapshot import Snapshot

__all__ = ["Rows", "RowsWrapper", "own_arrays"]

_TERM_RETURNS: Final = "view.term_returns"


class Rows(DeepCopied):
    """Worlds to learn from: row `world * observers + avatar`, all avatars alike.

    An episode that ends is replaced by the next one in the same step; what its last step showed is
    in `final_observations`. Arrays are views that the next call overwrites: copy what is to stay.

    Attributes:
        scenario: the id. made_of: the id or the spec that it was made of.
        arguments: of the scenario.
        num_worlds, observers: how many worlds, and avatars of each. num_rows: their product.
        observation_space, action_space: of one row; observations are always a `Dict`.
        reward_names: the terms that the reward is the sum of.
        groups: of people, of whom the task says what has become of them; empty where it does not.
        recent: mean return and success of the episodes that have ended lately.
        final_returns: (worlds, observers), and final_term_returns, (worlds, observers, terms): sums
            over the episodes that the last step has ended. final_lengths: (worlds,), their steps.
    """

    def __init__(
        self,
        scenario: str | ScenarioSpec,
        num_worlds: int = 1,
        *,
        observers: int | None = None,
        workers: int = 1,
        captions: bool = False,
        **arguments: Any,
    ) -> None:
        """Makes the worlds.

        Args:
            scenario: its id, or a spec, which need not be registered.
            num_worlds: how many worlds.
            observers: how many avatars of each world are rows; None for all of them.
            workers: how many processes step the worlds.
            captions: whether pictures of the worlds show speech, sounds, rewards and metrics.
            **arguments: see `als_engine.simulation.ARGUMENTS`.

        Raises:
            UnknownIdError: there is no such scenario.
            ArgumentError: an argument is unknown or its value is not allowed.
        """
        check_arguments(scenario, arguments, "observers", "workers", "captions")
        self.captions, mode = flag("captions", captions), AutoresetMode.SAME_STEP
        self.worlds = make_worlds(
            scenario, num_worlds, observers, workers, mode, arguments, self.captions
        )
        simulation = self.worlds.simulation
        self.scenario, self.made_of, self.arguments = simulation.scenario, scenario, arguments
        self.num_worlds = at_least_one("num_worlds", num_worlds)
        self.observers = simulation.observers
        self.num_rows = self.num_worlds * self.observers
        self.observation_space: gymnasium.spaces.Dict = deepcopy(simulation.observation_space)
        self.action_space: gymnasium.Space[Any] = deepcopy(simulation.action_space)
        self.reward_names = self.worlds.reward_names
        outcomes = outcomes_of(simulation)
        self.groups = () if outcomes is None else tuple(outcomes.names)
        self.recent = Recent(self.num_worlds)
        self.final_returns: FloatArray = np.zeros((self.num_worlds, self.observers))
        self.final_term_returns: FloatArray = np.zeros_like(self.worlds.terms)
        self.final_lengths: NDArray[np.int64] = np.zeros(self.num_worlds, np.int64)
        self._returns: FloatArray = np.zeros_like(self.final_returns)
        self._term_returns: FloatArray = np.zeros_like(self.final_term_returns)
        self._lengths: NDArray[np.int64] = np.zeros_like(self.final_lengths)
        self._counting: BoolArray | None = None
        self._seeds: list[int | None] = [None] * self.num_worlds
        self._spread: tuple[Callable[..., int], tuple[int, ...]] | None = None
        self._alike = self.num_worlds
        # Whether an exception has come between the worlds' step and the sums that are kept here.
        self._broken = False

    # -- seeds and resets -------------------------------------------------------------------------

    def spread_for(self, use: str, *at: int, parts: int = 1) -> None:
        """From now on `seed(s)` gives world `i` the seed `spread(use, s, *at, i)`.

        For runs: a learner seeds its environment with its own seed, and Stable-Baselines3 does so
        by itself, so that the seeds of two trainings would overlap.

        Args:
            use: what the seeds are for.
            *at: which part of the run.
            parts: into how many equal parts the worlds are divided, each with the same seeds, so
                that policies are compared on the same levels.

        Raises:
            ArgumentError: the worlds cannot be divided so.
        """
        if self.num_worlds % parts:
            raise ArgumentError(f"{self.num_worlds} worlds cannot be divided into {parts} parts")
        self._spread, self._alike = (partial(spread, use), at), self.num_worlds // parts

    def seed(self, seed: int | None = None) -> Sequence[int | None]:
        """Seeds the worlds for the next reset: world `i` with `seed + i`; see `spread_for`."""
        if self._spread is None or seed is None:
            self._seeds = list(spread_seeds(seed, self.num_worlds))
        else:
            of, at = self._spread
            self._seeds = [of(seed, *at, world % self._alike) for world in range(self.num_worlds)]
        return self._seeds

    def reset(self, levels: Sequence[int | None] | None = None) -> Arrays:
        """Starts an episode in every world.

        Args:
            levels: which one is laid out in each world; None where the world draws it.

        Returns:
            `observations`.
        """
        self._broken = True
        wanted = [None] * self.num_worlds if levels is None else list(levels)
        for level in dict.fromkeys(wanted):
            chosen = np.array([other == level for other in wanted])
            self.worlds.reset(self._seeds, None if chosen.all() else chosen, level)
        self._seeds = [None] * self.num_worlds
        self.recent.reset()
        for sums in (self._returns, self._term_returns, self._lengths):
            sums[...] = 0
        self._broken = False
        return self.observations

    # -- stepping ---------------------------------------------------------------------------------

    def step(self, actions: ArrayLike) -> Arrays:
        """Advances every world by one step.

        Args:
            actions: (rows, ...) as `action_space` has it.

        Returns:
            `observations`, the first of a new episode where one has ended.

        Raises:
            ActionError: an action is not in the action space; nothing has changed.
            ResetNeededError: the last step or reset broke off in the middle.
        """
        self.check_whole()
        given = as_array(actions)
        if given.shape[:1] != (self.num_rows,):
            raise ActionError(f"actions have shape {given.shape}, expected {self.num_rows} rows")
        try:
            self.worlds.step(given.reshape(self.num_worlds, self.observers, *given.shape[1:]))
            self._count()
        except (ActionError, ResetNeededError):
            raise
        except BaseException:
            self._broken = True
            raise
        return self.observations

    def _count(self) -> None:
        worlds = self.worlds
        self._returns += worlds.rewards
        self._term_returns += worlds.terms
        self._lengths += 1
        ended = self.ended_worlds
        success = worlds.final_metrics["success"]
        self.recent.step(ended, self._returns.mean(axis=1), success, self._counting)
        if ended.any():
            self._close_sums(ended)

    def _close_sums(self, ended: BoolArray) -> None:
        for final, sums in (
            (self.final_returns, self._returns),
            (self.final_term_returns, self._term_returns),
            (self.final_lengths, self._lengths),
        ):
            final[ended] = sums[ended]
            sums[ended] = 0

    def check_whole(self) -> None:
        """Refuses to go on from the middle of a step.

        Raises:
            ResetNeededError: the last step or reset broke off in the middle.
        """
        if self._broken:
            raise ResetNeededError("call reset(): the last step or reset broke off in the middle")

    def count_only(self, worlds: BoolArray | None) -> None:
        """Lets the episodes of some worlds alone count in `recent`, as they are when they end.

        For learners whose worlds others drive at times, which says nothing of the learner.

        Args:
            worlds: (worlds,), looked at in every step; None for all.
        """
        self._counting = worlds

    def give_to_company(self, observers: BoolArray) -> None:
        """Lets scripted behaviours drive some avatars from their next reset on.

        Whatever the caller does in their rows counts for nothing.

        Args:
            observers: (worlds, observers), which ones; False gives an avatar back.
        """
        self.worlds.give_to_company(observers)

    def spoil(self) -> None:
        """Lets nobody go on before a reset: what the caller did with the last step broke off."""
        self._broken = True

    # -- what a curriculum does -------------------------------------------------------------------

    def note_advantages(self, advantages: ArrayLike) -> None:
        """Told by learners that know them, of the last steps; a curriculum listens.

        Args:
            advantages: (steps, rows), how much better each step was than expected.
        """

    def remake(self, arguments: Mapping[str, Any], seeds: Sequence[int]) -> Arrays:
        """Goes on in worlds that are made with other arguments of the scenario.

        The episodes that run are cut off: for whoever has taken the last step, it ended them, as if
        their time were up. They do not count in `recent`.

        Args:
            arguments: of the scenario, all of them.
            seeds: of the new worlds.

        Returns:
            `observations`, the first ones of the new worlds.

        Raises:
            ArgumentError: they would show or take something else; nothing has changed.
        """
        self.check_whole()
        worlds, cut = self.worlds, ~self.ended_worlds
        told = (worlds.rewards, worlds.terms, worlds.terminated, worlds.truncated)
        before = [array.copy() for array in told]
        seen = {key: array[cut].copy() for key, array in worlds.observations.items()}
        metrics = {name: array[cut].copy() for name, array in worlds.metrics.items()}
        worlds.remake(self.made_of, arguments)
        self._broken = True
        worlds.reset(seeds, None, None)
        for array, as_it_was in zip(told, before, strict=True):
            array[...] = as_it_was
        worlds.truncated[cut] = True
        for finals, last in ((worlds.final_observations, seen), (worlds.final_metrics, metrics)):
            for name, values in last.items():
                finals[name][cut] = values
        self._close_sums(cut)
        self.recent.reset()
        self.arguments = dict(arguments)
        self._broken = False
        return self.observations

    # -- what there is now ------------------------------------------------------------------------

    @property
    def observations(self) -> Arrays:
        """Key to (rows, ...)."""
        return self._by_row(self.worlds.observations)

    @property
    def final_observations(self) -> Arrays:
        """Key to (rows, ...): the last ones of the episodes that the last step has ended."""
        return self._by_row(self.worlds.final_observations)

    @property
    def final_outcomes(self) -> Arrays:
        """People of each group and sums of their outcomes, (worlds, groups), at the end.

        Those of the episodes that the last step has ended, by "people" and "sums".
        """
        return self.worlds.final_outcomes

    @property
    def rewards(self) -> FloatArray:
        """(rows,)."""
        return self.worlds.rewards.reshape(-1)

    @property
    def terms(self) -> FloatArray:
        """(rows, terms): what the rewards of the last step are the sum of."""
        return self._of_rows(self.worlds.terms)

    @property
    def ended_worlds(self) -> BoolArray:
        """(worlds,): whether the last step ended the episode."""
        return self.worlds.terminated | self.worlds.truncated

    @property
    def ended(self) -> BoolArray:
        """(rows,): whether the last step ended the episode."""
        return np.repeat(self.ended_worlds, self.observers)

    @property
    def terminated(self) -> BoolArray:
        """(rows,): whether nothing follows; an episode whose time is up would go on."""
        return np.repeat(self.worlds.terminated, self.observers)

    @property
    def roles(self) -> dict[str, IntArray]:
        """The rows of each role, by its name."""
        names = [role.name for role in self.worlds.simulation.task.roles()[: self.observers]]
        first = np.arange(self.num_worlds)[:, None] * self.observers
        return {
            name: (first + np.flatnonzero([each == name for each in names])).reshape(-1)
            for name in dict.fromkeys(names)
        }

    @property
    def state_space(self) -> gymnasium.spaces.Box:
        """The space of one world's state vector."""
        return self.worlds.simulation.state_space

    def state(self) -> NDArray[np.float32]:
        """Every world as one vector, (worlds, numbers), also what no avatar can see."""
        return self.worlds.state()

    def expert_actions(self, rule: str | None = None) -> NDArray[Any]:
        """What the scenario's expert, or the heuristic `rule`, would do now, (rows, ...)."""
        return self._of_rows(self.worlds.expert_actions(rule))

    def action_masks(self) -> BoolArray:
        """Which actions are possible now, (rows, n)."""
        return self._of_rows(self.worlds.action_masks())

    def _by_row(self, arrays: Arrays) -> Arrays:
        return {key: self._of_rows(array) for key, array in arrays.items()}

    def _of_rows(self, array: NDArray[Any]) -> NDArray[Any]:
        return array.reshape(self.num_rows, *array.shape[2:])

    # -- snapshots and the end --------------------------------------------------------------------

    def snapshot(self, worlds: ArrayLike | None = None) -> Snapshot:
        """The moment of some worlds, with the sums of their episodes; of all, also `recent`.

        Args:
            worlds: indices or a mask of worlds, not of rows; None for all.

        Raises:
            ResetNeededError: a world was not reset, or its last step broke off.
        """
        self.check_whole()
        which = chosen_rows(worlds, self.num_worlds)
        view = {"recent": self.recent.saved()} if worlds is None else {}
        sums = {_TERM_RETURNS: self._term_returns[which]}
        return self.worlds.snapshot(which).with_view(view, sums)

    def restore(self, snapshot: Snapshot, worlds: ArrayLike | None = None) -> Arrays:
        """Goes on from a moment: the same actions give, bit for bit, what they gave then.

        Args:
            snapshot: of as many worlds as are restored; one of all brings `recent` back, too.
            worlds: indices or a mask of worlds, not of rows; None for all.

        Returns:
            The observations of that moment, (rows, ...).

        Raises:
            SnapshotError: it is not of such worlds; nothing has changed.
        """
        which = chosen_rows(worlds, self.num_worlds)
        sums = own_arrays(snapshot, {_TERM_RETURNS: self._term_returns}, which.size)
        recent = None
        if worlds is None and isinstance(snapshot, Snapshot) and "recent" in snapshot.view:
            recent = Recent.of(snapshot.view["recent"], self.num_worlds)
        self.worlds.restore(snapshot, which)
        self._returns[which] = snapshot.arrays["episode.returns"][:, : self.observers]
        self._lengths[which] = snapshot.arrays["step"]
        self._term_returns[which] = sums[_TERM_RETURNS]
        self.recent = recent or self.recent
        self._broken = self._broken and worlds is not None
        return self.observations

    def close(self) -> None:
        """Frees the physics and ends the workers."""
        self.worlds.close()


class RowsWrapper:
    """Rows of which some things are otherwise; all else is that of `inner`.

    A subclass overrides what differs: `step`, and `rewards`, say.
    """

    def __init__(self, inner: Rows) -> None:
        """Wraps rows, which belong to the wrapper from now on."""
        self.inner = inner

    def __getattr__(self, name: str) -> Any:
        if name == "inner":  # In a copy that is not made up yet.
            raise AttributeError(name)
        return getattr(self.inner, name)


def own_arrays(snapshot: Snapshot, like: Arrays, count: int) -> Arrays:
    """What a snapshot of so many worlds holds of a view; where it is of another view, zeros.

    Args:
        snapshot: maybe somebody else's.
        like: what the view has of all its worlds, by name.
        count: how many worlds.

    Raises:
        SnapshotError: it holds something else under one of the names.
    """
    given: Arrays = {}
    for name, ours in like.items():
        found = getattr(snapshot, "arrays", {}).get(name)
        shape = (count, *ours.shape[1:])
        if found is not None and (found.shape != shape or found.dtype != ours.dtype):
            raise SnapshotError(f'the snapshot\'s "{name}" is not as these worlds have it')
        given[name] = np.zeros(shape, ours.dtype) if found is None else found
    return given
