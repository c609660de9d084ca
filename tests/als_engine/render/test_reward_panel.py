"""The panel of rewards shows what each term has brought, to the right for a gain."""

from __future__ import annotations

import numpy as np
import pytest

from als_engine.render.reward_panel import _GAIN, _LOSS, PANEL_WIDTH, reward_panel


def panel(sums, returns=(0.0,), height=360):
    names = [f"term {i}" for i in range(len(sums))]
    return reward_panel(height, names, np.array(sums), returns, 10)


def columns(picture, color, rows):
    return np.flatnonzero((picture[rows] == color).all(-1).any(0))


def test_gains_are_to_the_right_and_losses_to_the_left():
    picture = panel([2.0, -1.0])
    gain, loss = columns(picture, _GAIN, slice(0, 90)), columns(picture, _LOSS, slice(0, 90))
    assert gain.min() >= PANEL_WIDTH // 2
    assert loss.max() <= PANEL_WIDTH // 2
    assert len(gain) == pytest.approx(2 * len(loss), abs=2)


def test_the_curve_is_as_long_as_the_episode_is_old():
    for steps in (3, 10):
        picture = panel([1.0], [0.1 * i for i in range(steps + 1)])
        curve = columns(picture, _GAIN, slice(80, 360))
        assert len(curve) / (PANEL_WIDTH - 20) == pytest.approx(steps / 10, abs=0.02)


def test_many_terms_odd_names_and_a_low_picture_fit():
    assert panel(np.arange(20.0) - 10.0).shape == (360, PANEL_WIDTH, 3)
    assert panel([0.0] * 3, height=60).shape == (60, PANEL_WIDTH, 3)
    picture = reward_panel(200, ["a\x1b\n" * 40, ""], np.zeros(2), [0.0], 0)
    assert picture.shape == (200, PANEL_WIDTH, 3)
