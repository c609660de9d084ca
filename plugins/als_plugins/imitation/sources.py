"""Who demonstrates: the scenario's expert, another agent, or whoever acted in a dataset."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from als_engine.agents.agent import acting
from als_engine.agents.masks import with_masks
from als_engine.agents.saving import open_agent, spaces
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

    def __init__(self, name: str, scenario: str, arguments: Mapping[str, Any]) -> None:
        """Opens an agent, which acts as it does in an evaluation.

        Args:
            name: its id, or the folder of a saved one.
            scenario: where it acts.
            arguments: of the scenario, as the student has them.

        Raises:
            UnknownIdError: there is neither such an agent nor such a folder.
            ArgumentError: it cannot act there.
            SavedFileError: the folder is no saved agent.
        """
        self._name = name
        shared = {key: value for key, value in arguments.items() if key != "sensors"}
        opened = open_agent(name, scenario, shared if _is_saved(name) else arguments)
        self._agent = opened.agent
        self._reads = list(self._agent.observation_space.spaces)
        self._best = acting(self._agent) == "best"
        sensors = dict.fromkeys([*arguments["sensors"], *self._reads])
        self.arguments = {**arguments, "sensors": list(sensors)}
        self._check_sees(spaces(scenario, self.arguments)[0])
        self._state: Any = None

    def _check_sees(self, shown: gymnasium.spaces.Dict) -> None:
        """Refuses an agent that was made for other worlds than the student's."""
        for key in self._reads:
            if shown[key] != self._agent.observation_space[key]:
                raise ArgumentError(
                    f'{self._name} has another "{key}" than this scenario: '
                    "give it the arguments that the agent was trained with"
                )

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
            ArgumentError: the scenario has no expert.
        """
        observation = rows.observations
        sensed = {key: observation[key] for key in self._reads}
        seen = with_masks(self._agent, sensed, rows.action_masks)
        try:
            found, self._state = self._agent.act(seen, self._state, self._best)
        except NotImplementedError as error:
            raise ArgumentError(f"{error}: name a saved agent or a dataset instead") from None
        return found


def _is_saved(name: str) -> bool:
    from als_engine.plugins.registry import registry

    return isinstance(registry.agent_or_path(name), Path)
