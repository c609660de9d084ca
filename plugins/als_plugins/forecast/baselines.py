"""Forecasters that need no network: standing still, constant velocity, and a Kalman filter.

The Kalman filter (Kalman 1960) has the state place and velocity, the velocity driven by white
acceleration; `smooth` is the smoother of Rauch, Tung and Striebel (1965). Both axes are independent
and alike, so covariances are those of one axis.
"""

from __future__ import annotations

from itertools import product
from typing import Final

import numpy as np
from numpy.typing import NDArray

from als_plugins.forecast.mixture import Doubles, Mixture
from als_plugins.forecast.windows import Past

__all__ = ["fit_kalman", "fit_spread", "kalman", "pointwise", "smooth"]

ACCELERATIONS: Final = (0.03, 0.1, 0.3, 0.6, 1.0, 1.7, 3.0, 6.0)
"""Deviations of the acceleration, metres per second squared by the root of a second."""

NOISES: Final = (0.003, 0.01, 0.03, 0.1, 0.3)
"""Deviations of what is measured, metres."""

_FASTEST: Final = 3.0
"""Deviation of a velocity of which nothing is known, metres per second."""

_RECENT: Final = 2
_FIT: Final = 2_000


def extrapolate(past: Past, steps: int, moving: bool) -> Doubles:
    """(windows, steps, 2): going on with the last velocity, or standing still."""
    own = past.own.astype(np.float64)
    velocity = (own[:, -1] - own[:, -1 - _RECENT]) / _RECENT if moving else 0.0 * own[:, -1]
    ahead = np.arange(1, steps + 1)[:, None]
    return np.asarray(own[:, -1:] + ahead * velocity[:, None])


def pointwise(past: Past, spread: Doubles, moving: bool) -> Mixture:
    """One Gaussian about constant velocity or about the last place, of a fitted width.

    Args:
        past: what was seen.
        spread: (steps,) standard deviations, metres, as `fit_spread` finds them.
        moving: whether people go on with their velocity.
    """
    return _gaussian(extrapolate(past, len(spread), moving), np.square(spread))


def fit_spread(past: Past, future: NDArray[np.float32], moving: bool) -> Doubles:
    """The standard deviation of each step, (steps,) metres, that is likeliest."""
    apart = future - extrapolate(past, future.shape[1], moving)
    return np.asarray(np.sqrt(np.maximum(np.square(apart).mean(axis=(0, 2)), 1e-6)))


def kalman(past: Past, steps: int, acceleration: float, noise: float) -> Mixture:
    """The Kalman filter's forecast.

    Args:
        past: what was seen.
        steps: to look ahead.
        acceleration: deviation of the acceleration, m/s^2 by the root of a second.
        noise: deviation of a measured place, metres.
    """
    own = past.own.astype(np.float64)
    shape = own.shape[:2]
    seen = np.concatenate([own, np.zeros((shape[0], steps, 2))], axis=1)
    # Nothing of it depends on where people are: one covariance is that of all of them.
    there = np.concatenate([np.ones((1, shape[1]), np.bool_), np.zeros((1, steps), np.bool_)], 1)
    state, covariance, _, _ = _filter(seen, there, past.time_step, acceleration, noise)
    ahead = slice(shape[1], None)
    return _gaussian(state[:, ahead, 0], covariance[0, ahead, 0, 0] + noise**2)


def fit_kalman(past: Past, future: NDArray[np.float32]) -> tuple[float, float]:
    """The acceleration and the noise under which the futures are likeliest."""
    rows = np.linspace(0, len(past) - 1, min(len(past), _FIT)).astype(np.intp)
    some, then = past.take(rows), future[rows]

    def likelihood(choice: tuple[float, float]) -> float:
        return float(kalman(some, future.shape[1], *choice).log_density(then).mean())

    return max(product(ACCELERATIONS, NOISES), key=likelihood)


def smooth(
    places: NDArray[np.floating],
    there: NDArray[np.bool_],
    time_step: float,
    acceleration: float,
    noise: float,
) -> tuple[Doubles, Doubles]:
    """Where people were at all steps, by what was seen before and after.

    Args:
        places: (windows, steps, 2) metres; whatever stands where nothing was seen.
        there: (windows, steps), where something was.
        time_step: seconds.
        acceleration: as for `kalman`.
        noise: as for `kalman`.

    Returns:
        (windows, steps, 2) metres, and (windows, steps) variances of each axis, square metres.
    """
    seen = places.astype(np.float64)
    state, covariance, before, spread = _filter(seen, there, time_step, acceleration, noise)
    move = np.array([[1.0, time_step], [0.0, 1.0]])
    for t in range(places.shape[1] - 2, -1, -1):
        gain = covariance[:, t] @ move.T @ np.linalg.inv(spread[:, t + 1])
        state[:, t] += gain @ (state[:, t + 1] - before[:, t + 1])
        change = covariance[:, t + 1] - spread[:, t + 1]
        covariance[:, t] += gain @ change @ gain.transpose(0, 2, 1)
    return state[:, :, 0], covariance[:, :, 0, 0] + noise**2


def _filter(
    seen: Doubles, there: NDArray[np.bool_], time_step: float, acceleration: float, noise: float
) -> tuple[Doubles, Doubles, Doubles, Doubles]:
    """States (windows, steps, 2 of place and velocity, 2 axes) and covariances of one axis.

    Returns:
        Both after each measurement, and both before it. Covariances are (rows, steps, 2, 2), with
        as many rows as `there` has: one, where all windows are seen alike.
    """
    windows, steps, _ = seen.shape
    rows = len(there)
    move = np.array([[1.0, time_step], [0.0, 1.0]])
    half = time_step**2 / 2
    push = acceleration**2 * np.array([[time_step**3 / 3, half], [half, time_step]])
    state = np.zeros((windows, 2, 2))
    state[:, 0] = seen[np.arange(windows), np.broadcast_to(there.argmax(axis=1), windows)]
    spread = np.zeros((rows, 2, 2))
    spread[:, 0, 0], spread[:, 1, 1] = _FASTEST**2, _FASTEST**2
    states, spreads = np.empty((windows, steps, 2, 2)), np.empty((rows, steps, 2, 2))
    states_before, spreads_before = np.empty_like(states), np.empty_like(spreads)
    for t in range(steps):
        if t:
            state, spread = move @ state, move @ spread @ move.T + push
        states_before[:, t], spreads_before[:, t] = state, spread
        gain = spread[:, :, 0] / (spread[:, 0, 0] + noise**2)[:, None] * there[:, t, None]
        state = state + gain[:, :, None] * (seen[:, t] - state[:, 0])[:, None]
        spread = spread - gain[:, :, None] * spread[:, 0, None, :]
        states[:, t], spreads[:, t] = state, spread
    return states, spreads, states_before, spreads_before


def _gaussian(mean: Doubles, variance: Doubles) -> Mixture:
    windows, steps, _ = mean.shape
    covariance = np.zeros((windows, 1, steps, 2, 2))
    covariance[..., 0, 0] = covariance[..., 1, 1] = variance
    return Mixture(np.ones((windows, 1)), mean[:, None], covariance)
