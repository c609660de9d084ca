"""The sense of touch: pressure around the body, what is touched, and the weight in the hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final

import gymnasium
import numpy as np
from numpy.typing import NDArray

from als_engine.geometry import portable_math as pmath
from als_engine.sensors.base import WorldwiseSensor
from als_engine.system.compiling import kernel

if TYPE_CHECKING:
    from als_engine.world.arrays import BoolArray, FloatArray, IntArray
    from als_engine.world.state import WorldState

COLUMNS: Final = (
    *(f"pressure_{sector}" for sector in range(8)),
    "touches_wall",
    "touches_prop",
    "touches_avatar",
    "held_weight",
)
"""The names of the columns of `touch`."""

SOFT_FORCE: Final = 100.0
"""Newtons up to which pressure grows in proportion to the force; beyond, with its logarithm."""

FULL_FORCE: Final = 10_000.0
"""Newtons that are felt as a pressure of 1, and as the most there is."""

HALF_MASS: Final = 10.0
"""Kilograms in the hand that are felt as a weight of 0.5."""

_SCALE: Final = 1.0 / float(pmath.log(1.0 + FULL_FORCE / SOFT_FORCE))


class Touch(WorldwiseSensor):
    """The sense of touch of skin and hand, float32 (12,), every column from 0 to 1.

    | column | is |
    | --- | --- |
    | pressure_0 to pressure_7 | force on an eighth of the body, sector 0 straight ahead and then \
counter-clockwise: log(1 + f / 100 N) / log(1 + 10 kN / 100 N), at most 1 |
    | touches_wall, touches_prop, touches_avatar | 1 while it touches one |
    | held_weight | m / (m + 10 kg) for the mass m of what it holds, else 0 |
    """

    provides: ClassVar[tuple[str, ...]] = ("touch",)

    def spaces(self) -> Mapping[str, gymnasium.Space[Any]]:
        """One avatar's space."""
        return {"touch": gymnasium.spaces.Box(0.0, 1.0, (len(COLUMNS),), np.float32)}

    def read_some(
        self, state: WorldState, out: Mapping[str, NDArray[Any]], worlds: NDArray[np.intp]
    ) -> None:
        """Fills `touch`, (worlds, observers, 12), of some worlds."""
        avatars = state.avatars
        _fill(
            worlds,
            avatars.touch,
            avatars.touches_wall,
            avatars.touches_prop,
            avatars.touches_avatar,
            avatars.held,
            state.props.mass,
            out["touch"],
        )


@kernel(error_model="numpy")
def _fill(
    which: NDArray[np.intp],
    force: FloatArray,
    touches_wall: BoolArray,
    touches_prop: BoolArray,
    touches_avatar: BoolArray,
    held: IntArray,
    mass: FloatArray,
    out: NDArray[np.float32],
) -> None:
    observers = out.shape[1]
    sectors = force.shape[2]
    for w in which:
        for a in range(observers):
            row = out[w, a]
            for sector in range(sectors):
                newtons = force[w, a, sector]
                # Most sectors feel nothing, and a logarithm costs more than the rest of the row.
                row[sector] = 0.0
                if newtons > 0.0:
                    row[sector] = min(pmath.log(1.0 + newtons / SOFT_FORCE) * _SCALE, 1.0)
            row[sectors] = touches_wall[w, a]
            row[sectors + 1] = touches_prop[w, a].any()
            row[sectors + 2] = touches_avatar[w, a].any()
            row[sectors + 3] = 0.0
            if held[w, a] >= 0:
                kilograms = mass[w, held[w, a]]
                row[sectors + 3] = kilograms / (kilograms + HALF_MASS)
