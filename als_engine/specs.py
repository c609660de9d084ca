"""What a plugin hands over: frozen descriptions that are plain JSON plus "module:Name" strings.

A spec names code without importing it, so listing every scenario and agent is instant and torch is
imported only by the agent that needs it. Every spec checks itself when it is made: a plugin's typo
shows up as one line that names the field, not as an import error in the middle of a training.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from als_engine.errors import ArgumentError, PluginError

__all__ = [
    "ACTION_MODES",
    "SPLITS",
    "AgentSpec",
    "EncoderSpec",
    "EpisodeRecord",
    "ScenarioSpec",
    "SensorSpec",
    "Spec",
    "SuiteSpec",
    "load_object",
    "namespace_of",
]

ACTION_MODES = ("discrete", "continuous")
SPLITS = ("train", "test")

_SCENARIO_ID = re.compile(r"[A-Za-z][A-Za-z0-9_-]*/[A-Za-z][A-Za-z0-9_.-]*-v[0-9]+")
_NAME = re.compile(r"([A-Za-z][A-Za-z0-9_-]*/)?[a-z0-9][a-z0-9_.-]*")
_REFERENCE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", re.ASCII)


@dataclass(frozen=True)
class Spec:
    """What all specs share: an id and one line that says what it is for.

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
        return dataclasses.asdict(self)


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
    """

    task: str
    max_episode_steps: int
    family: str = ""
    kwargs: Mapping[str, Any] = field(default_factory=dict, hash=False)
    num_avatars: int = 1
    min_avatars: int = 1
    max_avatars: int = 8

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
            value = getattr(self, name)
            # bool is an int; True avatars is a mistake all the same.
            is_count = isinstance(value, int) and not isinstance(value, bool) and value >= 1
            _check(is_count, self, name, "a whole number of at least 1")
        in_range = self.min_avatars <= self.num_avatars <= self.max_avatars
        _check(in_range, self, "num_avatars", f"from {self.min_avatars} to {self.max_avatars}")
        _check(isinstance(self.family, str), self, "family", "a string")
        object.__setattr__(self, "kwargs", _json_copy(self))


@dataclass(frozen=True)
class AgentSpec(Spec):
    """A policy, or a learner that trains one, under a short id such as `ppo`.

    Attributes:
        agent: `"module:Class"` of the Agent.
        needs: The extras of the plugin's distribution that have to be installed, such as `learn`.
        trainable: Whether the class is a Learner, which `als train` can train.
        action_modes: The action modes it can act in, the preferred one first.
    """

    agent: str
    needs: tuple[str, ...] = ()
    trainable: bool = False
    action_modes: tuple[str, ...] = ACTION_MODES

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
        _match(_REFERENCE, self, "sensor", '"module:Class"')
        _freeze_names(self, "needs")


@dataclass(frozen=True)
class SuiteSpec(Spec):
    """A benchmark: scenarios that are evaluated together, in the same way for everyone.

    Attributes:
        scenarios: Scenario ids, in the order in which they are reported.
        episodes: Episodes for each scenario.
        split: The levels that are drawn from, `train` or `test`.
    """

    scenarios: tuple[str, ...]
    episodes: int = 100
    split: str = "test"

    def __post_init__(self) -> None:
        """Checks every field.

        Raises:
            ArgumentError: A field is not what it must be; the message names id, field and value.
        """
        super().__post_init__()
        _freeze_names(self, "scenarios")
        are_ids = bool(self.scenarios) and all(map(_SCENARIO_ID.fullmatch, self.scenarios))
        _check(are_ids, self, "scenarios", 'one or more ids "Namespace/Name-vN"')
        is_count = isinstance(self.episodes, int) and self.episodes >= 1
        _check(is_count, self, "episodes", "a whole number of at least 1")
        _check(self.split in SPLITS, self, "split", f"one of {', '.join(SPLITS)}")


@dataclass(frozen=True)
class EpisodeRecord:
    """One finished episode of one world, as `als_episode_end` receives it.

    Attributes:
        scenario: The scenario's id.
        split: The split that the level was drawn from.
        level: The level's number.
        length: Steps that the episode took.
        returns: Sum of the rewards, one for each avatar.
        terminated: True when the task ended it, False when the time limit did.
        metrics: The task's metrics at the end, such as `success`.
    """

    scenario: str
    split: str
    level: int
    length: int
    returns: tuple[float, ...]
    terminated: bool
    metrics: Mapping[str, float] = field(default_factory=dict)


def namespace_of(id: str) -> str:
    """Returns the part of an id before the slash, or `''` for an id without one."""
    return id.partition("/")[0] if "/" in id else ""


def load_object(reference: str, hint: str = "") -> Any:
    """Imports what a spec names.

    Only for strings in the specs of installed plugins. A data file never gets this far: files
    name registered ids, and an id leads to a spec.

    Args:
        reference: `"module:Name"`.
        hint: What to say when a library is missing, such as the extra to install.

    Raises:
        ArgumentError: `reference` is not of the form `module:Name`.
        PluginError: The module cannot be imported or has no such name.
    """
    if not _REFERENCE.fullmatch(reference):
        raise ArgumentError(f'"{reference}" is not of the form "module:Name"')
    module_name, _, name = reference.partition(":")
    try:
        return getattr(importlib.import_module(module_name), name)
    except ModuleNotFoundError as error:
        # A missing library can be installed; a missing module of the plugin's own is a typo.
        is_own = f"{module_name}.".startswith(f"{error.name}.")
        why = f"{error}{'' if is_own else hint}"
        raise PluginError(f'cannot load "{reference}": {why}') from error
    # A plugin may fail in any way it likes while it is imported; the user gets one line of it.
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise PluginError(f'cannot load "{reference}": {reason}') from error


def _check(holds: bool, spec: Spec, name: str, expected: str) -> None:
    """Raises an ArgumentError that names the spec, the field and its value."""
    if not holds:
        value = getattr(spec, name)
        of = "" if name == "id" else f' of "{spec.id}"'
        raise ArgumentError(f"{type(spec).__name__}: {name}{of} must be {expected}, got {value!r}")


def _match(pattern: re.Pattern[str], spec: Spec, name: str, expected: str) -> None:
    """Checks a string field against a pattern."""
    value = getattr(spec, name)
    _check(isinstance(value, str) and bool(pattern.fullmatch(value)), spec, name, expected)


def _freeze_names(spec: Spec, name: str) -> None:
    """Turns a list of strings into a tuple; a lone string would silently become its letters."""
    value = getattr(spec, name)
    are_names = isinstance(value, (tuple, list)) and all(isinstance(item, str) for item in value)
    _check(are_names, spec, name, "a tuple of strings")
    object.__setattr__(spec, name, tuple(value))


def _json_copy(spec: ScenarioSpec) -> dict[str, Any]:
    """Returns a deep copy of `kwargs` by way of JSON, which proves that it is JSON-able."""
    try:
        copy = json.loads(json.dumps(dict(spec.kwargs), allow_nan=False))
    except (TypeError, ValueError) as error:
        raise ArgumentError(f'ScenarioSpec: kwargs of "{spec.id}" must be JSON: {error}') from error
    _check(isinstance(copy, dict), spec, "kwargs", "a mapping")
    return dict(copy)
