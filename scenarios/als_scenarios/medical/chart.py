"""The patient's chart as an observation: what has been measured so far."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import gymnasium
import numpy as np
from numpy.typing import NDArray

from als_engine.sensors.base import Sensor
from als_scenarios.medical.clinic import DOCTOR
from als_scenarios.medical.patients import CLIP, NUM_FEATURES, PANEL_OF_FEATURE, patients

if TYPE_CHECKING:
    from als_engine.world.state import WorldState


class Chart(Sensor):
    """The patient's chart, float32 (61,): the same for everyone who treats the patient.

    | column | is | range |
    | --- | --- | --- |
    | 0 to 29 | the measurements: ten means, ten errors, ten worst values, in standard deviations \
from the mean of all but the test patients; 0 where not measured | ±5 |
    | 30 to 59 | 1 where the measurement has been made | 0, 1 |
    | 60 | 1 for the doctor, who decides; 0 for a nurse | 0, 1 |
    """

    provides: ClassVar[tuple[str, ...]] = ("chart",)

    def spaces(self) -> Mapping[str, gymnasium.Space[Any]]:
        """One avatar's space, bounded column by column."""
        low = np.zeros(2 * NUM_FEATURES + 1, np.float32)
        high = np.ones_like(low)
        low[:NUM_FEATURES], high[:NUM_FEATURES] = -CLIP, CLIP
        return {"chart": gymnasium.spaces.Box(low, high, dtype=np.float32)}

    def read(self, state: WorldState, out: Mapping[str, NDArray[Any]]) -> None:
        """Fills `chart`, (worlds, observers, 61)."""
        chart, known = out["chart"], state["measured"][:, PANEL_OF_FEATURE]
        chart[..., :NUM_FEATURES] = (patients().standard[state["patient"]] * known)[:, None]
        chart[..., NUM_FEATURES : 2 * NUM_FEATURES] = known[:, None]
        chart[..., -1] = 0.0
        chart[:, DOCTOR, -1] = 1.0
