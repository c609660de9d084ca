"""The vocabulary lesson: only the words tell which thing is meant."""

from __future__ import annotations

import numpy as np
import pytest

from als_engine.errors import ArgumentError
from als_engine.simulation import simulate
from als_engine.task import LEVELS
from als_scenarios.education.vocabulary import COLORS, RIGHT, SHAPES, WRONG, named_in

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
