"""Speech as numbers: who says which verb with which slot, and from where."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final

import gymnasium
import numpy as np
from numpy.typing import NDArray

from als_engine.geometry import portable_math as pmath
from als_engine.sensors.base import Setup, WorldwiseSensor
from als_engine.sensors.text import HEARING_RANGE
from als_engine.system.compiling import kernel
from als_engine.world.speech import Speech

if TYPE_CHECKING:
    from als_engine.world.state import WorldState

ROWS: Final = 4
_PLACE: Final = 4


class Heard(WorldwiseSensor):
    """What up to four others say in this step, the nearest first, float32 (4, 4 + verbs + slots).

    Words carry 8 m, through walls, as in `text`; rows without a speaker are 0.

    | column | is | range |
    | --- | --- | --- |
    | present | 1 in a row with a speaker | 0, 1 |
    | forward, left | where it stands, seen from the body, over 8 m | ±1 |
    | distance | horizontal, over 8 m | 0 to 1 |
    | one for each of `speech.verbs` | the phrase or verb that it says: one of them is 1 | 0, 1 |
    | one for each of `speech.slots` | the slot of the verb; all 0 for a phrase | 0, 1 |
    """

    provides: ClassVar[tuple[str, ...]] = ("heard",)

    def __init__(self, setup: Setup, enabled: Collection[str]) -> None:
        """Looks up which verb and slot each sentence is."""
        super().__init__(setup, enabled)
        speech = setup.speech or Speech(setup.utterances)
        self._tables = speech.verb, speech.slot
        self._verbs, self._slots = len(speech.verbs), len(speech.slots)

    def spaces(self) -> Mapping[str, gymnasium.Space[Any]]:
        """One avatar's space."""
        low = np.zeros((ROWS, _PLACE + self._verbs + self._slots), np.float32)
        low[:, 1:3] = -1.0
        return {"heard": gymnasium.spaces.Box(low, np.ones_like(low), dtype=np.float32)}

    def read_some(
        self, state: WorldState, out: Mapping[str, NDArray[Any]], worlds: NDArray[np.intp]
    ) -> None:
        """Fills `heard`, (worlds, observers, 4, n), of some worlds."""
        avatars = state.avatars
        _fill(
            worlds, (avatars.position, avatars.heading, avatars.utterance), self._tables,
            self._verbs, out["heard"],
        )  # fmt: skip


@kernel
def _fill(which: Any, avatars: Any, tables: Any, verbs: int, out: NDArray[np.float32]) -> None:
    position, heading, utterance = avatars
    verb, slot = tables
    distances, speakers = np.empty(ROWS), np.empty(ROWS, np.int64)
    for w in which:
        for a in range(out.shape[1]):
            found = 0
            for i in range(position.shape[1]):
                if i == a or utterance[w, i] < 0:
                    continue
                x, y = position[w, i, 0] - position[w, a, 0], position[w, i, 1] - position[w, a, 1]
                distance = math.sqrt(x * x + y * y)
                if distance > HEARING_RANGE or (found == ROWS and distance >= distances[ROWS - 1]):
                    continue
                place = min(found, ROWS - 1)
                while place > 0 and distances[place - 1] > distance:
                    distances[place], speakers[place] = distances[place - 1], speakers[place - 1]
                    place -= 1
                distances[place], speakers[place] = distance, i
                found = min(found + 1, ROWS)
            cos, sin = pmath.cos(heading[w, a]), pmath.sin(heading[w, a])
            out[w, a] = 0.0
            for k in range(found):
                row, i = out[w, a, k], speakers[k]
                x, y = position[w, i, 0] - position[w, a, 0], position[w, i, 1] - position[w, a, 1]
                row[0] = 1.0
                row[1] = min(max((x * cos + y * sin) / HEARING_RANGE, -1.0), 1.0)
                row[2] = min(max((y * cos - x * sin) / HEARING_RANGE, -1.0), 1.0)
                row[3] = distances[k] / HEARING_RANGE
                said = utterance[w, i]
                row[_PLACE + verb[said]] = 1.0
                if slot[said] >= 0:
                    row[_PLACE + verbs + slot[said]] = 1.0
