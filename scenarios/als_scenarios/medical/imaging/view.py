"""Who can read the lightbox, and the scan on it as an observation."""

# mypy: allow-untyped-calls

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final

import gymnasium
import numpy as np
from numpy.typing import NDArray

from als_engine.geometry import portable_math as pmath
from als_engine.sensors.base import WorldwiseSensor
from als_engine.system.compiling import kernel
from als_scenarios.medical.imaging.scans import PIXELS

if TYPE_CHECKING:
    from als_engine.world.arrays import BoolArray, FloatArray
    from als_engine.world.state import WorldState

READING_DISTANCE: Final = 1.7
"""From the middle of the lightbox, metres."""
READING_ANGLE: Final = math.radians(30)
"""How far to the side of where one faces its middle may be."""
ASIDE: Final = math.radians(50)
"""How far to the side of its own middle axis one may stand."""
COARSE: Final = 2
"""Edge of the squares of pixels that become one pixel of `scan`."""


def to_lightbox(state: WorldState) -> tuple[FloatArray, FloatArray, FloatArray]:
    """How avatars stand to the lightbox; each (worlds, avatars).

    Returns:
        The distance of its middle, metres; the angle from where they face to it; the angle from its
        middle axis to them, radians.
    """
    away = state.screens.position[:, :1, :2] - state.avatars.position[..., :2]
    angle = pmath.atan2(away[..., 1], away[..., 0])
    ahead = np.abs(_turned(angle - state.avatars.heading))
    aside = np.abs(_turned(angle + math.pi - state.screens.heading[:, :1]))
    return pmath.hypot(away[..., 0], away[..., 1]), ahead, aside


def stands_to_read(state: WorldState) -> BoolArray:
    """Whether avatars stand where the lightbox can be read, (worlds, avatars)."""
    distance, _, aside = to_lightbox(state)
    return np.asarray((distance <= READING_DISTANCE) & (aside <= ASIDE))


def looks(state: WorldState) -> BoolArray:
    """Whether avatars stand where the lightbox can be read, and face it: (worlds, avatars)."""
    distance, ahead, aside = to_lightbox(state)
    near = (distance <= READING_DISTANCE) & (aside <= ASIDE)
    return np.asarray(near & (ahead <= READING_ANGLE) & state.avatars.present)


def _turned(angle: FloatArray) -> FloatArray:
    return (angle + math.pi) % (2 * math.pi) - math.pi


class Scan(WorldwiseSensor):
    """The lightbox as a reader sees it, uint8 (48, 48, 3): half as fine as it is.

    It is black for who does not look: farther than 1.7 m from its middle, more than 50 degrees
    aside of it, or facing more than 30 degrees past it. Who stands in between hides nothing.
    """

    provides: ClassVar[tuple[str, ...]] = ("scan",)

    def spaces(self) -> Mapping[str, gymnasium.Space[Any]]:
        """One avatar's space."""
        size = PIXELS // COARSE
        return {"scan": gymnasium.spaces.Box(0, 255, (size, size, 3), np.uint8)}

    def read_some(
        self, state: WorldState, out: Mapping[str, NDArray[Any]], worlds: NDArray[np.intp]
    ) -> None:
        """Fills `scan`, (worlds, observers, 48, 48, 3), of some worlds."""
        _shrink(worlds, state.screens.picture, state.screens.on, looks(state), out["scan"])


@kernel
def _shrink(worlds, pictures, on, who, out):  # type: ignore[no-untyped-def]
    """Averages the first picture of each world over squares, for who looks."""
    observers, size = out.shape[1], out.shape[2]
    for w in worlds:
        for a in range(observers):
            if not (who[w, a] and on[w, 0]):
                out[w, a] = 0
                continue
            picture = pictures[w, 0]
            for i in range(size):
                for j in range(size):
                    for c in range(3):
                        total = 0
                        for k in range(COARSE):
                            for m in range(COARSE):
                                total += picture[COARSE * i + k, COARSE * j + m, c]
                        out[w, a, i, j, c] = total // (COARSE * COARSE)
