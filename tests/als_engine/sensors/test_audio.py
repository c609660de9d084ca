"""Hearing: distance, direction, walls, silence, footsteps and voices."""

from __future__ import annotations

import math

import numpy as np
import pytest

from als_engine.geometry.sight import EYE_HEIGHT
from als_engine.sensors.audio import LOUD, QUIET, voices
from als_engine.world.layout import Box, Prop, SoundSource, Spawn

EAR = EYE_HEIGHT * 1.7
FLAT = (1.0,) * 8
LEFT, RIGHT = 0, 1


def energy(heard):
    """The energy behind a value of `audio`."""
    return np.expm1(heard.astype(np.float64) * math.log1p(LOUD / QUIET)) * QUIET


@pytest.fixture
def hear(make_world, observe):
    """Energy, (2, 8), of a flat source at a place, for an avatar at the origin facing +x."""

    def hear(x, y, *, heading=0.0, walls=(), bands=FLAT):
        sounds = {"horn": SoundSource((x, y, EAR), bands)}
        state = make_world(spawns=[Spawn((0, 0), heading)], sounds=sounds, walls=walls)
        return energy(observe(state, "audio")[0, 0])

    return hear


def test_silence_is_zero(make_world, observe):
    sounds = {"horn": SoundSource((1, 0, 1), FLAT, on=False)}
    assert not observe(make_world(spawns=[(0, 0), (2, 0)], sounds=sounds), "audio").any()


def test_left_of_the_head_is_louder_in_the_left_ear_the_more_the_higher_the_band(hear):
    heard = hear(0, 3)
    ratio = heard[LEFT] / heard[RIGHT]
    assert (ratio > 1).all()
    assert (np.diff(ratio) > 0).all()
    np.testing.assert_allclose(hear(0, -3)[::-1], heard, rtol=1e-4)


@pytest.mark.parametrize("heading", [0.7, -2.0, 3.1])
def test_direction_is_relative_to_the_head(heading, hear):
    ahead = hear(3 * math.cos(heading), 3 * math.sin(heading), heading=heading)
    np.testing.assert_allclose(ahead[LEFT], ahead[RIGHT], rtol=1e-4)
    np.testing.assert_allclose(ahead, hear(3, 0), rtol=1e-4)


def test_the_head_shadow_is_brown_and_dudas_at_the_ear_and_opposite(hear):
    """Equations 3 and 4 of the paper, evaluated here for 0 and 180 degrees."""
    x = 2 * math.pi * 62.5 * 2.0 ** np.arange(8) * 0.0875 / (2 * 343.0)
    for ear, angle in ((LEFT, 0.0), (RIGHT, 180.0)):
        zero = 1.05 + 0.95 * math.cos(math.radians(angle * 180 / 150))
        gain = abs((1 + 1j * zero * x) / (1 + 1j * x)) ** 2
        np.testing.assert_allclose(hear(0, 2)[ear], gain / 4, rtol=1e-3)


def test_energy_falls_with_the_square_of_the_distance(hear):
    np.testing.assert_allclose(hear(2, 0), hear(1, 0) / 4, rtol=1e-3)
    np.testing.assert_allclose(hear(5, 0), hear(1, 0) / 25, rtol=1e-3)
    # Nearer than half a metre it no longer grows: no value without bounds.
    np.testing.assert_allclose(hear(0.1, 0), hear(0.5, 0), rtol=1e-3)


def test_high_bands_are_weaker_from_behind(hear):
    front, back = hear(3, 0), hear(-3, 0)
    np.testing.assert_allclose(back[:, :4], front[:, :4], rtol=1e-4)
    np.testing.assert_allclose(back[:, 5:], front[:, 5:] / 2, rtol=1e-3)


def test_walls_muffle_high_bands_more_than_low_and_two_more_than_one(hear):
    one = Prop(Box(0.2, 4, 3), (1, 0))
    two = Prop(Box(0.2, 4, 3), (2, 0))
    free, behind, far_behind = hear(3, 0), hear(3, 0, walls=[one]), hear(3, 0, walls=[one, two])
    expected = 1 / (1 + (62.5 * 2.0 ** np.arange(8) / 250) ** 2)
    np.testing.assert_allclose((behind / free)[:, :6], [expected[:6]] * 2, rtol=0.02)
    assert (np.diff(behind[LEFT]) < 0).all()
    np.testing.assert_allclose((far_behind / free)[:, :4], [expected[:4] ** 2] * 2, rtol=0.02)
    aside = hear(3, 0, walls=[Prop(Box(0.2, 4, 3), (1, 5))])
    np.testing.assert_array_equal(aside, free)


def test_each_band_is_heard_in_its_place(hear):
    for band in range(8):
        heard = hear(1, 0, bands=np.eye(8)[band])
        assert (heard[:, band] > 0.5).all()
        assert not np.delete(heard, band, axis=1).any()


def test_footsteps_grow_with_speed_and_stand_still_in_silence(make_world, observe):
    state = make_world(spawns=[(0, 0), (2, 0)])

    def at(speed):
        state.avatars.velocity[0, 1, 0] = speed
        return energy(observe(state, "audio")[0])

    slow, fast = at(0.5), at(1.0)
    np.testing.assert_allclose(fast[0], 2 * slow[0], rtol=1e-3)
    assert fast[0].sum() > 0
    assert not at(0.01).any()
    # One's own steps are fainter than those of another two metres away.
    assert 0 < fast[1].sum() < fast[0].sum()


def test_a_bump_is_heard_for_its_step(make_world, observe):
    state = make_world(spawns=[(0, 0), (2, 0)])
    state.events.bumped[0, 1] = True
    assert observe(state, "audio")[0, 0, LEFT, 0] > 0
    state.events.clear()
    assert not observe(state, "audio").any()


def test_utterances_sound_different_and_carry_ten_metres(make_world, observe):
    state = make_world(spawns=[(0, 0), (9.9, 0)])
    heard = []
    for utterance in range(len(state.utterances)):
        state.avatars.utterance[0, 1] = utterance
        heard.append(observe(state, "audio")[0, 0])
    gaps = [np.abs(a - b).max() for i, a in enumerate(heard) for b in heard[:i]]
    assert min(gaps) > 0.05
    state.avatars.position[0, 1, 0] = 10.1
    assert not observe(state, "audio")[0, 0].any()


def test_voices_differ_from_one_another_and_have_power_one():
    spectra = voices(60)
    np.testing.assert_allclose(spectra.sum(1), 1)
    gaps = np.abs(spectra[:, None] - spectra[None]).max(-1)
    assert gaps[np.triu_indices(60, 1)].min() > 0.005
    np.testing.assert_array_equal(spectra[:4], voices(4))
