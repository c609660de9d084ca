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
from als_plugins.experience.consent import check_consent
from als_plugins.experience.dataset import Experience, persons_in
from als_plugins.experience.records import RECORD, SourceRecord, read_dataset
from als_plugins.imitation.imitation import Imitation
from als_plugins.imitation.kept import returns_to_go, sequences_for
from als_plugins.imitation.minari_folder import minari_folder, read_minari
from als_plugins.learners.student import Batch

if TYPE_CHECKING:
    from als_plugins.learners.network_learner import NetworkLearner

__all__ = ["Recorded", "is_dataset", "open_recorded", "sources_for", "study", "unit_numbers"]


def is_dataset(name: str) -> bool:
    """Whether there is a dataset in a folder of that name."""
    return (Path(name) / RECORD).is_file() or minari_folder(name) is not None


def open_recorded(
    name: str, scenario: str, learner: NetworkLearner, part: str = "train"
) -> Recorded:
    """Opens a dataset of `als collect`, or of Minari.

    Args:
        name: its folder, or the id of a Minari dataset.
        scenario: whose episodes are read.
        learner: who imitates.
        part: which part of it; a Minari dataset has but one.

    Raises:
        ArgumentError: it is of another scenario, or has other actions or sensors.
        SavedFileError: it is damaged.
    """
    if (Path(name) / RECORD).is_file():
        return _Collected(name, scenario, learner, part)
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

    def at(self, numbers: NDArray[np.int64]) -> Batch:
        """The steps of these numbers, from 0 to `steps`.

        Raises:
            ArgumentError: they cannot be asked for one by one.
        """
        raise ArgumentError("a Minari dataset cannot be learnt from with privacy: collect one")

    def units(self, unit: str) -> list[NDArray[np.int64]]:
        """The numbers of the steps of each "episode", or of each "person".

        Raises:
            ArgumentError: they cannot be told apart.
        """
        raise ArgumentError("a Minari dataset cannot be learnt from with privacy: collect one")


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
    """Those of a part of what `als collect` wrote, read from the disk."""

    def __init__(self, folder: str, scenario: str, learner: NetworkLearner, name: str) -> None:
        """Opens a dataset.

        Args:
            folder: what `als collect` wrote.
            scenario: whose episodes are read.
            learner: who imitates.
            name: of the part.

        Raises:
            ArgumentError: it is of another scenario, has other actions or sensors, or is of
                persons who have not agreed to it.
            SavedFileError: it is damaged.
        """
        sources = sources_for(folder, scenario, learner)
        keys = list(learner.observation_space.spaces)
        opened = [open_source(Path(folder), source, lambda done, total: None) for source in sources]
        part = Experience(Path(folder), opened, keys).part(name)
        self._folder, self._part = Path(folder), part
        self._windows = part.windows(1)
        self._rng = np.random.default_rng(0)
        self._sequences = sequences_for(learner.student(), 1)
        self.steps = self.room = len(self._windows)
        if not self.steps:
            raise ArgumentError(f"{folder} has no episode in its {name} part: collect more of them")
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
        return self._read(chosen, begins, counted)

    def at(self, numbers: NDArray[np.int64]) -> Batch:
        return self._read(numbers)

    def units(self, unit: str) -> list[NDArray[np.int64]]:
        lengths = np.concatenate([chosen.lengths for chosen in self._part.sources])
        names = persons_in(self._folder, self._part) if unit == "person" else None
        return unit_numbers(lengths, names)

    def _read(
        self,
        chosen: NDArray[np.int64],
        begins: NDArray[np.bool_] | None = None,
        counted: NDArray[np.bool_] | None = None,
    ) -> Batch:
        found = self._windows.take(chosen)
        observation = {key: array[:, 0] for key, array in found.observation.items()}
        return Batch(observation, found.actions[:, 0], self._returns[chosen], begins, counted)


def sources_for(folder: str, scenario: str, learner: NetworkLearner) -> list[SourceRecord]:
    """The sources of a dataset that a learner can imitate; no episode is read.

    Raises:
        ArgumentError: there is none, one has other actions or sensors, or persons have not agreed.
        SavedFileError: it is no dataset.
    """
    dataset = read_dataset(Path(folder))
    sources = [each for each in dataset.sources if each.scenario == scenario and each.episodes]
    if not sources:
        held = ", ".join(dict.fromkeys(each.scenario for each in dataset.sources)) or "nothing"
        raise ArgumentError(f"{folder} has no episodes of {scenario}, but of {held}")
    check_consent(folder, sources, "imitation")
    for source in sources:
        _check_fits(folder, source, learner)
    return sources


def unit_numbers(lengths: NDArray[np.int64], names: list[str] | None) -> list[NDArray[np.int64]]:
    """The numbers of the steps of each unit.

    Args:
        lengths: (episodes,), of episodes that follow one another.
        names: whose each episode is; None where each is a unit of its own.
    """
    ends = np.cumsum(lengths)
    steps = [np.arange(end - length, end) for end, length in zip(ends, lengths, strict=True)]
    if names is None:
        return steps
    together: dict[str, list[NDArray[np.int64]]] = {}
    for name, numbers in zip(names, steps, strict=True):
        together.setdefault(name, []).append(numbers)
    return [np.concatenate(parts) for parts in together.values()]


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
