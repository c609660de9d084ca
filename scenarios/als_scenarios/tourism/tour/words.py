"""What is said on a tour, and the guide's flag."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from als_engine import Effector, Part
from als_engine.world.layout import Box, Cylinder
from als_engine.world.speech import Verb
from als_engine.world.state import Quantity, WorldState
from als_scenarios.tourism.tour.taste import ATTRIBUTES, NUM_ATTRIBUTES

GUIDE_SAYS: Final[tuple[str | Verb, ...]] = ("look at this", Verb("notice", ATTRIBUTES))
VISITOR_SAYS: Final[tuple[str | Verb, ...]] = (
    "wonderful",
    Verb("tell me about", ATTRIBUTES),
    "I see",
    "let us go on",
    "goodbye",
)

LOOK: Final = 0
NOTICE: Final = 1
"""The first of the sentences "notice ..."; one for each attribute follows."""

WONDERFUL: Final = NOTICE + NUM_ATTRIBUTES
ASK: Final = WONDERFUL + 1
"""The first of the sentences "tell me about ..."."""

SEE: Final = ASK + NUM_ATTRIBUTES
GO_ON: Final = SEE + 1
GOODBYE: Final = GO_ON + 1

RATINGS: Final = (0.8, 0.35, 0.0, -0.5)
"""What "wonderful", "tell me about ...", "I see" and "let us go on" are worth on the scale of
enjoyment: about the middle of what is said so."""


class Flag(Effector):
    """A pennant on a pole over the guide's head; waved, it calls everybody to come along."""

    name = "flag"
    commands = ("wave",)
    arrays: ClassVar = {"waved": Quantity((), np.bool_)}
    color = "yellow"

    def parts(self) -> Sequence[Part]:
        """Pole and pennant."""
        return (
            Part(Cylinder(0.02, 1.0), (0.12, -0.28, 1.6)),
            Part(Box(0.34, 0.02, 0.2), (-0.06, -0.28, 2.0)),
        )

    def act(self, state: WorldState, command: NDArray[np.int32], who: NDArray[np.bool_]) -> None:
        """Notes who waves in this step."""
        np.logical_and(who, command == 1, out=state["flag.waved"])
