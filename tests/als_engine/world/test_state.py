"""The state arrays: loading, changing and asking, each for the worlds named and for no others."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from als_engine.errors import ArgumentError, LayoutError
from als_engine.world.arrays import NOTHING, Body
from als_engine.world.layout import Box, Cylinder, Layout, Prop, Sign, SoundSource, Spawn
from als_engine.world.state import Quantity, WorldState

WORLDS, AVATARS = 3, 2


def layout(shift: float = 0.0, walls: int = 1) -> Layout:
    return Layout(
        spawns=[Spawn((shift, 0), 0.5), (shift + 1, 0)],
        walls=[Prop(Box(4, 0.2, 2), (0, 3 + i)) for i in range(walls)],
        props={
            "kettle": Prop(Cylinder(0.1, 0.3), (shift, 2), mass=1.0, portable=True, color="red"),
            "table": Prop(Box(1, 0.6, 0.7), (shift + 3, 2), heading=0.4),
            "ghost": Prop(Box(1, 1, 1), (0, 0), present=False),
        },
        signs={"board": Sign("A\nBC", (0, 2.9, 1.5))},
        sounds={"voice": SoundSource((0, 0, 1), on=False)},
        instruction="fetch",
        quantities={"score": 5.0},
    )


def make(num_worlds: int = WORLDS) -> WorldState:
    quantities = {"score": Quantity(), "order": Quantity((2,), np.int32, (7, 8))}
    state = WorldState(num_worlds, [Body()] * AVATARS, layout(), quantities, ("yes", "no"))
    for world in range(num_worlds):
        state.load(world, layout(shift=0.1 * world), level=world, key=100 + world)
    return state


def digests(state: WorldState) -> list[bytes]:
    return [state.digest(world) for world in range(state.num_worlds)]


def test_loading_writes_what_the_layout_says():
    state = make()
    assert state.avatars.position[1].tolist() == [[0.1, 0, 0], [1.1, 0, 0]]
    assert state.avatars.heading[1].tolist() == [0.5, 0.0]
    assert (state.avatars.held == NOTHING).all()
    assert state.props.names == ("kettle", "table", "ghost")
    assert state.props.position[1, 1].tolist() == [3.1, 2, 0.35]
    x, y, z, w = state.props.orientation[0, 1]
    assert (x, y, 2 * math.atan2(z, w)) == (0, 0, pytest.approx(0.4))
    assert state.props.present[0].tolist() == [True, True, False]
    assert state.signs.text[0] == ["A\nBC"]
    assert state.signs.glyphs[0, 0, 1, :3].tolist() == [*b"BC\0"]
    assert (state.signs.rows[0, 0], state.signs.columns[0, 0]) == (2, 2)
    assert state.instructions[0] == ["fetch", "fetch"]
    assert state["score"].tolist() == [5.0] * WORLDS
    assert state["order"].tolist() == [[7, 8]] * WORLDS
    assert state.level.tolist() == [0, 1, 2]


def test_a_sound_without_words_is_switched():
    state = make()
    before = digests(state)
    state.switch("voice", [True, False, True], [True, False])
    assert state.sounds.on[:, 0].tolist() == [True, False, False]
    assert [now != then for now, then in zip(digests(state), before, strict=True)] == [1, 0, 0]
    state.switch("voice", [0], on=False)
    assert digests(state) == before
    with pytest.raises(ArgumentError, match='unknown sound "voices"'):
        state.switch("voices", [0])


def test_loading_again_leaves_no_trace_of_the_last_episode():
    state, fresh = make(), make()
    state.avatars.velocity += 1
    state.avatars.held[:] = 0
    state.props.holder[:] = 1
    state.avatars.touches_prop[:] = state.events.bumped[:] = True
    state.write("board", [0, 1, 2], "OLD OLD OLD")
    state["order"][:] = 0
    state.step += 5
    state.load(1, layout(walls=9), level=3, key=9)
    for world in range(WORLDS):
        state.load(world, layout(shift=0.1 * world), level=world, key=100 + world)
    assert digests(state) == digests(fresh)
    assert not state.moved.any()


def test_a_world_with_more_walls_does_not_disturb_the_others():
    state = make()
    before = digests(state)
    state.load(1, layout(walls=40), level=1, key=101)
    assert state.walls.count.tolist() == [1, 40, 1]
    assert state.digest(0) == before[0]
    assert state.digest(2) == before[2]
    assert state.digest(1) != before[1]


@pytest.mark.parametrize("heading", [0.0, 0.7, math.pi / 2])
def test_bounds_hold_everything(heading):
    state = make()
    wall = Prop(Box(20, 0.2, 2), (1, -14), heading=heading)
    state.load(0, dataclasses.replace(layout(), walls=[wall]), 0, 0)
    x0, y0, x1, y1 = state.bounds[0]
    c, s = math.cos(heading), math.sin(heading)
    for u, v in ((10, 0.1), (10, -0.1), (-10, 0.1), (-10, -0.1)):
        assert x0 - 1e-9 <= 1 + c * u - s * v <= x1 + 1e-9
        assert y0 - 1e-9 <= -14 + s * u + c * v <= y1 + 1e-9
    assert x1 >= 3.5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"props": {"kettle": Prop(Box(1, 1, 1), (5, 5))}}, "level 4 names the props ('kettle',)"),
        ({"quantities": {"scroe": 1}}, 'unknown quantity "scroe"; did you mean "score"?'),
        ({"walls": [Prop(Box(9, 9, 2), (0, 0))]}, "spawn 0 is inside wall 0"),
        ({"spawns": [(3, 2), (0, 0)]}, "spawn 0 is inside prop 'table'"),
        ({"spawns": [(1, 1), (1, 1.1)]}, "spawns 0 and 1 are in the same place"),
        ({"spawns": [(1, 1)]}, "layout has 1 spawns for 2 avatars"),
    ],
)
def test_a_layout_that_does_not_fit_is_refused(change, message):
    with pytest.raises(LayoutError) as error:
        make().load(0, dataclasses.replace(layout(), **change), level=4, key=0)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_spawn_may_be_under_a_lintel_or_where_a_prop_is_absent():
    lintel = Prop(Box(4, 4, 0.3), (0, 0, 2.2))
    make().load(0, dataclasses.replace(layout(), walls=[lintel]), 0, 0)


# -- changes ------------------------------------------------------------------------------------

MASKS = [[1], np.array([False, True, False]), np.array([1]), 1]


@pytest.mark.parametrize("worlds", MASKS, ids=["list", "mask", "array", "index"])
@pytest.mark.parametrize(
    "change",
    [
        lambda state, worlds: state.write("board", worlds, "NEW"),
        lambda state, worlds: state.say("voice", worlds, "hello"),
        lambda state, worlds: state.instruct(worlds, "stop"),
        lambda state, worlds: state.instruct(worlds, "stop", avatar=1),
        lambda state, worlds: state.move("table", worlds, (5, 5, 0.35), heading=1.0),
        lambda state, worlds: state.show("table", worlds, False),
    ],
    ids=["write", "say", "instruct", "instruct one", "move", "show"],
)
def test_a_change_reaches_the_worlds_named_and_no_others(change, worlds):
    state = make()
    before = digests(state)
    change(state, worlds)
    assert [a == b for a, b in zip(before, digests(state), strict=True)] == [True, False, True]


@pytest.mark.parametrize("nothing", [[], np.zeros(WORLDS, np.bool_)])
def test_a_change_for_no_world_changes_nothing(nothing):
    state = make()
    before = digests(state)
    state.write("board", nothing, "NEW")
    state.say("voice", nothing, [])
    state.move("table", nothing, (5, 5, 0.35))
    state.show("table", nothing, False)
    assert digests(state) == before
    assert not state.moved.any()


def test_each_world_can_get_its_own_text():
    state = make()
    state.write("board", [2, 0], ["TWO", "NIL"])
    state.say("voice", [True, False, True], ["one", ""])
    assert [texts[0] for texts in state.signs.text] == ["NIL", "A\nBC", "TWO"]
    assert state.sounds.on[:, 0].tolist() == [True, False, False]
    assert state.signs.glyphs[0, 0, 0, :4].tolist() == [*b"NIL\0"]
    assert not state.signs.glyphs[0, 0, 1].any()


def test_versions_tell_what_was_rewritten():
    state = make()
    signs, sounds = state.signs.version.copy(), state.sounds.version.copy()
    told = state.instruction_version.copy()
    state.write("board", [1], "NEW")
    state.say("voice", [1], "hello")
    state.instruct([1], "stop", avatar=0)
    assert (state.signs.version - signs).tolist() == [0, 1, 0]
    assert (state.sounds.version - sounds).tolist() == [0, 1, 0]
    assert (state.instruction_version - told).tolist() == [0, 1, 0]
    assert state.instructions[1] == ["stop", "fetch"]


def test_moving_and_hiding_take_a_prop_out_of_the_hand():
    state = make()
    for change in (
        lambda: state.move("kettle", [0], (1, 1, 0.15)),
        lambda: state.show("kettle", [0], False),
    ):
        state.avatars.held[:, 1], state.props.holder[:, 0] = 0, 1
        change()
        assert state.avatars.held[:, 1].tolist() == [NOTHING, 0, 0]
        assert state.props.holder[:, 0].tolist() == [NOTHING, 1, 1]
        assert state.moved[:, 0].tolist() == [True, False, False]
    assert state.props.present[:, 0].tolist() == [False, True, True]


def test_move_takes_one_row_for_each_world():
    state = make()
    state.move("table", [0, 2], [(1, 2, 0.35), (3, 4, 0.35)], heading=[0.0, math.pi / 2])
    assert state.position("table")[[0, 2]].tolist() == [[1, 2, 0.35], [3, 4, 0.35]]
    assert state.props.orientation[2, 1, 2] == pytest.approx(math.sqrt(0.5))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda s: s.write("bord", [0], "x"), 'unknown sign "bord"; did you mean "board"?'),
        (lambda s: s.move("tabel", [0], (0, 0, 0)), 'unknown prop "tabel"; did you mean "table"?'),
        (lambda s: s.say("voices", [0], "x"), 'unknown sound "voices"; did you mean "voice"?'),
        (lambda s: s.position("avatar_2"), 'unknown thing "avatar_2"'),
        (lambda s: s.position("tabel"), 'unknown thing "tabel"; did you mean "table"?'),
        (lambda s: s.touching("table", "kettle"), "one of 'kettle' and 'table' must be \"ava"),
        (lambda s: s.write("board", [0], ["a", "b"]), "2 texts for 1 worlds"),
        (lambda s: s.show("table", [3]), "worlds [3] are not all in 0 to 2"),
        (lambda s: s.show("table", [True, False]), "a mask of 3 worlds has the shape (2,)"),
    ],
)
def test_wrong_arguments_are_named_in_one_line(wrong, message):
    with pytest.raises(ArgumentError) as error:
        wrong(make())
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


def test_a_text_that_does_not_fit_leaves_the_sign_as_it_was():
    state = make()
    before = digests(state)
    with pytest.raises(LayoutError, match="sign 'board' holds 4 lines of 16 characters"):
        state.write("board", [0], "x" * 17)
    assert digests(state) == before


# -- questions ----------------------------------------------------------------------------------


def test_distances_have_the_shape_of_what_is_asked():
    state = make()
    assert state.distance("kettle", "table").tolist() == pytest.approx([3.0] * WORLDS)
    avatars = state.distance("avatars", "kettle")
    assert avatars.shape == state.distance("kettle", "avatars").shape == (WORLDS, AVATARS)
    assert avatars[0].tolist() == pytest.approx([2.0, math.sqrt(5)])
    assert state.distance("avatar_0", "avatar_1").tolist() == pytest.approx([1.0] * WORLDS)
    assert state.near("avatars", "kettle", 2.1)[0].tolist() == [True, False]
    assert state.position("board").shape == state.position("voice").shape == (WORLDS, 3)


def test_touching_reads_the_contacts():
    state = make()
    state.avatars.touches_prop[1, 0, 1] = True
    expected = [[False, False], [True, False], [False, False]]
    assert state.touching("avatars", "table").tolist() == expected
    assert state.touching("table", "avatars").tolist() == expected
    assert state.touching("avatars", "avatars").shape == (WORLDS, AVATARS, AVATARS)


@given(st.integers(0, 2**63 - 1), st.integers(0, 10_000), st.integers(0, 4095))
def test_uniform_numbers_belong_to_the_world_and_not_to_its_place(key, step, stream):
    one, many = make(1), make(WORLDS)
    one.key[:], one.step[:] = key, step
    many.key[2], many.step[2] = key, step
    alone, together = one.uniform(stream, (4, 2)), many.uniform(stream, (4, 2))
    assert together.shape == (WORLDS, 4, 2)
    assert (alone[0] == together[2]).all()
    assert (alone >= 0).all()
    assert (alone < 1).all()
    assert one.uniform(stream)[0] == alone[0, 0, 0]


def test_uniform_numbers_are_uniform_and_differ_by_step_stream_and_world():
    state = make()
    draws = state.uniform(3, (5_000,))
    for sample in draws:
        assert np.abs(np.histogram(sample, 10, (0, 1))[0] - 500).max() < 110
    assert np.abs(np.corrcoef(draws)[np.triu_indices(3, 1)]).max() < 0.05
    assert (state.uniform(4, (50,)) != draws[:, :50]).all()
    state.step += 1
    assert (state.uniform(3, (50,)) != draws[:, :50]).all()


@pytest.mark.parametrize(
    "name",
    [
        "avatars.position", "avatars.velocity", "avatars.heading", "avatars.turn_rate",
        "avatars.held", "avatars.utterance", "avatars.touch", "avatars.touches_prop",
        "props.position", "props.orientation", "props.velocity", "props.present", "props.holder",
        "walls.position", "signs.present", "sounds.on", "sounds.bands", "events.bumped",
        "events.used", "level", "step", "key",
    ],
)  # fmt: skip
def test_the_digest_notices_a_change_of_anything(name):
    state = make()
    before = digests(state)
    array = state
    for part in name.split("."):
        array = getattr(array, part)
    flat = array[1].reshape(-1) if array.ndim > 1 else array[1:2]
    flat[-1 if "walls" not in name else 0] += 1 if array.dtype != np.bool_ else True
    if array.dtype == np.bool_ and digests(state) == before:
        flat[-1] = False
    after = digests(state)
    assert [a == b for a, b in zip(before, after, strict=True)] == [True, False, True]


def test_the_digest_notices_a_task_quantity_and_a_text():
    for change in (
        lambda state: state["order"].__setitem__((1, 1), 3),
        lambda state: state.instruct([1], "fetch!", avatar=1),
    ):
        state = make()
        before = digests(state)
        change(state)
        assert [a == b for a, b in zip(before, digests(state), strict=True)] == [True, False, True]


def test_the_digest_of_a_world_does_not_depend_on_its_place():
    one = make(1)
    many = make(WORLDS)
    many.load(2, layout(), level=0, key=100)
    assert many.digest(2) == one.digest(0)
