"""What goes on inside visitors, against the published equations, and who has which taste."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from als_engine.task import LEVELS
from als_scenarios.tourism.tour import guiding
from als_scenarios.tourism.tour.taste import (
    DULL,
    FLOOR,
    GAMMA,
    IDLE,
    JOY,
    KINDS,
    LAMBDA,
    NUM_ATTRIBUTES,
    SPARES,
    STEEP,
    STRIDE,
    TALK,
    appeal,
    draw_party,
    enjoyment,
    satiate,
    tired,
)

unit = st.floats(-1.0, 1.0)
vectors = st.lists(unit, min_size=NUM_ATTRIBUTES, max_size=NUM_ATTRIBUTES).map(np.array)
strengths_of = st.lists(st.floats(0.0, 1.0), min_size=NUM_ATTRIBUTES, max_size=NUM_ATTRIBUTES).map(
    np.array
)
some = settings(max_examples=60, deadline=None)
NOTHING = -1


@some
@given(strengths_of, vectors, strengths_of, st.integers(-1, NUM_ATTRIBUTES - 1))
def test_appeal_is_linear_in_taste_less_satiation_and_words_strengthen_their_attribute(
    x: np.ndarray, w: np.ndarray, s: np.ndarray, noticed: int
) -> None:
    base = math.fsum(x[k] * (w[k] - LAMBDA * s[k]) for k in range(NUM_ATTRIBUTES)) - FLOOR
    words = TALK * (w[noticed] * x[noticed] - DULL) if noticed >= 0 else 0.0
    assert appeal(x, w, s, noticed) == pytest.approx(base + words, abs=1e-12)


@some
@given(st.floats(-3.0, 3.0))
def test_enjoyment_is_a_hyperbolic_tangent_of_appeal(a: float) -> None:
    assert enjoyment(a) == pytest.approx(math.tanh(STEEP * a / 2), abs=1e-12)
    assert -1.0 <= enjoyment(a) <= 1.0


@some
@given(st.lists(st.tuples(strengths_of, st.floats(0.0, 1.0)), min_size=1, max_size=8))
def test_satiation_is_the_discounted_sum_of_what_was_seen(
    seen: list[tuple[np.ndarray, float]],
) -> None:
    """Leqi et al. 2021: s(t) = gamma (s(t-1) + u(t-1)) sums to gamma^(t-i) u(i)."""
    satiation = np.zeros(NUM_ATTRIBUTES)
    for x, share in seen:
        satiate(x, share, False, satiation)
    n = len(seen)
    expected = sum(GAMMA ** (n - i) * share * x for i, (x, share) in enumerate(seen))
    np.testing.assert_allclose(satiation, expected, atol=1e-12)
    assert (satiation <= GAMMA / (1 - GAMMA) + 1e-12).all()


def test_what_is_not_seen_rebounds_and_the_same_again_appeals_less() -> None:
    x, w = np.eye(NUM_ATTRIBUTES)[2], np.eye(NUM_ATTRIBUTES)[2]
    satiation = np.zeros(NUM_ATTRIBUTES)
    appeals = []
    for _ in range(4):
        appeals.append(appeal(x, w, satiation, NOTHING))
        satiate(x, 1.0, False, satiation)
    assert (np.diff(appeals) < 0).all()
    tired_of = satiation[2]
    satiate(np.eye(NUM_ATTRIBUTES)[0], 1.0, False, satiation)
    assert satiation[2] == pytest.approx(GAMMA * tired_of)


def test_an_exhibit_seen_in_two_parts_satiates_as_one_seen_at_once() -> None:
    x = np.linspace(0.0, 1.0, NUM_ATTRIBUTES)
    once, parts = (np.full(NUM_ATTRIBUTES, 0.3) for _ in range(2))
    satiate(x, 1.0, False, once)
    satiate(x, 0.4, False, parts)
    satiate(x, 0.6, True, parts)
    np.testing.assert_allclose(once, parts, atol=1e-12)


@some
@given(unit, st.floats(0.5, 1.5), st.floats(0, 3), st.floats(0, 3), unit)
def test_patience_falls_with_time_and_way_and_follows_enjoyment(
    patience: float, tiring: float, seconds: float, metres: float, enjoyed: float
) -> None:
    expected = patience - tiring * (IDLE * seconds + STRIDE * metres) + JOY * enjoyed
    assert tired(patience, tiring, seconds, metres, enjoyed) == pytest.approx(min(1.0, expected))


def test_half_an_hour_of_nothing_is_more_than_most_visitors_bear() -> None:
    assert min(SPARES) * 30 * IDLE < 0.8 < np.mean(SPARES) * 30 * IDLE


# -- kinds of taste --------------------------------------------------------------------------------


def test_every_pair_of_attributes_is_a_kind_of_taste_of_one_split() -> None:
    kinds = [tuple(sorted(kind)) for split in LEVELS for kind in KINDS[split]]
    assert sorted(kinds) == list(itertools.combinations(range(NUM_ATTRIBUTES), 2))


@pytest.mark.parametrize("split", LEVELS)
def test_a_party_is_of_at_most_two_kinds_of_its_split_and_likes_them_most(split: str) -> None:
    rng = np.random.default_rng(5)
    met = set()
    for _ in range(300):
        party = draw_party(rng, split, 5)
        kinds = {tuple(kind) for kind in party.kind.tolist()}
        assert len(kinds) <= 2
        assert kinds <= set(KINDS[split])
        met |= kinds
        np.testing.assert_allclose(np.square(party.taste).sum(1), 1.0)
        liked = np.sort(np.argsort(party.taste, axis=1)[:, -2:], axis=1)
        np.testing.assert_array_equal(liked, np.sort(party.kind, axis=1))
        assert (party.taste.min(1) < -0.2).all()  # Something is disliked.
        assert ((party.patience >= 0.8) & (party.patience <= 1.0)).all()
    assert met == set(KINDS[split])


def test_popularity_is_what_training_visitors_like_on_average() -> None:
    rng = np.random.default_rng(1)
    mean = np.mean([draw_party(rng, "train", 5).taste.mean(0) for _ in range(4000)], axis=0)
    np.testing.assert_allclose(guiding.POPULAR, mean, atol=0.012)


# -- the rule "lin-ucb" ----------------------------------------------------------------------------


def test_rank_one_updates_are_ridge_regression() -> None:
    rng = np.random.default_rng(2)
    x, rating = rng.random((12, NUM_ATTRIBUTES)), rng.normal(size=(3, 12))
    rated = rng.random((3, 12)) < 0.4
    inverse, theta = np.empty((NUM_ATTRIBUTES, NUM_ATTRIBUTES)), np.empty(NUM_ATTRIBUTES)
    guiding.ridge(x, rating, rated, inverse, theta)
    rows = np.array([x[e] for _, e in np.argwhere(rated)])
    gram = guiding.RIDGE * np.eye(NUM_ATTRIBUTES) + rows.T @ rows
    np.testing.assert_allclose(inverse, np.linalg.inv(gram), atol=1e-10)
    np.testing.assert_allclose(theta, np.linalg.solve(gram, rows.T @ rating[rated]), atol=1e-10)
