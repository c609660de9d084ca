"""The steps of a part of a dataset in memory, and windows of them as tensors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from als_engine.errors import ArgumentError
from als_engine.limits import check_memory
from als_engine.plugins.registry import registry
from als_plugins.learners.flat_numbers import FlatNumbers
from als_plugins.world_models.codes import ActionCode, ObservationCode

if TYPE_CHECKING:
    from als_plugins.experience.dataset import Experience

__all__ = ["Batch", "Steps", "read_part", "steps_of"]

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Batch:
    """Windows of consecutive steps.

    Attributes:
        observation: (windows, length, numbers), standardised.
        action: (windows, length, numbers), what was done on it.
        reward: (windows, length), standardised, what came of it.
        end: (windows, length), 1 where the task ended with that step.
        there: (windows, length) bool, False after the episode's last step.
        follows: (windows, length) bool, whether the next observation is there.
    """

    observation: Tensor
    action: Tensor
    reward: Tensor
    end: Tensor
    there: Tensor
    follows: Tensor


class Steps:
    """Steps of episodes, one after the other, from which windows are cut.

    Attributes:
        numbers: (steps, numbers), flat and scaled.
        rewards: (steps,).
        last: (steps,), the row of the last step of the same episode.
    """

    def __init__(
        self, numbers: Floats, actions: Floats, rewards: Floats, ends: Floats,
        last: NDArray[np.int64],
    ) -> None:  # fmt: skip
        """Takes arrays whose first axis is the step; `ends` is 1 where the task ended."""
        self.numbers, self.rewards, self.last = numbers, rewards, last
        self._actions, self._ends = torch.from_numpy(actions), torch.from_numpy(ends)
        self._last = torch.from_numpy(last)
        self._observations = torch.zeros(0, 0)
        self._rewards = torch.zeros(0)

    def __len__(self) -> int:
        return len(self.last)

    def standardise(self, code: ObservationCode, mean: float, deviation: float) -> None:
        """Settles how observations and rewards are read; before any batch."""
        self._observations = torch.from_numpy(code.standardised(self.numbers))
        self._rewards = torch.from_numpy((self.rewards - mean) / deviation)

    def batch(self, first: NDArray[np.int64], length: int) -> Batch:
        """The windows that begin at some steps."""
        begin = torch.from_numpy(first)[:, None]
        wanted, last = begin + torch.arange(length), self._last[begin]
        rows = torch.minimum(wanted, last)
        flat = rows.reshape(-1)

        def taken(values: Tensor) -> Tensor:
            # Faster than by a matrix of indices.
            return values.index_select(0, flat).reshape(*rows.shape, *values.shape[1:])

        return Batch(
            taken(self._observations), taken(self._actions), taken(self._rewards),
            taken(self._ends), wanted <= last, wanted < last,
        )  # fmt: skip

    def whole(self, length: int) -> NDArray[np.int64]:
        """The steps at which a window of so many steps begins that does not leave its episode."""
        return np.flatnonzero(np.arange(len(self)) + length - 1 <= self.last)


def steps_of(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each step of episodes of some lengths the row of its episode's last one."""
    return np.repeat(np.cumsum(lengths) - 1, lengths)


def read_part(experience: Experience, name: str, actions: ActionCode) -> Steps:
    """Reads a part of a dataset.

    Raises:
        ArgumentError: it is empty, a sensor is no number, or it does not fit into memory.
    """
    part = experience.part(name)
    read = FlatNumbers("a world model", experience.observation_space)
    if not part.steps:
        raise ArgumentError(f"the dataset has nothing in its {name} part: collect more episodes")
    check_memory(f"the {name} part's {part.steps:,} steps", 8 * part.steps * read.size)
    numbers, coded, rewards, ends, lengths = [], [], [], [], []
    for source in part.sources:
        rows = _rows(source.starts, source.lengths)
        arrays, record = source.arrays.arrays, source.arrays.record
        if not len(rows):
            continue
        numbers.append(read({key: arrays[f"observations/{key}"][rows] for key in part.keys}))
        coded.append(actions(arrays["actions"][rows]))
        rewards.append(arrays["rewards"][rows].astype(np.float32))
        # Whoever ends before the time is up has been ended by the task.
        early = source.lengths < _limit(record.scenario, record.arguments)
        end = np.zeros(len(rows), np.float32)
        end[np.cumsum(source.lengths) - 1] = early
        ends.append(end)
        lengths.append(source.lengths)
    return Steps(
        np.concatenate(numbers), np.concatenate(coded), np.concatenate(rewards),
        np.concatenate(ends), steps_of(np.concatenate(lengths)),
    )  # fmt: skip


def _rows(starts: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    first = np.repeat(starts - (np.cumsum(lengths) - lengths), lengths)
    found: NDArray[np.int64] = np.arange(int(lengths.sum())) + first
    return found


def _limit(scenario: str, arguments: dict[str, Any]) -> int:
    """Steps after which an episode's time is up."""
    given = arguments.get("max_episode_steps")
    return int(given) if given else registry.scenario(scenario).max_episode_steps
