"""Task distributions: what makes a task of some levels of a scenario, and what is told of it.

A task is something hidden that stays the same over several episodes: a pupil's kind, what a word
means, who the opponent is. Every level has such a thing already, so that a task is a set of levels:
those of one split that agree in it. What the engine holds out of training (kinds, pairs, company)
is therefore held out here as well, and no task is in two splits.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import numpy as np
from pydantic import Field, JsonValue, TypeAdapter, ValidationError

from als_engine.checks import one_of
from als_engine.errors import ArgumentError, unknown
from als_engine.models import Model
from als_engine.system.safe_files import is_file
from als_engine.system.toml_files import read_toml
from als_engine.task import LEVELS, block_of

if TYPE_CHECKING:
    from als_engine.simulation import Simulation

__all__ = [
    "BUNDLED",
    "ByBlock",
    "ByCompany",
    "ByLevel",
    "ByQuantity",
    "TaskDistribution",
    "TaskLevels",
    "parse_tasks",
]

Name = Annotated[str, Field(min_length=1, max_length=100)]
Arguments = Annotated[dict[Name, JsonValue], Field(max_length=50)]

TRIES: Final = 20_000
"""Levels that are looked at, at most, for one of a task."""


class ByLevel(Model):
    """A task is a level: the same one again and again. Any scenario has such tasks."""

    kind: Literal["level"] = "level"


class ByCompany(Model):
    """A task is who the other avatars are driven by, such as an opponent's behaviour."""

    kind: Literal["company"] = "company"


class ByQuantity(Model):
    """A task is what a level holds under one of its quantities, such as the kind of its pupils.

    Attributes:
        quantity: its name. Levels whose avatars or things differ in it belong to no task.
    """

    kind: Literal["quantity"] = "quantity"
    quantity: Name


class ByBlock(Model):
    """A task is a block of levels in a row, in which an argument keeps something the same.

    Attributes:
        argument: of the scenario; says how many levels make a block.
    """

    kind: Literal["block"] = "block"
    argument: Name


By = Annotated[ByLevel | ByCompany | ByQuantity | ByBlock, Field(discriminator="kind")]


class TaskDistribution(Model):
    """Which tasks there are, and what an agent is told in them.

    Attributes:
        by: what makes a task.
        scenario: the id; None where any will do.
        arguments: of the scenario.
        told: terms of the reward that an agent is told while it acts; None for all of them. What
            shapes the reward often gives away what is to be found out.
        oracle: arguments, in place of those above, with which the task is told; None where there
            are none.
    """

    by: By
    scenario: Name | None = None
    arguments: Arguments = Field(default_factory=dict)
    told: Annotated[list[Name], Field(min_length=1, max_length=50)] | None = None
    oracle: Arguments | None = None


_SEEN: Final[list[JsonValue]] = ["entities", "proprioception"]

BUNDLED: Final[Mapping[str, TaskDistribution]] = {
    "level": TaskDistribution(by=ByLevel()),
    "things": TaskDistribution(
        by=ByQuantity(quantity="pair"),
        scenario="ALS/Vocabulary-v0",
        arguments={"sensors": _SEEN, "num_things": 2, "side": 6.0, "max_episode_steps": 60},
        told=["choice"],
        oracle={"sensors": [*_SEEN, "text"]},
    ),
    "words": TaskDistribution(
        by=ByBlock(argument="meanings"),
        scenario="ALS/Vocabulary-v0",
        arguments={"sensors": [*_SEEN, "text"], "meanings": 20},
        told=["choice"],
        oracle={"meanings": 0},
    ),
    "opponents": TaskDistribution(
        by=ByCompany(), scenario="ALS/Tag-v0", arguments={"sensors": _SEEN}
    ),
    "pupils": TaskDistribution(
        by=ByQuantity(quantity="kind"),
        scenario="ALS/Tutor-v0",
        arguments={"num_avatars": 3},
        told=["examination"],
    ),
    "tastes": TaskDistribution(
        by=ByQuantity(quantity="kind"),
        scenario="ALS/Tour-v0",
        arguments={"num_avatars": 3},
        told=["satisfaction", "leaving"],
    ),
    "patients": TaskDistribution(
        by=ByBlock(argument="days"),
        scenario="ALS/Ward-v0",
        arguments={"days": 20},
        told=["risk", "hypoglycaemia", "doses"],
    ),
}
"""The task distributions that come with the library, by name."""

_ADAPTER: Final[TypeAdapter[TaskDistribution]] = TypeAdapter(TaskDistribution)


def parse_tasks(given: str | Path | Mapping[str, Any] | TaskDistribution) -> TaskDistribution:
    """Returns a task distribution.

    Args:
        given: the name of one in `BUNDLED`, a TOML file, or what such a file says: the fields of
            `TaskDistribution`.

    Raises:
        ArgumentError: it is none; names the field.
        SavedFileError: the file cannot be read.
    """
    if isinstance(given, TaskDistribution):
        return given
    if isinstance(given, Mapping):
        return _checked("tasks", given)
    if not isinstance(given, (str, Path)):
        raise ArgumentError(f"tasks: a name, a file or a mapping is needed, got {given!r:.100}")
    if str(given) in BUNDLED:
        return BUNDLED[str(given)]
    path = Path(given)
    if path.suffix != ".toml" or not is_file(path):
        raise ArgumentError(
            unknown("task distribution", str(given), BUNDLED) + "; a TOML file is another way"
        )
    return _checked(str(path), read_toml(path)[0])


def _checked(name: str, values: Mapping[str, Any]) -> TaskDistribution:
    try:
        # By way of JSON, so that what a file says and what is kept of it are the same.
        return _ADAPTER.validate_json(json.dumps(dict(values), allow_nan=False))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise ArgumentError(f"{name}: {where}: {first['msg']}") from None
    except (TypeError, ValueError, RecursionError) as error:
        raise ArgumentError(f"{name}: {error!s:.100}") from None


class TaskLevels:
    """The tasks of one split, and the levels of each.

    Attributes:
        split: which one.
    """

    def __init__(
        self,
        tasks: TaskDistribution,
        scenario: str,
        split: str,
        arguments: Mapping[str, Any] | None = None,
        observers: int = 1,
    ) -> None:
        """Opens no physics.

        Args:
            tasks: which tasks there are.
            scenario: whose levels they are.
            split: "train", "validation" or "test".
            arguments: of the scenario, as it is played.
            observers: how many avatars of each world the caller drives.

        Raises:
            ArgumentError: the scenario is another one, has no such quantity or no such argument, or
                nobody is driven by a behaviour.
        """
        one_of("split", split, LEVELS)
        given = dict(arguments or {})
        if tasks.scenario not in (None, scenario):
            raise ArgumentError(f"these are tasks of {tasks.scenario}, not of {scenario}")
        self.split, self._by, self._range = split, tasks.by, LEVELS[split]
        self._block = 1
        if isinstance(tasks.by, ByBlock):
            size = given.get(tasks.by.argument)
            if not isinstance(size, int) or isinstance(size, bool) or size < 2:
                raise ArgumentError(
                    f"{tasks.by.argument} says how many levels make a task: "
                    f"give it as an argument of {scenario}, 2 or more"
                )
            self._block = size
        given.update(split=split, sensors=["proprioception"])
        # It lays levels out, and never plays one.
        from als_engine.simulation import simulate  # Whoever only acts needs no worlds.

        self._worlds = simulate(scenario, 1, observers, **given)
        self._worlds.close()
        self._known: dict[int, Hashable] = {}
        self._check(self._worlds, scenario)

    def _check(self, worlds: Simulation, scenario: str) -> None:
        by = self._by
        if isinstance(by, ByCompany) and worlds.observers >= worlds.num_avatars:
            raise ArgumentError(f"{scenario} has no company here: the caller drives everybody")
        if isinstance(by, ByQuantity):
            names = worlds.levels.lay_out(self._range.start).quantities
            if by.quantity not in names:
                raise ArgumentError(unknown("quantity of a level", by.quantity, names))

    def of(self, level: int) -> Hashable:
        """Which task a level belongs to; None for none."""
        if level not in self._known:
            self._known[level] = self._find(level)
        return self._known[level]

    def _find(self, level: int) -> Hashable:
        by, worlds = self._by, self._worlds
        if isinstance(by, ByBlock):
            return block_of(level, self._block)
        if isinstance(by, ByLevel):
            return level
        if isinstance(by, ByCompany):
            names = list(worlds.company.behaviours)
            drawn = {int(each) for each in worlds.company.draw(level) if each >= 0}
            return "+".join(names[each] for each in sorted(drawn))
        found = np.asarray(worlds.levels.lay_out(level).quantities[by.quantity])
        if found.ndim and not (found == found[:1]).all():
            return None
        one = found[0] if found.ndim else found
        return tuple(one.tolist()) if one.ndim else one.item()

    def draw(self, rng: np.random.Generator) -> tuple[Hashable, Iterator[int]]:
        """Draws a task, as often as levels have it; returns it and its levels, without end.

        Args:
            rng: draws the task, and the levels as they are asked for.

        Raises:
            ArgumentError: no level of this split belongs to a task.
        """
        for _ in range(TRIES):
            level = self._drawn(rng)
            task = self.of(level)
            if task is not None:
                return task, self.levels(task, rng, level)
        raise ArgumentError(f"none of {TRIES:,} levels of the {self.split} split belongs to a task")

    def levels(
        self, task: Hashable, rng: np.random.Generator, first: int | None = None
    ) -> Iterator[int]:
        """Levels of a task, drawn one after the other, without end.

        Args:
            task: as `of` returns it.
            rng: draws them.
            first: the one to begin with; None draws it as well.
        """
        if first is not None:
            yield first
        if isinstance(self._by, ByLevel):
            assert isinstance(task, int)
            while True:
                yield task
        if isinstance(self._by, ByBlock):
            block = [each for each in self._range if self.of(each) == task]
            while True:
                yield block[int(rng.integers(len(block)))]
        while True:
            yield self._another(task, rng)

    def _another(self, task: Hashable, rng: np.random.Generator) -> int:
        for _ in range(TRIES):
            if self.of(level := self._drawn(rng)) == task:
                return level
        raise ArgumentError(f"none of {TRIES:,} levels of the {self.split} split is of task {task}")

    def _drawn(self, rng: np.random.Generator) -> int:
        return int(rng.integers(self._range.start, self._range.stop))

    def among(self, count: int) -> dict[Hashable, int]:
        """The tasks of the split's first `count` levels, and how many levels of them each has."""
        found: dict[Hashable, int] = {}
        for level in self._range[:count]:
            if (task := self.of(level)) is not None:
                found[task] = found.get(task, 0) + 1
        return found
