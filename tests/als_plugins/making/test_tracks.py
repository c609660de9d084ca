"""Tracks: pieces in the frame of who walks, made people beside real ones."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from als_command import als

from als_engine.errors import ArgumentError
from als_plugins.forecast.tracks import Tracks, TracksRecord, read_tracks, write_tracks
from als_plugins.making.tracks import LENGTH, mirrored, pieces_of, with_made

STEPS, TIME = 61, 1.0 / 15.0


def walks(scenes: int = 6, speed: float = 1.5) -> Tracks:
    """People who walk curves, each in another direction: two parts train, one validation."""
    rng = np.random.default_rng(0)
    turn = rng.uniform(-np.pi, np.pi, scenes)[:, None] + rng.uniform(0.2, 0.6, scenes)[
        :, None
    ] * np.linspace(0, 1, STEPS)
    step = speed * TIME * np.stack([np.cos(turn), np.sin(turn)], -1)
    position = np.cumsum(step, axis=1).astype(np.float32)[:, :, None]
    return Tracks(
        position=position + np.float32(3.0),
        present=np.ones((scenes, STEPS, 1), np.bool_),
        person=np.zeros((scenes, 1), np.int32),
        part=(np.arange(scenes) % 3 == 2).astype(np.int8),
        level=np.full(scenes, -1, np.int64),
        start=np.zeros(scenes),
        record=TracksRecord(source="a test", time_step=TIME, names=["Ana"]),
    )


def test_pieces_begin_along_x_whichever_way_people_walk() -> None:
    examples, longest = pieces_of(walks(), "train")
    assert examples.values.shape == (4 * 2, 2, LENGTH)
    assert longest == pytest.approx(1.5 * TIME, rel=1e-3)
    assert (examples.values[:, 0, :3] > 0.95).all()
    assert np.abs(examples.values[:, 1, :3]).max() < 0.1
    sides = np.sign(examples.values[:, 1, -1])
    assert (sides > 0).all(), "all turn left"
    other = pieces_of(mirrored(walks()), "train").examples
    assert sorted(np.sign(other.values[:, 1, -1]).tolist()) == [-1.0] * 8 + [1.0] * 8
    with pytest.raises(ArgumentError, match="nobody in the test part is there for 3"):
        pieces_of(walks(), "test")


def test_made_people_walk_as_they_were_made_and_only_in_training() -> None:
    real = walks()
    examples, longest = pieces_of(real, "train")
    both = with_made(real, examples.values[:3], longest)
    assert both.scenes == real.scenes + 3
    assert (both.of_part("validation").position == real.of_part("validation").position).all()
    assert both.person[-1].tolist() == [1]
    assert both.record.names == ["Ana", "made"]
    again = pieces_of(both, "train", longest).examples
    assert len(again.values) == len(examples.values) + 3
    assert np.abs(again.values[-3:] - examples.values[:3]).max() < 1e-3


def test_the_command_writes_tracks_that_forecasts_read(tmp_path: Path) -> None:
    write_tracks(walks(18), tmp_path / "real")
    out = tmp_path / "made"
    words = ["make", "tracks", tmp_path / "real", "--count", 40, "--steps", 2, "--out", out]
    run = als(*words, "--json")
    assert run.code == 0, run.err
    found = json.loads(run.out)
    assert (found["scenes"], found["made"]) == (12, 40)
    both = read_tracks(out / "tracks")
    assert both.scenes == 18 + 40
    assert both.record.source == "a test, and 40 made tracks"
    run = als(
        "forecast", "train", out / "tracks", "--model", "constant-velocity",
        "--history", 1, "--horizon", 1, "--out", tmp_path / "forecast", "--json",
    )  # fmt: skip
    assert run.code == 0, run.err
