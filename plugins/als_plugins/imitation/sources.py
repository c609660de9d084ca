"""Who demonstrates: the scenario's expert, another agent, or whoever acted in a dataset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from als_engine.agents.agent import Agent, ExpertAgent, acting
from als_engine.agents.masks import with_masks
from als_engine.agents.saving import find_agent, open_agent, spaces
from als_engine.errors import ArgumentError
from als_engine.seeding import spread

if TYPE_CHECKING:
    from als_engine.envs.rows import Rows

__all__ = ["Demonstrator"]


class Demonstrator:
    """Somebody who can be asked what to do, in every row.

    Attributes:
        arguments: of the scenario, such that the worlds show what it and the student read.
    """

    def __init__(self, agent: Agent, reads: Sequence[str], arguments: Mapping[str, Any]) -> None:
        """Takes an agent, which acts as it does in an evaluation.

        Args:
            agent: who is asked.
            reads: the sensors that it is shown.
            arguments: of the scenario.
        """
        self._agent, self._reads, self.arguments = agent, list(reads), arguments
        self._best = acting(agent) == "best"
        self._state: Any = None

    @classmethod
    def belonging_to(cls, rows: Rows, name: str) -> Demonstrator:
        """The scenario's own expert, or one of its rules.

        Args:
            rows: the worlds.
            name: as `is_yardstick` takes it.

        Raises:
            ArgumentError: the scenario has no such rule.
        """
        opened = open_agent(name, rows.scenario, rows.arguments)
        return cls(opened.agent, [], rows.arguments)

    @classmethod
    def opened(cls, name: str, scenario: str, arguments: Mapping[str, Any]) -> Demonstrator:
        """Opens an agent.

        Args:
            name: its id, or the folder of a saved one.
            scenario: where it acts.
            arguments: of the scenario, as the student has them.

        Raises:
            UnknownIdError: there is neither such an agent nor such a folder.
            ArgumentError: it cannot act there.
            SavedFileError: the folder is no saved agent.
        """
        shared = {key: value for key, value in arguments.items() if key != "sensors"}
        saved = isinstance(find_agent(name)[0], Path)
        opened = open_agent(name, scenario, shared if saved else arguments)
        reads = opened.agent.observation_space
        sensors = dict.fromkeys([*arguments["sensors"], *reads.spaces])
        both = {**arguments, "sensors": list(sensors)}
        shown = spaces(scenario, both)[0]
        for key, space in reads.spaces.items():
            if shown[key] != space:
                raise ArgumentError(
                    f'{name} has another "{key}" than this scenario: '
                    "give it the arguments that the agent was trained with"
                )
        return cls(opened.agent, list(reads.spaces), both)

    def begin(self, rows: Rows, seed: int) -> None:
        """Takes the worlds to act in."""
        self._agent.seed(spread("demonstrator", seed))
        self._agent.attach(rows)
        self._state = None

    def restart(self, rows: NDArray[np.bool_], seeds: list[int]) -> None:
        """Begins an episode in some rows; one seed for each of them."""
        self._state = self._agent.restart(self._state, rows, seeds)

    def actions(self, rows: Rows) -> NDArray[Any]:
        """What it would do now, (rows, ...).

        Raises:
            ArgumentError: the scenario has no expert, or no such rule.
        """
        observation = rows.observations
        sensed = {key: observation[key] for key in self._reads}
        seen = with_masks(self._agent, sensed, rows.action_masks)
        try:
            found, self._state = self._agent.act(seen, self._state, self._best)
        except NotImplementedError as error:
            others = ": `als imitate --from` takes agents and datasets, too"
            asked = isinstance(self._agent, ExpertAgent)
            raise ArgumentError(f"{error}{others if asked else ''}") from None
        return found
