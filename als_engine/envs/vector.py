"""`gymnasium.make_vec`: many worlds as one native vector environment."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import deepcopy
from typing import Any, Final

import gymnasium
import numpy as np
from gymnasium.envs.registration import EnvSpec
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space
from numpy.typing import ArrayLike, NDArray

from als_engine.bodies.codec import as_array
from als_engine.checks import (
    MAX_SEED,
    at_least_one,
    check_seed,
    chosen_rows,
    flag,
    one_of,
    whole_number,
)
from als_engine.envs.attributes import Attributes, Generators, spec_of
from als_engine.envs.batch import Arrays, Batch, Worlds
from als_engine.envs.shared import forked, with_limit
from als_engine.envs.window import check_render_mode
from als_engine.envs.workers import WorkerPool
from als_engine.errors import ActionError, ArgumentError
from als_engine.plugins.specs import ScenarioSpec
from als_engine.sensors.flat import plain, plain_space
from als_engine.simulation import check_arguments, simulate, term_key
from als_engine.system.ownership import DeepCopied
from als_engine.world.arrays import BoolArray, FloatArray
from als_engine.world.snapshot import Snapshot


def make_worlds(
    scenario: str | ScenarioSpec,
    num_worlds: int,
    observers: int | None,
    workers: int,
    autoreset: AutoresetMode,
    arguments: dict[str, Any],
    captions: bool = False,
) -> Batch | WorkerPool:
    """The worlds behind a view, with `captions` or not: in this process, or in `workers` others.

    Raises:
        ArgumentError: `workers` is not from 1 to the number of worlds, or an argument is wrong.
    """
    num_worlds, workers = at_least_one("num_envs", num_worlds), at_least_one("workers", workers)
    if workers > 1:
        return WorkerPool(scenario, num_worlds, observers, workers, autoreset, arguments, captions)
    simulation = simulate(scenario, num_worlds, observers, **arguments)
    return Batch(simulation, autoreset, captions=captions)


_OF_WORLDS: Final = {
    "action_masks": "action_masks",
    "observation_space": "_observation_spaces",
    "action_space": "_action_spaces",
    "expert_action": "expert_actions",
    "np_random": "_np_randoms",
    "np_random_seed": "_np_random_seeds",
    "render": "render",
    "spec": "_specs",
    "state": "state",
}
"""Attribute of a single environment to the method that returns one for each world."""


class VectorEnv(DeepCopied, gymnasium.vector.VectorEnv[Arrays, NDArray[Any], NDArray[Any]]):
    """Many worlds; in each, the caller drives avatar 0.

    World `i` reset with seed `s` is, bit for bit, the single environment reset with `s + i`.
    """

    def __init__(
        self,
        scenario: str | ScenarioSpec,
        num_envs: int = 1,
        workers: int = 1,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        copy: bool = True,
        render_mode: str | None = None,
        captions: bool = False,
        **arguments: Any,
    ) -> None:
        """Makes the environment.

        Args:
            scenario: the id.
            num_envs: how many worlds.
            workers: how many processes step them.
            autoreset_mode: when an ended episode is replaced: "NextStep", "SameStep", "Disabled".
            copy: False returns the buffers themselves, which the next step overwrites.
            render_mode: "rgb_array", or None.
            captions: whether speech, sounds, rewards and metrics are written on the pictures.
            **arguments: see `als_engine.simulation.ARGUMENTS`.

        Raises:
            UnknownIdError: there is no such scenario.
            ArgumentError: an argument is unknown or its value is not allowed.
        """
        self.render_mode = check_render_mode(render_mode)
        if render_mode == "human":
            raise ArgumentError('a vector environment has no window: use render_mode="rgb_array"')
        mode = _autoreset_mode(autoreset_mode)
        self.metadata = {
            "render_modes": ["rgb_array"],
            "render_fps": 15,
            "autoreset_mode": mode,
        }
        num_envs = at_least_one("num_envs", num_envs)
        self.num_envs, self.copy, self.autoreset_mode = num_envs, copy, mode
        self._spec: EnvSpec | None = None
        if arguments.get("max_episode_steps") == -1:  # As in `gymnasium.make`: the scenario's own.
            arguments["max_episode_steps"] = None
        self._captions = flag("captions", captions)
        own = ("workers", "autoreset_mode", "copy", "render_mode", "captions")
        check_arguments(scenario, arguments, *own)
        made = make_worlds(scenario, num_envs, 1, workers, mode, arguments, self._captions)
        self.worlds: Worlds = made
        simulation = self._simulation = made.simulation
        self._limit = simulation.state.max_episode_steps
        self.state_space = simulation.state_space
        self.single_observation_space = plain_space(simulation.observation_space)
        self.single_action_space = deepcopy(simulation.action_space)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._always: BoolArray = np.ones(num_envs, np.bool_)
        self._scenario, self._arguments = scenario, arguments
        self._generators = Generators(num_envs)
        self._attributes = Attributes(self, num_envs, _OF_WORLDS)

    @property
    def spec(self) -> EnvSpec | None:
        """Gymnasium's spec of it, with the time limit; None where it was made by hand."""
        return self._spec

    @spec.setter
    def spec(self, spec: EnvSpec | None) -> None:
        self._spec = with_limit(spec, self._limit)

    def _specs(self) -> list[Any]:
        shown = {} if self.render_mode is None else {"render_mode": self.render_mode}
        spec = spec_of(self._simulation.scenario, {**self._arguments, **shown}, self._limit)
        return [spec] * self.num_envs

    def _observation_spaces(self) -> list[Any]:
        return [self.single_observation_space] * self.num_envs

    def _action_spaces(self) -> list[Any]:
        return [self.single_action_space] * self.num_envs

    def _np_randoms(self) -> tuple[Any, ...]:
        return self._generators.generators()

    def _np_random_seeds(self) -> tuple[int, ...]:
        return self._generators.seeds()

    @property  # type: ignore[misc]
    def np_random(self) -> tuple[Any, ...]:  # type: ignore[override]
        """A generator for each world, as Gymnasium's own two have it; no world draws from them."""
        return self._generators.generators()

    @property
    def np_random_seed(self) -> tuple[int, ...]:  # type: ignore[override]
        """The seed of each generator."""
        return self._generators.seeds()

    def call(self, name: str, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Returns what each world's single environment would: `render`, `expert_action`, ...

        Raises:
            AttributeError: there is no such method or attribute.
        """
        return tuple(self._attributes.call(name, *args, **kwargs))

    def get_attr(self, name: str) -> tuple[Any, ...]:
        """An attribute of every world's single environment: `spec`, `np_random`, ...

        Raises:
            AttributeError: there is none.
        """
        return self.call(name)

    def set_attr(self, name: str, values: Any) -> None:
        """Keeps an attribute of a client's for every world: one value, or a list of them.

        Raises:
            ArgumentError: the environment has one of that name, or the values are too few.
        """
        listed = isinstance(values, (list, tuple))
        self._attributes.set(name, values if listed else [values] * self.num_envs)

    def state(self) -> NDArray[np.float32]:
        """Every world as one vector, (num_envs, numbers); `state_space` is one world's."""
        return self.worlds.state()

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[Arrays, dict[str, Any]]:
        """Starts episodes in all worlds, or in those of `options["reset_mask"]`.

        Args:
            seed: an int seeds world `i` with `seed + i`; a list has one for each world.
            options: `reset_mask`, a bool array (num_envs,); `level`, laid out this once.
        """
        given = options or {}
        mask = given.get("reset_mask")
        if mask is not None:
            mask = np.asarray(mask)
            if mask.shape != (self.num_envs,) or mask.dtype != np.bool_ or not mask.any():
                raise ArgumentError(
                    f'options["reset_mask"] must be a bool array ({self.num_envs},) with a True'
                )
        which = self._always if mask is None else mask
        seeds = spread_seeds(seed, self.num_envs)
        self.worlds.reset(seeds, mask, given.get("level"))
        self._generators.seed(seeds, np.flatnonzero(which).tolist())
        return self._observations(), self._infos(which)

    def snapshot(self, worlds: ArrayLike | None = None) -> Snapshot:
        """The moment of some worlds, to be restored here or elsewhere.

        Args:
            worlds: indices or a mask; None for all.

        Raises:
            ResetNeededError: a world was not reset, or its last step broke off.
        """
        which = self._which(worlds)
        return self.worlds.snapshot(which).with_clients(self._generators.clients(which.tolist()))

    def restore(
        self, snapshot: Snapshot, worlds: ArrayLike | None = None
    ) -> tuple[Arrays, dict[str, Any]]:
        """Goes on from a moment: the same actions give, bit for bit, what they gave then.

        Args:
            snapshot: of as many worlds as are restored, from a vector or a single environment.
            worlds: indices or a mask; None for all.

        Returns:
            What `reset` returns, of that moment; infos are of these worlds.

        Raises:
            SnapshotError: it is not of such worlds; nothing has changed.
        """
        which = self._which(worlds)
        self.worlds.restore(snapshot, which)
        self._generators.restore(which.tolist(), snapshot.moments)
        restored = np.zeros(self.num_envs, np.bool_)
        restored[which] = True
        return self._observations(), self._infos(restored)

    def fork(self, num_envs: int, world: int = 0, workers: int = 1) -> VectorEnv:
        """A vector environment of so many worlds, each at the moment of one world of this."""
        chosen = self.snapshot([world]).select([0] * at_least_one("num_envs", num_envs))
        return forked(
            lambda: VectorEnv(
                self._scenario, num_envs, workers, self.autoreset_mode, self.copy,
                self.render_mode, self._captions, **self._arguments,
            ),
            chosen,
        )  # fmt: skip

    def _which(self, worlds: ArrayLike | None) -> NDArray[np.intp]:
        return chosen_rows(worlds, self.num_envs)

    def step(
        self, actions: NDArray[Any]
    ) -> tuple[Arrays, FloatArray, BoolArray, BoolArray, dict[str, Any]]:
        """Advances every world by one step.

        Raises:
            ActionError: an action is not in the action space; names world, avatar and value.
            ResetNeededError: a world was not reset, or the environment is closed.
            WorkerError: a worker process died.
        """
        worlds = self.worlds
        worlds.step(self._for_avatar_0(actions))
        infos = self._infos(self._always)
        if self.autoreset_mode is AutoresetMode.SAME_STEP:
            self._add_final(infos)
        return (
            self._observations(),
            worlds.rewards[:, 0].copy(),
            worlds.terminated.copy(),
            worlds.truncated.copy(),
            infos,
        )

    def _for_avatar_0(self, actions: NDArray[Any]) -> NDArray[Any]:
        array = as_array(actions)
        expected = self.action_space.shape
        if array.shape != expected:
            raise ActionError(f"actions have shape {array.shape}, expected {expected}")
        return array[:, None]

    def expert_actions(self, rule: str | None = None) -> NDArray[Any]:
        """Returns the actions of the expert, or of the heuristic `rule`, (num_envs, ...)."""
        actions: NDArray[Any] = self.worlds.expert_actions(rule)[:, 0]
        return actions

    def action_masks(self) -> BoolArray:
        """Which actions are possible now, (num_envs, n).

        Raises:
            NoMasksError: continuous actions have none.
        """
        masks: BoolArray = self.worlds.action_masks()[:, 0]
        return masks

    def render(self) -> tuple[NDArray[np.uint8], ...] | None:
        """A third-person picture of each world, in mode "rgb_array"."""
        if self.render_mode is None:
            return None
        return tuple(self.worlds.render(world) for world in range(self.num_envs))

    def close_extras(self, **kwargs: Any) -> None:
        """Frees the physics and ends the workers."""
        self.worlds.close()

    def _observations(self) -> Arrays:
        first = {key: array[:, 0] for key, array in self.worlds.observations.items()}
        seen: Arrays = plain({k: a.copy() for k, a in first.items()} if self.copy else first)
        return seen

    def _infos(self, which: BoolArray) -> dict[str, Any]:
        infos: dict[str, Any] = {}
        for name, values in self.worlds.metrics.items():
            infos[name], infos[f"_{name}"] = self._chosen(values, which), which.copy()
        # Where an episode was just replaced, they belong to the one before.
        shown = (
            which if self.autoreset_mode is not AutoresetMode.SAME_STEP else which & ~self._ended()
        )
        for name, terms in self._terms(shown):
            infos[name], infos[f"_{name}"] = terms, which.copy()
        if self._simulation.acting.has_masks:
            masks = np.where(which[:, None], self.action_masks(), False)
            infos["action_mask"], infos["_action_mask"] = masks.astype(np.int8), which.copy()
        return infos

    def _ended(self) -> BoolArray:
        return self.worlds.terminated | self.worlds.truncated

    def _terms(self, which: BoolArray) -> Iterator[tuple[str, FloatArray]]:
        """The reward's terms in some worlds, 0 in the others; nothing where there is only one."""
        names = self.worlds.reward_names
        for i, name in enumerate(names if len(names) > 1 else ()):
            yield term_key(name), self._chosen(self.worlds.terms[:, 0, i], which)

    def _chosen(self, values: NDArray[Any], which: BoolArray) -> NDArray[Any]:
        """A copy of what there is of some worlds, 0 for the others."""
        if which is self._always:
            return values.copy()
        blank = np.zeros_like(values)
        blank[which] = values[which]
        return blank

    def _add_final(self, infos: dict[str, Any]) -> None:
        """What Gymnasium's own vector environments say of an episode that was just replaced."""
        worlds = self.worlds
        ended = self._ended()
        if not ended.any():
            return
        final = np.full(self.num_envs, None, dtype=object)
        for world in np.flatnonzero(ended):
            final[world] = plain(
                {key: array[world, 0].copy() for key, array in worlds.final_observations.items()}
            )
        infos["final_obs"], infos["_final_obs"] = final, ended.copy()
        last: dict[str, Any] = {}
        for name, values in worlds.final_metrics.items():
            last[name], last[f"_{name}"] = self._chosen(values, ended), ended.copy()
        for name, terms in self._terms(ended):
            last[name], last[f"_{name}"] = terms, ended.copy()
        for name, masks in worlds.final_masks.items():
            last[name] = self._chosen(masks[:, 0], ended).astype(np.int8)
            last[f"_{name}"] = ended.copy()
        infos["final_info"], infos["_final_info"] = last, ended.copy()


def spread_seeds(
    seed: int | Sequence[int | None] | NDArray[Any] | None, count: int
) -> list[int | None]:
    """One seed for each world: `seed + i` from an int.

    Raises:
        ArgumentError: a seed is not one, or a list has another length.
    """
    if seed is None:
        return [None] * count
    given: Any = seed.tolist() if isinstance(seed, np.ndarray) else seed
    if isinstance(given, str) or not isinstance(given, Sequence):
        first = whole_number("seed", given, 0, MAX_SEED)
        return [check_seed(first + i) for i in range(count)]
    seeds = [*map(check_seed, given)]
    if len(seeds) != count:
        raise ArgumentError(f"{len(seeds)} seeds for {count} environments")
    return seeds


def _autoreset_mode(mode: AutoresetMode | str) -> AutoresetMode:
    if isinstance(mode, AutoresetMode):
        return mode
    names = [member.value for member in AutoresetMode]
    return AutoresetMode(one_of("autoreset_mode", mode, names))
