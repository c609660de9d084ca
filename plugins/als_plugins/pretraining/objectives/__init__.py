"""The objectives of pretraining, by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import gymnasium

from als_engine.errors import ArgumentError, unknown
from als_plugins.encoders.base import Encoder
from als_plugins.pretraining.objectives.base import Clip, Objective
from als_plugins.pretraining.objectives.crossmodal import Crossmodal
from als_plugins.pretraining.objectives.destination import Destination
from als_plugins.pretraining.objectives.dynamics import Dynamics
from als_plugins.pretraining.objectives.masked import Masked
from als_plugins.pretraining.objectives.temporal import Temporal

__all__ = ["OBJECTIVES", "Clip", "Objective", "make_objectives", "parse_weights"]

OBJECTIVES: Final[Mapping[str, type[Objective]]] = {
    "masked": Masked,
    "temporal": Temporal,
    "crossmodal": Crossmodal,
    "dynamics": Dynamics,
    "destination": Destination,
}


def parse_weights(words: Iterable[str]) -> dict[str, float]:
    """Reads `masked=1,dynamics=0.5`, or `masked` and `dynamics` one by one.

    Raises:
        ArgumentError: a name is unknown or given twice, or a weight is no positive number.
    """
    weights: dict[str, float] = {}
    for part in (part.strip() for word in words for part in word.split(",")):
        name, equals, text = part.partition("=")
        if name in weights:
            raise ArgumentError(f'the objective "{name}" is given twice')
        try:
            weights[name] = float(text) if equals else 1.0
        except ValueError:
            raise ArgumentError(f'the weight of "{name}" is a number, not "{text}"') from None
    check_weights(weights)
    return weights


def check_weights(weights: Mapping[str, float]) -> None:
    """Checks names and weights.

    Raises:
        ArgumentError: there are none, a name is unknown, or a weight is no positive number.
    """
    if not weights:
        raise ArgumentError(f"name at least one objective: {', '.join(OBJECTIVES)}")
    for name, weight in weights.items():
        if name not in OBJECTIVES:
            raise ArgumentError(unknown("objective", name, OBJECTIVES))
        if not 0 < weight < float("inf"):
            raise ArgumentError(f'the weight of "{name}" has to be above 0, not {weight}')


def make_objectives(
    names: Iterable[str], encoder: Encoder, action_space: gymnasium.Space[Any]
) -> dict[str, Objective]:
    """Makes objectives for an encoder.

    Raises:
        ArgumentError: an objective cannot be had with these sensors or actions.
    """
    return {name: OBJECTIVES[name](encoder, action_space) for name in names}
