"""Parses the agents of a benchmark, as the command line names them.

- `ppo`: a registered agent; a learner is trained by the run
- `ppo:encoder=attention,learning_rate=5e-4`: the same with hyperparameters; `action_mode` and
  `sensors` go to the scenario
- `runs/tag`: the folder of a saved agent, which plays in its own scenario as it is
- `mine=...`: any of these under a name of one's own
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from inspect import signature
from pathlib import Path
from typing import Any

from als_bench.identity import (
    HUMAN,
    PERCEPTION,
    alike,
    content_digest,
    why_mislabelled,
)
from als_engine.agents.saving import RECORD, WEIGHTS, AgentRecord, check_made_of_id, load_agent
from als_engine.errors import ArgumentError
from als_engine.models import MAX_RECORD
from als_engine.options import agent_options
from als_engine.plugins.registry import registry
from als_engine.plugins.specs import SuiteEntry
from als_engine.system.safe_files import MAX_TENSORS, read_bytes

__all__ = ["Contestant", "find_contestant", "find_contestants"]

_NAMED = re.compile(r"([A-Za-z0-9][\w.@+-]{0,39})=(?=[^=:]+(:|$))", re.ASCII)


@dataclass(frozen=True)
class Contestant:
    """An agent as it takes part.

    Attributes:
        label: what it is called; no two contestants share one.
        agent: registered id.
        trains: whether the run trains it, once for each training seed.
        config: hyperparameters, for one that trains.
        arguments: of the scenario, on top of the entry's own.
        files: name to content of the saved folder; empty for one that is not saved.
        scenario: where a saved agent acts; empty for one that acts anywhere.
        seed: of a saved agent's training.
        observers: avatars that a saved agent drives.
    """

    label: str
    agent: str
    trains: bool = False
    config: Mapping[str, Any] = field(default_factory=dict)
    arguments: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)
    scenario: str = ""
    seed: int = 0
    observers: int = 1

    def plays(self, entry: SuiteEntry) -> bool:
        """Whether it takes part in an entry."""
        return not self.scenario or (self.scenario, self.observers) == (
            entry.scenario,
            entry.observers,
        )

    def in_training(self, entry: SuiteEntry) -> dict[str, Any]:
        """The scenario's arguments while it is trained.

        It acts in the entry's action mode if it can, and in its own preferred one if not.
        """
        modes = registry.agent(self.agent).action_modes
        given = dict(entry.arguments)
        if given.get("action_mode") not in modes:
            given["action_mode"] = modes[0]
        return {**given, **self.arguments}

    def in_evaluation(self, entry: SuiteEntry) -> dict[str, Any]:
        """The scenario's arguments while it is evaluated; what the entry holds out wins."""
        return {**self.in_training(entry), **entry.held_out}


def find_contestants(words: Sequence[str]) -> list[Contestant]:
    """The contestants of several words of the command line; one that comes twice counts once.

    Raises:
        ArgumentError: two different ones have the same name.
        ALSError: as `find_contestant` does.
    """
    found: dict[str, Contestant] = {}
    for contestant in map(find_contestant, words):
        if found.setdefault(contestant.label, contestant) != contestant:
            raise ArgumentError(f'two agents are called "{contestant.label}"')
    for one, other in alike(found):
        raise ArgumentError(
            f'"{one}" and "{other}" look alike: choose another name for one of them'
        )
    return list(found.values())


def find_contestant(word: str) -> Contestant:
    """The contestant that a word of the command line names.

    Raises:
        UnknownIdError: there is neither such an agent nor such a folder.
        ArgumentError: the hyperparameters cannot be read, or the name is one that takes people in.
        SavedFileError: the folder is no saved agent.
    """
    found = _find(word)
    problem = why_mislabelled(found.label, found.agent, found.config, found.arguments, found.files)
    if problem:
        raise ArgumentError(f"--agent {word}: {problem}")
    return found


def _find(word: str) -> Contestant:
    named = _NAMED.match(word)
    if named:
        return dataclasses.replace(_find(word[named.end() :]), label=named[1])
    name = word.partition(":")[0]
    if name == HUMAN:
        raise ArgumentError("persons play by `als study SUITE`, and `als bench people` adds them")
    is_id = "/" not in name or any(spec.id == name for spec in registry.agents())
    found = registry.agent_or_path(name if is_id else word)
    if isinstance(found, Path):
        return _saved(found)
    spec = registry.agent(name)
    check_made_of_id(spec)
    _, config = agent_options(word)
    arguments: dict[str, Any] = {key: config.pop(key) for key in PERCEPTION if key in config}
    if config and not spec.trainable:
        taken = signature(registry.load(spec)).parameters
        if unknown := next((key for key in config if key not in taken), ""):
            raise ArgumentError(f'"{name}" is not trained, so it takes no "{unknown}"')
    return Contestant(word, name, spec.trainable, config, arguments)


def _saved(folder: Path) -> Contestant:
    _, record = load_agent(folder)
    folder = folder / "agent" if not (folder / RECORD).exists() else folder
    files = {RECORD: read_bytes(folder / RECORD, MAX_RECORD)}
    if (folder / WEIGHTS).exists():
        files[WEIGHTS] = read_bytes(folder / WEIGHTS, MAX_TENSORS)
    name = folder.resolve().parent.name if folder.name == "agent" else folder.resolve().name
    return Contestant(
        # Its content is in its name: a folder that has changed is another contestant.
        label=f"{_plain(name)}@{content_digest(files)}",
        agent=record.agent,
        config=record.config,
        # What it perceives and how it acts is its own; the task's arguments are the entry's.
        arguments={k: v for k, v in record.arguments.items() if k in PERCEPTION},
        files=files,
        scenario=record.scenario,
        seed=_seed(record),
        observers=record.observers,
    )


def _plain(name: str) -> str:
    """A folder's name as a label may have it."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("._-")[:60] or "agent"


def _seed(record: AgentRecord) -> int:
    return record.training.seed if record.training else 0
