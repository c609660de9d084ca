"""Matches: one agent on the caller's side, and another, or a scripted behaviour, on the other."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from als_engine.agents.agent import Agent
from als_engine.agents.saving import OpenedAgent, find_agent, open_agent
from als_engine.errors import ArgumentError
from als_engine.evaluation.protocol import Evaluation, evaluate
from als_engine.simulation import simulate
from als_plugins.crossplay.sides import Sides

__all__ = ["Ground", "Matrix", "cross_play", "open_side"]


@dataclass(frozen=True)
class Ground:
    """Where matches take place, and who is on which side.

    Attributes:
        scenario, arguments: of the worlds; `sensors` are all that somebody reads.
        roles: of all avatars.
        first: how many of them are on the first side, the first ones.
        behaviours: those that can drive the other side, by name, with the splits that they are in.
    """

    scenario: str
    arguments: Mapping[str, Any]
    roles: tuple[str, ...]
    first: int
    behaviours: Mapping[str, tuple[str, ...]]

    @property
    def role(self) -> str:
        """The role of the first side."""
        return self.roles[0]

    @property
    def other_roles(self) -> tuple[str, ...]:
        """Those of the other side."""
        return tuple(dict.fromkeys(self.roles[self.first :]))

    def play(
        self, agent: Agent, other: Agent | str | None, episodes: int, split: str, seed: int
    ) -> Evaluation:
        """An agent on the first side, whose return it is, against somebody on the other.

        Args:
            agent: on the first side.
            other: an agent, a behaviour's name, or None for the behaviours of the split.
            episodes: how many.
            split: where levels come from.
            seed: of the episodes.
        """
        arguments = dict(self.arguments)
        agents, drives = [agent], [0] * self.first
        if isinstance(other, Agent):
            agents.append(other)
            drives += [1] * (len(self.roles) - self.first)
        elif other is not None:
            arguments["background"] = other
        return evaluate(
            Sides(agents, drives),
            self.scenario,
            episodes,
            split=split,
            seed=seed,
            observers=len(drives),
            scored=self.first,
            arguments=arguments,
        )


def open_side(
    names: Sequence[str | os.PathLike[str]],
    scenario: str | None = None,
    arguments: Mapping[str, Any] | None = None,
) -> tuple[list[Agent], Ground]:
    """Opens agents that are to play one another, and finds worlds in which all of them can.

    Args:
        names: registered ids, or folders of saved agents.
        scenario: where; by default that of the first saved agent.
        arguments: of the scenario, on top of those of the first saved agent.

    Raises:
        UnknownIdError: there is no such agent or scenario.
        ArgumentError: one cannot act where the others do, or there is no other side.
        SavedFileError: a folder is no saved agent.
    """
    given = {key: value for key, value in (arguments or {}).items() if key != "sensors"}
    saved = [name for name in names if isinstance(find_agent(name)[0], Path)]
    if saved:
        opened = open_agent(saved[0], scenario, given)
        scenario = opened.scenario
        given = {k: v for k, v in opened.arguments.items() if k not in ("sensors", "background")}
    elif scenario is None:
        raise ArgumentError("name the scenario with --on: none of the agents was trained in one")
    found = [_opened(name, scenario, given, name in saved) for name in names]
    given.setdefault("action_mode", found[0].arguments["action_mode"])
    sensors = dict.fromkeys(key for each in found for key in each.agent.observation_space.spaces)
    return [each.agent for each in found], _ground(scenario, {**given, "sensors": list(sensors)})


def _opened(
    name: str | os.PathLike[str], scenario: str, given: Mapping[str, Any], saved: bool
) -> OpenedAgent:
    # Whoever is no saved agent looks at nothing.
    seen = {} if saved else {"sensors": ["proprioception"]}
    return open_agent(name, scenario, {**given, **seen})


def _ground(scenario: str, arguments: Mapping[str, Any]) -> Ground:
    one = simulate(scenario, 1, None, **arguments)
    one.close()
    if one.num_avatars < 2:
        raise ArgumentError(
            f"{scenario} with these arguments has one avatar, and no other side: give num_avatars, "
            "if it takes more"
        )
    role = one.roles[0]
    # Where all have the same role the first avatar is a side of its own.
    first = one.roles.count(role) if len(set(one.roles)) > 1 else 1
    if one.roles[:first] != (role,) * first:
        raise ArgumentError(f"{scenario}: the avatars of the role {role} are not the first ones")
    others = {*one.roles[first:]}
    behaviours = {
        name: tuple(each.splits)
        for name, each in one.task.behaviours().items()
        if not each.roles or others & set(each.roles)
    }
    return Ground(scenario, dict(arguments), one.roles, first, behaviours)


@dataclass(frozen=True)
class Matrix:
    """Who gets how much against whom.

    Attributes:
        ground: where.
        rows: names of the agents on the first side.
        columns: names of the agents and behaviours on the other side.
        cells: (row, column) to the episodes that they played.
        split, seed: of the episodes.
    """

    ground: Ground
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    split: str
    seed: int
    cells: dict[tuple[str, str], Evaluation] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """The matrix as JSON has it."""
        return {
            "scenario": self.ground.scenario,
            "arguments": dict(self.ground.arguments),
            "role": self.ground.role,
            "split": self.split,
            "seed": self.seed,
            "behaviours": {name: list(each) for name, each in self.ground.behaviours.items()},
            "cells": [
                {
                    "agent": row,
                    "against": column,
                    "episodes": found.episodes,
                    "return": asdict(found.mean_return),
                    "success": asdict(found.success),
                }
                for (row, column), found in self.cells.items()
            ],
        }


def cross_play(
    agents: Mapping[str, Agent],
    ground: Ground,
    *,
    episodes: int = 50,
    split: str,
    seed: int = 0,
    on_cell: Callable[[int, int], None] = lambda done, total: None,
) -> Matrix:
    """Plays every agent against every agent and every behaviour of the other side.

    The same episodes are played in every cell.

    Args:
        agents: by name.
        ground: where.
        episodes: of each cell.
        split: where levels come from.
        seed: of the episodes.
        on_cell: called with the number of cells that are done, and that of all.
    """
    columns: dict[str, Agent | str] = dict(agents)
    for name in ground.behaviours:
        columns[f"scripted {name}"] = name
    found = Matrix(ground, tuple(agents), tuple(columns), split, seed)
    for row, agent in agents.items():
        for column, other in columns.items():
            found.cells[row, column] = ground.play(agent, other, episodes, split, seed)
            on_cell(len(found.cells), len(agents) * len(columns))
    return found
