"""Specs, which plugins return: frozen data classes of plain JSON and "module:Name" strings.

A spec names code without importing it, so listing every scenario and agent is instant and torch is
imported only by the agent that needs it. Every spec checks itself when it is made: a plugin's typo
shows up as one line that names the field, not as an import error in the middle of a training.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import math
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from als_engine.checks import ReadOnly, check_undecided, plain
from als_engine.errors import ArgumentError, PluginError, unknown
from als_engine.limits import LIMITS, SEEDS, UNITS
from als_engine.plugins.containment import caught, contained, describe
from als_engine.plugins.findings import EpisodeRecord

__all__ = [
    "ACTION_MODES",
    "QUESTIONS",
    "SPLITS",
    "AgentSpec",
    "EncoderSpec",
    "EpisodeRecord",
    "ScenarioSpec",
    "SensorSpec",
    "ShapeSpec",
    "Spec",
    "SuiteEntry",
    "SuiteSpec",
    "load_object",
    "namespace_of",
]

ACTION_MODES = ("discrete", "continuous", "factored", "guided")
ACTION_MASK = "action_mask"
SPLITS = ("train", "validation", "test")
QUESTIONS = ("company", "concepts", "memory")
"""What `als check` may ask of a scenario's author; see docs/checking.md."""

_SCENARIO_ID = re.compile(r"[A-Za-z][A-Za-z0-9_-]*/[A-Za-z][A-Za-z0-9_.-]*-v[0-9]+")
_NAME = re.compile(r"([A-Za-z][A-Za-z0-9_-]*/)?[a-z0-9][a-z0-9_.-]*")
_ENTRY_NAME = re.compile(r"[A-Za-z0-9][\w ./(),;-]{0,79}", re.ASCII)
_REFERENCE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", re.ASCII)


@dataclass(frozen=True)
class Spec:
    """The fields that all specs share: an id and one line that says what it is for.

    Attributes:
        id: The name users type; unique among all installed plugins.
        summary: One line for `als list`; empty when there is nothing to add to the id.
    """

    id: str
    summary: str = field(default="", kw_only=True)

    def __post_init__(self) -> None:
        """Checks the id; each kind of spec checks its own fields as well."""
        _match(_NAME, self, "id", 'a lower-case name, or "namespace/name"')
        _check(isinstance(self.summary, str), self, "summary", "a string")
        _check("\n" not in self.summary, self, "summary", "one line")

    def as_dict(self) -> dict[str, Any]:
        """Returns the fields as a new JSON-able dictionary; `type(spec)(**it)` is equal again."""
        return dict(plain(dataclasses.asdict(self)))


@dataclass(frozen=True)
class ScenarioSpec(Spec):
    """A Task with its arguments under an id: what `gymnasium.make` names.

    Attributes:
        id: `Namespace/Name-vN`, with exactly one slash.
        task: `"module:Class"` of the Task.
        max_episode_steps: Steps until an episode is truncated; `max_episode_steps=` of an env
            overrides it.
        family: The group it is listed under, such as `education`.
        kwargs: Arguments for the Task, JSON-able; copied, so later changes do not reach the spec.
        num_avatars: Avatars when the caller names no number.
        min_avatars: Fewest avatars that the task makes sense with.
        max_avatars: Most avatars that the task makes room for.
        answers: What the author says to the questions of `als check`, by their names in
            `QUESTIONS`: why something that looks like a mistake is meant.
    """

    task: str
    max_episode_steps: int
    family: str = ""
    kwargs: Mapping[str, Any] = field(default_factory=dict, hash=False)
    num_avatars: int = 1
    min_avatars: int = 1
    max_avatars: int = 8
    answers: Mapping[str, str] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        """Checks every field.

        Raises:
            ArgumentError: A field is not what it must be; the message names id, field and value.
        """
        _match(_SCENARIO_ID, self, "id", '"Namespace/Name-vN" with exactly one slash')
        _check(isinstance(self.summary, str), self, "summary", "a string")
        _check("\n" not in self.summary, self, "summary", "one line")
        _match(_REFERENCE, self, "task", '"module:Class"')
        for name in ("max_episode_steps", "num_avatars", "min_avatars", "max_avatars"):
            _check_count(self, name)
        in_range = self.min_avatars <= self.num_avatars <= self.max_avatars
        _check(in_range, self, "num_avatars", f"from {self.min_avatars} to {self.max_avatars}")
        _check(isinstance(self.family, str), self, "family", "a string")
        object.__setattr__(self, "kwargs", _json_copy(self, "kwargs"))
        object.__setattr__(self, "answers", _json_copy(self, "answers"))
        known = set(self.answers) <= set(QUESTIONS)
        said = known and all(isinstance(a, str) and a.strip() for a in self.answers.values())
        _check(said, self, "answers", f"a text each, by names among {', '.join(QUESTIONS)}")


@dataclass(frozen=True)
class AgentSpec(Spec):
    """A policy, or a learner that trains one, under a short id such as `ppo`.

    Attributes:
        agent: `"module:Class"` of the Agent.
        needs: The extras of the plugin's distribution that have to be installed, such as `learn`.
        trainable: Whether the class is a Learner, which `als train` can train.
        action_modes: The action modes it can act in, the preferred one first.
        made_by: The command that makes such an agent, such as `als shrink`, where none can be made
            of the id alone; it is then named by its folder.
    """

    agent: str
    needs: tuple[str, ...] = ()
    trainable: bool = False
    action_modes: tuple[str, ...] = ACTION_MODES
    made_by: str = ""

    def __post_init__(self) -> None:
        """Checks every field.

        Raises:
            ArgumentError: A field is not what it must be; the message names id, field and value.
        """
        super().__post_init__()
        _match(_REFERENCE, self, "agent", '"module:Class"')
        _freeze_names(self, "needs")
        _freeze_names(self, "action_modes")
        known = bool(self.action_modes) and set(self.action_modes) <= set(ACTION_MODES)
        _check(known, self, "action_modes", f"some of {', '.join(ACTION_MODES)}")
        made = isinstance(self.made_by, str) and not (self.made_by and self.trainable)
        _check(made, self, "made_by", "a command, and empty for what is trained")


@dataclass(frozen=True)
class EncoderSpec(Spec):
    """A network from the Dict observation to a feature vector.

    Attributes:
        encoder: `"module:Class"` of the encoder.
        needs: The extras of the plugin's distribution that have to be installed.
        sensors: The observation keys it reads; empty when it takes whatever there is.
    """

    encoder: str
    needs: tuple[str, ...] = ()
    sensors: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Checks every field.

        Raises:
            ArgumentError: A field is not what it must be; the message names id, field and value.
        """
        super().__post_init__()
        _match(_REFERENCE, self, "encoder", '"module:Class"')
        _freeze_names(self, "needs")
        _freeze_names(self, "sensors")


@dataclass(frozen=True)
class SensorSpec(Spec):
    """A sensor that any scenario can be made with; its id is the observation key.

    Attributes:
        sensor: `"module:Class"` of the `Sensor`, whose `provides` names the id.
        needs: The extras of the plugin's distribution that have to be installed.
    """

    sensor: str
    needs: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Checks every field.

        Raises:
            ArgumentError: A field is not what it must be; the message names id, field and value.
        """
        super().__post_init__()
        _check(self.id != ACTION_MASK, self, "id", "another name: that of the action masks")
        _match(_REFERENCE, self, "sensor", '"module:Class"')
        _freeze_names(self, "needs")


@dataclass(frozen=True)
class ShapeSpec(Spec):
    """A shape that props may have: `shape` is `"module:Class"` of the `Shape`."""

    shape: str

    def __post_init__(self) -> None:
        """Checks every field, as every spec does."""
        super().__post_init__()
        _match(_REFERENCE, self, "shape", '"module:Class"')


@dataclass(frozen=True)
class SuiteEntry:
    """One line of a benchmark: a scenario with its arguments, and what counts as 0 and 1 there.

    Attributes:
        scenario: The scenario's id.
        name: What it is called in tables; by default the scenario's id.
        arguments: Of the scenario, in training and evaluation alike.
        held_out: Arguments of evaluation alone, such as a `background` that nobody trained with.
        split: The levels that are drawn from in evaluation, one of `SPLITS`.
        observers: Avatars that the agent drives; background drives the others.
        steps: Environment steps that every agent may train for.
        random: Mean return of random actions, frozen: 0 on the normalized scale.
        expert: Mean return of the scenario's expert, frozen: 1 on the normalized scale.
        cross_play: Whether agents are also paired with one another here, two avatars in one world.
        deterministic: Whether all agents give their best action; otherwise they act as
            `als_engine.agents.agent.acting` says.
    """

    scenario: str
    name: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict, hash=False)
    held_out: Mapping[str, Any] = field(default_factory=dict, hash=False)
    split: str = "test"
    observers: int = 1
    steps: int = 100_000
    random: float | None = None
    expert: float | None = None
    cross_play: bool = False
    deterministic: bool = False

    @property
    def id(self) -> str:
        """The name."""
        return self.name

    def __post_init__(self) -> None:
        """Checks every field.

        Raises:
            ArgumentError: A field is not what it must be; the message names entry, field and value.
        """
        _match(_SCENARIO_ID, self, "scenario", '"Namespace/Name-vN"')
        _check(isinstance(self.name, str), self, "name", "a string")
        object.__setattr__(self, "name", self.name or self.scenario)
        _match(_ENTRY_NAME, self, "name", "letters, digits, spaces and -_./(),; at most 80")
        for name in ("arguments", "held_out"):
            object.__setattr__(self, name, _json_copy(self, name))
            check_undecided(
                "the entry", getattr(self, name), split="its field", observers="its field",
                scenario="its field",
            )  # fmt: skip
        _check(self.split in SPLITS, self, "split", f"one of {', '.join(SPLITS)}")
        for name in ("observers", "steps"):
            _check_count(self, name)
        for name in ("random", "expert"):
            value = getattr(self, name)
            is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
            finite = value is None or (is_number and math.isfinite(value))
            _check(finite, self, name, "a finite number")
        if self.random is not None and self.expert is not None:
            _check(self.expert > self.random, self, "expert", "more than random")
        for name in ("cross_play", "deterministic"):
            _check(isinstance(getattr(self, name), bool), self, name, "true or false")


@dataclass(frozen=True)
class SuiteSpec(Spec):
    """A benchmark: scenarios that are evaluated together, in the same way for everyone.

    Attributes:
        entries: What is played, in the order in which it is reported; dictionaries with the fields
            of `SuiteEntry` will do.
        agents: Who plays when nobody is named: agents as `als bench run --agent` takes them.
        seeds: Training seeds for each agent that learns.
        episodes: Episodes for each entry, agent and training seed.
    """

    entries: tuple[SuiteEntry, ...]
    agents: tuple[str, ...] = ("random", "expert")
    seeds: int = 5
    episodes: int = 100

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> SuiteSpec:
        """Makes a suite of a dictionary, as a file, a store or `as_dict` has it.

        Raises:
            ArgumentError: a field is unknown, missing or not what it must be.
        """
        allowed = [field.name for field in dataclasses.fields(cls)]
        for name in fields:
            if name not in allowed:
                raise ArgumentError(f"SuiteSpec: {unknown('key', name, allowed)}")
        if "id" not in fields:
            raise ArgumentError("SuiteSpec: a suite needs an id")
        return cls(**{"entries": (), **fields})

    def __post_init__(self) -> None:
        """Checks every field.

        Raises:
            ArgumentError: A field is not what it must be; the message names id, field and value.
        """
        super().__post_init__()
        given = self.entries
        is_list = isinstance(given, (tuple, list)) and bool(given)
        _check(is_list, self, "entries", "one or more entries")
        if len(given) > SEEDS:
            raise ArgumentError(f"SuiteSpec: {self.id} has {len(given)} entries, at most {SEEDS}")
        entries = tuple(e if isinstance(e, SuiteEntry) else _entry(self, e) for e in given)
        object.__setattr__(self, "entries", entries)
        names = [entry.name for entry in entries]
        _check(len(set(names)) == len(names), self, "entries", "of different names")
        _freeze_names(self, "agents")
        for name in ("seeds", "episodes"):
            _check_count(self, name)
        units = len(entries) * len(self.agents) * self.seeds
        if units > UNITS:
            raise ArgumentError(
                f"SuiteSpec: {self.id} has {units} units (entries x agents x seeds), "
                f"at most {UNITS}"
            )


def namespace_of(id: str) -> str:
    """Returns the part of an id before the slash, or `''` for an id without one."""
    return id.partition("/")[0] if "/" in id else ""


def load_object(reference: str, hint: str = "", distribution: str = "als-engine") -> Any:
    """Imports what a spec names.

    Only for strings in the specs of installed plugins. A data file never gets this far: files
    name registered ids, and an id leads to a spec.

    Args:
        reference: `"module:Name"`.
        hint: What to say when a library is missing, such as the extra to install.
        distribution: Whose it is; everybody's code but ours is run as `containment` says.

    Raises:
        ArgumentError: `reference` is not of the form `module:Name`.
        PluginError: The module cannot be imported or has no such name.
    """
    if not _REFERENCE.fullmatch(reference):
        raise ArgumentError(f'"{reference}" is not of the form "module:Name"')
    module_name, _, name = reference.partition(":")
    module = sys.modules.get(module_name)
    if module is not None and name in vars(module):
        return vars(module)[name]
    is_ours = distribution == "als-engine"
    found = None
    with caught() if is_ours else contained(distribution, f"importing {module_name}", 10) as done:
        found = getattr(importlib.import_module(module_name), name)
    if (error := done.error) is None:
        return found
    whose = "" if is_ours else f" of {distribution}"
    reason = describe(error)
    # A missing library can be installed; a missing module of the plugin's own is a typo.
    if isinstance(error, ModuleNotFoundError):
        is_own = f"{module_name}.".startswith(f"{error.name}.")
        reason = f"{error}{'' if is_own else hint}"
    raise PluginError(f'cannot load "{reference}"{whose}: {reason}') from error


def _check_count(spec: Spec | SuiteEntry, name: str) -> None:
    """Checks a field that counts something, against `LIMITS` too."""
    value, most = getattr(spec, name), LIMITS[name]
    # bool is an int; True episodes is a mistake all the same.
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    _check(is_whole and value >= 1, spec, name, "a whole number of at least 1")
    _check(value <= most, spec, name, f"a whole number of at most {most}")


def _check(holds: bool, spec: Spec | SuiteEntry, name: str, expected: str) -> None:
    """Raises an ArgumentError that names the spec, the field and its value."""
    if not holds:
        value = getattr(spec, name)
        of = "" if name == "id" else f' of "{spec.id}"'
        raise ArgumentError(f"{type(spec).__name__}: {name}{of} must be {expected}, got {value!r}")


def _match(pattern: re.Pattern[str], spec: Spec | SuiteEntry, name: str, expected: str) -> None:
    """Checks a string field against a pattern."""
    value = getattr(spec, name)
    _check(isinstance(value, str) and bool(pattern.fullmatch(value)), spec, name, expected)


def _freeze_names(spec: Spec, name: str) -> None:
    """Turns a list of strings into a tuple; a lone string would silently become its letters."""
    value = getattr(spec, name)
    are_names = isinstance(value, (tuple, list)) and all(isinstance(item, str) for item in value)
    _check(are_names, spec, name, "a tuple of strings")
    object.__setattr__(spec, name, tuple(value))


def _entry(suite: SuiteSpec, fields: Any) -> SuiteEntry:
    """Makes an entry of a dictionary, as a file or `as_dict` has it."""
    _check(isinstance(fields, Mapping), suite, "entries", "entries or dictionaries")
    allowed = [field.name for field in dataclasses.fields(SuiteEntry)]
    for name in fields:
        if name not in allowed:
            raise ArgumentError(
                f'SuiteSpec: entries of "{suite.id}": {unknown("key", name, allowed)}'
            )
    if "scenario" not in fields:
        raise ArgumentError(f'SuiteSpec: an entry of "{suite.id}" has no scenario')
    return SuiteEntry(**fields)


def _json_copy(spec: ScenarioSpec | SuiteEntry, name: str) -> ReadOnly:
    """Returns a deep copy of a mapping by way of JSON, which proves that it is JSON-able."""
    kind = type(spec).__name__
    try:
        copy = json.loads(json.dumps(dict(getattr(spec, name)), allow_nan=False))
    except (TypeError, ValueError) as error:
        raise ArgumentError(f'{kind}: {name} of "{spec.id}" must be JSON: {error}') from error
    _check(isinstance(copy, dict), spec, name, "a mapping")
    return ReadOnly(copy)
