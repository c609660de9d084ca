"""Stable-Baselines3: the batch as its `VecEnv`, every avatar that the caller drives a row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from functools import partial
from typing import Any, Final

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import ArrayLike, NDArray
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import VecEnv

from als_engine.bodies.codec import as_array
from als_engine.checks import at_least_one, chosen_rows, flag
from als_engine.envs.attributes import Attributes, Generators, spec_of
from als_engine.envs.batch import Arrays
from als_engine.envs.recent import Recent
from als_engine.envs.shared import forked
from als_engine.envs.vector import make_worlds, spread_seeds
from als_engine.envs.window import check_render_mode
from als_engine.errors import ActionError, ArgumentError, ResetNeededError, SnapshotError
from als_engine.plugins.specs import ScenarioSpec
from als_engine.seeding import spread
from als_engine.sensors.flat import plain, plain_space
from als_engine.simulation import check_arguments, term_key
from als_engine.system.ownership import DeepCopied
from als_engine.world.arrays import FloatArray
from als_engine.world.snapshot import Snapshot


def sb3_vec_env(
    id: str | ScenarioSpec,
    num_worlds: int = 1,
    *,
    observers: int | None = None,
    workers: int = 1,
    seed: int | None = None,
    render_mode: str | None = None,
    captions: bool = False,
    **arguments: Any,
) -> WorldsVecEnv:
    """Makes a scenario as one SB3 `VecEnv`: row `world * observers + avatar`, shared parameters.

    Args:
        id: the scenario's id, or a spec, which need not be registered.
        num_worlds: how many worlds.
        observers: how many avatars of each world are rows; None for all of them.
        workers: how many processes step the worlds.
        seed: of world 0, for the first reset; world `i` gets `seed + i`.
        render_mode: "rgb_array" or None.
        captions: whether speech, sounds, rewards and metrics are written on the pictures.
        **arguments: see `als_engine.simulation.ARGUMENTS`.

    Raises:
        UnknownIdError: there is no such scenario.
        ArgumentError: an argument is unknown or its value is not allowed.
    """
    return WorldsVecEnv(id, num_worlds, observers, workers, seed, render_mode, arguments, captions)


_TERM_RETURNS: Final = "view.term_returns"
_BEGAN: Final = "view.reset."
_Step = tuple[Arrays, NDArray[np.float32], NDArray[np.bool_], list[dict[str, Any]]]
_OF_ROWS: Final = {
    "action_masks": "action_masks",
    "expert_action": "expert_actions",
    "np_random": "_np_randoms",
    "np_random_seed": "_np_random_seeds",
    "render": "get_images",
    "spec": "_specs",
    "state": "_states",
}
"""Attribute of a single environment to the method that returns one for each row."""


class WorldsVecEnv(DeepCopied, VecEnv):
    """All worlds as one SB3 `VecEnv`; an ended episode is replaced in the same step.

    At an episode's end a row's info has `terminal_observation`, `TimeLimit.truncated`, `episode`
    (return `r`, length `l`), `episode_terms` (the return of each term of the reward), `is_success`
    and the scenario's metrics.

    Attributes:
        reward_names: the terms that the reward is the sum of.
        terms: (rows, terms), what they were in the last step.
        recent: mean return and success of the episodes that have ended lately.
    """

    def __init__(
        self,
        scenario: str | ScenarioSpec,
        num_worlds: int,
        observers: int | None,
        workers: int,
        seed: int | None,
        render_mode: str | None,
        arguments: dict[str, Any],
        captions: bool = False,
    ) -> None:
        self.render_mode = check_render_mode(render_mode)
        self._captions = flag("captions", captions)
        own = ("observers", "workers", "seed", "render_mode", "captions")
        check_arguments(scenario, arguments, *own)
        mode = AutoresetMode.SAME_STEP
        self.worlds = made = make_worlds(
            scenario, num_worlds, observers, workers, mode, arguments, self._captions
        )
        simulation, self.reward_names = made.simulation, made.reward_names
        self.scenario, self.arguments = simulation.scenario, dict(arguments)
        self.observers, self._made_of = simulation.observers, scenario
        self.num_worlds = num_worlds = at_least_one("num_worlds", num_worlds)
        self._actions: NDArray[Any] | None = None
        # Whether an exception has come between the worlds' step and the sums that are kept here.
        self._broken = False
        self.num_envs = num_worlds * self.observers
        self._generators = Generators(num_worlds)
        self._attributes = Attributes(self, self.num_envs, _OF_ROWS)
        self._returns: FloatArray = np.zeros((num_worlds, self.observers))
        self._term_returns: FloatArray = np.zeros_like(self.worlds.terms)
        self._lengths = np.zeros(num_worlds, np.int64)
        self.recent = Recent(num_worlds)
        super().__init__(
            num_worlds * self.observers,
            # Copies: SB3 changes a space in place where it turns pictures round.
            plain_space(simulation.observation_space),
            deepcopy(simulation.action_space),
        )
        self._spread: tuple[Callable[..., int], tuple[int, ...]] | None = None
        self.metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 15}
        if seed is not None:
            self.seed(seed)

    def _specs(self) -> list[Any]:
        limit = self.worlds.simulation.state.max_episode_steps
        return [spec_of(self.scenario, self.arguments, limit)] * self.num_envs

    def _np_randoms(self) -> list[Any]:
        return self._for_rows(self._generators.generators())

    def _np_random_seeds(self) -> list[int]:
        return self._for_rows(self._generators.seeds())

    def _states(self) -> list[Any]:
        return self._for_rows(self.state())

    def _for_rows(self, of_worlds: Any) -> list[Any]:
        return [of_worlds[row // self.observers] for row in range(self.num_envs)]

    def spread_for(self, use: str, *at: int) -> None:
        """From now on `seed(s)` gives world `i` the seed `spread(use, s, *at, i)`.

        For runs: a learner seeds its environment with its own seed, and Stable-Baselines3 does so
        by itself, so that the seeds of two trainings would overlap.
        """
        self._spread = partial(spread, use), at

    def seed(self, seed: int | None = None) -> Sequence[int | None]:
        """Seeds the worlds for the next reset: world `i` with `seed + i`; see `spread_for`."""
        if self._spread is None or seed is None:
            seeds = spread_seeds(seed, self.num_worlds)
        else:
            of, at = self._spread
            seeds = [of(seed, *at, world) for world in range(self.num_worlds)]
        self._seeds = list(np.repeat(np.array(seeds, object), self.observers))
        return self._seeds

    def reset(self) -> Arrays:
        """Starts an episode in every world; observations are (rows, ...).

        `set_options({"level": 7})` lays out that level, this once; a list has options for each row,
        the same for all rows of a world.

        Raises:
            ArgumentError: the rows of one world have different options.
        """
        self._broken = True
        seeds, levels = self._seeds[:: self.observers], self._levels()
        for level in dict.fromkeys(levels):
            chosen = np.array([other == level for other in levels])
            self.worlds.reset(seeds, None if chosen.all() else chosen, level)
        self._generators.seed(seeds, range(self.num_worlds))
        for world in range(self.num_worlds):
            self._note_reset(world)
        self.recent.reset()
        self._reset_seeds()
        self._reset_options()
        self._returns[:] = self._term_returns[:] = 0.0
        self._lengths[:] = 0
        self._broken = False
        return self._rows(self.worlds.observations)

    def snapshot(self, worlds: ArrayLike | None = None) -> Snapshot:
        """The moment of some worlds, with the sums of their episodes; of all, also `recent`.

        Args:
            worlds: indices or a mask of worlds, not of rows; None for all.

        Raises:
            ResetNeededError: a world was not reset, or its last step broke off.
        """
        if self._broken:
            raise ResetNeededError("call reset(): the last step or reset broke off in the middle")
        which = chosen_rows(worlds, self.num_worlds)
        moment = self.worlds.snapshot(which).with_clients(self._generators.clients(which.tolist()))
        view = {"recent": self.recent.saved()} if worlds is None else {}
        first = [self.reset_infos[world * self.observers] for world in which.tolist()]
        began = {
            f"{_BEGAN}{name}": np.array([info[name] for info in first], values.dtype)
            for name, values in self.worlds.metrics.items()
        }
        return moment.with_view(view, {_TERM_RETURNS: self._term_returns[which], **began})

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
        sums, began = self._own(snapshot, which.size)
        recent = None
        if worlds is None and isinstance(snapshot, Snapshot) and "recent" in snapshot.view:
            recent = Recent.of(snapshot.view["recent"], self.num_worlds)
        self.worlds.restore(snapshot, which)
        self._generators.restore(which.tolist(), snapshot.moments)
        self._returns[which] = snapshot.arrays["episode.returns"][:, : self.observers]
        self._lengths[which] = snapshot.arrays["step"]
        self._term_returns[which] = sums
        for row, world in enumerate(which.tolist()):
            self._note_reset(world, {name: values[row] for name, values in began.items()})
        self.recent = recent or self.recent
        self._actions, self._broken = None, self._broken and worlds is not None
        return self._rows(self.worlds.observations)

    def _own(self, snapshot: Snapshot, count: int) -> tuple[FloatArray, Arrays]:
        """What a snapshot holds of this view: the sums of the terms, and how the episodes began.

        In one of another view all of that is 0.
        """
        names = {f"{_BEGAN}{name}": values for name, values in self.worlds.metrics.items()}
        like = {_TERM_RETURNS: self._term_returns, **names}
        given: dict[str, NDArray[Any]] = {}
        for name, ours in like.items():
            found = getattr(snapshot, "arrays", {}).get(name)
            shape = (count, *ours.shape[1:])
            if found is not None and (found.shape != shape or found.dtype != ours.dtype):
                raise SnapshotError(f'the snapshot\'s "{name}" is not as these worlds have it')
            given[name] = np.zeros(shape, ours.dtype) if found is None else found
        sums = given.pop(_TERM_RETURNS)
        return sums, {name.removeprefix(_BEGAN): values for name, values in given.items()}

    def fork(self, num_worlds: int, world: int = 0, workers: int = 1) -> WorldsVecEnv:
        """A `VecEnv` of so many worlds, each at the moment of one world of this."""
        chosen = self.snapshot([world]).select([0] * at_least_one("num_worlds", num_worlds))
        return forked(
            lambda: WorldsVecEnv(
                self._made_of, num_worlds, self.observers, workers, None, self.render_mode,
                dict(self.arguments), self._captions,
            ),
            chosen,
        )  # fmt: skip

    def _levels(self) -> list[int | None]:
        """The level that the options ask for, for each world."""
        if len(self._options) != self.num_envs:
            raise ArgumentError(f"{len(self._options)} options for {self.num_envs} rows")
        rows = [options.get("level") for options in self._options]
        for row, level in enumerate(rows):
            first = row - row % self.observers
            if level != rows[first]:
                raise ArgumentError(
                    f"rows {first} and {row} are avatars of one world, and cannot have the levels "
                    f"{rows[first]} and {level}"
                )
        return rows[:: self.observers]

    def _note_reset(self, world: int, began: Mapping[str, Any] | None = None) -> None:
        """Fills `reset_infos` of a world's rows; `began` has its metrics then, None for now."""
        if began is None:
            began = {name: values[world] for name, values in self.worlds.metrics.items()}
        info = {name: value.tolist() for name, value in began.items()}
        names = self.reward_names if len(self.reward_names) > 1 else ()
        info |= dict.fromkeys(map(term_key, names), 0.0)
        first = world * self.observers
        for row in range(first, first + self.observers):
            self.reset_infos[row] = dict(info)

    def step_async(self, actions: NDArray[Any]) -> None:
        """Keeps the actions, (rows, ...), for `step_wait`."""
        self._actions = actions

    def step_wait(self) -> _Step:
        """Advances every world; arrays are (rows, ...).

        Raises:
            ActionError: an action is not in the action space; nothing has changed.
            ResetNeededError: there was no `step_async`, or the last step broke off in the middle.
        """
        if self._actions is None:
            raise ResetNeededError("call step_async() before step_wait()")
        if self._broken:
            raise ResetNeededError("call reset(): the last step or reset broke off in the middle")
        actions = as_array(self._actions)
        self._actions = None
        if actions.shape[:1] != (self.num_envs,):
            raise ActionError(f"actions have shape {actions.shape}, expected {self.num_envs} rows")
        try:
            self.worlds.step(actions.reshape(self.num_worlds, self.observers, *actions.shape[1:]))
            return self._results()
        except (ActionError, ResetNeededError):
            raise
        except BaseException:
            self._broken = True
            raise

    def _results(self) -> _Step:
        worlds = self.worlds
        self._returns += worlds.rewards
        self._term_returns += worlds.terms
        self._lengths += 1
        ended = worlds.terminated | worlds.truncated
        success = worlds.final_metrics["success"]
        self.recent.step(ended, self._returns.mean(axis=1), success)
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        for world in np.flatnonzero(ended).tolist():
            self._close_episode(world, infos)
        return (
            self._rows(worlds.observations),
            worlds.rewards.reshape(-1).astype(np.float32),
            np.repeat(ended, self.observers),
            infos,
        )

    def _close_episode(self, world: int, infos: list[dict[str, Any]]) -> None:
        worlds = self.worlds
        metrics = {name: values[world].tolist() for name, values in worlds.final_metrics.items()}
        for avatar in range(self.observers):
            infos[world * self.observers + avatar] = {
                **metrics,
                "is_success": metrics["success"],
                "terminal_observation": plain(
                    {
                        key: array[world, avatar].copy()
                        for key, array in worlds.final_observations.items()
                    }
                ),
                "TimeLimit.truncated": bool(
                    worlds.truncated[world] and not worlds.terminated[world]
                ),
                "episode": {
                    "r": float(self._returns[world, avatar]),
                    "l": int(self._lengths[world]),
                },
                "episode_terms": dict(
                    zip(
                        self.reward_names,
                        self._term_returns[world, avatar].tolist(),
                        strict=True,
                    )
                ),
            }
        self._returns[world] = self._term_returns[world] = 0.0
        self._lengths[world] = 0
        self._note_reset(world)

    @property
    def terms(self) -> FloatArray:
        """(rows, terms): what the rewards of the last step are the sum of."""
        return self._by_row(self.worlds.terms)

    def _rows(self, observations: Arrays) -> Arrays:
        rows: Arrays = plain({k: self._by_row(array).copy() for k, array in observations.items()})
        return rows

    @property
    def state_space(self) -> gymnasium.spaces.Box:
        """The space of one world's state vector."""
        return self.worlds.simulation.state_space

    def state(self) -> NDArray[np.float32]:
        """Every world as one vector, (worlds, numbers), also what no avatar can see."""
        return self.worlds.state()

    def expert_actions(self) -> NDArray[Any]:
        """Returns the expert's actions, (rows, ...)."""
        return self._by_row(self.worlds.expert_actions())

    def action_masks(self) -> NDArray[np.bool_]:
        """Which actions are possible now, (rows, n); sb3-contrib's MaskablePPO asks for them."""
        return self._by_row(self.worlds.action_masks())

    def _by_row(self, array: NDArray[Any]) -> NDArray[Any]:
        return array.reshape(self.num_envs, *array.shape[2:])

    def close(self) -> None:
        """Frees the physics and ends the workers."""
        self.worlds.close()

    def get_images(self) -> Sequence[NDArray[np.uint8] | None]:
        """A third-person picture for each row."""
        if self.render_mode is None:
            return [None] * self.num_envs
        return [self.worlds.render(row // self.observers) for row in range(self.num_envs)]

    # -- SB3 asks for attributes of single environments -------------------------------------------

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """An attribute of rows: one of their own (`np_random`, `spec`), or else the batch's.

        Raises:
            AttributeError: there is none.
        """
        values = self._attributes.get(attr_name)
        return [values[row] for row in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Keeps an attribute of a client's for rows.

        Raises:
            ArgumentError: the environment has one of that name.
        """
        rows = list(self._get_indices(indices))
        self._attributes.set(attr_name, [value] * len(rows), rows)

    def env_method(
        self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any
    ) -> list[Any]:
        """Calls a method of rows, such as `expert_action`, or one of the batch for all of them.

        Raises:
            AttributeError: there is none.
        """
        values = self._attributes.call(method_name, *args, **kwargs)
        return [values[row] for row in self._get_indices(indices)]

    def env_is_wrapped(self, wrapper_class: type, indices: Any = None) -> list[bool]:
        """Monitored, since `episode` is in the infos as SB3's `Monitor` puts it; nothing else."""
        monitored = issubclass(wrapper_class, Monitor)
        return [monitored for _ in self._get_indices(indices)]
