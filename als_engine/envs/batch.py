"""A batch of worlds with Gymnasium's three ways to start the next episode, in this process.

`Batch` and the worker pool have the same face, so every view works over either.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import ArrayLike, NDArray

from als_engine.errors import ActionError, ArgumentError, PhysicsError, ResetNeededError
from als_engine.plugins.specs import ScenarioSpec
from als_engine.simulation import Captions, Simulation, simulate
from als_engine.simulation.levels import ITS_OWN
from als_engine.system.ownership import DeepCopied
from als_engine.task import Outcomes
from als_engine.world.arrays import BoolArray, FloatArray
from als_engine.world.snapshot import Snapshot

Arrays = dict[str, NDArray[Any]]


class Worlds(Protocol):
    """Interface between a view and its worlds; arrays are overwritten by the next call.

    Attributes:
        observations: key to (worlds, observers, ...).
        rewards: (worlds, observers). terminated, truncated: (worlds,).
        terms: (worlds, observers, terms), what the rewards are the sum of.
        reward_names: what the terms are called.
        metrics: name to (worlds,).
        final_observations, final_metrics: the same at the end of the episodes that SAME_STEP has
            just replaced; valid where `terminated` or `truncated`.
        final_masks: likewise "action_mask", (worlds, observers, n); empty where infos have none.
        final_outcomes: likewise what has become of groups of people (`Task.outcomes`): "people" and
            "sums", (worlds, groups); empty where the task does not say.
        coming_levels: (worlds,) int64, to be written: which level each world lays out whenever it
            is reset, -1 where it draws one.
    """

    observations: Arrays
    rewards: FloatArray
    terms: FloatArray
    reward_names: tuple[str, ...]
    terminated: BoolArray
    truncated: BoolArray
    metrics: Arrays
    final_observations: Arrays
    final_metrics: Arrays
    final_masks: Arrays
    final_outcomes: Arrays
    coming_levels: NDArray[np.int64]

    def reset(
        self, seeds: Sequence[int | None], worlds: BoolArray | None, level: int | None
    ) -> None:
        """Starts new episodes in all worlds, or in those of a mask."""

    def step(self, actions: ArrayLike) -> None:
        """Advances every world by one step."""

    def remake(self, scenario: str | ScenarioSpec, arguments: Mapping[str, Any]) -> None:
        """Makes the worlds anew, with other arguments of their scenario; they need a reset.

        Raises:
            ArgumentError: they would show or take something else; nothing has changed.
        """

    def snapshot(self, worlds: NDArray[np.intp]) -> Snapshot:
        """The moment of some worlds."""

    def restore(self, snapshot: Snapshot, worlds: NDArray[np.intp]) -> None:
        """Puts some worlds back to a moment, or changes nothing."""

    def give_to_company(self, observers: BoolArray) -> None:
        """Lets behaviours drive some of the caller's avatars, (worlds, observers)."""

    def expert_actions(self, rule: str | None = None) -> NDArray[Any]:
        """Returns the actions of the expert or of a heuristic, (worlds, observers, ...)."""

    def action_masks(self) -> BoolArray:
        """Which actions are possible now, (worlds, observers, n)."""

    def state(self) -> NDArray[np.float32]:
        """The worlds' state vectors, (worlds, numbers)."""

    def render(self, world: int) -> NDArray[np.uint8]:
        """A third-person picture of one world."""

    def close(self) -> None:
        """Frees what the worlds hold."""


class Batch(DeepCopied):
    """Some worlds in this process; see `Worlds`."""

    def __init__(
        self,
        simulation: Simulation,
        autoreset: AutoresetMode,
        buffers: Mapping[str, Arrays] | None = None,
        captions: bool = False,
    ) -> None:
        """Steps a simulation.

        Args:
            simulation: not yet reset, or reset; it belongs to this batch from now on.
            autoreset: when an ended episode is replaced by a new one.
            buffers: where to write, as `allocate` returns it; None allocates.
            captions: whether pictures have some.
        """
        self.simulation, self.autoreset = simulation, autoreset
        self._captions = [Captions(world) for world in range(simulation.num_worlds * captions)]
        arrays = buffers or allocate(simulation)
        self.observations, self.metrics = arrays["observations"], arrays["metrics"]
        self.final_observations = arrays["final_observations"]
        self.final_metrics, self.final_masks = arrays["final_metrics"], arrays["final_masks"]
        self.final_outcomes = arrays["final_outcomes"]
        self.rewards, self.terms = rewards_of(arrays)
        self.reward_names = simulation.reward_names
        self.terminated = arrays["results"]["terminated"]
        self.truncated = arrays["results"]["truncated"]
        self.coming_levels = arrays["levels"]["coming"]
        self._use(simulation)

    def _use(self, simulation: Simulation) -> None:
        self.simulation = simulation
        simulation.use(self.observations)
        simulation.levels.coming = self.coming_levels

    def remake(self, scenario: str | ScenarioSpec, arguments: Mapping[str, Any]) -> None:
        """Makes the worlds anew; see `Worlds.remake`."""
        old = self.simulation
        first = old.state.first_world
        made = simulate(scenario, old.num_worlds, old.observers, first, **arguments)
        check_alike(old, made)
        made.level_key = old.level_key
        made.give_to_company(old.company.avatars[:, : old.observers])
        old.close()
        self._use(made)

    def reset(
        self,
        seeds: Sequence[int | None],
        worlds: BoolArray | None = None,
        level: int | None = None,
    ) -> None:
        """Starts new episodes in all worlds, or in those of a mask."""
        which = np.ones(self.simulation.num_worlds, np.bool_) if worlds is None else worlds
        chosen = [seed for seed, wanted in zip(seeds, which.tolist(), strict=True) if wanted]
        self.simulation.reset(chosen, which, level)
        self.simulation.observe()
        self._publish()

    def step(self, actions: ArrayLike) -> None:
        """Advances every world; an ended one starts again as the autoreset mode says."""
        simulation = self.simulation
        pending = simulation.terminated | simulation.truncated
        if self.autoreset is not AutoresetMode.NEXT_STEP and np.count_nonzero(pending):
            world = simulation.state.first_world + int(pending.argmax())
            raise ResetNeededError(f"the episode of world {world} has ended: call reset()")
        try:
            self._step(actions, pending)
        except (ActionError, PhysicsError, ResetNeededError):
            raise  # Each world is whole, or knows that it is not.
        except BaseException:
            simulation.spoil()
            raise

    def _step(self, actions: ArrayLike, pending: BoolArray) -> None:
        simulation = self.simulation
        again = self.autoreset is AutoresetMode.NEXT_STEP and np.count_nonzero(pending) > 0
        try:
            simulation.advance(actions)
        except PhysicsError:
            if again:  # Some other world's.
                simulation.reset(worlds=pending)
            raise
        if again:
            simulation.reset(worlds=pending)
        simulation.observe()
        self._publish()
        if self.autoreset is AutoresetMode.SAME_STEP:
            ended = simulation.terminated | simulation.truncated
            if np.count_nonzero(ended):
                self._restart(ended)

    def _restart(self, ended: BoolArray) -> None:
        for now, final in (
            (self.observations, self.final_observations),
            (self.metrics, self.final_metrics),
        ):
            for key, array in now.items():
                final[key][ended] = array[ended]
        for masks in self.final_masks.values():
            masks[ended] = self.simulation.action_masks()[ended]
        if self.final_outcomes and (found := outcomes_of(self.simulation)) is not None:
            for group in range(len(found.names)):
                theirs = (found.group == group) & np.isfinite(found.value)
                people, sums = theirs.sum(1), np.where(theirs, found.value, 0.0).sum(1)
                self.final_outcomes["people"][ended, group] = people[ended]
                self.final_outcomes["sums"][ended, group] = sums[ended]
        self.simulation.reset(worlds=ended)
        self.simulation.observe(ended)
        self._publish_metrics()

    def _publish(self) -> None:
        simulation = self.simulation
        self.rewards[:] = simulation.rewards[:, : simulation.observers]
        if simulation.has_terms:
            self.terms[:] = simulation.terms[:, : simulation.observers]
        self.terminated[:] = simulation.terminated
        self.truncated[:] = simulation.truncated
        self._publish_metrics()

    def _publish_metrics(self) -> None:
        for name, values in self.simulation.metrics().items():
            self.metrics[name][:] = values
        for captions in self._captions:
            captions.update(self.simulation)

    def snapshot(self, worlds: NDArray[np.intp]) -> Snapshot:
        """The moment of some worlds."""
        return self.simulation.snapshot(worlds)

    def restore(self, snapshot: Snapshot, worlds: NDArray[np.intp]) -> None:
        """Puts some worlds back to a moment, or changes nothing."""
        self.simulation.restore(snapshot, worlds)
        self.simulation.observe()
        self._publish()

    def give_to_company(self, observers: BoolArray) -> None:
        """Lets behaviours drive some of the caller's avatars, (worlds, observers)."""
        self.simulation.give_to_company(observers)

    def expert_actions(self, rule: str | None = None) -> NDArray[Any]:
        """Returns the actions of the expert or of a heuristic, (worlds, observers, ...)."""
        return self.simulation.expert_actions(rule)

    def action_masks(self) -> BoolArray:
        """Which actions are possible now, (worlds, observers, n)."""
        return self.simulation.action_masks()

    def state(self) -> NDArray[np.float32]:
        """The worlds' state vectors, (worlds, numbers)."""
        return self.simulation.state_vector()

    def render(self, world: int = 0) -> NDArray[np.uint8]:
        """A third-person picture of one world."""
        picture = self.simulation.render(world)
        return self._captions[world].draw(self.simulation, picture) if self._captions else picture

    def close(self) -> None:
        """Frees the physics."""
        self.simulation.close()

    def __reduce_ex__(self, protocol: Any) -> Any:
        """A copy, which there is before the first reset only, writes into buffers of its own."""
        return type(self), (self.simulation, self.autoreset, None, bool(self._captions))


def outcomes_of(simulation: Simulation) -> Outcomes | None:
    """What has become of people, by group; None where the task does not say."""
    return simulation.task.outcomes(simulation.state)


def buffer_shapes(simulation: Simulation) -> dict[str, dict[str, tuple[tuple[int, ...], Any]]]:
    """The buffers of a batch: group to name to (shape of one world's entry, dtype)."""
    observations: dict[str, tuple[tuple[int, ...], Any]] = {
        key: (array.shape[1:], array.dtype) for key, array in simulation.observations.items()
    }
    metrics: dict[str, tuple[tuple[int, ...], Any]] = {
        name: (values.shape[1:], values.dtype) for name, values in simulation.metrics().items()
    }
    results: dict[str, tuple[tuple[int, ...], Any]] = {
        "rewards": ((simulation.observers,), np.float64),
        "terminated": ((), np.bool_),
        "truncated": ((), np.bool_),
    }
    if simulation.has_terms:
        shape = (simulation.observers, len(simulation.reward_names))
        results["terms"] = (shape, np.float64)
    masks: dict[str, tuple[tuple[int, ...], Any]] = {}
    if simulation.acting.has_masks:
        choices = sum(map(len, simulation.action_choices.values()))
        masks["action_mask"] = ((simulation.observers, choices), np.bool_)
    outcomes: dict[str, tuple[tuple[int, ...], Any]] = {}
    if (found := outcomes_of(simulation)) is not None:
        groups = (len(found.names),)
        outcomes = {"people": (groups, np.int64), "sums": (groups, np.float64)}
    return {
        "observations": observations,
        "metrics": metrics,
        "final_observations": observations,
        "final_metrics": metrics,
        "final_masks": masks,
        "final_outcomes": outcomes,
        "results": results,
        "levels": {"coming": ((), np.int64)},
    }


def check_alike(one: Simulation, other: Simulation) -> None:
    """Refuses worlds that cannot take the place of others under the same view.

    Raises:
        ArgumentError: they show, take or count something else; names what.
    """
    for key in dict.fromkeys((*one.observation_space.spaces, *other.observation_space.spaces)):
        ours, theirs = (each.observation_space.spaces.get(key) for each in (one, other))
        if ours != theirs:
            raise ArgumentError(f'the observation "{key}" would be another: {theirs}, not {ours}')
    if one.action_space != other.action_space:
        raise ArgumentError(
            f"the actions would be others: {other.action_space}, not {one.action_space}"
        )
    if one.reward_names != other.reward_names or buffer_shapes(one) != buffer_shapes(other):
        raise ArgumentError("the terms of the reward or the metrics would be others")


def rewards_of(arrays: Mapping[str, Arrays]) -> tuple[FloatArray, FloatArray]:
    """Rewards and their terms among what a batch writes; an only term is the reward itself."""
    rewards = arrays["results"]["rewards"]
    return rewards, arrays["results"].get("terms", rewards[..., None])


def allocate(simulation: Simulation) -> dict[str, Arrays]:
    """Ordinary memory for everything that a batch writes."""
    arrays: dict[str, Arrays] = {
        group: {
            name: np.zeros((simulation.num_worlds, *shape), dtype)
            for name, (shape, dtype) in members.items()
        }
        for group, members in buffer_shapes(simulation).items()
    }
    arrays["levels"]["coming"][:] = ITS_OWN
    return arrays
