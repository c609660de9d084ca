"""Begins a training with the weights of a saved agent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from als_engine.agents.saving import TrainingRecord, agent_folder, open_agent, read_record
from als_engine.errors import ArgumentError

__all__ = ["Beginning", "begin_from"]


@dataclass(frozen=True)
class Beginning:
    """What a training takes over from the agent that it begins from.

    Attributes:
        folder: of the saved agent, absolute.
        agent: its id.
        arguments, config: the training's, with what comes from the saved agent.
        training: how that agent was trained, if its record says so.
    """

    folder: Path
    agent: str
    arguments: dict[str, Any]
    config: dict[str, Any]
    training: TrainingRecord | None


def begin_from(
    folder: Path | str,
    agent: str | None,
    scenario: str,
    arguments: Mapping[str, Any],
    config: Mapping[str, Any],
) -> Beginning:
    """Looks at a saved agent, and at whether a training can go on with its weights.

    Args:
        folder: of the agent, or of its training.
        agent: the learner that is asked for; None for the agent's own.
        scenario: where it is to learn, which must be the agent's own.
        arguments: of the scenario; those that are not given are the agent's.
        config: hyperparameters; those that say what network it is are the agent's.

    Raises:
        ArgumentError: learner, scenario, sensors, actions or network are other ones.
        SavedFileError: there is no agent in the folder, or it is damaged.
    """
    where = agent_folder(folder).resolve()
    record = read_record(where)
    if agent not in (None, record.agent):
        raise ArgumentError(
            f"{folder} holds an agent of {record.agent}, which {agent} cannot go on with"
        )
    if record.scenario != scenario:
        raise ArgumentError(f"{folder} holds an agent of {record.scenario}, not of {scenario}")
    opened = open_agent(where, scenario, arguments)
    made = opened.agent
    brought = [name for name in made.paths if name not in made.data]
    if clash := [name for name in brought if config.get(name) is not None]:
        raise ArgumentError(f"{folder} brings its own weights: leave {clash[0]} out")
    given = dict(config)
    for name in made.shapes:
        # What it was made with is there in full; what is asked for may leave defaults out.
        has = made.config[name]
        if given.setdefault(name, has) != has:
            raise ArgumentError(f"{folder} was made with {name}={has}: leave {name} out")
    return Beginning(where, record.agent, dict(opened.arguments), given, record.training)
