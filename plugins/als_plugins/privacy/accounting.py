"""How much noise differential privacy takes, and what was told with it: opacus's accountant."""

from __future__ import annotations

import warnings
from typing import Final

from als_engine.errors import ArgumentError

__all__ = ["EACH", "ORDERS", "check_delta", "noise_for", "spent"]

EACH: Final = 8
"""Steps, or windows, of a unit that make its gradient."""
ORDERS: Final = (*range(2, 64), 80, 96, 128, 192, 256)
"""Of the Renyi divergences that the accountant looks at: whole ones, which take it no time."""


def check_delta(delta: float, units: int, unit: str) -> None:
    """Refuses a probability that would let one unit be told whole.

    Raises:
        ArgumentError: it is not below one over the number of units.
    """
    if delta * units > 1.0:
        raise ArgumentError(
            f"delta must be below one over the {units} {unit}s that are learnt from, got {delta:g}"
        )


def noise_for(epsilon: float, delta: float, part: float, updates: int) -> float:
    """The least noise that tells no more than epsilon, in lengths of a unit's cut gradient.

    Args:
        epsilon: how much may be told.
        delta: the probability with which it may be more.
        part: the probability with which each unit is drawn for an update.
        updates: how many there will be.

    Raises:
        ArgumentError: none does.
    """
    from opacus.accountants.utils import get_noise_multiplier

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Of orders at the end of those that are tried.
            return float(
                get_noise_multiplier(
                    target_epsilon=epsilon,
                    target_delta=delta,
                    sample_rate=part,
                    steps=updates,
                    alphas=ORDERS,
                )
            )
    except ValueError:
        raise ArgumentError(
            f"no noise is enough for epsilon={epsilon:g}: give a larger one, fewer passes, or more "
            "units"
        ) from None


def spent(noise: float, part: float, updates: int, delta: float) -> float:
    """What so many updates have told, as epsilon; arguments as for `noise_for`."""
    from opacus.accountants import RDPAccountant

    if not updates:
        return 0.0
    accountant = RDPAccountant()
    accountant.history = [(noise, part, updates)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return float(accountant.get_epsilon(delta, alphas=[*ORDERS]))
