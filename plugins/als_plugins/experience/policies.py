"""The policies that collect experience: one, or two that take turns."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from als_engine.agents.agent import Agent, ExpertSource
from als_engine.agents.masks import with_masks
from als_engine.agents.saving import open_agent, spaces
from als_engine.errors import ArgumentError

__all__ = ["MIX", "SWITCH", "TURNS", "Policies"]

MIX: Final = ("expert", "random")
"""Who acts in even and in odd episodes of `mix`; in `turns` the two relieve one another."""

TURNS: Final = "turns"
SWITCH: Final = (0.1, 0.2)
"""The chance, at every step of an episode of `turns`, that the expert's turn ends, and that the
other's does. What is random is held on to as long as a turn lasts, since actions that are drawn
anew at every step add up to next to nothing."""


class Policies:
    """Acts in every row as the policy of that row's episode does.

    Attributes:
        arguments: of the scenario, sensors and action mode included.
        names: of the policies; episode i is acted by `names[i % len(names)]`.
        digest: of an agent's files, or None.
    """

    def __init__(
        self, policy: str, scenario: str, arguments: Mapping[str, Any], observers: int
    ) -> None:
        """Opens the policies.

        Raises:
            UnknownIdError: there is no such policy or scenario.
            ArgumentError: an argument is not allowed, or an agent cannot act here.
            SavedFileError: a folder is no saved agent.
        """
        self.names = MIX if policy in ("mix", TURNS) else (policy,)
        self._turns = policy == TURNS
        given = {name: value for name, value in arguments.items() if name != "sensors"}
        opened = [open_agent(name, scenario, given, observers) for name in self.names]
        self._agents: list[Agent] = [found.agent for found in opened]
        self.arguments = dict(opened[0].arguments)
        # All that the scenario shows by default, or what was asked for, and what the agent reads.
        shown = {name: value for name, value in self.arguments.items() if name != "sensors"}
        if arguments.get("sensors") is not None:
            shown["sensors"] = arguments["sensors"]
        recorded, _ = spaces(scenario, shown)
        self._reads = [list(agent.observation_space.spaces) for agent in self._agents]
        if opened[0].record is not None:
            self.arguments["sensors"] = sorted({*recorded.spaces, *self._reads[0]})
        else:
            self.arguments["sensors"] = list(recorded.spaces)
            self._reads = [list(recorded.spaces)] * len(self._agents)
        self.digest = None if opened[0].record is None else _digest(Path(policy))
        self._states: list[Any] = [None] * len(self._agents)
        self._draws: dict[int, np.random.Generator] = {}
        self._who = np.zeros(0, np.int64)
        self._new = np.zeros(0, np.bool_)
        self._held: NDArray[Any] | None = None

    def begin(self, env: ExpertSource, seed: int) -> None:
        """Attaches everyone to the environment."""
        for agent in self._agents:
            agent.seed(seed)
            agent.attach(env)
        self._states = [None] * len(self._agents)

    def name(self, episode: int) -> str:
        """The name of the policy in an episode."""
        if self._turns:
            return TURNS
        return self.names[episode % len(self.names)]

    def restart(self, rows: NDArray[np.bool_], seeds: Sequence[int]) -> None:
        """Begins new episodes in some rows; one seed for each of them."""
        if self._turns:
            if len(self._who) != len(rows):
                self._who, self._new = np.zeros(len(rows), np.int64), np.zeros(len(rows), np.bool_)
            self._new |= rows
            for row, seed in zip(np.flatnonzero(rows).tolist(), seeds, strict=True):
                self._draws[row] = draw = np.random.default_rng(seed)
                self._who[row] = draw.integers(len(self._agents))
        self._states = [
            agent.restart(state, rows, seeds)
            for agent, state in zip(self._agents, self._states, strict=True)
        ]

    def act(
        self,
        observation: Mapping[str, NDArray[Any]],
        episodes: NDArray[np.int64],
        masks: Callable[[], NDArray[np.bool_]],
    ) -> NDArray[Any]:
        """An action for every row.

        Args:
            observation: sensor to (rows, ...).
            episodes: (rows,), whose turn it is.
            masks: returns which actions are possible, (rows, n).

        Raises:
            ArgumentError: the scenario has no expert.
        """
        if self._turns:
            who, holds = self._turn()
        else:
            who, holds = episodes % len(self._agents), None
        actions: NDArray[Any] | None = None
        for number, agent in enumerate(self._agents):
            sensed = {key: observation[key] for key in self._reads[number]}
            seen = with_masks(agent, sensed, masks)
            try:
                chosen, self._states[number] = agent.act(seen, self._states[number], True)
            except NotImplementedError as error:
                raise ArgumentError(f"{error}: use another policy, such as random") from None
            if actions is None:
                actions = chosen
            else:
                actions = np.where(_wide(who == number, chosen.ndim), chosen, actions)
        assert actions is not None
        if holds is not None:
            if self._held is not None:
                actions = np.where(_wide(holds, actions.ndim), self._held, actions)
            self._held = actions
        return actions

    def _turn(self) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Whose turn it is in each row, and where a random action is held on to."""
        drawn = np.array([self._draws[row].random() for row in range(len(self._who))])
        switched = drawn < np.array(SWITCH)[self._who]
        holds = (self._who == MIX.index("random")) & ~switched & ~self._new
        self._who = np.where(switched, (self._who + 1) % len(MIX), self._who)
        self._new = np.zeros_like(self._new)
        return self._who, holds


def _wide(mask: NDArray[np.bool_], dimensions: int) -> NDArray[np.bool_]:
    return mask.reshape(-1, *(1,) * (dimensions - 1))


def _digest(folder: Path) -> str:
    """Of all files of a saved agent, so that one that was trained further is another one."""
    agent = folder if (folder / "agent.json").exists() else folder / "agent"
    found = hashlib.sha256()
    for path in sorted(agent.iterdir()):
        if path.is_file():
            found.update(path.name.encode() + b"\0" + path.read_bytes())
    return found.hexdigest()[:16]
