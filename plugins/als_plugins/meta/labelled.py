"""Labelled tasks from the clinic: few patients, or few pictures, of each class.

`diagnosis` asks two-way questions about the patients of `ALS/Diagnosis-v0`. Training's questions
are whether a measurement lies above a threshold, as far as the other panels tell. Testing asks what
no training has been told: is the tumour malignant? `imaging` shows scans of `ALS/Imaging-v0` and
asks whose slide they come from, one of five patients. Patients, questions and scanners are those of
the engine's splits: none is in two.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from als_engine.checks import one_of
from als_engine.plugins.registry import registry
from als_engine.task import Split

__all__ = ["SOURCES", "Diagnosis", "Imaging", "Lesson", "Source", "Tasks", "source_of"]

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Tasks:
    """Some tasks, each with labelled examples and with what is asked afterwards.

    Examples lie class after class: `labels` of the first one, then of the next.

    Attributes:
        ways: classes of a task.
        labels, queries: examples, and questions, of each class.
        support: (tasks, ways * labels, ...), the examples.
        query: (tasks, ways * queries, ...), what is asked.
    """

    ways: int
    labels: int
    queries: int
    support: Floats
    query: Floats

    @property
    def support_class(self) -> Integers:
        """(ways * labels,), the class of each example."""
        return np.repeat(np.arange(self.ways), self.labels)

    @property
    def query_class(self) -> Integers:
        """(ways * queries,), the class of what is asked."""
        return np.repeat(np.arange(self.ways), self.queries)


@dataclass(frozen=True)
class Lesson:
    """Examples of all training's questions at once, for a network that learns them together.

    Attributes:
        inputs: (rows, ...).
        answers: (rows, heads), a class for each head.
        counts: (rows, heads), 1 where the head is asked.
    """

    inputs: Floats
    answers: Integers
    counts: Floats


class Source(ABC):
    """Where labelled tasks come from.

    Attributes:
        id: its name.
        ways: classes of a task.
        shape: of an input.
        heads, classes: of the questions of `lesson`.
    """

    id: ClassVar[str]
    ways: ClassVar[int]
    shape: ClassVar[tuple[int, ...]]
    heads: ClassVar[int]
    classes: ClassVar[int]

    @abstractmethod
    def most(self, split: Split) -> int:
        """The most examples and questions of a class, together, that a task of a split has."""

    @abstractmethod
    def tasks(
        self, rng: np.random.Generator, split: Split, count: int, labels: int, queries: int
    ) -> Tasks:
        """Draws tasks of a split.

        Args:
            rng: draws.
            split: whose patients, questions and scanners.
            count: of the tasks.
            labels: examples of each class.
            queries: questions of each class; none is among the examples.
        """

    @abstractmethod
    def lesson(self, rng: np.random.Generator, rows: int) -> Lesson:
        """Draws examples of all training's questions."""


class Diagnosis(Source):
    """Two-way questions about real patients, from thirty measurements (see `patients`)."""

    id: ClassVar[str] = "diagnosis"
    ways: ClassVar[int] = 2
    shape: ClassVar[tuple[int, ...]] = (30,)
    heads: ClassVar[int] = 30
    classes: ClassVar[int] = 2

    PANELS: ClassVar[Mapping[Split, tuple[int, ...]]] = {
        "train": (0, 2, 3, 4, 5),
        "validation": (1,),
    }
    """Panels whose measurements are asked about; the test split asks for the diagnosis."""

    _LEAST, _MOST = 0.4, 0.6  # The quantile of a threshold.

    @cached_property
    def _read(self) -> dict[Split, tuple[Floats, NDArray[np.intp], NDArray[np.bool_]]]:
        task = registry.load(registry.scenario("ALS/Diagnosis-v0"))
        every: tuple[Split, ...] = ("train", "validation", "test")
        return {split: task.measurements(split) for split in every}

    def most(self, split: Split) -> int:
        """See `Source.most`."""
        _, _, ill = self._read[split]
        if split == "test":
            return int(min(ill.sum(), (~ill).sum()))
        return int(self._LEAST * len(ill)) - 1

    def tasks(
        self, rng: np.random.Generator, split: Split, count: int, labels: int, queries: int
    ) -> Tasks:
        """See `Source.tasks`; inputs of the panel that is asked about are 0."""
        standard, panels, ill = self._read[split]
        each = labels + queries
        found = np.zeros((count, self.ways, each, *self.shape), np.float32)
        for task in range(count):
            if split == "test":
                truth, hidden = ill, np.zeros(len(panels), np.bool_)
            else:
                feature = int(rng.choice(np.flatnonzero(np.isin(panels, self.PANELS[split]))))
                limit = np.quantile(standard[:, feature], rng.uniform(self._LEAST, self._MOST))
                truth, hidden = standard[:, feature] > limit, panels == panels[feature]
            for way, value in enumerate(rng.permutation(2)):
                chosen = rng.choice(np.flatnonzero(truth == bool(value)), each, replace=False)
                found[task, way] = np.where(hidden, 0.0, standard[chosen])
        return _apart(found, labels)

    def lesson(self, rng: np.random.Generator, rows: int) -> Lesson:
        """See `Source.lesson`: a panel is hidden in each row, and its measurements are asked."""
        known, panels, _ = self._read["train"]
        answers = (known > np.median(known, axis=0)).astype(np.int64)
        chosen = rng.integers(len(known), size=rows)
        hidden = panels[None] == rng.choice(self.PANELS["train"], rows)[:, None]
        inputs = np.where(hidden, 0.0, known[chosen]).astype(np.float32)
        return Lesson(inputs, answers[chosen], hidden.astype(np.float32))


class Imaging(Source):
    """Whose slide is it? Pictures of cell nuclei of five patients, grey, 24 by 24 pixels."""

    id: ClassVar[str] = "imaging"
    ways: ClassVar[int] = 5
    PIXELS: ClassVar[int] = 24
    shape: ClassVar[tuple[int, ...]] = (1, PIXELS, PIXELS)
    heads: ClassVar[int] = 1
    classes: ClassVar[int] = 341

    VIEWS: ClassVar[Mapping[Split, int]] = {"train": 12, "validation": 36, "test": 60}
    """Pictures of each patient by each scanner of a split."""

    def most(self, split: Split) -> int:
        """See `Source.most`."""
        return self.VIEWS[split]

    @cached_property
    def _drawn(self) -> dict[Split, Floats]:
        return {}

    def pictures(self, split: Split) -> Floats:
        """All pictures of a split, (patients, scanners, views, 1, pixels, pixels), mean 0, sd 1."""
        if split not in self._drawn:
            task = registry.load(registry.scenario("ALS/Imaging-v0"))
            grey = task.pictures(split, self.VIEWS[split], self.PIXELS).astype(np.float32).mean(-1)
            grey -= grey.mean((-2, -1), keepdims=True)
            grey /= grey.std((-2, -1), keepdims=True) + 1e-6
            self._drawn[split] = grey[..., None, :, :]
        return self._drawn[split]

    def tasks(
        self, rng: np.random.Generator, split: Split, count: int, labels: int, queries: int
    ) -> Tasks:
        """See `Source.tasks`; a task has one scanner."""
        every, each = self.pictures(split), labels + queries
        found = np.zeros((count, self.ways, each, *self.shape), np.float32)
        for task in range(count):
            scanner = int(rng.integers(every.shape[1]))
            for way, who in enumerate(rng.choice(len(every), self.ways, replace=False).tolist()):
                found[task, way] = every[who, scanner, rng.permutation(every.shape[2])[:each]]
        return _apart(found, labels)

    def lesson(self, rng: np.random.Generator, rows: int) -> Lesson:
        """See `Source.lesson`: which of all training's patients it is."""
        every = self.pictures("train")
        who, scanner, view = (rng.integers(n, size=rows) for n in every.shape[:3])
        return Lesson(every[who, scanner, view], who[:, None], np.ones((rows, 1), np.float32))


def _apart(found: Floats, labels: int) -> Tasks:
    """Examples and questions out of (tasks, ways, each, ...)."""
    count, ways, each, *shape = found.shape
    return Tasks(
        ways,
        labels,
        each - labels,
        found[:, :, :labels].reshape(count, ways * labels, *shape),
        found[:, :, labels:].reshape(count, ways * (each - labels), *shape),
    )


SOURCES: Final[Mapping[str, type[Source]]] = {"diagnosis": Diagnosis, "imaging": Imaging}
"""Where labelled tasks come from, by name."""


def source_of(name: str) -> Source:
    """Makes a source.

    Raises:
        ArgumentError: there is none of that name.
    """
    return SOURCES[one_of("data", name, SOURCES)]()
