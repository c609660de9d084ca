"""Reads a dataset for learning: windows of consecutive steps, at random, from memory-mapped files.

Sources of several scenarios are read as one where the chosen sensors agree. Whatever is read was
checked once, when its arrays were made; data larger than memory stays on the disk.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Discrete
from numpy.typing import NDArray

from als_engine.errors import ArgumentError, SavedFileError, unknown
from als_plugins.experience import episodes as files
from als_plugins.experience.cache import OnStep, SourceArrays, open_source
from als_plugins.experience.records import (
    PARTS,
    ActionRecord,
    PartsRecord,
    SensorRecord,
    SourceRecord,
    data_file,
    part_of,
    read_dataset,
)

if TYPE_CHECKING:
    from als_plugins.encoders.base import Statistic

__all__ = ["LABELS", "Experience", "Part", "Window", "Windows", "open_experience", "persons_in"]

LABELS: Final = ("nearest_prop", "speaker", "sign_number")

Indices = NDArray[np.intp]


@dataclass(frozen=True)
class Window:
    """Some windows, each of `length` consecutive steps of one avatar.

    Attributes:
        observation: sensor to (rows, length, ...), in the sensor's dtype.
        actions: (rows, length, ...), what was done on these observations.
        rewards: (rows, length), what came of it.
        labels: the true state at each observation: `nearest_prop` (rows, length, 2), metres ahead
            and to the left, NaN where none is in sight; `speaker` (rows, length), who is heard
            saying something, -1 where nobody is; `sign_number` (rows, length), the number on the
            sign in view, -1 where there is none. See `als_plugins.experience.labels`.
        last: sensor to (rows, ...), the last observation of the episode on which something was
            done; empty unless it was asked for.
    """

    observation: dict[str, NDArray[Any]]
    actions: NDArray[Any]
    rewards: NDArray[np.float64]
    labels: dict[str, NDArray[Any]]
    last: dict[str, NDArray[Any]] = field(default_factory=dict)


class Windows:
    """All runs of `length` consecutive steps within an episode, numbered from 0.

    Attributes:
        length: steps in a window.
    """

    def __init__(self, part: Part, length: int, ends: bool = False) -> None:
        if isinstance(length, bool) or not isinstance(length, int) or length < 1:
            raise ArgumentError(f"length must be a whole number of at least 1, got {length!r}")
        self.length = length
        self._sources, self._keys = part.sources, part.keys
        lengths = np.concatenate([chosen.lengths for chosen in part.sources])
        starts = np.concatenate([chosen.starts for chosen in part.sources])
        source = np.repeat(
            np.arange(len(part.sources)), [len(chosen.lengths) for chosen in part.sources]
        )
        counts = np.maximum(lengths - length + 1, 0)
        used = counts > 0
        self._ends = np.cumsum(counts[used])
        # What to add to a window's number for the row that it begins at.
        self._shift = starts[used] - (self._ends - counts[used])
        self._source = source[used]
        self._last = (starts + lengths - 1)[used] if ends else None

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def take(self, indices: Indices) -> Window:
        """Reads some windows, in this order.

        Args:
            indices: (rows,), each at least 0 and below `len(windows)`.

        Raises:
            IndexError: there is no such window.
        """
        chosen = np.asarray(indices, np.intp)
        if chosen.ndim != 1 or (chosen.size and not 0 <= chosen.min() <= chosen.max() < len(self)):
            raise IndexError(f"windows are numbered from 0 to {len(self) - 1}")
        episode = np.searchsorted(self._ends, chosen, side="right")
        rows = (chosen + self._shift[episode])[:, None] + np.arange(self.length)
        source = self._source[episode]
        return Window(
            observation={
                key: self._gather(f"observations/{key}", source, rows) for key in self._keys
            },
            actions=self._gather("actions", source, rows),
            rewards=self._gather("rewards", source, rows),
            labels={name: self._gather(f"infos/{name}", source, rows) for name in LABELS},
            last={}
            if self._last is None
            else {
                key: self._gather(f"observations/{key}", source, self._last[episode])
                for key in self._keys
            },
        )

    def batches(self, size: int, rng: np.random.Generator) -> Iterator[Window]:
        """All windows once, in a random order, `size` at a time; what is left over is left out."""
        order = rng.permutation(len(self))
        for first in range(0, len(self) - size + 1, size):
            yield self.take(order[first : first + size])

    def _gather(self, name: str, source: Indices, rows: Indices) -> NDArray[Any]:
        arrays = [chosen.arrays.arrays[name] for chosen in self._sources]
        if len(arrays) == 1:
            return arrays[0][rows]
        out = np.empty((*rows.shape, *arrays[0].shape[1:]), arrays[0].dtype)
        for number, array in enumerate(arrays):
            here = source == number
            out[here] = array[rows[here]]
        return out


@dataclass(frozen=True)
class _Chosen:
    """The episodes of one source that belong to a part: where they start, and their lengths."""

    arrays: SourceArrays
    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]


class Part:
    """The train, validation or test part.

    Attributes:
        name: which.
        sources: the episodes of each source that belong to it.
        keys: the sensors that are read.
    """

    def __init__(self, name: str, sources: Sequence[SourceArrays], keys: tuple[str, ...]) -> None:
        self.name, self.keys = name, keys
        self.sources = [_choose(arrays, name) for arrays in sources]

    @property
    def episodes(self) -> int:
        """The number of episodes."""
        return sum(len(chosen.lengths) for chosen in self.sources)

    @property
    def steps(self) -> int:
        """The number of steps, over all episodes."""
        return int(sum(chosen.lengths.sum() for chosen in self.sources))

    def windows(self, length: int, ends: bool = False) -> Windows:
        """All runs of `length` consecutive steps within an episode.

        Args:
            length: steps.
            ends: whether each comes with the last observation of its episode.

        Raises:
            ArgumentError: the length is not at least 1.
        """
        return Windows(self, length, ends)


class Experience:
    """A dataset that is ready to be learnt from.

    Attributes:
        folder: where it is.
        observation_space: the chosen sensors, of one avatar.
        action_space: of one avatar.
        scenarios: ids of the scenarios that it comes from.
        sources: what its record says of each source.
    """

    def __init__(self, folder: Path, sources: Sequence[SourceArrays], keys: Sequence[str]) -> None:
        records = [arrays.record for arrays in sources]
        self.folder, self._sources, self._keys = folder, tuple(sources), tuple(keys)
        self.observation_space = gymnasium.spaces.Dict({key: _merged(records, key) for key in keys})
        self.action_space = _action_space(records)
        self.scenarios = tuple(dict.fromkeys(record.scenario for record in records))
        self.sources = tuple(records)

    @cached_property
    def statistics(self) -> dict[str, Statistic]:
        """Mean and deviation of each sensor over the train part, in the sensor's shape."""
        from als_plugins.encoders.base import Statistic

        found = {}
        for key in self._keys:
            first, *others = (arrays.moments[key] for arrays in self._sources)
            whole = sum(others, start=first)
            found[key] = Statistic(whole.mean, whole.std)
        return found

    def part(self, name: str) -> Part:
        """A part; no level is in two of them, and none of the test split's is in the first two.

        Args:
            name: "train", "validation" or "test".

        Raises:
            ArgumentError: there is no such part.
        """
        if name not in PARTS:
            raise ArgumentError(unknown("part", name, PARTS))
        return Part(name, self._sources, self._keys)


def persons_in(folder: Path, part: Part) -> list[str]:
    """The pseudonym of who acted in each episode of a part, in its order.

    Raises:
        ArgumentError: an episode does not say.
        SavedFileError: the episodes are damaged.
    """
    found: list[str] = []
    for chosen in part.sources:
        arrays = chosen.arrays
        with files.episode_file(data_file(folder, arrays.record.id)) as file:
            for number, level in enumerate(arrays.levels.tolist()):
                if part_of(level) != part.name:
                    continue
                found.append(files.read_word(files.episode_group(file, number), "person"))
        if not all(found):
            raise ArgumentError(
                f"{folder} does not say who acted in the episodes of {arrays.record.id}: use "
                "unit=episode"
            )
    return found


def open_experience(
    folder: Path | str,
    sensors: Sequence[str] | None = None,
    on_step: OnStep = lambda done, total: None,
) -> Experience:
    """Opens a dataset; the first time, its episodes are converted for fast reading.

    Args:
        folder: what `als collect` wrote.
        sensors: observation keys; None for those that all of its scenarios have.
        on_step: told how many of how many episodes of a source have been converted.

    Raises:
        SavedFileError: it is no dataset, or an empty or damaged one.
        ArgumentError: there is no such sensor, or scenarios differ in a sensor or in the actions.
    """
    folder = Path(folder)
    sources = [source for source in read_dataset(folder).sources if source.episodes]
    if not sources:
        raise SavedFileError(f"{folder} has no episodes: `als collect` adds some")
    keys = _choose_sensors(sources, sensors)
    for key in keys:  # Before hours of conversion, not after.
        _merged(sources, key)
    _action_space(sources)
    return Experience(folder, [open_source(folder, source, on_step) for source in sources], keys)


def _choose(arrays: SourceArrays, part: str) -> _Chosen:
    starts = np.cumsum(arrays.lengths) - arrays.lengths
    mine = np.array([part_of(level) == part for level in arrays.levels.tolist()], np.bool_)
    return _Chosen(arrays, starts[mine], arrays.lengths[mine])


def _choose_sensors(
    sources: Sequence[SourceRecord], sensors: Sequence[str] | None
) -> tuple[str, ...]:
    every = list(dict.fromkeys(key for source in sources for key in source.observations))
    if isinstance(sensors, str):
        raise ArgumentError(f'sensors must be a list of names, such as ["{sensors}"]')
    if sensors is None:
        shared = [key for key in every if all(key in source.observations for source in sources)]
        if not shared:
            names = ", ".join(dict.fromkeys(source.scenario for source in sources))
            raise ArgumentError(
                f"{names} have no sensor in common: collect them with the same --sensors"
            )
        return tuple(sorted(shared))
    if not sensors:
        raise ArgumentError("name at least one sensor")
    for key in sensors:
        if key not in every:
            raise ArgumentError(unknown("sensor", key, sorted(every)))
        for source in sources:
            if key not in source.observations:
                raise ArgumentError(
                    f'{source.scenario} was collected without the sensor "{key}": leave the sensor '
                    f"out, or collect it anew with `--sensors`"
                )
    return tuple(sorted(dict.fromkeys(sensors)))


def _merged(sources: Sequence[SourceRecord], key: str) -> Box:
    """A sensor's space in all sources: they agree in all but the bounds, of which the widest."""
    first = sources[0]
    one = first.observations[key]
    low, high = one.space.low, one.space.high
    for other in sources[1:]:
        two = other.observations[key]
        if (one.shape, one.dtype) != (two.shape, two.dtype):
            raise ArgumentError(
                f'the sensor "{key}" is {_short(one)} in {first.scenario} and {_short(two)} in '
                f"{other.scenario}: leave it out by naming the other sensors, or collect both alike"
            )
        low, high = np.minimum(low, two.space.low), np.maximum(high, two.space.high)
    return Box(low, high, one.shape, np.dtype(one.dtype).type)


def _action_space(sources: Sequence[SourceRecord]) -> gymnasium.Space[Any]:
    """The action space of all sources; of Discrete ones the largest."""
    first = sources[0]
    for other in sources[1:]:
        both_discrete = isinstance(first.actions, ActionRecord) and isinstance(
            other.actions, ActionRecord
        )
        if not both_discrete and first.actions != other.actions:
            raise ArgumentError(
                f"the actions are {_short(first.actions)} in {first.scenario} and "
                f"{_short(other.actions)} in {other.scenario}: collect both with the same "
                f"`--arg action_mode=...`"
            )
    if isinstance(first.actions, ActionRecord):
        return Discrete(max(s.actions.n for s in sources if isinstance(s.actions, ActionRecord)))
    return first.actions.space


def _short(described: SensorRecord | PartsRecord | ActionRecord) -> str:
    if not isinstance(described, SensorRecord):
        return str(described.space)
    return f"{described.dtype} {described.shape}"
