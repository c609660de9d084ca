"""Demonstrations from a dataset: whoever acted in it is imitated, and cannot be asked for more."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from als_engine.errors import ArgumentError
from als_plugins.experience.cache import open_source
from als_plugins.experience.dataset import Experience
from als_plugins.experience.records import RECORD, SourceRecord, read_dataset
from als_plugins.imitation.imitation import Imitation
from als_plugins.imitation.kept import returns_to_go, sequences_for
from als_plugins.imitation.minari_folder import minari_folder, read_minari
from als_plugins.learners.student import Batch

if TYPE_CHECKING:
    from als_plugins.learners.network_learner import NetworkLearner

__all__ = ["Recorded", "is_dataset", "open_recorded", "study"]


def is_dataset(name: str) -> bool:
    """Whether there is a dataset in a folder of that name."""
    return (Path(name) / RECORD).is_file() or minari_folder(name) is not None


def open_recorded(name: str, scenario: str, learner: NetworkLearner) -> Recorded:
    """Opens a dataset of `als collect`, or of Minari.

    Args:
        name: its folder, or the id of a Minari dataset.
        scenario: whose episodes are read.
        learner: who imitates.

    Raises:
        ArgumentError: it is of another scenario, or has other actions or sensors.
        SavedFileError: it is damaged.
    """
    if (Path(name) / RECORD).is_file():
        return _Collected(name, scenario, learner)
    folder = minari_folder(name)
    assert folder is not None
    return _Foreign(folder, scenario, learner)


class Recorded(ABC):
    """The steps of a dataset that a learner can imitate.

    Attributes:
        steps: how many there are.
        room: how many of them are at hand.
    """

    steps: int
    room: int

    def __len__(self) -> int:
        return self.room

    @abstractmethod
    def seed(self, rng: np.random.Generator) -> None:
        """Takes what draws batches."""

    @abstractmethod
    def batch(self, size: int) -> Batch:
        """Some steps, drawn at random."""


class _Foreign(Recorded):
    """Those of a Minari dataset, in memory."""

    def __init__(self, folder: Path, scenario: str, learner: NetworkLearner) -> None:
        self._kept = read_minari(folder, scenario, learner, sequences_for(learner.student(), 1))
        self.steps, self.room = self._kept.added, len(self._kept)

    def seed(self, rng: np.random.Generator) -> None:
        self._kept.rng = rng

    def batch(self, size: int) -> Batch:
        return self._kept.batch(size)


class _Collected(Recorded):
    """Those of the train part of what `als collect` wrote, read from the disk."""

    def __init__(self, folder: str, scenario: str, learner: NetworkLearner) -> None:
        """Opens a dataset.

        Args:
            folder: what `als collect` wrote.
            scenario: whose episodes are read.
            learner: who imitates.

        Raises:
            ArgumentError: it is of another scenario, or has other actions or sensors.
            SavedFileError: it is damaged.
        """
        dataset = read_dataset(Path(folder))
        sources = [each for each in dataset.sources if each.scenario == scenario and each.episodes]
        if not sources:
            held = ", ".join(dict.fromkeys(each.scenario for each in dataset.sources)) or "nothing"
            raise ArgumentError(f"{folder} has no episodes of {scenario}, but of {held}")
        for source in sources:
            _check_fits(folder, source, learner)
        keys = list(learner.observation_space.spaces)
        opened = [open_source(Path(folder), source, lambda done, total: None) for source in sources]
        part = Experience(Path(folder), opened, keys).part("train")
        self._windows = part.windows(1)
        self._rng = np.random.default_rng(0)
        self._sequences = sequences_for(learner.student(), 1)
        self.steps = self.room = len(self._windows)
        if not self.steps:
            raise ArgumentError(f"{folder} has no episode in its train part: collect more of them")
        gamma, scale = learner.parameters.gamma, learner.parameters.reward_scale
        self._returns: NDArray[np.float32] = np.concatenate(
            [
                returns_to_go(
                    chosen.arrays.arrays["rewards"][start : start + length] * scale, gamma
                )
                for chosen in part.sources
                for start, length in zip(chosen.starts, chosen.lengths, strict=True)
            ]
        ).astype(np.float32)
        lengths = np.concatenate([chosen.lengths for chosen in part.sources])
        self._begins = np.zeros(self.steps, np.bool_)
        self._begins[np.cumsum(lengths) - lengths] = True

    def seed(self, rng: np.random.Generator) -> None:
        self._rng = rng

    def batch(self, size: int) -> Batch:
        begins = counted = None
        if self._sequences is None:
            chosen = self._rng.integers(self.steps, size=size)
        else:
            numbers = self._sequences.drawn(self._rng, 0, self.steps, size)
            begins, chosen = self._begins[numbers], numbers.ravel()
            counted = self._sequences.counted(begins)
        found = self._windows.take(chosen)
        observation = {key: array[:, 0] for key, array in found.observation.items()}
        return Batch(observation, found.actions[:, 0], self._returns[chosen], begins, counted)


def study(
    imitation: Imitation,
    data: Recorded,
    should_stop: Callable[[], bool],
    after_step: Callable[[int], None],
) -> bool:
    """Learns from a dataset as if its steps came in one by one; see `Lessons.run`."""
    at_once = max(1, round(imitation.parameters.imitation_batch / imitation.passes))
    while imitation.steps < imitation.total:
        if should_stop():
            return False
        imitation.learn(min(at_once, imitation.total - imitation.steps), data)
        after_step(imitation.steps)
    return True


def _check_fits(folder: str, source: SourceRecord, learner: NetworkLearner) -> None:
    shown: Any = source.actions.space
    if shown != learner.action_space:
        raise ArgumentError(
            f"{folder} has other actions than {source.scenario} here: {shown}, not "
            f"{learner.action_space}: give the action mode that it was collected with"
        )
    for key, space in learner.observation_space.spaces.items():
        found = source.observations.get(key)
        if found is None:
            has = ",".join(source.observations)
            raise ArgumentError(f'{folder} was collected without the sensor "{key}": use {has}')
        if (found.shape, np.dtype(found.dtype)) != (space.shape, space.dtype):
            raise ArgumentError(
                f'the sensor "{key}" is {found.dtype} {found.shape} in {folder}, and here '
                f"{space.dtype} {space.shape}"
            )
