"""The statistics of leaderboards: rliable's numbers, faster, and ranks that admit a draw."""

from __future__ import annotations

import itertools
import math
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from als_engine.evaluation.statistics import (
    Interval,
    interquartile_interval,
    optimality_gap,
    performance_profile,
    probability_of_improvement,
    tied_ranks,
)

TAUS = np.linspace(-1, 3, 21)


def some_scores(seed: int, runs: int = 6, tasks: int = 4) -> Any:
    """(runs, tasks), of tasks that differ."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(runs, tasks)) * [1.0, 0.3, 0.6, 0.1] + [0.0, 0.5, 1.0, 0.8]


@pytest.fixture
def rliable() -> tuple[Any, Any]:
    """Its library and its metrics."""
    pytest.importorskip("rliable", reason="it needs Python 3.11")
    from rliable import library, metrics

    return library, metrics


about_its_own_dependencies = pytest.mark.filterwarnings("ignore")


@about_its_own_dependencies
@pytest.mark.parametrize("seed", range(5))
def test_points_are_rliables_to_the_last_digits(rliable: tuple[Any, Any], seed: int) -> None:
    library, metrics = rliable
    x, y = some_scores(seed), some_scores(seed + 100, runs=5).round(1)
    y[0] = x[0]  # Draws.
    columns, others = list(x.T), list(y.T)
    assert interquartile_interval(columns).value == pytest.approx(
        metrics.aggregate_iqm(x), abs=1e-12
    )
    assert optimality_gap(columns).value == pytest.approx(
        metrics.aggregate_optimality_gap(x), abs=1e-12
    )
    assert probability_of_improvement(columns, others).value == pytest.approx(
        metrics.probability_of_improvement(x, y), abs=1e-12
    )
    profile = library.score_distributions(x, TAUS)
    np.testing.assert_allclose(performance_profile(columns, TAUS).value, profile, atol=1e-12)


@about_its_own_dependencies
def test_intervals_are_rliables_as_far_as_resampling_goes(rliable: tuple[Any, Any]) -> None:
    library, metrics = rliable
    x, y = some_scores(1), some_scores(2, runs=5) + 0.2
    np.random.seed(0)  # noqa: NPY002 - rliable draws from the global generator.

    def estimate(scores: Any, measure: Any) -> Any:
        _, found = library.get_interval_estimates(
            {"agent": scores}, lambda *s: np.atleast_1d(measure(*s)), reps=800
        )
        return found["agent"]

    for ours, theirs in (
        (interquartile_interval(list(x.T)), estimate(x, metrics.aggregate_iqm)),
        (optimality_gap(list(x.T)), estimate(x, metrics.aggregate_optimality_gap)),
        (
            probability_of_improvement(list(x.T), list(y.T)),
            estimate([x, y], metrics.probability_of_improvement),
        ),
    ):
        assert ours.low < ours.value < ours.high
        assert [ours.low, ours.high] == pytest.approx(theirs.ravel(), abs=0.04)
    band = performance_profile(list(x.T), TAUS)
    theirs = estimate(x, lambda scores: library.score_distributions(scores, TAUS))
    np.testing.assert_allclose([band.low, band.high], theirs, atol=0.05)


def test_improvement_seen_from_the_other_side_is_what_is_left() -> None:
    x, y = list(some_scores(3).T), list(some_scores(4).T)
    there, back = probability_of_improvement(x, y), probability_of_improvement(y, x)
    assert there.value == pytest.approx(1 - back.value)
    assert probability_of_improvement(x, x).value == 0.5
    better = probability_of_improvement([[2.0, 3.0]], [[0.0, 1.0, 1.5]])
    assert better == Interval(1.0, 1.0, 1.0)


def test_a_profile_falls_from_one_to_zero_and_stays_in_its_band() -> None:
    band = performance_profile([[0.1, 0.2], [0.3, 0.4, 0.9]], [-1.0, 0.15, 0.35, 1.0])
    # Every scenario weighs the same, however many seeds it has: the mean of 1/2 and 3/3, ...
    np.testing.assert_allclose(band.value, [1.0, 0.75, (0 + 2 / 3) / 2, 0.0])
    assert (np.diff(band.value) <= 0).all()
    assert (band.low <= band.value).all()
    assert (band.value <= band.high).all()


def test_more_than_the_goal_makes_up_for_nothing() -> None:
    assert optimality_gap([[0.5, 0.5], [5.0, 5.0]]).value == 0.25


@pytest.mark.parametrize("groups", [[], [[]], [[1.0], []], [[math.nan, 1.0]]])
def test_of_nothing_nothing_is_known(groups: list[list[float]]) -> None:
    assert math.isnan(optimality_gap(groups).value)
    assert math.isnan(interquartile_interval(groups).low)
    assert math.isnan(probability_of_improvement(groups, groups).high)
    assert np.isnan(performance_profile(groups, [0.0, 1.0]).low).all()


def test_the_same_runs_always_have_the_same_intervals() -> None:
    x, y = list(some_scores(5).T), list(some_scores(6).T)
    for measure in (interquartile_interval, optimality_gap):
        assert measure(x) == measure(x)
    assert probability_of_improvement(x, y) == probability_of_improvement(x, y)


def test_a_hundred_pairs_of_agents_are_compared_within_seconds() -> None:
    agents = [list(some_scores(i, runs=10).T) for i in range(10)]
    # Of this process alone: others may be computing at the same time.
    begin = time.process_time()
    for x, y in itertools.product(agents, agents):
        probability_of_improvement(x, y)
    assert time.process_time() - begin < 5


@pytest.mark.parametrize(
    ("intervals", "ranks"),
    [
        ([], []),
        ([(0.5, 0.4, 0.6)], [1]),
        # Clearly apart, whatever their order.
        ([(0.1, 0.0, 0.2), (0.9, 0.8, 1.0), (0.5, 0.4, 0.6)], [3, 1, 2]),
        # Those who reach up to the leader share its rank; the next one is behind all of them.
        ([(0.9, 0.7, 1.0), (0.8, 0.6, 0.9), (0.5, 0.4, 0.6)], [1, 1, 3]),
        # No chain: the third one reaches up to the second, but not to the leader.
        ([(0.9, 0.8, 1.0), (0.75, 0.6, 0.85), (0.6, 0.5, 0.7)], [1, 1, 3]),
        # A wide interval does not lift anybody over a better value.
        ([(0.9, 0.8, 1.0), (0.6, 0.55, 0.65), (0.5, 0.0, 0.95)], [1, 2, 2]),
        # Touching is overlapping.
        ([(0.9, 0.8, 1.0), (0.7, 0.6, 0.8)], [1, 1]),
        ([(0.3, 0.3, 0.3), (0.1 + 0.2, 0.1 + 0.2, 0.1 + 0.2)], [1, 1]),
    ],
)
def test_ranks_are_shared_where_intervals_overlap(
    intervals: list[tuple[float, float, float]], ranks: list[int]
) -> None:
    assert tied_ranks([Interval(*each) for each in intervals]) == ranks


some_intervals = st.lists(
    st.tuples(*[st.integers(0, 20)] * 3).map(lambda t: sorted(t)), min_size=1, max_size=8
).map(lambda found: [Interval(m / 20, low / 20, high / 20) for low, m, high in found])


@given(some_intervals)
def test_a_rank_is_shared_with_its_leader_and_no_better_value_has_a_worse_one(
    intervals: list[Interval],
) -> None:
    ranked = sorted(zip(tied_ranks(intervals), intervals, strict=True), key=lambda r: -r[1].value)
    ranks = [rank for rank, _ in ranked]
    assert ranks == sorted(ranks)
    leaders: list[Interval] = []
    for rank, group in itertools.groupby(ranked, key=lambda r: r[0]):
        leader, *others = (interval for _, interval in group)
        assert ranks.index(rank) + 1 == rank
        assert all(other.high >= leader.low for other in others)
        assert all(leader.high < before.low for before in leaders[-1:])
        leaders.append(leader)
