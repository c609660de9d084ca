"""What an avatar sees and attends to; worked out for those that somebody asks for, and no others.

Looking changes nothing: the picture is drawn from the state as the sensor draws it, and attention
is asked of the network with what the agent has sensed already.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from als_engine.agents.agent import Agent
from als_engine.errors import ALSError
from als_engine.sensors.camera import first_person
from als_plugins.serve.describing import as_png

if TYPE_CHECKING:
    from als_engine.simulation import Simulation

__all__ = ["Attention", "eyes"]

THINGS: Final = 4
"""Things that are named, those that most of the attention goes to."""


def eyes(simulation: Simulation, avatar: int, size: int | None = None) -> str:
    """What an avatar of world 0 sees, PNG as a `data:` address.

    Args:
        simulation: whose world.
        avatar: its number.
        size: height and width, pixels; None for what its sensor has.
    """
    given = simulation.arguments.frame_size if size is None else size
    height, width = (given, given) if isinstance(given, int) else given
    return as_png(first_person(simulation.state, 0, avatar, height, width))


class Attention:
    """Where an agent's attention goes."""

    def __init__(self, simulation: Simulation, agent: Agent) -> None:
        """Looks at nothing yet."""
        self._simulation, self._agent = simulation, agent
        self._decider: Any = None
        self.why_not = ""

    def of(self, avatar: int) -> dict[str, Any]:
        """The attention of an avatar of world 0 that the agent drives, as the board has it.

        Returns:
            `shares`, pairs of a sensor and its share, which add up to 1; for pictures `grid`, the
            rows of a grid of shares of the whole; `things`, pairs of a name and a share. Or
            `why_not`, in one line.
        """
        if avatar >= self._simulation.observers:
            return {"why_not": "a scripted behaviour drives it, and attends to nothing"}
        if self._decider is None and not self.why_not:
            self._open()
        if self.why_not:
            return {"why_not": self.why_not}
        import torch

        sensed = {
            key: array[0, avatar] for key, array in self._simulation.observations.items()
            if key in self._decider.observation_space.spaces
        }  # fmt: skip
        rows = {key: torch.as_tensor(array)[None] for key, array in sensed.items()}
        try:
            weights = self._decider.attention(rows)
        except Exception as error:
            self.why_not = f"its attention cannot be read: {type(error).__name__}"
            return {"why_not": self.why_not}
        if not weights:
            self.why_not = "its encoder has no attention"
            return {"why_not": self.why_not}
        return _described(sensed, weights)

    def _open(self) -> None:
        try:
            from als_plugins.explaining.decisions import Decider

            self._decider = Decider(self._agent, "this agent")
        except (ALSError, ImportError):
            self.why_not = "it has no network that can be looked into"


def _described(sensed: Mapping[str, Any], weights: Mapping[str, Any]) -> dict[str, Any]:
    """Attention by sensor to (parts,), as values of JSON."""
    from als_plugins.explaining.parts import grid_of, things_in

    shares = sorted(((key, float(part.sum())) for key, part in weights.items()), key=_amount)
    found: dict[str, Any] = {"shares": [[key, round(share, 4)] for key, share in shares]}
    if "rgb" in weights:
        rows, columns = grid_of(weights["rgb"].size, *sensed["rgb"].shape[:2])
        found["grid"] = np.asarray(weights["rgb"]).reshape(rows, columns).round(4).tolist()
    if "entities" in weights:
        part = weights["entities"]
        named = [(each.name, float(part[each.row])) for each in things_in(sensed["entities"])]
        largest = sorted(named, key=_amount)[:THINGS]
        found["things"] = [[name, round(share, 4)] for name, share in largest]
    return found


def _amount(pair: tuple[str, float]) -> float:
    return -pair[1]
