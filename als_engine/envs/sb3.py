"""Stable-Baselines3: the batch as its `VecEnv`, every avatar that the caller drives a row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any, Final

import gymnasium
import numpy as np
from numpy.typing import ArrayLike, NDArray
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import VecEnv

from als_engine.checks import at_least_one, chosen_rows
from als_engine.envs.attributes import Attributes, Generators, spec_of
from als_engine.envs.batch import Arrays
from als_engine.envs.recent import Recent
from als_engine.envs.rows import Rows, own_arrays
from als_engine.envs.shared import forked
from als_engine.envs.window import check_render_mode
from als_engine.errors import ArgumentError, ResetNeededError
from als_engine.plugins.specs import ScenarioSpec
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
    own = ("observers", "workers", "seed", "render_mode", "captions")
    check_arguments(id, arguments, *own)
    check_render_mode(render_mode)  # Before any world is made.
    rows = Rows(
        id, num_worlds, observers=observers, workers=workers, captions=captions, **arguments
    )
    return WorldsVecEnv(rows, seed, render_mode)


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
        rows: the worlds that it shows.
        reward_names: the terms that the reward is the sum of.
    """

    def __init__(self, rows: Rows, seed: int | None = None, render_mode: str | None = None) -> None:
        """Shows rows as SB3 wants to see them; they belong to this view from now on."""
        self.render_mode = check_render_mode(render_mode)
        self.rows, self.worlds = rows, rows.worlds
        self.scenario, self.arguments = rows.scenario, rows.arguments
        self.num_worlds, self.observers = rows.num_worlds, rows.observers
        self.reward_names = rows.reward_names
        self.num_envs = rows.num_rows
        self._actions: NDArray[Any] | None = None
        self._generators = Generators(rows.num_worlds)
        self._attributes = Attributes(self, rows.num_rows, _OF_ROWS)
        super().__init__(
            rows.num_rows,
            # Copies: SB3 changes a space in place where it turns pictures round.
            plain_space(rows.observation_space),
            deepcopy(rows.action_space),
        )
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
        """See `Rows.spread_for`."""
        self.rows.spread_for(use, *at)

    def seed(self, seed: int | None = None) -> Sequence[int | None]:
        """Seeds the worlds for the next reset: world `i` with `seed + i`; see `spread_for`."""
        self._seeds = list(np.repeat(np.array(self.rows.seed(seed), object), self.observers))
        return self._seeds

    def reset(self) -> Arrays:
        """Starts an episode in every world; observations are (rows, ...).

        `set_options({"level": 7})` lays out that level, this once; a list has options for each row,
        the same for all rows of a world.

        Raises:
            ArgumentError: the rows of one world have different options.
        """
        self.rows.reset(self._levels())
        self._generators.seed(self._seeds[:: self.observers], range(self.num_worlds))
        for world in range(self.num_worlds):
            self._note_reset(world)
        self._reset_seeds()
        self._reset_options()
        return self._shown()

    def snapshot(self, worlds: ArrayLike | None = None) -> Snapshot:
        """The moment of some worlds; see `Rows.snapshot`.

        Raises:
            ResetNeededError: a world was not reset, or its last step broke off.
        """
        moment = self.rows.snapshot(worlds)
        which = chosen_rows(worlds, self.num_worlds).tolist()
        first = [self.reset_infos[world * self.observers] for world in which]
        began = {
            name: np.array([info[name.removeprefix(_BEGAN)] for info in first], values.dtype)
            for name, values in self._metrics().items()
        }
        moment = moment.with_clients(self._generators.clients(which))
        return moment.with_view(moment.view, began)

    def restore(self, snapshot: Snapshot, worlds: ArrayLike | None = None) -> Arrays:
        """Goes on from a moment; see `Rows.restore`.

        Returns:
            The observations of that moment, (rows, ...).

        Raises:
            SnapshotError: it is not of such worlds; nothing has changed.
        """
        which = chosen_rows(worlds, self.num_worlds).tolist()
        began = own_arrays(snapshot, self._metrics(), len(which))
        self.rows.restore(snapshot, worlds)
        self._generators.restore(which, snapshot.moments)
        for row, world in enumerate(which):
            info = {name.removeprefix(_BEGAN): values[row] for name, values in began.items()}
            self._note_reset(world, info)
        self._actions = None
        return self._shown()

    def _metrics(self) -> Arrays:
        return {f"{_BEGAN}{name}": values for name, values in self.worlds.metrics.items()}

    def fork(self, num_worlds: int, world: int = 0, workers: int = 1) -> WorldsVecEnv:
        """A `VecEnv` of so many worlds, each at the moment of one world of this."""
        chosen = self.snapshot([world]).select([0] * at_least_one("num_worlds", num_worlds))
        return forked(
            lambda: sb3_vec_env(
                self.rows.made_of, num_worlds, observers=self.observers, workers=workers,
                render_mode=self.render_mode, captions=self.rows.captions, **self.arguments,
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
        actions, self._actions = self._actions, None
        rows = self.rows
        rows.step(actions)
        try:
            infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
            for world in np.flatnonzero(rows.ended_worlds).tolist():
                self._close_episode(world, infos)
            return self._shown(), rows.rewards.astype(np.float32), rows.ended, infos
        except BaseException:
            rows.spoil()
            raise

    def _close_episode(self, world: int, infos: list[dict[str, Any]]) -> None:
        worlds = self.worlds
        metrics = {name: values[world].tolist() for name, values in worlds.final_metrics.items()}
        for avatar in range(self.observers):
            infos[world * self.observers + avatar] = {
                **metrics,
                "is_success": metrics["success"],
                "terminal_observation": plain(
                    {
                        key: array[world * self.observers + avatar].copy()
                        for key, array in self.rows.final_observations.items()
                    }
                ),
                "TimeLimit.truncated": bool(
                    worlds.truncated[world] and not worlds.terminated[world]
                ),
                "episode": {
                    "r": float(self.rows.final_returns[world, avatar]),
                    "l": int(self.rows.final_lengths[world]),
                },
                "episode_terms": dict(
                    zip(
                        self.reward_names,
                        self.rows.final_term_returns[world, avatar].tolist(),
                        strict=True,
                    )
                ),
            }
        self._note_reset(world)

    @property
    def terms(self) -> FloatArray:
        """(rows, terms): what the rewards of the last step are the sum of."""
        return self.rows.terms

    @property
    def recent(self) -> Recent:
        """Mean return and success of the episodes that have ended lately."""
        return self.rows.recent

    def _shown(self) -> Arrays:
        seen: Arrays = {key: array.copy() for key, array in self.rows.observations.items()}
        shown: Arrays = plain(seen)
        return shown

    @property
    def state_space(self) -> gymnasium.spaces.Box:
        """The space of one world's state vector."""
        return self.rows.state_space

    def state(self) -> NDArray[np.float32]:
        """Every world as one vector, (worlds, numbers), also what no avatar can see."""
        return self.rows.state()

    def expert_actions(self, rule: str | None = None) -> NDArray[Any]:
        """Returns the actions of the expert, or of the heuristic `rule`, (rows, ...)."""
        return self.rows.expert_actions(rule)

    def action_masks(self) -> NDArray[np.bool_]:
        """Which actions are possible now, (rows, n); sb3-contrib's MaskablePPO asks for them."""
        return self.rows.action_masks()

    def close(self) -> None:
        """Frees the physics and ends the workers."""
        self.rows.close()

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
