"""Task distributions: which levels make a task, and that no task is in two splits."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from als_engine.errors import ALSError, ArgumentError
from als_engine.task import LEVELS, block_of, split_of
from als_plugins.meta.tasks import BUNDLED, TaskDistribution, TaskLevels, parse_tasks

TAG = "ALS/Tag-v0"


def levels_of(name: str, split: str) -> TaskLevels:
    tasks = BUNDLED[name]
    return TaskLevels(tasks, tasks.scenario or TAG, split, tasks.arguments)


@pytest.mark.parametrize("name", BUNDLED)
def test_no_task_is_in_two_splits(name):
    found = {split: set(levels_of(name, split).among(60)) for split in LEVELS}
    assert all(found.values())
    assert not found["train"] & found["validation"]
    assert not found["train"] & found["test"]
    assert not found["validation"] & found["test"]


@pytest.mark.parametrize("name", ["things", "words", "opponents"])
def test_levels_of_a_task_agree_in_it_and_are_drawn_again_from_the_same_seed(name):
    known = levels_of(name, "test")
    task, levels = known.draw(np.random.default_rng(3))
    some = list(islice(levels, 8))
    assert {known.of(level) for level in some} == {task}
    assert {split_of(level) for level in some} == {"test"}
    assert len(set(some)) > 1
    again, others = levels_of(name, "test").draw(np.random.default_rng(3))
    assert (again, list(islice(others, 8))) == (task, some)


def test_the_opponents_of_testing_are_those_that_the_scenario_holds_out():
    assert set(levels_of("opponents", "test").among(60)) == {"hide", "zigzag"}


def test_a_level_whose_pupils_differ_belongs_to_no_task():
    known = levels_of("pupils", "train")
    assert None in {known.of(level) for level in range(20)}


@settings(max_examples=30)
@given(level=st.integers(0, 29_999), size=st.integers(1, 300))
def test_a_block_lies_in_one_split_and_holds_so_many_levels_at_most(level, size):
    block = block_of(level, size)
    levels = LEVELS[split_of(level)]
    around = [each for each in range(level - size, level + size + 1) if each in range(30_000)]
    together = [each for each in around if block_of(each, size) == block]
    assert len(together) <= size
    assert all(each in levels for each in together)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("thongs", 'distribution "thongs"; did you mean "things"'),
        ({"by": {"kind": "colour"}}, "tasks: by:"),
        ({"by": {"kind": "quantity"}}, "quantity.quantity: Field required"),
        ({"by": {"kind": "level"}, "told": []}, "told: "),
        ({"by": {"kind": "level"}, "tolds": ["x"]}, "tolds: "),
        (3, "a name, a file or a mapping"),
    ],
)
def test_what_is_no_task_distribution_is_one_line(given, words):
    with pytest.raises(ArgumentError, match=words) as error:
        parse_tasks(given)
    assert "\n" not in str(error.value)


VALUES = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
NAMES = st.sampled_from(["by", "kind", "told", "oracle", "scenario", "arguments", "x"])


@settings(max_examples=25)
@given(st.dictionaries(NAMES, VALUES | st.just({"kind": "level"})))
def test_whatever_a_file_says_is_a_distribution_or_one_error(values):
    said = ""
    try:
        found = parse_tasks(values)
        assert parse_tasks(found.model_dump(mode="json")) == found
    except ALSError as error:
        said = str(error)
    assert "\n" not in said


def test_a_toml_file_is_another_way_to_say_it(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('scenario = "ALS/Tag-v0"\n[by]\nkind = "company"\n')
    assert parse_tasks(path) == TaskDistribution.model_validate(
        {"by": {"kind": "company"}, "scenario": TAG}
    )


@pytest.mark.parametrize(
    ("tasks", "arguments", "words"),
    [
        ({"by": {"kind": "quantity", "quantity": "gaol"}}, {}, 'did you mean "goal"'),
        ({"by": {"kind": "block", "argument": "days"}}, {}, "days says how many levels"),
        ({"by": {"kind": "level"}, "scenario": "ALS/Tour-v0"}, {}, "tasks of ALS/Tour-v0"),
    ],
)
def test_tasks_that_a_scenario_has_not_are_refused(tasks, arguments, words):
    with pytest.raises(ArgumentError, match=words):
        TaskLevels(parse_tasks(tasks), TAG, "train", arguments)
