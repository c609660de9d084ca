"""The hypervolume is the area that points dominate, counted here cell by cell."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from als_plugins.learners.hypervolume import hypervolume, hypervolume_interval, resampled_means

Coordinates = st.floats(-8.0, 8.0, allow_subnormal=False, width=32)
Points = st.integers(1, 7).flatmap(lambda n: arrays(np.float64, (n, 2), elements=Coordinates))
Reference = arrays(np.float64, (2,), elements=Coordinates)


def counted(points, reference):
    """The cells between all coordinates whose upper corner somebody dominates."""
    across, up = (
        np.unique([reference[i], *points[points[:, i] > reference[i], i]]) for i in (0, 1)
    )
    return sum(
        (right - left) * (high - low)
        for left, right in itertools.pairwise(across)
        for low, high in itertools.pairwise(up)
        if ((points[:, 0] >= right) & (points[:, 1] >= high)).any()
    )


@given(points=Points, reference=Reference)
def test_it_is_the_area_that_somebody_dominates(points, reference):
    found = float(hypervolume(points, reference))
    assert found == pytest.approx(counted(points, reference), rel=1e-9, abs=1e-12)


@given(points=Points, reference=Reference, seed=st.integers(0, 99))
def test_neither_order_nor_dominated_points_matter_and_more_points_are_never_less(
    points, reference, seed
):
    rng = np.random.default_rng(seed)
    whole = float(hypervolume(points, reference))
    worse = points - rng.uniform(0.0, 1.0, points.shape)
    both = rng.permutation(np.concatenate([points, worse]))
    assert float(hypervolume(both, reference)) == pytest.approx(whole, rel=1e-9, abs=1e-12)
    assert float(hypervolume(points[:1], reference)) <= whole + 1e-12


def test_many_sets_of_points_are_measured_at_once():
    rng = np.random.default_rng(0)
    sets = rng.normal(size=(5, 4, 6, 2))
    together = hypervolume(sets, np.zeros(2))
    assert together.shape == (5, 4)
    assert together[3, 2] == hypervolume(sets[3, 2], np.zeros(2))


def test_of_one_point_it_is_a_rectangle_and_its_interval_that_of_the_product():
    rng = np.random.default_rng(0)
    returns = rng.normal([3.0, 5.0], 1.0, (1, 4_000, 2))
    found = hypervolume_interval(returns, resampled_means(returns), np.array([1.0, 1.0]))
    means = returns[0].mean(axis=0)
    assert found.value == pytest.approx((means[0] - 1) * (means[1] - 1))
    # The delta method: the deviation of (x - 1)(y - 1) where each mean has 1 / sqrt(4000).
    deviation = np.hypot(*(means - 1)) / np.sqrt(4_000)
    assert found.high - found.low == pytest.approx(2 * 1.96 * deviation, rel=0.1)
    assert found.low < found.value < found.high


def test_episodes_are_drawn_together():
    """Whoever is ahead in each episode is ahead in each resample."""
    rng = np.random.default_rng(0)
    low = rng.normal(size=(1, 20, 2))
    drawn = resampled_means(np.concatenate([low, low + 0.25]))
    assert np.allclose(drawn[:, 1] - drawn[:, 0], 0.25)
