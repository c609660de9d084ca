"""`als meta` as a user sees it."""

from __future__ import annotations

import json

import pytest
from als_command import als


def test_tasks_are_listed_with_how_many_each_split_has():
    found = json.loads(als("meta", "tasks", "opponents", "--json").out)["opponents"]
    assert found["found"] == {"train": 3, "validation": 1, "test": 2}
    assert "things" in als("meta", "tasks", "things").out


def test_few_labels_are_measured_again_from_their_folder(tmp_path):
    words = (
        "meta", "few-labels", "diagnosis", "--methods", "nearest", "--labels", "1,5", "--tasks", 4,
        "--seeds", 2, "--out", tmp_path / "few", "--json",
    )  # fmt: skip
    first = als(*words)
    assert first.code == 0
    assert als(*words).out == first.out
    found = json.loads(first.out)["found"]
    assert [each["seed"] for each in found] == [0, 1]
    table = als(*words[:-1]).out
    assert "nearest mean of the inputs" in table
    assert "5 labels" in table


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("few-labels", "diagnosys"), "data: "),
        (("few-labels", "diagnosis", "--methods", "mamal"), "methods.0: "),
        (("few-labels", "diagnosis", "--labels", "one"), "--labels takes numbers such as 1,5,20"),
        (("few-labels", "diagnosis", "--labels", "41"), "labels.0: "),
        (("tasks", "nothing"), 'unknown task distribution "nothing"'),
        (("score", "./nowhere"), "nowhere"),
    ],
)
def test_what_is_wrong_is_one_line(words, says):
    found = als("meta", *words)
    assert found.code not in (0, None)
    assert says in found.err
    assert len(found.err.strip().splitlines()) == 1
