"""What an avatar reads as tokens: its instruction, what it hears, the sign before its eyes."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from acme_worlds import REACH, Reach

from als_engine.errors import ArgumentError
from als_engine.sensors import Setup, make_sensors
from als_engine.sensors.text import ROOM
from als_engine.sensors.tokenizer import TOLD, decode, encode
from als_engine.simulation import simulate
from als_engine.world.layout import Box, Prop, Sign, SoundSource, Spawn

LENGTH = Setup(1, 1, 1).text_tokens
MOST_TOLD = LENGTH - ROOM
SIGN = Sign("exit\nleft", (4, 0, 1.5), math.pi)


def text(observe, state, avatar=0, world=0):
    return decode(observe(state, "text")[world, avatar])


def test_nothing_to_tell_is_padding_alone(make_world, observe):
    assert not observe(make_world(spawns=[(0, 0)]), "text").any()


def test_each_avatar_has_its_own_instruction(make_world, observe):
    state = make_world(spawns=[(0, 0), (9, 0)], instruction=["run", "chase"], worlds=2)
    state.instruct([1], "wait", avatar=0)
    said = [[text(observe, state, avatar, world) for avatar in (0, 1)] for world in (0, 1)]
    assert said == [["<told> run", "<told> chase"], ["<told> wait", "<told> chase"]]


def test_everything_comes_in_order(make_world, observe):
    state = make_world(
        spawns=[Spawn((0, 0)), Spawn((0, 2)), Spawn((0, 4))],
        instruction="go",
        sounds={"bell": SoundSource((1, 1, 1), text="ring"), "hum": SoundSource((1, 1, 1))},
        signs={"sign": SIGN},
    )
    state.avatars.utterance[0] = [0, 2, 3]
    expected = "<told> go <heard> help <heard> wait <heard> ring <read> exit left"
    assert text(observe, state) == expected
    assert text(observe, state, 1).startswith("<told> go <heard> yes <heard> wait")


def test_words_carry_eight_metres(make_world, observe):
    sounds = {
        "bell": SoundSource((0, 7.9, 1), text="ring"),
        "far": SoundSource((0, 8.1, 1), text="no"),
    }
    state = make_world(spawns=[(0, 0), (7.9, 0), (-8.1, 0)], sounds=sounds)
    state.avatars.utterance[0] = [-1, 0, 1]
    assert text(observe, state) == "<heard> yes <heard> ring"


def test_a_source_that_is_off_says_nothing(make_world, observe):
    state = make_world(
        spawns=[(0, 0)], sounds={"bell": SoundSource((1, 0, 1), on=False, text="ring")}
    )
    assert text(observe, state) == ""


@pytest.mark.parametrize(
    ("sign", "read"),
    [
        (SIGN, True),
        (Sign("exit\nleft", (6.1, 0, 1.5), math.pi), False),  # too far
        (Sign("exit\nleft", (4, 0, 1.5), 0.0), False),  # its back
        (Sign("exit\nleft", (-4, 0, 1.5), 0.0), False),  # behind the avatar
        (Sign("exit\nleft", (2, 3.4, 1.5), -math.pi / 2), True),  # 59.5 degrees to the left
        (Sign("exit\nleft", (2, 3.6, 1.5), -math.pi / 2), False),  # 60.9 degrees
        (Sign("", (4, 0, 1.5), math.pi), False),
    ],
)
def test_a_sign_is_read_from_before_it_and_near(sign, read, make_world, observe):
    state = make_world(spawns=[(0, 0)], signs={"sign": sign})
    assert text(observe, state) == ("<read> exit left" if read else "")


def test_a_sign_behind_a_wall_is_not_read(make_world, observe):
    wall = Prop(Box(0.2, 4, 3), (2, 0))
    state = make_world(spawns=[(0, 0), Spawn((3, 0))], signs={"sign": SIGN}, walls=[wall])
    assert text(observe, state, 0) == ""
    assert text(observe, state, 1) == "<read> exit left"


def test_the_nearest_sign_that_can_be_read_is_read(make_world, observe):
    signs = {
        "far": Sign("far", (5, 0, 1.5), math.pi),
        "near": Sign("near", (3, 1, 1.5), math.pi),
        "hidden": Sign("hidden", (2.5, -1.5, 1.5), math.pi),
    }
    wall = Prop(Box(0.2, 1, 3), (2, -1.2))
    state = make_world(spawns=[(0, 0)], signs=signs, walls=[wall])
    assert text(observe, state) == "<read> near"
    state.signs.present[0, 1] = False
    assert text(observe, state) == "<read> far"


def test_long_texts_are_cut_off_and_an_instruction_leaves_room(make_world, observe):
    sounds = {"voice": SoundSource((1, 0, 1), text="nine " * 50)}
    state = make_world(spawns=[(0, 0)], instruction="one " * 100, sounds=sounds)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tokens = observe(state, "text")[0, 0]
    assert tokens[: 1 + MOST_TOLD].tolist() == [TOLD, *encode("one " * 100)[:MOST_TOLD]]
    assert decode(tokens[1 + MOST_TOLD :]).startswith("<heard> nine nine")
    assert len(tokens) == LENGTH
    assert tokens.all()


@pytest.mark.parametrize("tokens", [128, 300])
def test_an_instruction_that_fits_is_observed_as_a_whole(tokens, make_world):
    told = " ".join(["one"] * (tokens - ROOM))
    assert len(encode(told)) == tokens - ROOM
    state = make_world(spawns=[(0, 0)], instruction=told)
    (sensor,) = make_sensors(["text"], Setup(1, 1, 1, text_tokens=tokens))
    out = np.zeros((1, 1, tokens), np.int16)
    assert sensor.spaces()["text"].shape == (tokens,)
    sensor.read(state, {"text": out})
    assert decode(out[0, 0]) == f"<told> {told}"
    assert sensor.truncated_instructions == 0


def test_an_instruction_that_is_too_long_is_counted_and_named_once(make_world):
    state = make_world(
        spawns=[(0, 0), (1, 0)], instruction=[" ".join(["one"] * 97), "go"], worlds=2
    )
    setup = Setup(2, 2, 2, scenario="Test/Long-v0", task="Long")
    (sensor,) = make_sensors(["text"], setup)
    out = {"text": np.zeros((2, 2, LENGTH), np.int16)}
    with pytest.warns(RuntimeWarning) as given:
        sensor.read(state, out)
    assert [str(each.message) for each in given] == [
        "Test/Long-v0, level 0, step 0: the instruction of avatar 0 has 97 tokens, of which 96 are "
        "observed; shorten it, or let Long.text_tokens be at least 129"
    ]
    assert sensor.truncated_instructions == 2
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        state.instruct([1], "stop", avatar=1)  # Avatar 0's is not told anew.
        sensor.read(state, out)
        assert sensor.truncated_instructions == 2
        state.instruct([0], " ".join(["two"] * 97))
        sensor.read(state, out)
    assert sensor.truncated_instructions == 4


def test_a_task_says_how_many_tokens_there_are(monkeypatch):
    monkeypatch.setattr(Reach, "text_tokens", 200)
    simulation = simulate(REACH, sensors=["text"])
    assert simulation.observation_space["text"].shape == (200,)
    assert simulation.observations["text"].shape == (1, 1, 200)
    try:
        simulation.reset([0])
        simulation.observe()
        assert simulation.truncated_instructions == 0
        simulation.state.instruct([0], "one " * 200)
        with pytest.warns(RuntimeWarning, match="Acme/Reach-v0, level .*Reach.text_tokens"):
            simulation.observe()
        assert simulation.truncated_instructions == 1
    finally:
        simulation.close()
    monkeypatch.setattr(Reach, "text_tokens", 64)
    with pytest.raises(ArgumentError, match=r"Reach\.text_tokens must be a whole number"):
        simulate(REACH, sensors=["text"])


def test_a_change_of_text_shows_in_the_next_read_of_the_same_sensor(make_world):
    state = make_world(
        spawns=[(0, 0)],
        instruction="start",
        signs={"sign": SIGN},
        sounds={"voice": SoundSource((1, 0, 1), text="one")},
        worlds=3,
    )
    (sensor,) = make_sensors(["text"], Setup(3, 1, 1, utterances=state.utterances))
    out = np.zeros((3, 1, LENGTH), np.int32)

    def read():
        sensor.read(state, {"text": out})
        return [decode(row[0]) for row in out]

    before = "<told> start <heard> one <read> exit left"
    assert read() == [before] * 3
    state.instruct([1], "stop")
    assert read() == [before, before.replace("start", "stop"), before]
    state.say("voice", [False, True, True], ["two", "three"])
    state.write("sign", [0], "go")
    assert read() == [
        "<told> start <heard> one <read> go",
        "<told> stop <heard> two <read> exit left",
        "<told> start <heard> three <read> exit left",
    ]
    state.say("voice", [0, 1, 2], "")
    state.write("sign", [0, 1, 2], "")
    assert read() == ["<told> start", "<told> stop", "<told> start"]


def test_texts_are_encoded_only_when_they_change(make_world, monkeypatch):
    import als_engine.sensors.text as module

    state = make_world(spawns=[(0, 0)], instruction="start", signs={"sign": SIGN}, worlds=2)
    calls = []
    encoded = module.encoded
    monkeypatch.setattr(module, "encoded", lambda text: calls.append(text) or encoded(text))
    (sensor,) = make_sensors(["text"], Setup(2, 1, 1))
    out = {"text": np.zeros((2, 1, LENGTH), np.int32)}
    sensor.read(state, out)
    calls.clear()
    sensor.read(state, out)
    assert calls == []
    state.write("sign", [1], "stop")
    sensor.read(state, out)
    assert calls == ["stop"]
