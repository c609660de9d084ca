"""Few labels, measured: every method and seed learns, and meets the same held-out tasks."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import numpy as np
import torch
from pydantic import Field

from als_engine.agents.run_folder import RunFolder
from als_engine.errors import ArgumentError, SavedFileError
from als_engine.evaluation.splits import CHOOSING, REPORTING
from als_engine.evaluation.statistics import Interval, mean_interval
from als_engine.limits import MAX_SEED, STEPS
from als_engine.models import Model, read_model
from als_engine.seeding import Generators, spread
from als_engine.system.files import write_text
from als_engine.system.safe_files import is_file
from als_plugins.meta.labelled import Source, source_of
from als_plugins.meta.methods import METHODS, Method
from als_plugins.meta.networks import Inner, TaskTensors

__all__ = ["FewLabels", "Found", "Settings", "kept", "measure", "run_few_labels", "table_of"]

RECORD: Final = "few_labels.json"
QUERIES: Final = 10
"""Questions of each class of a task on which methods are judged."""

CHOICES: Final = 16
"""Validation tasks by which is chosen how to adapt."""

ORACLE_LABELS: Final = 40

MethodName = Literal[
    "prototypes", "maml", "fomaml", "reptile", "fine-tuning", "scratch", "nearest", "oracle"
]


class Settings(Model):
    """What is measured.

    Attributes:
        data: "diagnosis" or "imaging".
        methods: some of `METHODS`.
        labels: examples of each class that a task begins with.
        steps: gradient steps before a task is met.
        tasks: of the test split.
        seeds: trainings of each method.
        seed: of the first one.
    """

    data: Literal["diagnosis", "imaging"]
    methods: Annotated[list[MethodName], Field(min_length=1, max_length=len(METHODS))]
    labels: Annotated[list[Annotated[int, Field(ge=1, le=40)]], Field(min_length=1, max_length=10)]
    steps: int = Field(default=400, ge=1, le=1_000_000)
    tasks: int = Field(default=100, ge=2, le=10_000)
    seeds: int = Field(default=5, ge=1, le=1_000)
    seed: int = Field(default=0, ge=0, le=MAX_SEED)


class Found(Model):
    """What a method reached with one seed.

    Attributes:
        method: which one.
        seed: of its training.
        right: for each number of labels, the part of the test tasks' questions that it answered
            rightly.
        chosen: for each, how it adapted: steps, rate, and whether by the last layer alone.
    """

    method: MethodName
    seed: int = Field(ge=0, le=MAX_SEED)
    right: Annotated[list[Annotated[float, Field(ge=0.0, le=1.0)]], Field(max_length=10)]
    chosen: Annotated[
        list[tuple[Annotated[int, Field(ge=0, le=STEPS)], float, bool]], Field(max_length=10)
    ]


@dataclass(frozen=True)
class FewLabels:
    """All that was measured.

    Attributes:
        settings: what was asked for.
        found: of each method and seed.
    """

    settings: Settings
    found: tuple[Found, ...]

    @property
    def methods(self) -> list[MethodName]:
        """The methods of which there is something, in the order in which they were named."""
        there = {each.method for each in self.found}
        return [each for each in dict.fromkeys(self.settings.methods) if each in there]

    def of(self, method: str, labels: int) -> Interval:
        """The part of right answers of a method, its mean over seeds with a 95% interval."""
        place = self.settings.labels.index(labels)
        values = [each.right[place] for each in self.found if each.method == method]
        return mean_interval(np.array(values))

    def as_dict(self) -> dict[str, Any]:
        """Everything as JSON has it."""
        return {
            "settings": self.settings.model_dump(),
            "found": [each.model_dump() for each in self.found],
        }


def run_few_labels(
    settings: Settings,
    folder: Path | None = None,
    *,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> FewLabels | None:
    """Measures every method and seed that is missing; None where it was told to stop.

    Args:
        settings: what is measured.
        folder: where results are kept, a file for each method and seed; None keeps nothing. The
            same settings go on where an earlier call stopped.
        on_progress: told how many are done, and how many there are.
        should_stop: asked after each gradient step.

    Raises:
        ArgumentError: a class has too few patients or pictures for so many labels.
        SavedFileError: the folder holds something else, or other settings.
    """
    source = source_of(settings.data)
    room = source.most(REPORTING) - QUERIES
    if max(settings.labels) > room:
        raise ArgumentError(f"labels: {settings.data} has at most {room} of each class for testing")
    if folder is None:
        return _all(settings, source, None, on_progress, should_stop)
    run = RunFolder(folder, RECORD, "a measurement of few labels", owns=("results",))
    if run.begun:
        if read_model(run.record, Settings) != settings:
            raise SavedFileError(
                f"{folder} holds a measurement with other settings: name another folder"
            )
        with run.going_on():
            return _all(settings, source, folder / "results", on_progress, should_stop)
    with run.new(settings.model_dump_json(indent=2) + "\n"):
        return _all(settings, source, folder / "results", on_progress, should_stop)


def _all(
    settings: Settings,
    source: Source,
    folder: Path | None,
    on_progress: Callable[[int, int], None],
    should_stop: Callable[[], bool],
) -> FewLabels | None:
    wanted = [
        (method, settings.seed + number)
        for number in range(settings.seeds)
        for method in dict.fromkeys(settings.methods)
    ]
    found: list[Found] = []
    for method, seed in wanted:
        on_progress(len(found), len(wanted))
        path = None if folder is None else folder / f"{method}-{seed}.json"
        if path is not None and is_file(path):
            found.append(read_model(path, Found))
            continue
        one = measure(source, method, settings, seed, should_stop)
        if one is None:
            return None
        if path is not None:
            path.parent.mkdir(exist_ok=True)
            write_text(path, json.dumps(one.model_dump()) + "\n")
        found.append(one)
    on_progress(len(found), len(wanted))
    return FewLabels(settings, tuple(found))


def kept(settings: Settings, folder: Path) -> FewLabels | None:
    """What a folder holds of a measurement, however far it has come; None for nothing.

    Raises:
        SavedFileError: a file in it is damaged.
    """
    paths = sorted((folder / "results").glob("*.json"))
    found = tuple(read_model(path, Found) for path in paths)
    return FewLabels(settings, found) if found else None


def measure(
    source: Source,
    method: MethodName,
    settings: Settings,
    seed: int,
    should_stop: Callable[[], bool] = lambda: False,
) -> Found | None:
    """Trains a method, chooses on validation how it adapts, and tests it; None where stopped."""
    with Generators(spread(f"few labels by {method}", seed)):
        before = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            made = METHODS[method](source)
            rng = np.random.default_rng(spread("tasks of training", seed))
            made.learn(rng, settings.steps, lambda done: should_stop())
            if should_stop():
                return None
            return _judged(made, method, settings, seed)
        finally:
            torch.set_num_threads(before)


def _judged(made: Method, method: MethodName, settings: Settings, seed: int) -> Found:
    found: dict[int, tuple[float, Inner]] = {}
    given = [ORACLE_LABELS if method == "oracle" else labels for labels in settings.labels]
    for labels in dict.fromkeys(given):
        best = made.grid[0]
        if len(made.grid) > 1:
            tasks = _tasks(made.source, CHOOSING, seed, min(labels, _room(made, CHOOSING)), CHOICES)
            best = max(made.grid, key=lambda inner: float(made.answer(tasks, inner).mean()))
        most = min(labels, _room(made, REPORTING))
        tasks = _tasks(made.source, REPORTING, seed, most, settings.tasks)
        found[labels] = round(float(made.answer(tasks, best).mean()), 5), best
    right = [found[labels][0] for labels in given]
    chosen = [(x.steps, x.rate, x.head_only) for _, x in (found[labels] for labels in given)]
    return Found(method=method, seed=seed, right=right, chosen=chosen)


def _room(made: Method, split: Any) -> int:
    """How many labels a class of a split can have at most."""
    return made.source.most(split) - QUERIES


def _tasks(source: Source, split: Any, seed: int, labels: int, count: int) -> TaskTensors:
    """Tasks to be judged by: the same for every method."""
    rng = np.random.default_rng(spread(f"tasks of {split}", seed, labels))
    return TaskTensors.of(source.tasks(rng, split, count, labels, QUERIES))


def table_of(results: Sequence[FewLabels]) -> str:
    """Results as a table in Markdown."""
    lines = []
    for result in results:
        names = " | ".join(f"{n} label{'s' * (n > 1)}" for n in result.settings.labels)
        lines += [
            f"| {result.settings.data} | {names} | trainings |",
            "| --- |" + " ---: |" * (len(result.settings.labels) + 1),
        ]
        for method in result.methods:
            cells = []
            seeds = sum(each.method == method for each in result.found)
            for labels in result.settings.labels:
                one = result.of(method, labels)
                interval = f" [{one.low:.1%}, {one.high:.1%}]" if seeds > 1 else ""
                cells.append(f"{one.value:.1%}{interval}")
            lines.append(f"| {METHODS[method].says} | {' | '.join(cells)} | {seeds} |")
        lines.append("")
    return "\n".join(lines)
