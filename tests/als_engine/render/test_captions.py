"""Captions can be read, stay within the picture, and say what happened for long enough."""

from __future__ import annotations

import numpy as np
import pytest
from acme_worlds import REACH, Trade
from hypothesis import given
from hypothesis import strategies as st

from als_engine import ScenarioSpec
from als_engine.font.glyphs import HEIGHT, WIDTH, bitmaps, indices
from als_engine.render.captions import Caption, wrap, write
from als_engine.simulation import Captions, Simulation, simulate
from als_engine.simulation.captions import SHOWN_AT_LEAST
from als_engine.world.layout import SoundSource

RED = (255, 0, 0)
TRADE = ScenarioSpec(id="Acme/Trade-v0", task="acme_worlds:Trade", max_episode_steps=40)


def picture(height=120, width=240):
    return np.full((height, width, 3), 180, np.uint8)


@given(st.text("ab ñ", max_size=60), st.integers(3, 20), st.integers(0, 20))
def test_wrapping_loses_nothing_and_keeps_to_the_width(text, columns, first):
    lines = wrap(text, columns, first)
    assert all(len(line) <= columns for line in lines)
    assert len(lines[0]) <= max(columns - first, 0)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


def test_words_stay_whole_where_they_fit():
    assert wrap("what is seven plus five", 10) == ["what is", "seven plus", "five"]
    assert wrap("go home", 10, first=8) == ["go", "home"]
    assert wrap("home", 10, first=8) == ["", "home"]
    assert wrap("extraordinarily", 10) == ["extraordin", "arily"]


@pytest.mark.parametrize("scale", [1, 2])
def test_a_caption_is_written_in_the_font_with_the_name_in_its_colour(scale):
    out = picture()
    write(out, [Caption("Ждите!", "ana", RED)], scale=scale)
    ink = bitmaps()[indices("ana: Ждите!")].transpose(1, 0, 2).reshape(HEIGHT, -1) > 0
    ink = ink.repeat(scale, 0).repeat(scale, 1)
    bright = out.max(axis=2) == 255
    rows, columns = np.flatnonzero(bright.any(1)), np.flatnonzero(bright.any(0))
    found = bright[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    used = ink[ink.any(1)][:, np.flatnonzero(ink.any(0))[0] : np.flatnonzero(ink.any(0))[-1] + 1]
    assert (found == used).all()
    white = (out == 255).all(axis=2)
    assert not white[:, : columns[0] + 3 * WIDTH * scale - 1].any()
    assert white[:, columns[0] + 3 * WIDTH * scale :].any()
    assert rows[0] > 120 - 2 * 11 * scale


def test_captions_keep_to_the_picture_and_off_what_is_reserved():
    out = picture()
    write(out, [Caption("word " * 100, "a name that is longer than any line is " * 3)], reserved=80)
    assert (out[:, 160:] == 180).all()
    assert (out[:6] == 180).all()
    assert (out != 180).any()
    tiny = picture(20, 20)
    write(tiny, [Caption("no room")])
    assert (tiny == 180).all()


def test_too_many_lines_end_in_an_ellipsis():
    some, more = picture(), picture()
    write(some, [Caption("one"), Caption("two")], most=2, top=True)
    write(more, [Caption("one"), Caption("two"), Caption("three")], most=2, top=True)
    assert (some[:28] == more[:28]).all()
    assert (some != more).any()


@pytest.fixture
def simulation():
    simulation = simulate(REACH, sensors=(), num_avatars=2)
    simulation.reset([0])
    yield simulation
    simulation.close()


def lower(captions, simulation):
    """Whether anything is written in the lower half."""
    return (captions.draw(simulation, picture(240, 480))[120:] != 180).any()


def test_speech_stays_long_enough_to_be_read(simulation):
    captions = Captions()
    captions.update(simulation)
    assert not lower(captions, simulation)
    state = simulation.state
    state.avatars.utterance[0, 1] = 0
    captions.update(simulation)
    state.avatars.utterance[0, 1] = -1
    shown = []
    for _ in range(60):
        shown.append(lower(captions, simulation))
        state.step += 1
        captions.update(simulation)
    assert sum(shown) == pytest.approx(SHOWN_AT_LEAST / state.time_step, abs=1)
    assert shown == sorted(shown, reverse=True)
    state.avatars.utterance[0, 1] = 0
    captions.update(simulation)
    state.avatars.utterance[0, 1] = -1
    simulation.reset([1])
    captions.update(simulation)
    assert not lower(captions, simulation)


def test_rewards_stand_by_term_and_drawing_changes_nothing():
    simulation = simulate(TRADE, sensors=())
    try:
        simulation.reset([0])
        captions, before = Captions(), simulation.state.digest(0)
        captions.update(simulation)
        plain = picture(240, 480)
        one = captions.draw(simulation, plain)
        assert (plain == 180).all()
        simulation.terms[0, 0] = (1.25, -0.5)
        two = captions.draw(simulation, plain)
        assert (one[:16] != two[:16]).any()
        assert (one[17:] == two[17:]).all()
        assert simulation.state.digest(0) == before
        assert simulation.reward_names == Trade.reward_names
    finally:
        simulation.close()


def test_a_sound_is_shown_while_it_is_on():
    class Humming(Trade):
        def layout(self, rng, level):
            laid = super().layout(rng, level)
            sounds = {"hum": SoundSource((0.0, 0.0, 1.0), on=False)}
            return type(laid)(laid.spawns, laid.walls, laid.props, sounds=sounds)

    simulation = Simulation(Humming(), scenario="Acme/Hum-v0", sensors=())
    try:
        simulation.reset([0])
        captions = Captions()
        captions.update(simulation)
        assert not lower(captions, simulation)
        simulation.state.switch("hum", [0])
        assert lower(captions, simulation)
    finally:
        simulation.close()
