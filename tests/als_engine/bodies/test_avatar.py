"""Actions to commands and back, and the limits of a body."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from als_engine.bodies.avatar import (
    HAND_PICK_UP,
    HAND_PUT_DOWN,
    HAND_REST,
    HAND_USE,
    Commands,
    drive,
)
from als_engine.bodies.bounds import action_bounds
from als_engine.bodies.codec import (
    ACTION_MODES,
    CONTINUOUS_ACTIONS,
    DISCRETE_ACTIONS,
    HANDS,
    LOCOMOTION,
    Codec,
)
from als_engine.errors import ActionError, ArgumentError
from als_engine.world.layout import Layout, Prop, Spawn, Sphere
from als_engine.world.state import NOTHING, Body, WorldState

SAID = ("yes", "no", "help")
UNIT = st.floats(-1, 1, width=32)
BODIES = [Body(), Body(mass=30.0, speed=1.0, acceleration=3.0, turn_speed=1.0)]


def decoded(codec, actions, observers=1):
    commands = Commands(len(actions), observers)
    codec.decode(np.asarray(actions).reshape(len(actions), observers, *codec.shape), commands,
                 observers)  # fmt: skip
    return commands


def test_every_discrete_action_is_its_own_way_back():
    codec = Codec("discrete", SAID)
    actions = np.arange(codec.space.n)
    assert codec.encode(decoded(codec, actions), 1).ravel().tolist() == actions.tolist()
    assert codec.names[: len(DISCRETE_ACTIONS)] == DISCRETE_ACTIONS
    assert codec.names[len(DISCRETE_ACTIONS) :] == ("say 'yes'", "say 'no'", "say 'help'")


@given(hnp.arrays(np.float32, (3, 6), elements=UNIT), st.integers(0, 5))
def test_a_continuous_action_survives_the_way_there_and_back(actions, utterances):
    codec = Codec("continuous", [f"word {i}" for i in range(utterances)])
    commands = decoded(codec, actions)
    again = codec.encode(commands, 1)
    assert codec.space.contains(again[0, 0])
    back = decoded(codec, again)
    for name in ("move", "turn", "hand", "say"):
        assert (getattr(back, name) == getattr(commands, name)).all(), name
    assert ((commands.say >= NOTHING) & (commands.say < utterances)).all()


@given(
    hnp.arrays(np.float64, (2, 2, 2), elements=st.floats(-1, 1)),
    hnp.arrays(np.float64, (2, 2), elements=st.floats(-1, 1)),
    hnp.arrays(np.int8, (2, 2), elements=st.integers(0, 3)),
    hnp.arrays(np.int32, (2, 2), elements=st.integers(-1, 2)),
)
def test_whatever_an_expert_commands_becomes_an_action_of_the_space(move, turn, hand, say):
    commands = Commands(2, 2)
    commands.move[:], commands.turn[:], commands.hand[:], commands.say[:] = move, turn, hand, say
    for mode in ACTION_MODES:
        codec = Codec(mode, SAID)
        actions = codec.encode(commands, 2)
        assert actions.dtype == codec.space.dtype
        assert all(codec.space.contains(action) for row in actions for action in row)


@pytest.mark.parametrize(
    ("axis", "value", "hand"),
    [
        (3, 1.0, HAND_PICK_UP),
        (3, 0.34, HAND_PICK_UP),
        (3, 0.33, HAND_REST),
        (3, -0.33, HAND_REST),
        (3, -1.0, HAND_PUT_DOWN),
        (4, 0.34, HAND_USE),
        (4, -1.0, HAND_REST),
    ],
)
def test_the_hand_acts_beyond_a_third(axis, value, hand):
    action = np.zeros(6, np.float32)
    action[axis] = value
    assert decoded(Codec("continuous", SAID), [action]).hand[0, 0] == hand


def test_speech_has_equal_intervals_with_silence_first():
    codec = Codec("continuous", SAID)
    edges = {-1.0: -1, -0.51: -1, -0.49: 0, -0.01: 0, 0.01: 1, 0.49: 1, 0.51: 2, 1.0: 2}
    actions = np.zeros((len(edges), 6), np.float32)
    actions[:, 5] = list(edges)
    assert decoded(codec, actions).say.ravel().tolist() == list(edges.values())
    assert len(CONTINUOUS_ACTIONS) == 6


def test_precision_of_the_caller_s_array_makes_no_difference():
    codec = Codec("continuous", SAID)
    rough = np.random.default_rng(0).uniform(-1, 1, (5, 6))
    one, other = decoded(codec, rough), decoded(codec, rough.astype(np.float32))
    assert (one.move == other.move).all()
    assert (one.turn == other.turn).all()


@settings(max_examples=50)
@given(hnp.arrays(np.float64, (2, 6), elements=st.floats(allow_nan=True, allow_infinity=True)))
def test_an_action_is_either_in_the_space_or_refused(actions):
    codec = Codec("continuous", SAID)
    inside = (np.abs(actions) <= 1).all(axis=1)
    if inside.all():
        assert (np.abs(decoded(codec, actions).move) <= 1).all()
    elif (np.abs(np.nan_to_num(actions, nan=9.0)) > 1.00001).any():
        with pytest.raises(ActionError, match=r"action of world [01], avatar 0 is not in Box"):
            decoded(codec, actions)


def test_every_factored_action_is_its_own_way_back():
    codec = Codec("factored", SAID)
    assert codec.names == tuple(codec.choices) == ("locomotion", "hand", "say")
    assert codec.choices["say"] == ("nothing", "'yes'", "'no'", "'help'")
    sizes = [len(choices) for choices in codec.choices.values()]
    assert codec.space.nvec.tolist() == sizes == [len(LOCOMOTION), len(HANDS), 4]
    actions = np.stack(np.meshgrid(*map(np.arange, sizes)), axis=-1).reshape(-1, 3)
    commands = decoded(codec, actions)
    assert np.array_equal(codec.encode(commands, 1)[:, 0], actions)
    plain = Codec("discrete", SAID)
    one_by_one = decoded(plain, np.arange(plain.space.n))
    for part, name in ((0, "move"), (0, "turn")):
        alone = getattr(one_by_one, name)[:, 0]
        assert np.array_equal(getattr(commands, name)[:, 0], alone[actions[:, part]]), name
    assert np.array_equal(commands.hand[:, 0], actions[:, 1])
    assert np.array_equal(commands.say[:, 0], actions[:, 2] - 1)


@pytest.mark.parametrize("bad", [(7, 0, 0), (0, 4, 0), (0, 0, 4), (-1, 0, 0)])
def test_a_factored_action_outside_a_part_is_refused(bad):
    codec = Codec("factored", SAID)
    low, high = action_bounds(codec.space)
    assert not ((low <= np.array(bad)) & (np.array(bad) <= high)).all()
    with pytest.raises(ActionError, match=r"action of world 1, avatar 0 is not in MultiDiscrete"):
        decoded(codec, [(0, 0, 0), bad])
    with pytest.raises(ActionError, match="factored actions must be integers"):
        decoded(codec, [(0.0, 0.0, 0.0)])


def test_there_are_three_modes():
    with pytest.raises(ArgumentError, match='unknown action_mode "discreet"; did you mean "disc'):
        Codec("discreet", SAID)


# -- the body ---------------------------------------------------------------------------------


def worlds(bodies=BODIES):
    layout = Layout(
        spawns=[Spawn((2.0 * i, 0.0)) for i in range(len(bodies))],
        props={"load": Prop(Sphere(0.2), (0, 5), mass=20.0, portable=True)},
    )
    state = WorldState(1, bodies, layout, {}, SAID)
    state.load(0, layout, level=0, key=0)
    return state


@given(
    hnp.arrays(np.float64, (1, 2, 2), elements=st.floats(-1, 1)),
    hnp.arrays(np.float64, (1, 2, 3), elements=st.floats(-50, 50)),
    hnp.arrays(np.float64, (1, 2), elements=st.floats(-4, 4)),
    st.booleans(),
)
def test_the_push_is_at_most_mass_times_acceleration(move, velocity, heading, loaded):
    state, commands, force = worlds(), Commands(1, 2), np.zeros((1, 2, 2))
    state.avatars.velocity[:], state.avatars.heading[:] = velocity, heading
    state.avatars.held[0, 0] = 0 if loaded else NOTHING
    commands.move[:] = move
    drive(state, commands, force)
    limits = [body.mass * body.acceleration for body in BODIES]
    assert (np.hypot(force[0, :, 0], force[0, :, 1]) <= np.array(limits) * (1 + 1e-9)).all()


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=20))
def test_turning_keeps_to_speed_and_acceleration_and_headings_wrap(turns):
    state, commands, force = worlds(), Commands(1, 2), np.zeros((1, 2, 2))
    before = state.avatars.turn_rate.copy()
    for turn in turns:
        commands.turn[:] = turn
        drive(state, commands, force)
        for avatar, body in enumerate(BODIES):
            rate = state.avatars.turn_rate[0, avatar]
            assert abs(rate) <= body.turn_speed + 1e-9
            gain = body.turn_acceleration * state.time_step
            assert abs(rate - before[0, avatar]) <= gain + 1e-9
        assert ((state.avatars.heading >= -math.pi) & (state.avatars.heading < math.pi)).all()
        before = state.avatars.turn_rate.copy()


def goal(move, heading=0.0, held=NOTHING):
    """The velocity at which a command would hold avatar 0 steady: no force is needed there."""
    state, commands, force = worlds(), Commands(1, 2), np.zeros((1, 2, 2))
    state.avatars.heading[0, 0], state.avatars.held[0, 0] = heading, held
    commands.move[0, 0] = move
    for _ in range(200):
        drive(state, commands, force)
        state.avatars.velocity[0, 0, :2] += force[0, 0] / 60.0 * state.time_step
    return state.avatars.velocity[0, 0, :2]


def test_walking_is_in_the_body_s_frame_and_slower_sideways_backward_and_loaded():
    assert goal((1, 0)) == pytest.approx([2.0, 0.0])
    assert goal((1, 0), heading=math.pi / 2) == pytest.approx([0.0, 2.0])
    assert goal((0.5, 0)) == pytest.approx([1.0, 0.0])
    assert goal((-1, 0)) == pytest.approx([-1.4, 0.0])
    assert goal((0, 1)) == pytest.approx([0.0, 1.4])
    assert np.hypot(*goal((1, 1))) < 2.0
    assert goal((1, 0), held=0) == pytest.approx([2.0 * 60 / 80, 0.0])
