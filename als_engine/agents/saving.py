"""Makes agents by their registered ids, saves them to a folder and loads them from one.

A saved agent is a folder of two files: `agent.json` (format, registered ids, validated arguments
and configuration, versions, training record) and, where there are weights, `weights.safetensors`.
It names what is installed and holds no code: a folder from a stranger can be wrong, not dangerous.
"""

from __future__ import annotations

import json
import math
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import gymnasium
from pydantic import Field, JsonValue, field_validator

from als_engine.agents.agent import Agent
from als_engine.checks import check_undecided
from als_engine.errors import ALSError, ArgumentError, SavedFileError
from als_engine.limits import MAX_SEED, OBSERVERS, STEPS
from als_engine.models import Model, Name, read_model
from als_engine.options import agent_options
from als_engine.plugins.registry import registry
from als_engine.plugins.specs import AgentSpec
from als_engine.system.safe_files import is_file, replace_folder, standing

__all__ = [
    "AgentRecord",
    "OpenedAgent",
    "PrivacyRecord",
    "TrainingRecord",
    "agent_folder",
    "check_made_of_id",
    "find_agent",
    "load_agent",
    "make_agent",
    "open_agent",
    "save_agent",
    "spaces",
    "versions",
]

RECORD: Final = "agent.json"
WEIGHTS: Final = "weights.safetensors"
TRAINING: Final = "training.safetensors"
"""What going on with a training needs beside the weights."""

MAX_REASON: Final = 1_000
"""The longest reason that is passed on, characters: a stranger's value may be in it."""

_PACKAGES: Final = ("als-engine", "numpy", "torch", "stable-baselines3", "sb3-contrib")

NOT_SAVED: Final = frozenset(
    ("scenario", "num_worlds", "observers", "first_world", "workers", "split", "level")
)
"""Arguments of a scenario that are not the agent's own and that no file may set."""


class PrivacyRecord(Model):
    """What a private training has told of its data, by differential privacy's accountant.

    Attributes:
        epsilon, delta: so much, at most, of each unit.
        unit: what could be added or left out: one "episode", one "scene" of tracks, or all of a
            "person".
        units: how many there were.
        clip: the length that each unit's gradient was cut to.
        noise: the deviation of the noise, in lengths of `clip`.
        updates: gradient steps.
        repeatable: whether the noise was drawn from the seed; whoever knows it can take it out.
    """

    epsilon: float = Field(ge=0)
    delta: float = Field(gt=0, lt=1)
    unit: Literal["episode", "person", "scene"]
    units: int = Field(ge=1, le=STEPS)
    clip: float = Field(gt=0)
    noise: float = Field(ge=0)
    updates: int = Field(ge=0, le=STEPS)
    repeatable: bool = False


class TrainingRecord(Model):
    """The provenance of a trained agent.

    Where a training began from a saved agent, that agent's steps and seconds are counted in.

    Attributes:
        steps: environment steps that it has learnt from, over all rows.
        demonstrated: those of them whose action somebody else has shown: an expert, another agent,
            a person.
        seed: of the learner and the worlds.
        seconds: of wall-clock time, resumed parts included.
        mean_return, success: over the last hundred episodes; None when none had ended.
        privacy: one for each private imitation that it has learnt by.
    """

    steps: int = Field(ge=0, le=STEPS)
    demonstrated: int = Field(default=0, ge=0, le=STEPS)
    seed: int = Field(ge=0, le=MAX_SEED)
    seconds: float = Field(ge=0)
    mean_return: float | None = None
    success: float | None = None
    privacy: list[PrivacyRecord] = Field(default_factory=list, max_length=100)


class AgentRecord(Model):
    """Schema of `agent.json`.

    Attributes:
        format: the version of this format.
        agent: registered id of the agent.
        scenario: registered id of the scenario that it acts in.
        arguments: of the scenario, as far as they shape what the agent perceives and does:
            `sensors`, `action_mode`, `frame_size`, `num_avatars` and the task's own.
        observers: how many avatars of each world it drives.
        config: the agent's configuration.
        versions: of the packages it was saved with, for people to read.
        training: how it was trained, or None.
    """

    format: Literal[1] = 1
    agent: Name
    scenario: Name
    arguments: dict[Name, JsonValue] = Field(default_factory=dict, max_length=50)
    observers: int = Field(default=1, ge=1, le=OBSERVERS)
    config: dict[Name, JsonValue] = Field(default_factory=dict, max_length=200)
    versions: dict[Name, Annotated[str, Field(max_length=100)]] = Field(
        default_factory=dict, max_length=50
    )
    training: TrainingRecord | None = None

    @field_validator("arguments")
    @classmethod
    def _only_the_agents_own(cls, arguments: dict[str, JsonValue]) -> dict[str, JsonValue]:
        if odd := sorted(NOT_SAVED & set(arguments)):
            raise ValueError(f'"{odd[0]}" does not belong to a saved agent')
        return arguments


@dataclass(frozen=True)
class OpenedAgent:
    """An agent together with where it acts.

    Attributes:
        agent: ready to act.
        scenario, arguments, observers: what to make its environment with.
        record: what its folder says; None for an agent that was named by its id.
    """

    agent: Agent
    scenario: str
    arguments: Mapping[str, Any]
    observers: int
    record: AgentRecord | None


def spaces(
    scenario: str, arguments: Mapping[str, Any]
) -> tuple[gymnasium.spaces.Dict, gymnasium.Space[Any]]:
    """The spaces of an agent of ours: one avatar's; opens no physics.

    Raises:
        UnknownIdError: there is no such scenario.
        ArgumentError: an argument is unknown or its value is not allowed; `flatten` is not.
    """
    from als_engine.simulation import simulate  # Whoever only reads agents needs no worlds.

    if arguments.get("flatten"):
        raise ArgumentError(
            "flatten is for clients that want a Box: agents here read observations by name, "
            "so leave it out"
        )
    simulation = simulate(scenario, num_worlds=1, observers=1, **arguments)
    simulation.close()
    return simulation.observation_space, simulation.action_space


def make_agent(
    id: str,
    scenario: str,
    arguments: Mapping[str, Any] | None = None,
    config: Mapping[str, Any] | None = None,
) -> Agent:
    """Makes a registered agent for a scenario.

    Args:
        id: the agent's id.
        scenario: the scenario's id.
        arguments: keyword arguments of the scenario.
        config: keyword arguments of the agent.

    Raises:
        UnknownIdError: there is no such agent or scenario.
        ArgumentError: an argument is unknown, or its value is not allowed.
        PluginError: the agent's code cannot be loaded; says which extra to install.
    """
    spec = registry.agent(id)
    observation_space, action_space = spaces(scenario, arguments or {})
    agent_class = registry.load(spec)
    try:
        agent = agent_class(observation_space, action_space, **(config or {}))
    except TypeError as error:
        # An agent that takes no such keyword; learners say it better themselves.
        raise ArgumentError(f"{id}: {error}") from error
    assert isinstance(agent, Agent)
    return agent


def save_agent(agent: Agent, folder: Path | str, record: AgentRecord) -> AgentRecord:
    """Saves an agent to a folder, whole or not at all; one that it held before is replaced.

    Args:
        agent: what to save.
        folder: a new or empty folder, or one with a saved agent.
        record: its ids and arguments; configuration and versions are filled in.

    Returns:
        The record as written.

    Raises:
        SavedFileError: it cannot be written there, or the folder holds something else.
    """
    folder = Path(folder)
    record = _completed(record, agent)
    check_replaceable(folder)
    replace_folder(folder, lambda new: write_agent(agent, new, record))
    return record


def write_agent(agent: Agent, folder: Path, record: AgentRecord) -> None:
    """Writes the files of a saved agent into a folder that `replace_folder` has made."""
    record = _completed(record, agent)
    text = record.model_dump_json(indent=2) + "\n"
    (folder / RECORD).write_text(text, encoding="utf-8")
    agent.save_weights(folder)


def load_agent(folder: Path | str) -> tuple[Agent, AgentRecord]:
    """Loads a saved agent; nothing in the folder is executed.

    Args:
        folder: what `save_agent` wrote, or a training's folder, whose trained agent is meant.

    Raises:
        SavedFileError: it is no saved agent, or names what is not installed.
    """
    folder = agent_folder(folder)
    record = read_record(folder)
    try:
        agent = make_agent(record.agent, record.scenario, record.arguments, record.config)
        agent.load_weights(folder)
    except SavedFileError:
        raise
    # Whatever the scenario's or the agent's own code trips over, it is this folder's fault.
    except Exception as error:
        reason = str(error) if isinstance(error, ALSError) else f"{type(error).__name__}: {error}"
        reason = " ".join(reason.split())[:MAX_REASON]
        raise SavedFileError(f"{folder / RECORD}: {reason}") from error
    return agent, record


def agent_folder(folder: Path | str) -> Path:
    """The folder of a saved agent itself, which may lie in that of its training.

    Raises:
        SavedFileError: there is none.
    """
    folder = standing(Path(folder))
    inner = standing(folder / "agent")
    if not is_file(folder / RECORD) and is_file(inner / RECORD) and not inner.is_symlink():
        return inner
    if not is_file(folder / RECORD):
        raise SavedFileError(f"{folder} is not a saved agent: it has no {RECORD}")
    return folder


def read_record(folder: Path) -> AgentRecord:
    """Reads and checks `agent.json`.

    Raises:
        SavedFileError: it is missing, or not what it should be.
    """
    return read_model(folder / RECORD, AgentRecord)


def open_agent(
    reference: str | os.PathLike[str],
    scenario: str | None = None,
    arguments: Mapping[str, Any] | None = None,
    observers: int | None = None,
    *,
    fewer_sensors: bool = False,
) -> OpenedAgent:
    """Finds an agent by its registered id, or in the folder that it was saved to.

    Args:
        reference: an id such as "random", one with options such as "heuristic:rule=NAME", or a
            folder, written as a path: "./tag".
        scenario: where it is to act; needed with an id, and by default the saved agent's own.
        arguments: keyword arguments of the scenario, on top of those that were saved.
        observers: how many avatars it drives; by default as saved, or one.
        fewer_sensors: whether some of the agent's sensors may be missing, if it can do without.

    Raises:
        UnknownIdError: there is neither such an agent nor such a folder.
        ArgumentError: an id without a scenario, one that has to be trained first, or a scenario
            with other observations or actions than the saved agent has.
        SavedFileError: the folder is no saved agent.
    """
    given = dict(arguments or {})
    check_undecided(
        "the command", given, split="--split", seed="--seed", num_worlds="--worlds",
        worlds="--worlds", observers="--drive", scenario="--on",
    )  # fmt: skip
    found, options = find_agent(reference)
    if isinstance(found, str):
        return _open_registered(found, scenario, given, observers, options)
    agent, record = load_agent(found)
    shared = record.arguments if scenario in (None, record.scenario) else _general(record)
    merged = {**shared, **given}
    place = scenario or record.scenario
    senses, acts = spaces(place, merged)
    other = difference(
        agent.observation_space, senses, fewer_sensors and agent.bears_missing_sensors
    )
    if other:
        raise ArgumentError(f"{reference} has other observations than {place}: {other}")
    if agent.action_space != acts:
        raise ArgumentError(
            f"{reference} has other actions than {place}: {agent.action_space}, not {acts}"
        )
    return OpenedAgent(agent, place, merged, observers or record.observers, record)


def difference(has: gymnasium.spaces.Dict, there: gymnasium.spaces.Dict, fewer: bool) -> str:
    """In what an agent's observations differ from those that are there; empty for in nothing.

    Args:
        has: the agent's.
        there: those of the place.
        fewer: whether some of its sensors may be missing there.
    """
    if new := [key for key in there.spaces if key not in has.spaces]:
        return f'it has never seen "{new[0]}", but {", ".join(has.spaces)}'
    missing = [key for key in has.spaces if key not in there.spaces]
    if missing and not (fewer and there.spaces):
        return f'it needs "{missing[0]}"'
    for key, space in there.spaces.items():
        if has[key].shape != space.shape:
            return f'its "{key}" has the shape {has[key].shape}, not {space.shape}'
        if has[key] != space:
            return f'its "{key}" has other bounds'
    return ""


def find_agent(reference: str | os.PathLike[str]) -> tuple[str | Path, dict[str, Any]]:
    """The id of an agent and its options, or the folder of a saved one; as `open_agent` does it."""
    if isinstance(reference, str) and "/" not in reference.partition(":")[0]:
        name = reference.partition(":")[0]
        if any(spec.id == name for spec in registry.agents()):
            return agent_options(reference)
    return registry.agent_or_path(reference), {}


def check_made_of_id(spec: AgentSpec) -> None:
    """Refuses an agent that cannot be made of its id alone.

    Raises:
        ArgumentError: a command makes it; says which.
    """
    if spec.made_by:
        raise ArgumentError(
            f'"{spec.id}" is made by `{spec.made_by}`: name the folder that the command writes'
        )


def _open_registered(
    id: str,
    scenario: str | None,
    arguments: dict[str, Any],
    observers: int | None,
    config: Mapping[str, Any],
) -> OpenedAgent:
    spec = registry.agent(id)
    if spec.trainable:
        raise ArgumentError(
            f'"{id}" has to be trained first: use `als train`, and name the folder that it writes'
        )
    check_made_of_id(spec)
    if scenario is None:
        raise ArgumentError(f'name the scenario for "{id}" to act in')
    arguments.setdefault("action_mode", spec.action_modes[0])
    agent = make_agent(id, scenario, arguments, config)
    return OpenedAgent(agent, scenario, arguments, observers or 1, None)


def _general(record: AgentRecord) -> dict[str, Any]:
    """The saved arguments that mean the same in every scenario."""
    names = ("sensors", "action_mode", "frame_size")
    return {name: record.arguments[name] for name in names if name in record.arguments}


def check_replaceable(folder: Path) -> None:
    """Refuses a folder with anything in it that is not a saved agent.

    Raises:
        SavedFileError: saving there would delete somebody's files.
    """
    if folder.is_dir():
        if any(folder.iterdir()) and not (folder / RECORD).is_file():
            raise SavedFileError(f"{folder} holds other files: name a new or empty folder")
    elif folder.exists():
        raise SavedFileError(f"{folder} is a file: name a folder")


def _completed(record: AgentRecord, agent: Agent) -> AgentRecord:
    """The record with the agent's configuration and the versions of now, checked as a reader would.

    Raises:
        SavedFileError: something in it could not be read back.
    """
    values = {**record.model_dump(), "config": agent.config, "versions": versions()}
    try:
        return AgentRecord.model_validate_json(json.dumps(values, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise SavedFileError(f"this agent cannot be saved: {error}") from error


def versions() -> dict[str, str]:
    """The versions of the packages that a saved agent's behaviour depends on."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def finite(value: float) -> float | None:
    """None for NaN and infinities, which JSON does not have."""
    return value if math.isfinite(value) else None
