"""Records running episodes: each row's observations, actions and rewards since its reset."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from als_engine.simulation import Simulation
from als_plugins.experience.episodes import Episode
from als_plugins.experience.labels import Labels

__all__ = ["Recorder", "broken"]

_FIRST_BYTES: Final = 1 << 30
"""What is reserved at first; the system hands out memory only where something is written."""

_FIRST_STEPS: Final = 64
"""The least that is reserved, however large the observations are."""


class Recorder:
    """Buffers for the running episodes of all worlds; they grow to the longest episode met.

    Rows are avatars: world by world, the observers of each.
    """

    def __init__(self, simulation: Simulation, observations: Mapping[str, NDArray[Any]]) -> None:
        """Allocates.

        Args:
            simulation: whose episodes are recorded.
            observations: sensor to (worlds, observers, ...), overwritten in place by each step.
        """
        self._simulation, self._observations = simulation, observations
        self._observers = simulation.observers
        self._rows = np.arange(simulation.num_worlds * self._observers)
        self._labels = Labels(simulation.state, self._observers)
        self._steps = np.zeros(len(self._rows), np.intp)
        one = sum(array.nbytes for array in observations.values())
        fits = max(_FIRST_STEPS, _FIRST_BYTES // max(1, one))
        self._capacity = min(fits, simulation.state.max_episode_steps)
        space = simulation.action_space
        self._seen = {key: self._room(self._row(a)) for key, a in observations.items()}
        self._known = {key: self._room(self._row(a)) for key, a in self._labels.values.items()}
        actions = np.zeros((len(self._rows), *(space.shape or ())), space.dtype)
        self._done = {"actions": self._room(actions), "rewards": self._room(np.zeros(1))}

    def _room(self, example: NDArray[Any]) -> NDArray[Any]:
        """Room for one more observation than steps."""
        shape = (len(self._rows), self._capacity + 1, *example.shape[1:])
        return np.zeros(shape, example.dtype)

    def _row(self, array: NDArray[Any]) -> NDArray[Any]:
        return array.reshape(-1, *array.shape[2:])

    def restart(self, worlds: NDArray[np.bool_]) -> None:
        """Forgets the episodes of some worlds."""
        self._steps[np.repeat(worlds, self._observers)] = 0

    def observe(self, worlds: NDArray[np.bool_] | None = None) -> None:
        """Keeps what there is to see now, in all worlds or in those of a mask."""
        self._labels.read()
        chosen = self._rows if worlds is None else self._rows[np.repeat(worlds, self._observers)]
        steps = self._steps[chosen]
        for buffers, arrays in (
            (self._seen, self._observations),
            (self._known, self._labels.values),
        ):
            for key, buffer in buffers.items():
                now = self._row(arrays[key])
                buffer[chosen, steps] = now if worlds is None else now[chosen]

    def act(self, actions: NDArray[Any], rewards: NDArray[np.float64]) -> None:
        """Keeps what was done and what came of it, (rows, ...) and (rows,)."""
        self._done["actions"][self._rows, self._steps] = actions
        self._done["rewards"][self._rows, self._steps] = rewards
        self._steps += 1
        if self._steps.max() > self._capacity:
            raise AssertionError("an episode is longer than the room that was made for it")
        if self._steps.max() == self._capacity:
            self._grow()

    def _grow(self) -> None:
        grown = min(2 * self._capacity, self._simulation.state.max_episode_steps)
        more = grown - self._capacity
        if more <= 0:
            return
        for buffers in (self._seen, self._known, self._done):
            for key, old in buffers.items():
                new = np.zeros((len(old), grown + 1, *old.shape[2:]), old.dtype)
                new[:, : old.shape[1]] = old
                buffers[key] = new
        self._capacity = grown

    def episode(self, world: int, avatar: int, attributes: Mapping[str, int | str]) -> Episode:
        """An avatar's episode up to now; the next steps overwrite its arrays."""
        row = world * self._observers + avatar
        steps = int(self._steps[row])
        level = int(self._simulation.state.level[world])
        infos = {key: buffer[row, : steps + 1] for key, buffer in self._known.items()}
        return Episode(
            observations={key: buffer[row, : steps + 1] for key, buffer in self._seen.items()},
            actions=self._done["actions"][row, :steps],
            rewards=self._done["rewards"][row, :steps],
            infos={**infos, "level": np.full(steps + 1, level, np.int64)},
            terminated=bool(self._simulation.terminated[world]),
            attributes={**attributes, "level": level},
        )


def broken(episode: Episode) -> str | None:
    """Why an episode cannot be learnt from, or None."""
    for key, array in episode.observations.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            return f'the sensor "{key}" is not finite'
    return None
