"""Scores of sorted cases: they are those of the textbooks, also for few cases and many ties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score, roc_curve

from als_scenarios.medical.imaging.scores import NOT_FILED, auroc, sensitivity_at, tally

COUNTS = st.lists(st.integers(0, 9), min_size=6, max_size=6).map(
    lambda rows: np.array(rows).reshape(2, 3)
)


def cases(counts: NDArray[np.intp]) -> tuple[list[int], list[int]]:
    """Truths and scores, one for each counted case."""
    pairs = [
        (truth, category)
        for truth in range(2)
        for category in range(3)
        for _ in range(int(counts[truth, category]))
    ]
    return [truth for truth, _ in pairs], [category for _, category in pairs]


@given(COUNTS)
def test_they_are_those_of_scikit_learn(counts: NDArray[np.intp]) -> None:
    if not counts.sum(1).all():
        assert auroc(counts) == 0.5
        assert sensitivity_at(counts, 0.95) == pytest.approx(0.05)
        return
    truth, score = cases(counts)
    assert auroc(counts) == pytest.approx(roc_auc_score(truth, score))
    alarms, found, _ = roc_curve(truth, score, drop_intermediate=False)
    for specificity in (0.95, 0.8, 0.5):
        at = 1 - specificity
        # The highest point where the curve is upright, else on the straight line to the next.
        upright = found[alarms <= at].max()
        expected = max(upright, float(np.interp(at, alarms, found)))
        assert sensitivity_at(counts, specificity) == pytest.approx(expected)


def test_a_reader_who_sorts_perfectly_finds_all_and_one_who_cannot_tell_finds_by_chance() -> None:
    perfect = np.array([[5, 0, 0], [0, 0, 3]])
    blind = np.array([[5, 0, 0], [3, 0, 0]])
    assert (auroc(perfect), sensitivity_at(perfect)) == (1.0, 1.0)
    assert (auroc(blind), sensitivity_at(blind)) == (0.5, pytest.approx(0.05))
    assert auroc(perfect[:, ::-1]) == 0.0


def test_counts_of_many_sessions_may_be_added_up() -> None:
    rng = np.random.default_rng(0)
    counts = rng.integers(0, 4, (40, 2, 3))
    pooled = counts.sum(0)
    truth, score = cases(pooled)
    assert auroc(pooled) == pytest.approx(roc_auc_score(truth, score))
    assert auroc(counts).shape == sensitivity_at(counts).shape == (40,)
    for world in range(40):
        assert auroc(counts)[world] == auroc(counts[world])


def test_what_is_not_filed_is_counted_nowhere() -> None:
    filed = np.array([[0, 2, NOT_FILED, 1], [NOT_FILED] * 4])
    malignant = np.array([[False, True, True, False], [True, False, True, False]])
    counts = tally(filed, malignant)
    np.testing.assert_array_equal(counts[0], [[1, 1, 0], [0, 0, 1]])
    assert not counts[1].any()
