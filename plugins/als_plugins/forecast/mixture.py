"""Forecasts as mixtures of Gaussians: their density, samples from them, and how sure they are."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

__all__ = ["Mixture"]

Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class Mixture:
    """Where people will be: at each step a mixture of Gaussians over places, metres.

    Attributes:
        weight: (windows, modes), which add up to 1; a mode is a way to go on.
        mean: (windows, modes, steps, 2).
        covariance: (windows, modes, steps, 2, 2), square metres.
    """

    weight: Doubles
    mean: Doubles
    covariance: Doubles

    def __len__(self) -> int:
        return len(self.weight)

    def steps(self, chosen: slice | list[int]) -> Mixture:
        """Some of the steps."""
        return replace(self, mean=self.mean[:, :, chosen], covariance=self.covariance[:, :, chosen])

    def scaled(self, scale: Doubles) -> Mixture:
        """With standard deviations times a number for each step, (steps,)."""
        return replace(self, covariance=self.covariance * np.square(scale)[:, None, None])

    @property
    def middle(self) -> Doubles:
        """(windows, steps, 2): the mean over all modes, which errs least in square metres."""
        found: Doubles = np.einsum("wm,wmtk->wtk", self.weight, self.mean)
        return found

    def log_density(self, places: NDArray[np.floating]) -> Doubles:
        """The logarithm of the density, per square metre.

        Args:
            places: (windows, steps, 2), or with samples in front: (samples, windows, steps, 2).

        Returns:
            (windows, steps), or with samples in front.
        """
        away = places[..., :, None, :, :] - self.mean
        a, b = self.covariance[..., 0, 0], self.covariance[..., 0, 1]
        c = self.covariance[..., 1, 1]
        volume = a * c - b * b
        x, y = away[..., 0], away[..., 1]
        square = (c * x * x - 2 * b * x * y + a * y * y) / volume
        weight = np.log(np.maximum(self.weight, 1e-30))[:, :, None]
        each = weight - 0.5 * square - 0.5 * np.log(volume) - np.log(2 * np.pi)
        highest = each.max(axis=-2, keepdims=True)
        total = highest[..., 0, :] + np.log(np.exp(each - highest).sum(axis=-2))
        return np.asarray(total)

    def sample(self, count: int, rng: np.random.Generator) -> Doubles:
        """Draws futures, (count, windows, steps, 2).

        A future keeps to one mode, and errs by the same number of standard deviations at all of its
        steps, so that it is as smooth as a walk is.
        """
        windows = len(self)
        bounds = self.weight.cumsum(axis=1)
        drawn = rng.random((count, windows, 1)) * bounds[:, -1:]
        mode = np.minimum((drawn > bounds).sum(axis=-1), self.weight.shape[1] - 1)
        rows = np.arange(windows)
        mean, root = self.mean[rows, mode], np.linalg.cholesky(self.covariance)[rows, mode]
        noise = rng.standard_normal((count, windows, 2))
        return np.asarray(mean + np.einsum("swtij,swj->swti", root, noise))

    def confidence(
        self, places: NDArray[np.floating], rng: np.random.Generator, samples: int = 100
    ) -> Doubles:
        """How much of the probability lies where the density is higher than at some places.

        A place is within the region of 90 percent where this is at most 0.9. For a forecaster that
        is calibrated it is even between 0 and 1.

        Args:
            places: (windows, steps, 2), where people were.
            rng: what draws.
            samples: by which it is measured.

        Returns:
            (windows, steps), from 0 to 1.
        """
        here = self.log_density(places)
        higher = np.zeros(here.shape)
        for _ in range(0, samples, 10):
            higher += (self.log_density(self.sample(10, rng)) > here).sum(axis=0)
        return higher / (-(-samples // 10) * 10)
