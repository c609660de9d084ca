"""An observation is taken apart into what a person has names for."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box

from als_engine.sensors import entity_rows
from als_engine.sensors.tokenizer import HEARD, READ, TOLD, encode
from als_plugins.explaining.parts import grid_of, parts_of, things_in, words_in


def tokens(*pieces):
    found = [t for p in pieces for t in ([p] if isinstance(p, int) else encode(p))]
    return np.array(found + [0] * (64 - len(found)), np.int32)


def test_tokens_become_the_words_that_were_written():
    text = tokens(TOLD, "bring the parcel to room 17", HEARD, "unbelievable xylophones", READ, "A")
    words = words_in(text)
    assert [word.text for word in words] == [
        "<told>", "bring", "the", "parcel", "to", "room", "17", "<heard>", "unbelievable",
        "xylophones", "<read>", "A",
    ]  # fmt: skip
    # Every token that is no padding belongs to exactly one word.
    places = [place for word in words for place in word.places]
    assert places == list(range(int((text > 0).sum())))


def test_silence_has_no_words():
    assert words_in(np.zeros(64, np.int32)) == []


def entities(**columns):
    rows = np.zeros((entity_rows.ROWS, len(entity_rows.COLUMNS)), np.float32)
    rows[0, 0] = 1
    for name, value in columns.items():
        rows[0, entity_rows.COLUMNS.index(name)] = value
    return rows


@pytest.mark.parametrize(
    ("forward", "left", "where"),
    [
        (2, 0, "ahead"), (2, 2, "ahead left"), (0, -3, "right"), (-1, -1, "behind right"),
        (-2, 0, "behind"),
    ],
)  # fmt: skip
def test_a_thing_is_named_by_its_kind_and_its_place(forward, left, where):
    near = entities(sign=1, forward=forward / 10, left=left / 10, green=1.0)
    (thing,) = things_in(near)
    assert thing.name == f"green sign, {np.hypot(forward, left):.1f} m {where}"
    assert thing.color == (0, 255, 0)


@pytest.mark.parametrize(
    ("count", "shape", "grid"),
    [(36, (48, 48), (6, 6)), (48, (48, 64), (6, 8)), (7, (48, 48), (7, 1))],
)
def test_patches_are_laid_out_as_the_picture_is(count, shape, grid):
    rows, columns = grid_of(count, *shape)
    assert rows * columns == count
    assert (rows, columns) in (grid, grid[::-1])


def test_every_value_that_is_there_belongs_to_one_part():
    space = gymnasium.spaces.Dict(
        {
            "rgb": Box(0, 255, (20, 30, 3), np.uint8),
            "text": Box(0, 1023, (128,), np.int32),
            "audio": Box(0, 1, (2, 8), np.float32),
            "proprioception": Box(-1, 1, (11,), np.float32),
        }
    )
    seen = {key: part.sample() for key, part in space.spaces.items()}
    seen["text"] = tokens(TOLD, "go")
    parts = parts_of(space, seen)
    for key, array in seen.items():
        covered = sum(part.mask.astype(int) for part in parts if part.sensor == key)
        assert (covered == (array > 0 if key == "text" else 1)).all()
    names = {part.name for part in parts}
    assert {"left ear, 250 Hz", "time left", "<told>", "“go”"} <= names
