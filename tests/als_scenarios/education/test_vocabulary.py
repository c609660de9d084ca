"""The vocabulary lesson: only the words tell which thing is meant."""

from __future__ import annotations

import numpy as np
import pytest

from als_engine.errors import ArgumentError
from als_engine.simulation import simulate
from als_engine.task import LEVELS
from als_scenarios.education.vocabulary import (
    COLORS,
    EXCHANGES,
    LEAST_ALIKE,
    RIGHT,
    SHAPES,
    WRONG,
    Vocabulary,
    named_in,
    said,
)

ID = "ALS/Vocabulary-v0"
PAIRS = [(color, shape) for color in range(len(COLORS)) for shape in range(len(SHAPES))]


@pytest.fixture
def lesson():
    simulation = simulate(ID, 4, sensors=("proprioception",), num_things=5)
    simulation.reset([1, 2, 3, 4])
    yield simulation
    simulation.close()


def pair(layout):
    return PAIRS[int(layout.quantities["pair"])]


def test_half_of_the_pairs_are_held_out_and_every_word_is_met():
    kept = [p for p in PAIRS if named_in(*p) == "train"]
    assert len(kept) == 9
    assert {color for color, _ in kept} == set(range(len(COLORS)))
    assert {shape for _, shape in kept} == set(range(len(SHAPES)))
    validation = [p for p in PAIRS if named_in(*p) == "validation"]
    assert {shape for _, shape in validation} == set(range(len(SHAPES)))
    assert len(validation) == 3


@pytest.mark.parametrize("split", LEVELS)
def test_what_is_named_is_there_once_and_of_the_right_split(lesson, split):
    for level in range(LEVELS[split].start, LEVELS[split].start + 60):
        layout = lesson.lay_out(level)
        color, shape = pair(layout)
        assert named_in(color, shape) == split
        assert f"{COLORS[color]} {list(SHAPES)[shape]}" in layout.instruction
        alike = [
            name
            for name, prop in layout.props.items()
            if prop.color == COLORS[color] and prop.shape == list(SHAPES.values())[shape]
        ]
        assert alike == [f"thing_{int(layout.quantities['named'])}"]
        met = {(prop.color, type(prop.shape).__name__) for prop in layout.props.values()}
        names = {"box": "Box", "ball": "Sphere", "post": "Cylinder"}
        seen = {"train": ("train",), "validation": ("train", "validation"), "test": LEVELS}[split]
        assert met <= {
            (COLORS[c], names[list(SHAPES)[s]]) for c, s in PAIRS if named_in(c, s) in seen
        }


def test_where_the_thing_stands_in_the_list_tells_nothing(lesson):
    places = [int(lesson.lay_out(level).quantities["named"]) for level in range(300)]
    counts = np.bincount(places, minlength=5)
    assert counts.min() > 35


def walked_to(lesson, named):
    """Puts every pupil beside the thing that was named, or another, and steps once."""
    state = lesson.state
    things = state["named"] if named else (state["named"] + 1) % 5
    beside = state.props.position[np.arange(4), things, :2]
    state["distance"][:] = 0.7  # No way is made.
    state.avatars.position[:, 0, :2] = beside + np.array([0.7, 0.0])
    lesson.task.after_step(state)
    return lesson.task


@pytest.mark.parametrize(("named", "reward"), [(True, RIGHT), (False, WRONG)])
def test_the_first_thing_that_is_reached_is_the_choice(lesson, named, reward):
    task, state = walked_to(lesson, named), lesson.state
    assert task.terminated(state).all()
    assert (task.success(state) == named).all()
    assert task.reward_terms(state)["choice"] == pytest.approx(np.full((4, 1), reward))


def test_progress_adds_up_to_the_way(lesson):
    start = lesson.state["distance"].copy()
    total = np.zeros(4)
    for _ in range(20):
        lesson.step(lesson.expert_actions())
        total += lesson.terms[:, 0, lesson.reward_names.index("progress")]
    assert total == pytest.approx(start - lesson.state["distance"])


@pytest.mark.parametrize("things", [1, 6, True, 2.5])
def test_a_wrong_number_of_things_is_said(things):
    with pytest.raises(ArgumentError, match="num_things must be a whole number from 2 to 5"):
        simulate(ID, 1, num_things=things)


def test_every_exchange_of_words_is_another_one_and_the_first_changes_nothing():
    every = [(color, shape) for color in range(len(COLORS)) for shape in range(len(SHAPES))]
    found = {tuple(said(*pair, number) for pair in every) for number in range(EXCHANGES)}
    assert len(found) == EXCHANGES
    assert [said(*pair, 0) for pair in every] == [
        (COLORS[color], list(SHAPES)[shape]) for color, shape in every
    ]


def test_words_mean_the_same_in_a_block_and_never_the_same_in_two():
    task = Vocabulary(meanings=LEAST_ALIKE)
    found = [task._exchange(level) for levels in LEVELS.values() for level in levels]
    assert len(set(found)) == len(found) / LEAST_ALIKE
    assert 0 not in found
    assert len(set(found[:LEAST_ALIKE])) == 1


def test_exchanged_words_change_what_is_said_and_nothing_else():
    plain, exchanged = (
        simulate(ID, 1, sensors=["proprioception"], meanings=each).lay_out(5) for each in (0, 20)
    )
    assert plain.props == exchanged.props
    assert plain.spawns == exchanged.spawns
    assert pair(plain) == pair(exchanged)
    assert plain.instruction != exchanged.instruction


@pytest.mark.parametrize("meanings", [1, 9, 1_001, True])
def test_a_wrong_number_of_levels_is_said(meanings):
    with pytest.raises(ArgumentError, match="meanings must be"):
        simulate(ID, 1, meanings=meanings)


@pytest.mark.parametrize(("things", "side"), [(2, 5.9), (5, 8.0), (3, 9.5), (2, "6")])
def test_a_room_that_is_too_small_or_too_large_is_refused(things, side):
    with pytest.raises(ArgumentError, match="side must be"):
        simulate(ID, 1, num_things=things, side=side)


@pytest.mark.parametrize(("things", "side"), [(2, 6), (3, 7), (4, 8)])
def test_things_fit_into_the_smallest_room_that_is_allowed(things, side):
    simulation = simulate(ID, 1, sensors=["proprioception"], num_things=things, side=side)
    for level in range(100):
        simulation.lay_out(level)
    simulation.close()
